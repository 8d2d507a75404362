"""Slows guessing down: after some wrong passwords in a row for a name, the next wrong one is answered later.

A right password is never kept waiting, nor is anybody else's name.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict

FREE = 5
"""Wrong passwords in a row for one name that are answered at once."""
MOST_NAMES = 10_000


class Guesses:
    """Counts the wrong passwords for each name; `longest` is the longest wait in seconds, 0 for none."""

    def __init__(self, longest: float) -> None:
        self.longest = longest
        self._wrong: OrderedDict[bytes, int] = OrderedDict()

    def right(self, name: str) -> None:
        """Forget the wrong ones of a name whose password was just right."""
        self._wrong.pop(_key(name), None)

    async def wrong(self, name: str) -> None:
        """Wait before a wrong password is answered."""
        pause = self.count(name)
        if pause:
            await asyncio.sleep(pause)

    def count(self, name: str) -> float:
        """Note a wrong password; returns the seconds after which to answer it."""
        key = _key(name)
        times = self._wrong.pop(key, 0) + 1
        self._wrong[key] = times
        if len(self._wrong) > MOST_NAMES:
            self._wrong.popitem(last=False)
        return 0.0 if times <= FREE else min(self.longest, self.longest / 2 ** max(0, FREE + 4 - times))


def _key(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:16]
