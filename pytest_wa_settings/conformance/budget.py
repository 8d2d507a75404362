"""How much of a client's `data` may be looked at: a hostile one costs no more than a large one."""

from __future__ import annotations

from dataclasses import dataclass, field

ATTEMPT = 64
"""Bytes that trying anything at all is counted as, so that a million tiny tries are not free."""


@dataclass
class Budget:
    """Bytes that may still be visited; whoever visits some takes them first.

    Attributes:
        most: bytes in all.
        spent: bytes taken.
        cut: what was left out for want of more, in words, each once.
    """

    most: int
    spent: int = 0
    cut: list[str] = field(default_factory=list)

    def take(self, size: int, left_out: str) -> bool:
        """Whether `size` bytes may be visited, which are taken then; else `left_out` is noted."""
        if self.spent + size + ATTEMPT > self.most:
            self.leave_out(left_out)
            return False
        self.spent += size + ATTEMPT
        return True

    def leave_out(self, what: str) -> None:
        """Notes what is not looked at."""
        if what not in self.cut:
            self.cut.append(what)

    @property
    def remark(self) -> str | None:
        """What was left out, in a sentence; None if nothing was."""
        return (
            f"of so large or so involved `data` not all was looked at: {'; '.join(self.cut)}"
            if self.cut
            else None
        )
