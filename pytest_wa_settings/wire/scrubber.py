"""Hides a run's secrets in any text, also in the encodings in which they tend to come back.

There are two kinds of them. What the suite or its user chose (passwords, header values, a fixed token) is
hidden wherever it stands, but for a word of the suite's own in its own sentences (see vocabulary). What the
client chose (tokens of logins, backup data) is hidden in text that comes from the client; in the suite's own
only where it stands as a token, or where it is so long and random that no word of ours can be meant
(`spellings.unmistakable`): else a client could rewrite a report by calling its token `backup`.

No library looks for them: secrets come with every exchange, and an Aho-Corasick automaton is built anew after
each (and would be this project's only dependency that must be compiled).
"""

from __future__ import annotations

import re
import threading

from .finder import KEY, Finder
from .spellings import LONG, SHORTEST, forms, unmistakable
from .vocabulary import is_own_word

HIDDEN = "<secret>"
MOST_TEXT = 4 * 2**20
"""Characters of one text that are looked through; the rest of it is left out."""
MOST_STEPS = 2 * MOST_TEXT
"""Places and look-ups that one text may take; where they are used up, its rest is left out."""
GENERATION, GENERATION_CHARACTERS = 20_000, 2 * 2**20
"""So many secrets, or characters of them, make a generation; the last but one is forgotten for a new one."""
_VOLATILE_AT = 8
_SHORT = 128
_MOST_CLEAN = 4000
_AS_A_TOKEN = re.compile(r"(?i)(bearer +|token[\"']?\s{0,3}[:=]\s{0,3}[\"']?)([^\s\"'<>&,;(){}\[\]\\]{4,})")


class _Generations:
    """Secrets of one kind that are forgotten, oldest first, when there are too many of them."""

    def __init__(self) -> None:
        self.young, self.old = Finder(), Finder()
        self._count = self._characters = 0

    @property
    def full(self) -> bool:
        return self._count >= GENERATION or self._characters >= GENERATION_CHARACTERS

    def count(self, secret: str) -> None:
        self._count += 1
        self._characters += min(len(secret), LONG)

    def next(self) -> None:
        self.old, self.young = self.young, Finder()
        self._count = self._characters = 0


class _Clean:
    """Short texts that hold no secret: names and header values come again and again."""

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._by_key: dict[str, set[str]] = {}

    def __contains__(self, text: str) -> bool:
        return text in self._texts

    def add(self, text: str) -> None:
        if len(self._texts) >= _MOST_CLEAN:
            self._texts.clear()
            self._by_key.clear()
        self._texts.add(text)
        for key in {text[at : at + KEY] for at in range(len(text) - KEY + 1)}:
            self._by_key.setdefault(key, set()).add(text)

    def doubt(self, key: str) -> None:
        """Forgets the texts that hold `key`, with which a new secret begins."""
        self._texts.difference_update(self._by_key.pop(key, ()))


