"""Finds registered secrets in any text, also in the encodings in which they tend to come back."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from html import escape
from urllib.parse import quote, quote_plus

from .vocabulary import is_own_word

HIDDEN = "<secret>"
SHORTEST = 4
_KEY = 4
_OPEN_AT = 24
_OPEN = "\0*"
_LONG = 512
_VOLATILE_AT = 8
_GENERATION = 20_000
_SHORT = 128
_MOST_CLEAN = 4000
_ENDS = frozenset(" \t\r\n\"'<>&,;(){}[]\\")

# By their first four characters, then by length: a look-up each, however many secrets begin alike.
_Index = dict[str, dict[int, set[str]]]


class Scrubber:
    """The secrets of a run, ready to be looked for; safe to use from several threads.

    Secrets longer than 512 characters (backup data) are known by their first 24 characters and hidden up to
    the end of their word, so that one cut short is found too. Volatile secrets (the passwords that a property
    draws by the thousand) are forgotten, oldest first, when there are too many of them.

    A secret that is a word of the suite's own (the password `admin`) is hidden in what comes from elsewhere,
    and not in the suite's own wording, which it would spoil and which would give it away.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: _Index = {}
        self._young: _Index = {}
        self._old: _Index = {}
        self._own_words: _Index = {}
        self._young_count = 0
        self._known: set[int] = set()
        # Registered, and not spelled out yet: most runs register thousands and look for none.
        self._pending: list[tuple[str, _Index]] = []
        # Names and header values come again with every exchange: those looked through, and by what they hold.
        self._clean: set[str] = set()
        self._clean_by_key: dict[str, set[str]] = {}
        self._spelled_out = 0

    def add(self, secret: str) -> None:
        """Registers `secret` for good; shorter than 4 characters it is too common to look for."""
        if len(secret) >= SHORTEST:
            self._register(secret, volatile=False)

    def add_volatile(self, secret: str) -> None:
        """Registers `secret` for a while.

        Short or monotonous ones and words of the suite's own hide nothing, and are left out.
        """
        if len(secret) >= _VOLATILE_AT and len(set(secret[:_LONG])) >= SHORTEST and not is_own_word(secret):
            self._register(secret, volatile=True)

    @property
    def forgets_next(self) -> bool:
        """Whether the next volatile secret may take the place of older ones."""
        return self._young_count >= _GENERATION

    def scrub(self, text: str, *, wording: bool = False) -> str:
        """`text` with every registered secret in it replaced by `<secret>`.

        `wording` says that it is the suite's own sentence, in which its own words stay.
        """
        if self._pending:
            with self._lock:
                self._spell_out()
        if text in self._clean:
            return text
        own = {} if wording else self._own_words
        kept, young, old, registered = self._kept, self._young, self._old, self._spelled_out
        out: list[str] = []
        done = at = 0
        last = len(text) - _KEY
        while at <= last:
            key = text[at : at + _KEY]
            at += 1
            if key in kept or key in young or key in old or key in own:
                start = at - 1
                end = max(_end_of_match(index.get(key, {}), text, start) for index in (kept, young, old, own))
                if end:
                    out += (text[done:start], HIDDEN)
                    done = at = end
        if not out:
            if len(text) <= _SHORT and not wording:
                self._remember(text, registered)
            return text
        out.append(text[done:])
        return "".join(out)

    def _remember(self, text: str, registered: int) -> None:
        """Notes that `text` holds none of the secrets, if there are still just so many."""
        with self._lock:
            if registered != self._spelled_out:
                return
            if len(self._clean) >= _MOST_CLEAN:
                self._clean.clear()
                self._clean_by_key.clear()
            self._clean.add(text)
            for key in {text[at : at + _KEY] for at in range(len(text) - _KEY + 1)}:
                self._clean_by_key.setdefault(key, set()).add(text)

    def _register(self, secret: str, *, volatile: bool) -> None:
        mark = hash((secret, volatile))
        with self._lock:
            if mark in self._known:
                return
            if volatile and self.forgets_next:
                self._spell_out()
                self._old, self._young, self._young_count = self._young, {}, 0
                self._known.clear()
            self._known.add(mark)
            index = self._young if volatile else self._own_words if is_own_word(secret) else self._kept
            self._young_count += volatile
            self._pending.append((secret, index))

    def _spell_out(self) -> None:
        for secret, index in self._pending:
            for form in forms(secret):
                self._clean.difference_update(self._clean_by_key.pop(form[:_KEY], ()))
                index.setdefault(form[:_KEY], {}).setdefault(len(form), set()).add(form)
            self._spelled_out += 1
        self._pending.clear()


def _end_of_match(by_length: dict[int, set[str]], text: str, at: int) -> int:
    end = 0
    for length in list(by_length):
        if length - len(_OPEN) == _OPEN_AT and text[at : at + _OPEN_AT] + _OPEN in by_length[length]:
            stop = at + _OPEN_AT
            while stop < len(text) and text[stop] not in _ENDS:
                stop += 1
            end = max(end, stop)
        if text[at : at + length] in by_length[length]:
            end = max(end, at + length)
    return end


def forms(secret: str) -> set[str]:
    """The ways in which `secret` may stand in a text: raw, escaped, percent, base64 at any offset, hex.

    A long secret is cut to its beginning, marked by NUL and an asterisk: it goes on to the end of its word.
    """
    if len(secret) > _LONG:
        return {form[:_OPEN_AT] + _OPEN for form in spellings(secret[:_LONG]) if len(form) >= _OPEN_AT}
    found = spellings(secret)
    # Of something cut short in an error text, the beginning of a longer secret is enough.
    found |= {form[:_OPEN_AT] + _OPEN for form in found if len(form) > 2 * _OPEN_AT}
    return found


def spellings(secret: str) -> set[str]:
    """The ways in which the whole of `secret` may stand in a text, each of 4 characters or more."""
    raw = secret.encode("utf-8", "surrogatepass")
    found = {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(json.dumps(secret)[1:-1])[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        escape(secret),
        quote(raw, safe=""),
        quote(raw),
        quote_plus(raw),
        raw.hex(),
        raw.hex().upper(),
    }
    found |= {form.lower() for form in (quote(raw, safe=""),) if "%" in form and secret.lower() == secret}
    for offset in range(3):
        encoded = b64encode(b"\0" * offset + raw).decode("ascii").rstrip("=")
        # Characters that also depend on the neighbours' bits are left away.
        inner = encoded[(0, 2, 3)[offset] : (offset + len(raw)) * 8 // 6]
        if len(inner) >= 6:
            found |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {form for form in found if len(form) >= SHORTEST}
