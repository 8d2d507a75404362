"""Text as editors and shells write it: UTF-8, perhaps behind a byte order mark, or UTF-16 behind one."""

from __future__ import annotations

import codecs
from pathlib import Path

_MARK = "\ufeff"


def decoded(raw: bytes) -> str:
    """The text of a file's bytes; raises UnicodeDecodeError."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # as PowerShell redirects
        return raw.decode("utf-16")
    return raw.decode("utf-8-sig")


def text_of(path: Path) -> str:
    """The text of a file, its line ends as `\\n`; raises OSError, UnicodeDecodeError."""
    return decoded(path.read_bytes()).replace("\r\n", "\n")


def without_mark(text: str) -> str:
    """A text without the byte order mark that it may begin with, as a variable set from such a file has."""
    return text.removeprefix(_MARK)
