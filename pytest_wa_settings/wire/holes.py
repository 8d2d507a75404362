"""The body of a request as it may be shown: its bytes, with holes where a secret or a setting stood."""

from __future__ import annotations

import json
import re
import secrets as random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .parsing import MAX_DEPTH, depth_within, dump_json
from .scrubber import HIDDEN
from .spellings import SHORTEST, spellings

MOST = 60
"""A body with more holes than this is not worth a variable for each."""

_SECRET = frozenset({"password", "new_password", "data", "pin", "token", "code_received"})
_RESERVED = frozenset(
    {"TOKEN", "OTHER_TOKEN", "USER", "USER_PASSWORD", "URL", "REPORT", "BODY_FILE", "QUERY"}
)
_MEMBER = re.compile(r"([A-Za-z_][A-Za-z_0-9]{0,39})\\*[\"']?\s*[:=]\s*\\*[\"']?$")
_LOOKED_BACK = 80
_CUT = 4


@dataclass(frozen=True)
class Hole:
    """A place in a body that a shell variable fills, with text as it stands in the body."""

    name: str


Body = tuple[bytes | Hole, ...]
Shows = Callable[[str, str], bool]
Scrub = Callable[[str], str]


def distinct(body: Body) -> list[str]:
    """The variables of a body in the order of its holes; one that fills two of them stands there twice."""
    return [piece.name for piece in body if isinstance(piece, Hole)]


class _Names:
    """Names holes after the members that they belong to; two values never share a name."""

    def __init__(self) -> None:
        self._given: dict[str, list[str]] = {}

    def of(self, member: str, value: str) -> str:
        plain = re.sub(r"[^A-Z0-9]+", "_", member.upper()).strip("_") or "TEXT"
        plain = f"BODY_{plain}" if plain in _RESERVED else plain
        values = self._given.setdefault(plain, [])
        if value not in values:
            values.append(value)
        at = values.index(value)
        return f"WA_{plain}" + (f"_{at + 1}" if at else "")


def json_body(value: object, shows: Shows, named: Scrub, *, escaped: bool = False) -> Body | None:
    """The JSON of `value` with a hole for every string; None where it cannot be shown.

    Args:
        shows: whether the string of a member at the top may be shown. named: a member's name without secrets.
        escaped: whether what was sent is ASCII, with escapes for all else.
    """
    if not depth_within(value, MAX_DEPTH):
        return None
    walk = _Walk(shows, named)
    raw = dump_json(walk.hide(value, "", top=True, secret=False), escaped=escaped).decode(
        "ascii", "surrogateescape"
    )
    return _pieces(walk.cut(raw)) if len(walk.holes) <= MOST else None


class _Walk:
    """Copies a JSON value with a mark in place of what is hidden, so that it is written as it was."""

    def __init__(self, shows: Shows, named: Scrub) -> None:
        self.holes: list[Hole] = []
        self._shows = shows
        self._named = named
        self._names = _Names()
        self._mark = random.token_hex(8)

    def hide(self, value: object, member: str, *, top: bool, secret: bool) -> object:
        if isinstance(value, dict):
            return {
                self._name(str(name)): self.hide(
                    item, str(name), top=top and not member, secret=secret or name in _SECRET
                )
                for name, item in value.items()
            }
        if isinstance(value, list | tuple):
            if secret and len(value) > 1 and all(type(item) in (int, float) for item in value):
                return self._hole("n", member, dump_json(list(value)).decode("ascii"))
            return [self.hide(item, member, top=False, secret=secret) for item in value]
        if isinstance(value, str):
            shown = top and member and not secret and self._shows(member, value)
            return value if shown else self._hole("s", member, value)
        if secret and isinstance(value, int | float) and not isinstance(value, bool):
            return self._hole("n", member, repr(value))
        return value

    def _name(self, name: str) -> str:
        return name if self._named(name) == name else self._hole("s", "name", name)

    def _hole(self, kind: str, member: str, value: str) -> str:
        self.holes.append(Hole(self._names.of(member, value)))
        return f"{self._mark}{kind}{len(self.holes) - 1};"

    def cut(self, raw: str) -> Iterator[bytes | Hole]:
        """The JSON text cut at the marks; a number's mark goes with the quotes around it."""
        done = 0
        for found in re.finditer(rf'"{self._mark}n(\d+);"|{self._mark}s(\d+);', raw):
            yield raw[done : found.start()].encode("ascii", "surrogateescape")
            yield self.holes[int(found[1] or found[2])]
            done = found.end()
        yield raw[done:].encode("ascii", "surrogateescape")


def bytes_body(content: bytes, secrets: Sequence[str]) -> Body:
    """The bytes with a hole for each of `secrets`, however it is written there, cut short at the end too."""
    text = content.decode("utf-8", "surrogateescape")
    names, done = _Names(), 0
    pieces: list[bytes | Hole] = []
    for start, end in _spans(text, secrets):
        pieces += [_raw(text[done:start]), Hole(names.of(_member_before(text, start), text[start:end]))]
        done = end
    return _pieces([*pieces, _raw(text[done:])])


def without(body: Body, scrub: Scrub) -> Body:
    """The body with a hole for whatever else `scrub` hides in it."""
    pieces: list[bytes | Hole] = []
    number = 0
    for piece in body:
        if isinstance(piece, Hole):
            pieces.append(piece)
            continue
        text = piece.decode("utf-8", "surrogateescape")
        scrubbed = scrub(text)
        if scrubbed == text:
            pieces.append(piece)
            continue
        for part in re.split(f"({re.escape(HIDDEN)})", scrubbed):
            number += part == HIDDEN
            hole = Hole("WA_SECRET" + (f"_{number}" if number > 1 else ""))
            pieces.append(hole if part == HIDDEN else _raw(part))
    return _pieces(pieces)


def _spans(text: str, secrets: Sequence[str]) -> list[tuple[int, int]]:
    """Where a secret stands, in order, none within another."""
    forms = {form for secret in secrets if len(secret) >= SHORTEST for form in spellings(secret)}
    forms |= {form for secret in secrets if secret for form in (secret, json.dumps(secret)[1:-1])}
    found: list[tuple[int, int]] = []
    for form in forms:
        found += [(one.start(), one.end()) for one in re.finditer(re.escape(form), text)]
        found += [
            (one.start(), len(text))
            for one in re.finditer(re.escape(form[:_CUT]), text)
            if len(form) > _CUT and form.startswith(text[one.start() :])
        ]
    spans: list[tuple[int, int]] = []
    for start, end in sorted(found, key=lambda span: (span[0], -span[1])):
        if not spans or start >= spans[-1][1]:
            spans.append((start, end))
        elif end > spans[-1][1]:
            spans[-1] = (spans[-1][0], end)
    return spans


def _member_before(text: str, start: int) -> str:
    found = _MEMBER.search(text[max(0, start - _LOOKED_BACK) : start])
    return found[1] if found else "secret"


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _pieces(pieces: Iterator[bytes | Hole] | Sequence[bytes | Hole]) -> Body:
    """The pieces without empty ones, and with neighbours joined."""
    joined: list[bytes | Hole] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if isinstance(piece, bytes) and isinstance(last, bytes):
            joined[-1] = last + piece
        elif piece != b"":
            joined.append(piece)
    return tuple(joined)
