"""What a string could mean: the encodings that `data` may be written in, read as leniently as decoders do.

Nothing here knows how a client encodes: the documentation leaves the alphabet of `data` open, so every
question is asked of every encoding that the string could be (clauses BACKUP-4 and RESTORE-6).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import string
import urllib.parse
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_RUN = re.compile(r"[A-Za-z0-9+/_]+(?:-{1,2}[A-Za-z0-9+/_]+)*-{0,2}={0,2}")
_BASE64 = string.ascii_letters + string.digits + "+/"
_NO_BASE64 = bytes(set(range(256)) - set(_BASE64.encode()))
_HEX = string.hexdigits
_SURELY_HEX = 32
_MOST_OFFSETS = 512
_MOST_VIEWS = 4000
_MOST_BYTES = 4_000_000
_MOST_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Run:
    """The longest stretch of `data` that could be one encoded value.

    Attributes:
        start, end: character offsets in the text; what stands before and after may be a label.
        encoding: "hex", "base64" or "text"; "text" when it decodes as neither.
    """

    text: str
    start: int
    end: int
    encoding: str

    @property
    def body(self) -> str:
        """The run without its padding."""
        return self.text[self.start : self.end].rstrip("=")

    def replace(self, body: str) -> str:
        """The whole text with another body in the run's place, padded as the original was."""
        old = self.text[self.start : self.end]
        padding = "=" * (-len(body) % 4) if old.endswith("=") or self._padded_by_length() else ""
        return self.text[: self.start] + body + padding + self.text[self.end :]

    def _padded_by_length(self) -> bool:
        return self.encoding == "base64" and (self.end - self.start) % 4 == 0

    def decoded(self) -> bytes | None:
        """The bytes of the run, or None where it is text of no known encoding."""
        if self.encoding == "hex":
            return bytes.fromhex(self.body)
        return lenient_base64(self.body) if self.encoding == "base64" else None

    def encode(self, raw: bytes) -> str:
        """The whole text with other bytes in the run's place, in the run's own alphabet."""
        if self.encoding == "hex":
            upper = self.body != self.body.lower()
            return self.replace(raw.hex().upper() if upper else raw.hex())
        body = base64.b64encode(raw).decode().rstrip("=")
        if "-" in self.body or "_" in self.body:
            body = body.replace("+", "-").replace("/", "_")
        return self.replace(body)


def longest_run(text: str) -> Run:
    """The run of `text` that most likely carries the sealed bytes; the whole text if none stands out."""
    runs = [match.span() for match in _RUN.finditer(text)]
    start, end = max(runs, key=lambda span: span[1] - span[0], default=(0, len(text)))
    body = text[start:end].rstrip("=")
    if len(body) < 16:
        return Run(text, start, end, "text")
    if len(body) % 2 == 0 and _all_of(body, _HEX) and (body == body.lower() or body == body.upper()):
        return Run(text, start, end, "hex")
    if len(body) % 4 != 1:
        return Run(text, start, end, "base64")
    return Run(text, start, end, "text")


def lenient_base64(text: str) -> bytes:
    """The bytes that a forgiving decoder reads: both alphabets, junk skipped, up to the padding."""
    body = text.split("=", 1)[0].replace("-", "+").replace("_", "/")
    kept = body.encode("ascii", "ignore").translate(None, _NO_BASE64)
    if len(kept) % 4 == 1:
        kept = kept[:-1]
    return binascii.a2b_base64(kept + b"=" * (-len(kept) % 4))


