"""Which secrets a run handled, and where in what it left behind one of them can be read."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

WINDOW = 24
BASIC = re.compile(rb"Basic ([A-Za-z0-9+/=]{8,})", re.IGNORECASE)
BEARER = re.compile(rb"Bearer ([!-~]{10,})", re.IGNORECASE)
MEMBER = re.compile(rb'"(token|password|new_password|data|text|on_call_pager)"\s*:\s*"((?:[^"\\]|\\.)*)"')
FIELD_NAME = re.compile(r"[a-z_]+")
RUN = re.compile(rb"[A-Za-z0-9+/_=-]{24,}")


@dataclass(frozen=True)
class Secrets:
    """`words` (passwords, tokens, settings) are looked for whole, `data` (backups) in pieces."""

    words: frozenset[str]
    data: frozenset[str]

    def __or__(self, other: Secrets) -> Secrets:
        return Secrets(self.words | other.words, self.data | other.data)


def telling(word: str) -> bool:
    """Whether a word is odd enough that it cannot stand somewhere by chance."""
    return len(word) >= 10 and len(set(word)) >= 6 and not re.fullmatch(r"[a-z -]*|\d{10}", word)


def heard(folder: Path) -> Secrets:
    """The secrets in what a tap has recorded."""
    words: set[str] = set()
    data: set[str] = set()
    for path in folder.iterdir():
        stream = path.read_bytes()
        for found in BASIC.findall(stream):
            words.add(_text(b64decode(found + b"==")).partition(":")[2])
        words.update(_text(found) for found in BEARER.findall(stream))
        for name, quoted in MEMBER.findall(stream):
            try:
                value = json.loads(b'"' + quoted + b'"')
            except ValueError:
                continue
            (data if name == b"data" else words).add(value)
    return Secrets(frozenset(filter(telling, words)), frozenset(one for one in data if len(one) >= 200))


def forms(word: str) -> Iterator[tuple[str, bytes]]:
    """The ways in which a word may be written, each with its name."""
    raw = word.encode("utf-8", "surrogatepass")
    yield "raw", raw
    yield "JSON", json.dumps(word)[1:-1].encode()
    yield "JSON", json.dumps(word, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass")
    yield "repr", repr(word)[1:-1].encode("utf-8", "surrogatepass")
    yield "percent", quote(raw, safe="").encode()
    yield "percent", quote_plus(raw).encode()
    yield "hex", raw.hex().encode()
    yield "hex", raw.hex().upper().encode()
    yield "UTF-16", word.encode("utf-16-le", "surrogatepass")
    for shift in range(3):
        # The characters in the middle do not depend on what stands around the word.
        coded = b64encode(b"\0" * shift + raw).rstrip(b"=")
        inner = coded[(shift * 8 + 5) // 6 : len(coded) - (1 if (shift + len(raw)) % 3 else 0)]
        yield "base64", inner
        yield "base64", inner.replace(b"+", b"-").replace(b"/", b"_")


def leaks(files: Iterable[Path], secrets: Secrets) -> list[str]:
    """One line for each file and form in which a secret can be read; the secret itself is in none of them."""
    cut = (one[at : at + WINDOW] for one in secrets.data for at in range(0, len(one) - WINDOW, WINDOW))
    # A backup in the clear holds names of documented fields, which a report may show.
    pieces = {piece for piece in cut if not FIELD_NAME.fullmatch(piece)}
    coded = {one.encode("utf-8", "replace") for one in pieces}
    wanted = sorted({(form, how) for word in secrets.words for how, form in forms(word)})
    found = []
    for path in files:
        stream = path.read_bytes()
        for form, how in wanted:
            at = stream.find(form)
            if at >= 0:
                found.append(f"{path}: a secret of {len(form)} bytes ({how}) at {at}")
        found += [f"{path}: {where}" for where in _pieces_in(stream, coded)]
    return found


def _pieces_in(stream: bytes, pieces: set[bytes]) -> Iterator[str]:
    for run in RUN.finditer(stream):
        text = run[0]
        for at in range(len(text) - WINDOW + 1):
            if text[at : at + WINDOW] in pieces:
                yield f"backup data at {run.start() + at}"
                break


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
