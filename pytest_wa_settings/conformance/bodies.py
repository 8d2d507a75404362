"""Request bodies that are wrong, written by hand: other types, no objects (RESTORE-7, -15, ERROR-4)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

WRONG_TYPES: tuple[tuple[str, object], ...] = (
    ("a number", 12345678),
    ("zero", 0),
    ("a fraction", 1.5),
    ("true", True),
    ("false", False),
    ("null", None),
    ("a list", ["aA1!of-another-type"]),
    ("an empty list", []),
    ("an object", {"password": "aA1!of-another-type"}),
    ("an empty object", {}),
)


def incomplete(password: str, data: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Bodies of a restore that lack a parameter, with the right value of the other (RESTORE-7)."""
    yield "without password", {"data": data}
    yield "without data", {"password": password}
    yield "without either", {}
    yield "with data under `settings` only", {"password": password, "settings": {"data": data}}


def of_other_types(password: str, data: str) -> Iterator[tuple[str, object, object]]:
    """Passwords and data of which one is no string, and the other right (RESTORE-15)."""
    for name, value in WRONG_TYPES:
        yield f"with {name} as password", value, data
        yield f"with {name} as data", password, value
    yield "with the right password in a list", [password], data
    yield "with the right password's object", {"password": password}, data
    yield "with the right data in a list", password, [data]
    yield "with the right data's object", password, {"data": data}
    yield "with the right data as a list of its bytes", password, list(data.encode())


def not_objects(members: Mapping[str, str]) -> tuple[tuple[str, bytes], ...]:
    """Bodies that are no JSON object, though each holds what a good request does, if it holds anything."""
    whole = json.dumps(members).encode()
    return (
        ("an empty body", b""),
        ("a list of the values", json.dumps(list(members.values())).encode()),
        ("a list of one object", b"[" + whole + b"]"),
        ("an object in a string", json.dumps(whole.decode()).encode()),
        ("a number", b"17"),
        ("null", b"null"),
        ("an object without its end", whole[:-1]),
        ("an object cut short", whole[: len(whole) // 2]),
        ("an object with more behind it", whole + b" and more"),
        ("an object with a comma too many", whole[:-1] + b",}"),
        ("an object in single quotes", whole.replace(b'"', b"'")),
        ("a form", urlencode(members).encode()),
    )


NOT_OBJECTS = not_objects({"password": "aA1!wa-settings-0000"})
