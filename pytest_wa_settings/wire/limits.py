"""How long an exchange may take and how much may come, and the failure that tells why it ended early."""

from __future__ import annotations

import time

import httpx

MAX_BODY = 16 * 2**20
MAX_ERROR_BODY = 2**20
"""So much is read of an answer outside 2xx: nobody writes a longer error, and a suite keeps many of them."""
MAX_HEAD = 64 * 2**10
MAX_INTERIM = 100
STRETCH = 5
STRETCH_BYTES = 2**20


class Failure(httpx.TransportError):
    """Why no whole answer came: `kind` for programs, `text` for reports, `explanation` for a human.

    `status` and `headers` are set when the head of the answer did arrive.
    """

    def __init__(self, kind: str, text: str, explanation: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.explanation = explanation
        self.untouched = False
        self.status: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []


def broken(why: str) -> Failure:
    """The failure of an answer that arrived but is no proper answer, for the reason `why`."""
    return Failure("broken", f"broken answer: {why}", f"an answer came, but it is broken: {why}")


def closed(when: str) -> Failure:
    """The failure of a connection that the other side closed `when`."""
    return Failure("closed", "connection closed", f"the connection was closed {when}")


def tls_failure(why: str) -> Failure:
    """The failure of TLS, for the reason `why`."""
    return Failure("tls", f"TLS failure: {why}", f"no TLS connection could be made: {why}")


def timed_out(seconds: float, what: str) -> Failure:
    """The failure of `what` not having ended in `seconds`."""
    return Failure("timeout", "timed out", f"{what} within {seconds:g} s")


class Budget:
    """The time an exchange may take: `timeout` seconds, up to five times that while megabytes move."""

    def __init__(self, timeout: float) -> None:
        self.timeout = max(timeout, 0.001)
        self.started = time.monotonic()
        self.moved = 0
        self.doing = "no connection could be made"

    def remaining(self) -> float:
        """Seconds left, always more than 0; raises Failure when there are none."""
        allowed = self.timeout * min(STRETCH, 1 + self.moved / STRETCH_BYTES)
        left = self.started + allowed - time.monotonic()
        if left <= 0:
            raise self.over()
        return left

    def over(self) -> Failure:
        """The failure to raise when the time is used up."""
        return timed_out(time.monotonic() - self.started, self.doing)
