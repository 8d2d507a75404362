"""Kinds of `data` that a hostile client may send to make whoever decodes it work for ever."""

from __future__ import annotations

import base64
import json
import random
import zlib
from collections.abc import Callable

Kind = Callable[[int], str]


def _repeated(text: str) -> Kind:
    return lambda size: text * (size // len(text.encode()))


def _random_base64(size: int) -> str:
    return base64.b64encode(random.Random(3).randbytes(size * 3 // 4)).decode()


def _encoded(text: str) -> Kind:
    """Base64 of so much of a repeated text."""
    return lambda size: base64.b64encode((text * (size // len(text))).encode()[: size * 3 // 4]).decode()


def _inflating(size: int) -> str:
    """Streams that inflate to a thousand times their size, one behind the other."""
    bomb = zlib.compress(bytes(900_000), 9)
    return base64.b64encode(bomb * (size * 3 // 4 // len(bomb))).decode()


def _nested_json(size: int) -> str:
    depth = size // 2
    return "[" * depth + "]" * depth


def _shallow_json(size: int) -> str:
    """Deep enough to be parsed and then not to be walked by recursion, again and again."""
    one = "[" * 350 + '"' + "k" * 60 + '"' + "]" * 350
    return "[" + ",".join([one] * (size // (len(one) + 1))) + "]"


def _quoted(size: int) -> str:
    """JSON in a JSON string in a JSON string: each level doubles the backslashes."""
    text = "x"
    while len(text) < size // 3:
        text = json.dumps([text])
    return text


KINDS: dict[str, Kind] = {
    "zlib heads": _repeated("x^"),
    "zlib heads, encoded": _encoded("x^"),
    "gzip heads, encoded": lambda size: base64.b64encode(b"\x1f\x8b\x08\0" * (size * 3 // 16)).decode(),
    "inflating": _inflating,
    "hex": lambda size: random.Random(2).randbytes(size // 2).hex(),
    "repeated hex": _repeated("ab"),
    "hex in pieces": _repeated("0123456789abcdef."),
    "base64": _random_base64,
    "base64 in pieces": _repeated("QUJDREVGR0hJSg."),
    "base64, four deep": lambda size: base64.b64encode(
        base64.b64encode(base64.b64encode(b"A" * (size * 27 // 64)))
    ).decode(),
    "percent": _repeated("%41"),
    "percent signs": _repeated("%"),
    "backslashes": _repeated("\\"),
    "escaped line ends": _repeated("\\r\\n"),
    "blanks": _repeated("a \t"),
    "dashes": _repeated("a-"),
    "many dashes": _repeated("a---"),
    "dots": _repeated("a."),
    "one letter": _repeated("A"),
    "padding": _repeated("="),
    "deep JSON": _nested_json,
    "many deep JSON": _shallow_json,
    "wide JSON": lambda size: "[" + "[]," * (size // 3 - 1) + "[]]",
    "quoted JSON": _quoted,
    "emoji": _repeated("\U0001f600"),
    "zeros": _repeated("a\0"),
}
"""By name: makes about so many bytes of it."""