def lenient_hex(text: str) -> bytes:
    """The bytes that a forgiving decoder reads: any case, up to the first other character."""
    body = re.match(r"[0-9a-fA-F]*", text)
    digits = body.group() if body else ""
    return bytes.fromhex(digits[: len(digits) // 2 * 2])


def _all_of(text: str, alphabet: str) -> bool:
    return text.isascii() and not text.encode().translate(None, alphabet.encode())


def could_mean_the_same(one: str, other: str, depth: int = 3) -> bool:
    """Whether some fair reading takes both strings for one value, so that neither is a damaged other.

    White space, letter case in single-case alphabets, unused low bits, both base64 alphabets, junk that
    decoders skip, equal JSON: each is a way to be the same. Used to leave harmless changes out of RESTORE-6.
    """
    one, other = "".join(one.split()), "".join(other.split())
    if one == other:
        return True
    if (one == one.lower() or one == one.upper()) and one.lower() == other.lower():
        return True
    if ("%" in one or "%" in other) and urllib.parse.unquote(one) == urllib.parse.unquote(other):
        return True
    if depth == 0:
        return False
    parsed = _json(one), _json(other)
    if isinstance(parsed[0], (dict, list)) and isinstance(parsed[1], (dict, list)):
        return _same_structure(parsed[0], parsed[1], depth)
    return _same_decoded(one, other, depth) or _same_runs(one, other, depth)


def _same_decoded(one: str, other: str, depth: int) -> bool:
    body = one.rstrip("=")
    for alphabet, decode in ((_HEX, lenient_hex), (_BASE64 + "-_", lenient_base64)):
        if len(body) < 2 or not _all_of(body, alphabet):
            continue
        if alphabet is not _HEX and len(one) >= _SURELY_HEX and _all_of(one, _HEX):
            continue  # base64 of this length with hex digits alone does not happen
        left, right = decode(one), decode(other)
        if left == right:
            return True
        if _texts_could_mean_the_same(left, right, depth - 1):
            return True
    return False


def _texts_could_mean_the_same(left: bytes, right: bytes, depth: int) -> bool:
    try:
        return could_mean_the_same(left.decode("utf-8"), right.decode("utf-8"), depth)
    except UnicodeDecodeError:
        return False


def _same_runs(one: str, other: str, depth: int) -> bool:
    """Whether both have the same separators between runs, and each run could mean the same."""
    if _RUN.fullmatch(one) or _RUN.sub("\0", one) != _RUN.sub("\0", other):
        return False
    left, right = _RUN.findall(one), _RUN.findall(other)
    pairs = zip(left, right, strict=True)
    return all(could_mean_the_same(a, b, depth - 1) for a, b in pairs)


def _same_structure(one: object, other: object, depth: int) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same_structure(one[k], other[k], depth) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(
            _same_structure(a, b, depth) for a, b in zip(one, other, strict=True)
        )
    if isinstance(one, str) and isinstance(other, str):
        return could_mean_the_same(one, other, depth - 1) if depth else one == other
    return type(one) is type(other) and one == other


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def views(text: str, depth: int = 3) -> Iterator[tuple[str, bytes]]:
    """Everything that can be read out of `text` without a key, as (how, bytes): clause BACKUP-4.

    Undoes base64, base64url, hex, percent, UTF-16, gzip, zlib and deflate, nested `depth` deep, at every
    place and alignment where such an encoding could begin. Bounded in number and size: of a text of more
    than two megabytes the first and the last one are undone.
    """
    queue: list[tuple[str, bytes, int]] = [("as it is", text.encode("utf-8", "surrogatepass"), 0)]
    seen = {queue[0][1]}
    budget = _MOST_BYTES
    while queue and len(seen) < _MOST_VIEWS and budget > 0:
        how, raw, level = queue.pop(0)
        yield how, raw
        if level == depth:
            continue
        for name, inner in _undo(_ends(raw)):
            if len(inner) >= 8 and inner not in seen:
                seen.add(inner)
                budget -= len(inner)
                queue.append((name if level == 0 else f"{how}, then {name}", inner, level + 1))


def _ends(raw: bytes) -> bytes:
    return raw if len(raw) <= 2 * _MOST_AT_ONCE else raw[:_MOST_AT_ONCE] + raw[-_MOST_AT_ONCE:]


def _undo(raw: bytes) -> Iterator[tuple[str, bytes]]:
    yield from _inflate(raw)
    if b"\0" in raw[:64]:
        yield "UTF-16", raw.decode("utf-16-le", "ignore").encode("utf-8", "ignore")
        yield "UTF-16", raw.decode("utf-16-be", "ignore").encode("utf-8", "ignore")
    if re.search(rb"%[0-9A-Fa-f]{2}", raw):
        yield "percent", urllib.parse.unquote_to_bytes(raw)
    joined = re.sub(rb"(?:\\[rn]|\s)+", b"", raw)
    for match in re.finditer(rb"[0-9A-Fa-f]{16,}", joined):
        digits = match.group()
        for offset in (0, 1):
            cut = digits[offset : offset + (len(digits) - offset) // 2 * 2]
            yield "hex", bytes.fromhex(cut.decode())
    for match in re.finditer(rb"[A-Za-z0-9+/_-]{11,}", joined):
        body = match.group().decode().replace("-", "+").replace("_", "/")
        for offset in range(4):
            yield "base64", lenient_base64(body[offset:])


def _inflate(raw: bytes) -> Iterator[tuple[str, bytes]]:
    for match in re.finditer(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]", raw):
        name, bits = ("gzip", 31) if match.group()[0] == 0x1F else ("zlib", 15)
        out = _decompress(raw[match.start() :], bits)
        if out:
            yield name, out
    for offset in range(min(_MOST_OFFSETS, len(raw))):
        out = _decompress(raw[offset:], -15)
        if len(out) >= 24:
            yield "deflate", out


def _decompress(raw: bytes, bits: int) -> bytes:
    machine = zlib.decompressobj(bits)
    out = b""
    try:
        for at in range(0, len(raw), 256):
            out += machine.decompress(raw[at : at + 256], 1_000_000)
            if machine.eof or len(out) > 1_000_000:
                break
    except zlib.error:
        pass  # what came before the damage can be read all the same
    return out


def readable_in(text: str, needles: dict[str, str]) -> str | None:
    """How one of the needles can be read out of `text`, in words without its value; None if none can.

    Args:
        needles: what was planted, by a name that may be told (never the value).
    """
    forms = [
        (name, form)
        for name, needle in needles.items()
        for form in (needle.encode(), needle.encode("utf-16-le"), needle.encode("utf-16-be"))
    ]
    for how, raw in views(text):
        for name, form in forms:
            if form in raw:
                return f"{name} can be read in `data` ({how})"
    return None
