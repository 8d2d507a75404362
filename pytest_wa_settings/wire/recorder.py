"""The record of a run's exchanges: redacted when it is looked at, bounded in memory, shared by threads."""

from __future__ import annotations

import gc
import threading
from collections import deque
from collections.abc import Callable
from weakref import WeakSet

from .redaction import Redactor
from .scrubber import Scrubber
from .values import Answer, Exchange

KEEP = 500
COLLECT_AFTER = 24 * 2**20


class Draft:
    """An exchange as it came: redacted when somebody asks for it, which nobody does for most."""

    def __init__(self, redacted: Callable[[], Exchange]) -> None:
        self._redacted: Callable[[], Exchange] | None = redacted
        self._exchange: Exchange

    def __call__(self) -> Exchange:
        """The exchange, without secrets."""
        redacted = self._redacted
        if redacted is not None:
            self._exchange = redacted()
            self._redacted = None
        return self._exchange


class Recorder:
    """Keeps the last 500 exchanges of one testbed, and knows the secrets that must not be in them."""

    def __init__(self, keep: int = KEEP) -> None:
        self._lock = threading.Lock()
        self._kept: deque[Draft] = deque(maxlen=keep)
        self._drafts: WeakSet[Draft] = WeakSet()
        self._number = 0
        self._count = 0
        self._received = 0
        self.on_answer: Callable[[Answer, int], None] | None = None
        """Called with each answer and the number of its exchange."""
        self._scrubber = Scrubber()
        self.redact_sent = Redactor(self._scrubber.scrub, self.scrub_wording)
        self.redact_answer = Redactor(self._scrubber.scrub_of_client, self.scrub_wording)

    @property
    def exchanges(self) -> list[Exchange]:
        """The exchanges that are still kept, in the order in which they ended."""
        with self._lock:
            kept = list(self._kept)
        return [draft() for draft in kept]

    @property
    def count(self) -> int:
        """How many exchanges there were in all."""
        return self._count

    def add_secret(self, secret: str) -> None:
        """Has what the suite or its user chose (4 characters or more) hidden everywhere, encoded too."""
        self._scrubber.add(secret)

    def add_volatile_secret(self, secret: str) -> None:
        """As add_secret, for what is drawn by the thousand: the oldest are forgotten in the end."""
        self._before_forgetting()
        self._scrubber.add_volatile(secret)

    def add_secret_of_client(self, secret: str) -> None:
        """Has what the client chose hidden in its own texts; in ours where no word of ours can be meant."""
        self._before_forgetting()
        self._scrubber.add_of_client(secret)

    def _before_forgetting(self) -> None:
        if self._scrubber.forgets_next:
            with self._lock:
                drafts = list(self._drafts)
                self._drafts.clear()
            for draft in drafts:  # the last moment at which all that may be in them is known
                draft()

    def scrub(self, text: str) -> str:
        """The suite's own `text` without secrets: raw, or as JSON, percent, base64 or hex write them."""
        return self._scrubber.scrub(text)

    def scrub_wording(self, text: str) -> str:
        """As `scrub`, for a sentence of the suite: a secret that is a word of the suite's own stays in it."""
        return self._scrubber.scrub(text, wording=True)

    def scrub_of_client(self, text: str) -> str:
        """As scrub, for a text that comes from the client: nothing that it chose is kept either."""
        return self._scrubber.scrub_of_client(text)

    def next_number(self) -> int:
        """A number for an exchange about to begin: 1, 2, ..., each given once."""
        with self._lock:
            self._number += 1
            return self._number

    def add(self, draft: Draft) -> None:
        """Takes an exchange up, and lets go of the oldest beyond the limit."""
        with self._lock:
            self._count += 1
            self._kept.append(draft)
            self._drafts.add(draft)

    def received(self, size: int) -> None:
        """Notes that an answer of so many bytes came; lets go of earlier ones once they are many.

        Exceptions keep the frames that they went through, and so the answers in them, until the garbage
        collector comes: it counts objects, and a few long answers are few objects.
        """
        with self._lock:
            self._received += size
            due = self._received > COLLECT_AFTER
            if due:
                self._received = 0
        if due:
            gc.collect()
