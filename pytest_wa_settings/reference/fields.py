"""Checks of request members: each returns the value or refuses, and never echoes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import urlsplit

from pytest_wa_settings.reference.errors import invalid, missing, not_needed

Check = Callable[[str, object], Any]
BIGGEST_NUMBER = 2**31 - 1


def required(body: dict[str, Any], name: str, check: Check) -> Any:
    """A member that must be there."""
    if name not in body:
        raise missing(name)
    return check(name, body[name])


def optional(body: dict[str, Any], name: str, check: Check, default: Any = None) -> Any:
    """A member that may be absent."""
    return check(name, body[name]) if name in body else default


def only(body: dict[str, Any], names: Collection[str], within: str) -> None:
    """Refuse members that the endpoint does not know."""
    if not set(body) <= set(names):
        raise not_needed(set(body) - set(names), within)


def string(name: str, value: object) -> str:
    """Any string."""
    if not isinstance(value, str):
        raise invalid(name, "is not a string")
    return value


def text(most: int, least: int = 0) -> Check:
    """A string of a bounded length."""

    def check(name: str, value: object) -> str:
        found = string(name, value)
        if not least <= len(found) <= most:
            raise invalid(name, f"must have {least} to {most} characters")
        return found

    return check


def boolean(name: str, value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise invalid(name, "is not a boolean")
    return value


def number(least: int, most: int = BIGGEST_NUMBER) -> Check:
    """A whole number, as a number or as a string of digits (the documentation has both)."""

    def check(name: str, value: object) -> int:
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:
            value = int(value)
        if isinstance(value, float) and math.isfinite(value) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise invalid(name, "is not a whole number")
        if not least <= value <= most:
            raise invalid(name, f"must be from {least} to {most}")
        return value

    return check


def one_of(*allowed: object) -> Check:
    """One of a few values, of the same type."""

    def check(name: str, value: object) -> object:
        for known in allowed:
            if type(known) is type(value) and known == value:
                return value
        raise invalid(name, f"must be one of {', '.join(map(str, allowed))}")

    return check


def digits(least: int, most: int) -> Check:
    """A string of ASCII digits."""

    def check(name: str, value: object) -> str:
        found: str = string(name, value)
        if not (found.isascii() and found.isdigit() and least <= len(found) <= most):
            raise invalid(name, f"must be {least} to {most} digits")
        return found

    return check


def array(each: Check, most: int) -> Check:
    """A list of checked values."""

    def check(name: str, value: object) -> list[Any]:
        if not isinstance(value, list):
            raise invalid(name, "is not an array")
        if len(value) > most:
            raise invalid(name, f"must have {most} elements at most")
        return [each(name, item) for item in value]

    return check


def distinct(each: Check, most: int) -> Check:
    """A list of checked values in which none comes twice."""
    whole = array(each, most)

    def check(name: str, value: object) -> list[Any]:
        found: list[Any] = whole(name, value)
        if len(set(found)) != len(found):
            raise invalid(name, "holds an element twice")
        return found

    return check


def mapping(name: str, value: object) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise invalid(name, "is not an object")
    return value


def https_url(name: str, value: object) -> str:
    """An absolute https URL, or the empty string for none."""
    found: str = text(2048)(name, value)
    if not found:
        return found
    try:
        parts = urlsplit(found)
        good = parts.scheme == "https" and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or any(ord(c) <= 32 or ord(c) == 127 for c in found):
        raise invalid(name, "must be an https URL")
    return found
