"""Everything that can be read out of a string without a key (BACKUP-4), within a budget."""

from __future__ import annotations

import re
import zlib
from collections import deque
from collections.abc import Iterator

from pytest_wa_settings.conformance.budget import Budget
from pytest_wa_settings.conformance.decoding import lenient_base64, percent_decoded

MOST_VISITED = 2**26
"""Bytes that undoing encodings may visit, what it reads and what it makes."""
_DEPTH = 3
_MOST_OFFSETS = 512
_MOST_VIEWS = 4000
_MOST_AT_ONCE = 1_000_000
_SHORTEST = 8
_SHORTEST_INFLATED = 24
_PIECE = 256
_TRY = 256
"""Bytes that setting up a decompressor is counted as."""

_HEAD = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")
_HEXES = re.compile(rb"[0-9A-Fa-f]{16,}")
_BASE64S = re.compile(rb"[A-Za-z0-9+/_-]{11,}")
_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}")
_SPACES = b" \t\n\r\x0b\x0c"
_NOT_ALL = "what is encoded in it was undone only in part"


def readable_in(text: str, needles: dict[str, str], budget: Budget | None = None) -> str | None:
    """How one of the needles can be read out of `text`, in words without its value; None if none can.

    Args:
        needles: what was planted, by a name that may be told (never the value).
        budget: what undoing encodings may visit (MOST_VISITED); it says afterwards what was left out.
    """
    forms = [
        (name, form)
        for name, needle in needles.items()
        for form in (needle.encode(), needle.encode("utf-16-le"), needle.encode("utf-16-be"))
    ]
    for how, raw in views(text, budget or Budget(MOST_VISITED)):
        for name, form in forms:
            if form in raw:
                return f"{name} can be read in `data` ({how})"
    return None


def views(text: str, budget: Budget) -> Iterator[tuple[str, bytes]]:
    """Everything that can be read out of `text` without a key, as (how, bytes): clause BACKUP-4.

    Undoes base64, base64url, hex, percent, UTF-16, gzip, zlib and deflate, nested three deep, at every place
    and alignment where such an encoding could begin; of a text of more than two megabytes in the first and
    the last one. The text itself is always among them.
    """
    queue = deque([("as it is", text.encode("utf-8", "surrogatepass"), 0)])
    known: set[int] = set()
    while queue:
        how, raw, level = queue.popleft()
        yield how, raw
        if level == _DEPTH:
            continue
        for name, inner in _undo(_ends(raw, budget), budget):
            mark = hash(inner)
            if len(inner) < _SHORTEST or mark in known:
                continue
            if len(known) >= _MOST_VIEWS or not budget.take(len(inner), _NOT_ALL):
                budget.leave_out(_NOT_ALL)
                break
            known.add(mark)
            queue.append((name if level == 0 else f"{how}, then {name}", inner, level + 1))


def _ends(raw: bytes, budget: Budget) -> bytes:
    if len(raw) <= 2 * _MOST_AT_ONCE:
        return raw
    budget.leave_out("only in its first and its last megabyte encodings were undone")
    return raw[:_MOST_AT_ONCE] + raw[-_MOST_AT_ONCE:]


def _undo(raw: bytes, budget: Budget) -> Iterator[tuple[str, bytes]]:
    if not budget.take(6 * len(raw), _NOT_ALL):
        return
    if b"\0" in raw[:64]:
        yield "UTF-16", raw.decode("utf-16-le", "ignore").encode("utf-8", "ignore")
        yield "UTF-16", raw.decode("utf-16-be", "ignore").encode("utf-8", "ignore")
    if _PERCENT.search(raw):
        yield "percent", percent_decoded(raw)
    joined = raw.replace(b"\\r", b"").replace(b"\\n", b"").translate(None, _SPACES)
    for match in _HEXES.finditer(joined):
        digits = match.group()
        if not budget.take(4 * len(digits), _NOT_ALL):
            return
        for offset in (0, 1):
            cut = digits[offset : offset + (len(digits) - offset) // 2 * 2]
            yield "hex", bytes.fromhex(cut.decode())
    for match in _BASE64S.finditer(joined):
        body = match.group().decode().replace("-", "+").replace("_", "/")
        if not budget.take(8 * len(body), _NOT_ALL):
            return
        for offset in range(4):
            yield "base64", lenient_base64(body[offset:])
    yield from _inflate(raw, budget)


def _inflate(raw: bytes, budget: Budget) -> Iterator[tuple[str, bytes]]:
    view = memoryview(raw)
    for match in _HEAD.finditer(raw):
        name, bits = ("gzip", 31) if match.group()[0] == 0x1F else ("zlib", 15)
        if not budget.take(_TRY, _NOT_ALL):
            return
        out = _decompressed(view[match.start() :], bits, budget)
        if out:
            yield name, out
    for offset in range(min(_MOST_OFFSETS, len(raw))):
        if not budget.take(_TRY, _NOT_ALL):
            return
        out = _decompressed(view[offset:], -15, budget)
        if len(out) >= _SHORTEST_INFLATED:
            yield "deflate", out


def _decompressed(raw: memoryview, bits: int, budget: Budget) -> bytes:
    """What can be inflated, at most a megabyte; what comes before damage can be read all the same."""
    machine = zlib.decompressobj(bits)
    out: list[bytes] = []
    size = 0
    try:
        for at in range(0, len(raw), _PIECE):
            piece = machine.decompress(raw[at : at + _PIECE], _MOST_AT_ONCE)
            out.append(piece)
            size += len(piece)
            if machine.eof or size > _MOST_AT_ONCE or not budget.take(_PIECE + len(piece), _NOT_ALL):
                break
    except zlib.error:
        pass
    return b"".join(out)
