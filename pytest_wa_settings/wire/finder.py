"""Finds which of many texts stand at a place of another, in steps that do not grow with their number."""

from __future__ import annotations

import re
from bisect import bisect_left, insort

from .spellings import BEGINNING, SHORTEST

KEY = SHORTEST
_LONGEST = 8192
_WORD_END = re.compile(r"[\s\"'<>&,;(){}\[\]\\]")


class Finder:
    """A set of texts ("forms") to be found.

    A form of up to 24 characters is looked up by its length: at most 21 look-ups at any place. A longer one
    is known by its first 24: where they stand it is found, as far as the text agrees with it, and what was
    walked is not walked again. So finding is linear in the text, however many forms begin alike.

    Attributes:
        keys: the short forms by their first four characters, then by length; a long form's key is there, too.
    """

    def __init__(self) -> None:
        self.keys: dict[str, dict[int, set[str]]] = {}
        self._long: dict[str, list[str]] = {}

    def add(self, form: str, *, goes_on: bool) -> None:
        """Takes a form up; with `goes_on` it is only the first 24 characters of one."""
        if len(form) <= BEGINNING and not goes_on:
            self.keys.setdefault(form[:KEY], {}).setdefault(len(form), set()).add(form)
            return
        beginning = form[:BEGINNING]
        self.keys.setdefault(form[:KEY], {})
        known = self._long.setdefault(beginning, [])
        if len(form) > BEGINNING and _at(known, bisect_left(known, form)) != form:
            insort(known, form)

    def end(self, text: str, at: int) -> tuple[int, int]:
        """Where the longest form that stands at `at` ends, 0 if none does; and how many look-ups that took.

        Of a form that stands there in part only, by its first 24 characters or more, the whole word is meant.
        """
        by_length = self.keys.get(text[at : at + KEY])
        if by_length is None:
            return 0, 1
        end = 0
        for length, forms in list(by_length.items()):
            if length > end - at and text[at : at + length] in forms:
                end = at + length
        steps = len(by_length) + 2
        known = self._long.get(text[at : at + BEGINNING])
        if known is None:
            return end, steps
        return max(end, self._end_of_long(known, text, at)), steps + len(known).bit_length()

    def holds(self, word: str) -> bool:
        """Whether `word` is one of the forms."""
        if len(word) <= BEGINNING:
            return word in self.keys.get(word[:KEY], {}).get(len(word), ())
        known = self._long.get(word[:BEGINNING])
        return known is not None and (not known or _at(known, bisect_left(known, word)) == word)

    def _end_of_long(self, known: list[str], text: str, at: int) -> int:
        """The end of the form that agrees longest with the text: one of its neighbours in the order."""
        here = text[at : at + _LONGEST]
        place = bisect_left(known, here)
        agreed, whole = BEGINNING, False
        for form in known[max(0, place - 1) : place + 1]:
            common = _common(form, here)
            agreed, whole = max((agreed, whole), (common, common == len(form)))
        if whole:
            return at + agreed
        end = _WORD_END.search(text, at + agreed)
        return end.start() if end else len(text)


def _at(known: list[str], place: int) -> str | None:
    return known[place] if place < len(known) else None


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    if other.startswith(one):
        return len(one)
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
