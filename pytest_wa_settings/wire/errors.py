"""What can go wrong in the wire by the suite's own doing; a client's faults are never exceptions here."""

from __future__ import annotations


class WireError(Exception):
    """A request that cannot be made at all: a CA file that cannot be read, a header that HTTP cannot carry.

    `problem` says what is wrong, `remedy` what to do about it; neither ever holds a secret.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy
