"""What a string could mean: the encodings that `data` may be written in, read as leniently as decoders do.

Nothing here knows how a client encodes: the documentation leaves the alphabet of `data` open, so every
question is asked of every encoding that the string could be (clauses BACKUP-4 and RESTORE-6). A hostile
client chooses the string: whatever looks at it takes what it visits from a budget, and follows no nesting of
the client's by recursion.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_wa_settings.conformance.budget import ATTEMPT, Budget

_RUN = re.compile(r"[A-Za-z0-9+/_][A-Za-z0-9+/_-]*={0,2}")
_BASE64 = string.ascii_letters + string.digits + "+/"
_NO_BASE64 = bytes(set(range(256)) - set(_BASE64.encode()))
_HEX = string.hexdigits
_SURELY_HEX = 32
_SPACES = (
    " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
_DEPTH = 3
_MOST_JSON = 2**20
_MOST_RUNS = 2**19
_VISITS = 8
"""How often a comparison may go through each character, all that could be read into it included."""
_ONE_RUN = 256
"""Characters that comparing one of many runs is counted as."""
_UNTOLD = "changes that may be harmless were not made"


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


def longest_run(text: str, budget: Budget | None = None) -> Run:
    """The run of `text` that most likely carries the sealed bytes; the whole text if none stands out.

    Of more than half a million runs it is the longest of the first ones.
    """
    budget = budget or Budget(len(text) + (_MOST_RUNS + 1) * ATTEMPT)
    start, end = 0, len(text)
    longest = -1
    for one, other in _runs(text):
        if not budget.take(other - one, "only the first runs of it were compared by length"):
            break
        if other - one > longest:
            start, end, longest = one, other, other - one
    body = text[start:end].rstrip("=")
    if len(body) < 16:
        return Run(text, start, end, "text")
    if len(body) % 2 == 0 and _all_of(body, _HEX) and (body == body.lower() or body == body.upper()):
        return Run(text, start, end, "hex")
    if len(body) % 4 != 1:
        return Run(text, start, end, "base64")
    return Run(text, start, end, "text")


def _runs(text: str) -> Iterator[tuple[int, int]]:
    """Where the stretches stand that could be one value each: three dashes part two of them."""
    for match in _RUN.finditer(text):
        start, end = match.span()
        while (dashes := text.find("---", start, end)) >= 0:
            yield start, dashes + 2
            start = dashes + 3
            while start < end and text[start] in "-=":
                start += 1
        if start < end:
            yield start, end


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


def percent_decoded(raw: bytes) -> bytes:
    """The bytes with each %XX undone (RFC 3986, 2.1); a percent sign before anything else becomes `=`.

    Quoted-printable is the same with another sign, and its decoder makes no list of a million parts.
    """
    return binascii.a2b_qp(raw.replace(b"=", b"=3D").replace(b"%", b"="))


def _all_of(text: str, alphabet: str) -> bool:
    return text.isascii() and not text.encode().translate(None, alphabet.encode())


def could_mean_the_same(one: str, other: str, budget: Budget | None = None) -> bool:
    """Whether some fair reading takes both strings for one value, so that neither is a damaged other.

    White space, letter case in single-case alphabets, unused low bits, both base64 alphabets, junk that
    decoders skip, equal JSON: each is a way to be the same. Used to leave harmless changes out of RESTORE-6;
    what cannot be told within the budget is left out, too.
    """
    return _same(one, other, _DEPTH, budget or Budget(_VISITS * (len(one) + len(other)) + 2**20))


def _same(one: str, other: str, depth: int, budget: Budget) -> bool:
    if not budget.take(len(one) + len(other), _UNTOLD):
        return True
    one, other = _without_spaces(one), _without_spaces(other)
    if one == other:
        return True
    if one.lower() == other.lower() and (one == one.lower() or one == one.upper()):
        return True
    if ("%" in one or "%" in other) and _unquoted(one) == _unquoted(other):
        return True
    if depth == 0:
        return False
    parsed = _json(one), _json(other)
    if isinstance(parsed[0], (dict, list)) and isinstance(parsed[1], (dict, list)):
        return _same_structure(parsed[0], parsed[1], depth, budget)
    return _same_decoded(one, other, depth, budget) or _same_runs(one, other, depth, budget)


def _without_spaces(text: str) -> str:
    for space in _SPACES:
        if space in text:
            text = text.replace(space, "")
    return text


def _unquoted(text: str) -> bytes:
    return percent_decoded(text.encode("utf-8", "surrogatepass"))


def _same_decoded(one: str, other: str, depth: int, budget: Budget) -> bool:
    body = one.rstrip("=")
    for alphabet, decode in ((_HEX, lenient_hex), (_BASE64 + "-_", lenient_base64)):
        if len(body) < 2 or not _all_of(body, alphabet):
            continue
        if alphabet is not _HEX and len(one) >= _SURELY_HEX and _all_of(one, _HEX):
            continue  # base64 of this length with hex digits alone does not happen
        left, right = decode(one), decode(other)
        if left == right:
            return True
        if _texts_could_mean_the_same(left, right, depth - 1, budget):
            return True
    return False


def _texts_could_mean_the_same(left: bytes, right: bytes, depth: int, budget: Budget) -> bool:
    try:
        return _same(left.decode("utf-8"), right.decode("utf-8"), depth, budget)
    except UnicodeDecodeError:
        return False


def _same_runs(one: str, other: str, depth: int, budget: Budget) -> bool:
    """Whether both have the same separators between runs, and each run could mean the same."""
    left, right = _runs(one), _runs(other)
    left_end = right_end = 0
    while True:
        start, end = next(left, (len(one), -1))
        second, second_end = next(right, (len(other), -1))
        if one[left_end:start] != other[right_end:second] or (end < 0) != (second_end < 0):
            return False
        if end < 0:
            return True
        if (start, end) == (0, len(one)):
            return False  # it is one run, and was looked at as a whole
        if not budget.take(_ONE_RUN, _UNTOLD):
            return True
        alike = one[start:end], other[second:second_end]
        if alike[0] != alike[1] and not _same(*alike, depth - 1, budget):
            return False
        left_end, right_end = end, second_end


def _same_structure(one: object, other: object, depth: int, budget: Budget) -> bool:
    """Whether two JSON values have the same members, and each text in them could mean the same."""
    pairs = [(one, other)]
    while pairs:
        left, right = pairs.pop()
        if isinstance(left, dict) and isinstance(right, dict):
            if left.keys() != right.keys():
                return False
            pairs += [(left[name], right[name]) for name in left]
        elif isinstance(left, list) and isinstance(right, list):
            if len(left) != len(right):
                return False
            pairs += zip(left, right, strict=True)
        elif isinstance(left, str) and isinstance(right, str):
            if left != right and not _same(left, right, depth - 1, budget):
                return False
        elif type(left) is not type(right) or left != right:
            return False
    return True


def _json(text: str) -> object:
    """The object or list that `text` is as JSON, else None; a very long text is not read as such."""
    if len(text) > _MOST_JSON or text[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