class Scrubber:
    """The secrets of a run, ready to be looked for; safe to use from several threads.

    Secrets longer than 512 characters (backup data) are known by their first 24 and hidden up to the end of
    their word, so that one cut short is found too. Those that are drawn by the thousand, and those that the
    client chose, are forgotten, oldest first, when there are too many; neither kind drives out the other.

    A secret of the user's that is a word of the suite's own (the password `admin`) is hidden in what comes
    from elsewhere, and not in the suite's own wording, which it would spoil and which would give it away.

    Attributes:
        steps: places and look-ups that scrubbing has taken.
    """

    def __init__(self) -> None:
        self.steps = 0
        self._lock = threading.Lock()
        self._kept, self._own_words = Finder(), Finder()
        self._drawn, self._sure, self._clients = _Generations(), _Generations(), _Generations()
        self._known: set[int] = set()
        # Registered, and not spelled out yet: most runs register thousands and look for none.
        self._pending: list[tuple[str, Finder]] = []
        self._clean, self._clean_wording, self._clean_of_client = _Clean(), _Clean(), _Clean()
        self._spelled_out = 0

    def add(self, secret: str) -> None:
        """Registers what the suite or its user chose, for good; below 4 characters it is too common."""
        if len(secret) >= SHORTEST:
            self._register(secret, None)

    def add_volatile(self, secret: str) -> None:
        """Registers what the suite drew, for a while.

        Short or monotonous ones and words of the suite's own hide nothing, and are left out.
        """
        if len(secret) >= _VOLATILE_AT and len(set(secret[:LONG])) >= SHORTEST and not is_own_word(secret):
            self._register(secret, self._drawn)

    def add_of_client(self, secret: str) -> None:
        """Registers what the client chose, for a while; shorter than 4 characters it is too common."""
        if len(secret) >= SHORTEST and secret.strip():
            self._register(secret, self._sure if unmistakable(secret) else self._clients)

    @property
    def forgets_next(self) -> bool:
        """Whether the next secret that is not kept for good may take the place of older ones."""
        return self._drawn.full or self._sure.full or self._clients.full

    def scrub(self, text: str, *, wording: bool = False) -> str:
        """`text` with the suite's secrets, and the client's that are unmistakable, as `<secret>`.

        `wording` says that it is the suite's own sentence, in which its own words stay.
        """
        text = self._scrub(text, self._clean_wording if wording else self._clean)
        if "oken" in text or "earer" in text:
            return _AS_A_TOKEN.sub(self._hide_token, text)
        return text

    def scrub_of_client(self, text: str) -> str:
        """The client's `text` with every registered secret in it replaced by `<secret>`."""
        return self._scrub(text, self._clean_of_client)

    def _scrub(self, text: str, clean: _Clean) -> str:
        if self._pending:
            with self._lock:
                self._spell_out()
        if text in clean:
            return text
        finders = [self._kept, self._drawn.young, self._drawn.old, self._sure.young, self._sure.old]
        if clean is not self._clean_wording:
            finders.append(self._own_words)
        if clean is self._clean_of_client:
            finders += [self._clients.young, self._clients.old]
        registered = self._spelled_out
        scrubbed = self._hide(text, finders)
        if scrubbed is text and len(text) <= _SHORT:
            with self._lock:
                if registered == self._spelled_out:
                    clean.add(text)
        return scrubbed

    def _hide(self, text: str, finders: list[Finder]) -> str:
        last = min(len(text), MOST_TEXT)
        known = [finder.keys for finder in finders if finder.keys]
        out: list[str] = []
        done = at = looked = 0
        while at < last:
            key = text[at : at + KEY]
            at += 1
            for keys in known:
                if key in keys:
                    break
            else:
                continue
            start = at - 1
            found = [finder.end(text, start) for finder in finders]
            looked += sum(steps for _, steps in found)
            end = max(end for end, _ in found)
            if end:
                out += (text[done:start], HIDDEN)
                done = at = end
            if at + looked > MOST_STEPS:
                last = min(at, last)
        self.steps += at + looked
        rest = len(text) - max(done, last)
        if not out and not rest:
            return text
        out.append(text[done : max(done, last)])
        if rest:
            out.append(f" <{rest} more characters, not looked through>")
        return "".join(out)

    def _hide_token(self, found: re.Match[str]) -> str:
        """What stands as a token where it is one of the client's, however short or common."""
        if any(finder.holds(found[2]) for finder in (self._clients.young, self._clients.old)):
            return found[1] + HIDDEN
        return found[0]

    def _register(self, secret: str, kind: _Generations | None) -> None:
        mark = hash((secret, id(kind)))
        with self._lock:
            if mark in self._known:
                return
            if kind is None:
                finder = self._own_words if is_own_word(secret) else self._kept
            else:
                if kind.full:
                    self._spell_out()
                    kind.next()
                    self._known.clear()
                kind.count(secret)
                finder = kind.young
            self._known.add(mark)
            self._pending.append((secret, finder))

    def _spell_out(self) -> None:
        for secret, finder in self._pending:
            for form in forms(secret):
                for clean in (self._clean, self._clean_wording, self._clean_of_client):
                    clean.doubt(form[:KEY])
                sure = finder is not self._sure.young or unmistakable(form)
                (finder if sure else self._clients.young).add(form, goes_on=len(secret) > LONG)
            self._spelled_out += 1
        self._pending.clear()
