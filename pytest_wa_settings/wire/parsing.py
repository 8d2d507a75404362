"""Reads bodies from clients that cannot be trusted: bounded in memory, depth and time, and never raising."""

from __future__ import annotations

import json
import zlib
from enum import Enum
from typing import Any, Final

MAX_DEPTH = 100
MAX_TOKENS = 500_000
MAX_NUMBER_LENGTH = 1000
MAX_WIDE = 16 * 2**20


class Missing(Enum):
    """The type of `MISSING`."""

    MISSING = "no JSON"

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = Missing.MISSING
"""What stands for the JSON value of a body that is empty or no JSON."""


class Undecodable(Exception):
    """A content encoding that cannot be undone within the limits; the text says why, without the content."""


def decode(content: bytes, encoding: str, limit: int) -> bytes:
    """`content` with its Content-Encoding undone, at most `limit` bytes of it; raises Undecodable."""
    for name in reversed([part.strip().lower() for part in encoding.split(",") if part.strip()]):
        if name in ("gzip", "x-gzip"):
            content = _inflate(content, 16 + zlib.MAX_WBITS, limit)
        elif name == "deflate":
            content = _undeflate(content, limit)
        elif name != "identity":
            raise Undecodable("its content encoding was not asked for and is unknown")
    return content


def _undeflate(content: bytes, limit: int) -> bytes:
    try:
        return _inflate(content, zlib.MAX_WBITS, limit)
    except Undecodable:
        # Some servers mean raw deflate by "deflate".
        return _inflate(content, -zlib.MAX_WBITS, limit)


def _inflate(content: bytes, window: int, limit: int) -> bytes:
    if not content:
        return b""
    inflater = zlib.decompressobj(window)
    try:
        plain = inflater.decompress(content, limit + 1)
    except zlib.error:
        raise Undecodable("its content encoding is damaged") from None
    if len(plain) > limit:
        raise Undecodable(f"it unpacks to more than {limit // 2**20} MiB")
    if not inflater.eof:
        raise Undecodable("its content encoding ends too early")
    return plain


def parse_json(content: bytes) -> Any:
    """The JSON value of `content`, or MISSING when it is none or is beyond what is safe to hold.

    Strict UTF-8 with an optional byte order mark (RFC 8259 lets a parser ignore one); of duplicate members
    the last counts; NaN and Infinity are no JSON. What would take far more memory than its bytes counts as
    none: deeper than 100 levels, half a million values, 16 MiB that are not all ASCII.
    """
    tokens = content.count(b"[") + content.count(b"{") + content.count(b",")
    if not content or tokens > MAX_TOKENS:
        return MISSING
    if len(content) > MAX_WIDE and not content.isascii():
        return MISSING
    try:
        value = _DECODER.decode(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return MISSING
    return value if depth_within(value, MAX_DEPTH) else MISSING


def depth_within(value: object, limit: int) -> bool:
    """Whether `value` nests at most `limit` containers."""
    level = [value]
    for _ in range(limit + 1):
        below: list[object] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list | tuple):
                below.extend(item)
        if not below:
            return True
        level = below
    return False


def _integer(text: str) -> int | float:
    # Python's own limit raises, and older Pythons take quadratic time.
    return int(text) if len(text) <= MAX_NUMBER_LENGTH else float(text)


def _refuse(constant: str) -> float:
    raise ValueError(constant)


_DECODER = json.JSONDecoder(parse_int=_integer, parse_constant=_refuse)
_PLAIN = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_ESCAPED = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def dump_json(value: object, *, escaped: bool = False) -> bytes:
    """`value` as JSON bytes: plain UTF-8, `escaped` to ASCII or where it holds lone surrogates; ValueError if
    it cannot.
    """
    try:
        if escaped:
            return _ESCAPED.encode(value).encode("ascii")
        return _PLAIN.encode(value).encode("utf-8")
    except UnicodeEncodeError:
        return _ESCAPED.encode(value).encode("ascii")


def whole(value: object) -> int | None:
    """`value` as an int when it is a whole number (1005.0 counts as 1005), else None; a bool is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return None
