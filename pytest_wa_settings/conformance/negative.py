"""Request bodies that break their JSON Schema, drawn by keyword (BACKUP-5, -6, RESTORE-7, -15, ROBUST-1).

What is broken comes from the schemas of the requests: a member that they require is left out, one that they
name is of another type. Beside that stand what no schema forbids, and a server may stumble over: additional
members, nesting, length, and how the text is encoded.

There is a library that draws what a schema allows (hypothesis-jsonschema); what is wanted here is the
opposite, and the one that draws it (Schemathesis) keeps that part to itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from pytest_wa_settings import schemas

# An alphabet is always given: for text without one Hypothesis tries out every character, once a run.
_CHARACTERS = st.characters(exclude_categories=["Cs"])
_NAMES = st.text(_CHARACTERS, max_size=10)
_SCALARS: tuple[st.SearchStrategy[Any], ...] = (
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(_CHARACTERS, max_size=30),
)
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(*_SCALARS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=12,
)
_KINDS = (
    *_SCALARS,
    st.lists(JSON_VALUES, max_size=4),
    st.dictionaries(_NAMES, JSON_VALUES, max_size=4),
)
"""A strategy for each type of JSON, so that none is drawn seldom."""
_LONG = st.sampled_from((1_000, 65_537, 300_000))
_DEEP = st.sampled_from((20, 500, 5_000, 100_000))
_ENCODINGS = st.sampled_from(("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "latin-1", "cp1252", "utf-7"))


@dataclass(frozen=True)
class BrokenBody:
    """A body that breaks one keyword of a schema; `how` says which, in words, without a value."""

    keyword: str
    how: str
    body: dict[str, Any]

    def __repr__(self) -> str:
        return self.how


def lacking(message: str, good: Mapping[str, str]) -> st.SearchStrategy[BrokenBody]:
    """Bodies without one or more of the members that the request requires, and with others (`required`)."""
    required = _schema(message)["required"]
    missing = st.lists(st.sampled_from(required), min_size=1, max_size=len(required), unique=True)
    return st.builds(
        lambda absent, others: BrokenBody(
            "required",
            f"without {' and '.join(sorted(absent))}"
            + (f", and {len(others)} other members" if others else ""),
            {**others, **{name: good[name] for name in required if name not in absent}},
        ),
        missing,
        st.dictionaries(_others(message), JSON_VALUES, max_size=3),
    )


def mistyped(message: str, good: Mapping[str, str]) -> st.SearchStrategy[BrokenBody]:
    """Bodies of which one member is of another type, and the others are right (`type`)."""
    named = sorted(_schema(message)["properties"])

    def one(name: str) -> st.SearchStrategy[BrokenBody]:
        wrong = st.one_of(*_KINDS).filter(lambda value: _breaks_type(message, name, value))
        nested = st.sampled_from(([good[name]], {name: good[name]}, [[good[name]]], {"value": good[name]}))
        return (wrong | nested).map(
            lambda value: BrokenBody(
                "type", f"with {_kind(value)} as {name}", {**{key: good[key] for key in named}, name: value}
            )
        )

    return st.sampled_from(named).flatmap(one)


def odd_bodies(message: str) -> st.SearchStrategy[bytes]:
    """Bodies of every shape, as bytes; none of them is a proper request with all members as strings."""
    good = {name: f"aA1!wa-settings-{name}" for name in _schema(message)["properties"]}
    broken = (lacking(message, good) | mistyped(message, good)).map(lambda one: one.body)
    name = st.sampled_from(sorted(good))
    shapes: dict[str, st.SearchStrategy[bytes]] = {
        "type and required": broken.map(_dump),
        "additional members": st.builds(_with_many, broken, _LONG),
        "nesting": st.builds(_nested, name, _DEEP, st.booleans()),
        "length": st.builds(_long, broken, name, _LONG),
        "encoding": st.builds(_encoded, broken, _ENCODINGS),
        "no object": JSON_VALUES.filter(lambda value: not isinstance(value, dict)).map(_dump),
        "no JSON": st.binary(max_size=80),
        "half an object": st.builds(_cut, broken, st.floats(0.1, 0.9)),
    }
    return st.one_of(*shapes.values())


def _schema(message: str) -> dict[str, Any]:
    return schemas.load(message)


def _breaks_type(message: str, name: str, value: object) -> bool:
    found = schemas.violations(message, {name: value})
    return any(one.keyword == "type" and one.pointer == f"/{name}" for one in found)


def _others(message: str) -> st.SearchStrategy[str]:
    """Names that no server can take for one of the request's, whatever it makes of letter case."""
    named = {name.casefold() for name in _schema(message)["properties"]}
    return _NAMES.filter(lambda name: name.strip().casefold() not in named)


def _kind(value: object) -> str:
    names: dict[type, str] = {bool: "a truth value", int: "a number", float: "a number", list: "a list"}
    return "null" if value is None else names.get(type(value), "an object")


def _dump(value: object) -> bytes:
    return json.dumps(value).encode()


def _with_many(body: dict[str, Any], count: int) -> bytes:
    return _dump({**body, **{f"extra {number}": number for number in range(min(count, 20_000))}})


def _nested(name: str, depth: int, in_objects: bool) -> bytes:
    opening, closing = (b'{"a":', b"}") if in_objects else (b"[", b"]")
    return b"{" + _dump(name) + b":" + opening * depth + b"1" + closing * depth + b"}"


def _long(body: dict[str, Any], name: str, length: int) -> bytes:
    return _dump({**body, name: ["x" * length], "x" * length: 1})


def _encoded(body: dict[str, Any], encoding: str) -> bytes:
    return json.dumps({**body, "é": "ß"}, ensure_ascii=False).encode(encoding, "replace")


def _cut(body: dict[str, Any], share: float) -> bytes:
    whole = _dump(body)
    return whole[: max(1, int(len(whole) * share))]
