"""The record of all exchanges of a run: redacted before it is kept, bounded in memory, shared by threads."""

from __future__ import annotations

import gc
import threading
from collections import deque
from itertools import islice

from .redaction import Redactor
from .scrubber import Scrubber
from .values import Exchange

KEEP = 20_000
KEEP_CHARACTERS = 48 * 2**20
COLLECT_AFTER = 24 * 2**20


class Recorder:
    """Keeps the last 20,000 exchanges of one testbed, and knows the secrets that must not be in them."""

    def __init__(self, keep: int = KEEP) -> None:
        self._lock = threading.Lock()
        self._kept: deque[Exchange] = deque()
        self._keep = keep
        self._characters = 0
        self._number = 0
        self._count = 0
        self._received = 0
        self._scrubber = Scrubber()
        self.redact = Redactor(self._scrubber)

    @property
    def exchanges(self) -> list[Exchange]:
        """The exchanges that are still kept, in the order in which they ended."""
        with self._lock:
            return list(self._kept)

    @property
    def count(self) -> int:
        """How many exchanges there were in all."""
        return self._count

    def since(self, number: int) -> list[Exchange]:
        """The kept exchanges that ended after `number` exchanges had (as `count` said then)."""
        with self._lock:
            wanted = max(0, min(self._count - number, len(self._kept)))
            return list(islice(self._kept, len(self._kept) - wanted, None))

    def add_secret(self, secret: str) -> None:
        """Has `secret` (4 characters or more) replaced wherever it would be recorded, encoded too."""
        self._scrubber.add(secret)

    def add_volatile_secret(self, secret: str) -> None:
        """As add_secret, for what is drawn by the thousand: the oldest are forgotten in the end."""
        self._scrubber.add_volatile(secret)

    def scrub(self, text: str) -> str:
        """`text` with every registered secret replaced, raw and as JSON, percent, base64 or hex write it."""
        return self._scrubber.scrub(text)

    def next_number(self) -> int:
        """A number for an exchange about to begin: 1, 2, ..., each given once."""
        with self._lock:
            self._number += 1
            return self._number

    def add(self, exchange: Exchange) -> None:
        """Keeps `exchange`, which must be redacted, and lets go of the oldest beyond the limits."""
        with self._lock:
            self._count += 1
            self._kept.append(exchange)
            self._characters += _size(exchange)
            while len(self._kept) > self._keep or self._characters > KEEP_CHARACTERS:
                self._characters -= _size(self._kept.popleft())

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


def _size(exchange: Exchange) -> int:
    return 500 + len(exchange.request_body) + len(exchange.response_body)
