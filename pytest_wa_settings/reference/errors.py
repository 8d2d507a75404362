"""What goes wrong in the reference: refusals for the wire, and faults for its operator."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PLAIN = re.compile(r"[A-Za-z][\w.-]{0,39}", re.ASCII)
"""A parameter's name that may be told again: no other text of the caller's goes into an answer."""
TITLES = {
    1000: "Generic error",
    1001: "Message too long",
    1002: "Invalid recipient type",
    1005: "Access denied",
    1006: "Resource not found",
    1008: "Required parameter is missing",
    1009: "Parameter value is not valid",
    1010: "Parameter is not required",
    1011: "Service not ready",
    1014: "Internal error",
    1015: "Too many requests",
    1016: "System overloaded",
    1017: "Not Primary Master",
    1018: "Not Primary Coreapp",
    1021: "Bad User",
    1023: "Database error occurred",
    1024: "Password Change Required",
    1025: "Invalid Request",
}


class Refusal(Exception):
    """An answer outside 2xx: an HTTP status, a code of the API's table, and details free of secrets."""

    def __init__(
        self, status: int, code: int, details: str, *, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(details)
        self.status = status
        self.code = code
        self.details = details
        self.headers = headers

    @property
    def title(self) -> str:
        """The table's title of the code."""
        return TITLES[self.code]


def missing(name: str) -> Refusal:
    """The refusal of a request that lacks the parameter `name`."""
    return Refusal(400, 1008, f"Parameter '{name}' is missing.")


def invalid(name: str, rule: str) -> Refusal:
    """The refusal of a parameter `name` that breaks `rule` (words that hold no value of the caller's)."""
    return Refusal(400, 1009, f"Parameter '{name}' {rule}.")


def not_needed(names: Iterable[str], within: str) -> Refusal:
    """The refusal of parameters not known `within` an object; the first that is a plain name is named."""
    plain = sorted(name for name in names if _PLAIN.fullmatch(name))
    named = f"Parameter '{plain[0]}'" if plain else "A parameter"
    return Refusal(400, 1010, f"{named} in {within} is not known.")


def not_found(what: str) -> Refusal:
    """The refusal of a request for a resource that does not exist."""
    return Refusal(404, 1006, f"{what} does not exist.")


def not_ready(why: str, status: int = 503) -> Refusal:
    """The refusal of a request that the client's state does not allow (503: it may, later)."""
    return Refusal(status, 1011, why)


class ReferenceFault(Exception):
    """The reference cannot start or go on; `problem` and `remedy` are for its operator."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem} {remedy}")
        self.problem = problem
        self.remedy = remedy
