"""What can go wrong around a client without being its fault; each error says what is wrong and what to do.

A run goes through three steps, and each has its error: understanding what is named (UsageError), opening and
reaching it (TestbedError), using it in a test (Unavailable, of which NotBack is one kind).
"""

from __future__ import annotations


class _Told(Exception):
    """Carries `problem` and `remedy`; neither ever holds a secret."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


class UsageError(_Told):
    """The address, the options or the clients' file cannot be understood: exit status 4."""


class TestbedError(_Told):
    """The testbed cannot start, or its preflight failed: every clause ends as *error*."""

    __test__ = False


def as_testbed_error(error: Exception) -> TestbedError:
    """What went wrong while a testbed was built, whatever it is, in a sentence."""
    if isinstance(error, TestbedError):
        return error
    if isinstance(error, _Told):
        return TestbedError(error.problem, error.remedy)
    named = [
        str(part) for part in (getattr(error, "filename", None), getattr(error, "strerror", None)) if part
    ]
    what = ": ".join([type(error).__name__, *(named or [" ".join(str(error).split())])])
    return TestbedError(
        f"the testbed could not be built ({what})",
        "see that what is named there works; if it does, this is a fault of the suite",
    )


class Unavailable(_Told):
    """The testbed does not offer what a test needs: its clauses are *not tested*."""

    def again(self) -> Unavailable:
        """The same error to raise once more: an exception keeps the frames of every time it was raised."""
        return type(self)(self.problem, self.remedy)


class NotBack(Unavailable):
    """The client does not serve again after a restore, a kill or a start."""


class GivenUp(Unavailable):
    """The client accepted a restore in another test, was started again, and does not serve since."""


class StartFailed(NotBack):
    """The command that starts or resets a client failed, so nothing is known about the client itself.

    Attributes:
        took_too_long: it did not end in time, so that it would cost as much again.
    """

    took_too_long = False
