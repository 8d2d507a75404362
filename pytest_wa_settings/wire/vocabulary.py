"""The words in which the suite itself speaks: a secret that is one of them cannot be told from them."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_PATTERN = re.compile(r"[A-Za-z_]+")
_APART = _PACKAGE / "reference"


def is_own_word(secret: str) -> bool:
    """Whether `secret` is a word of the suite's own text (`password`, `PASSWORD`, `admin`), in any case.

    To hide such a word in a sentence of the suite would spoil the sentence, and point at the secret.
    """
    return _PATTERN.fullmatch(secret) is not None and secret.lower() in _words()


@lru_cache(1)
def _words() -> frozenset[str]:
    """Every word in the suite's own files, which are read when a secret first looks like a word."""
    found: set[str] = set()
    for path in _PACKAGE.rglob("*"):
        if path.suffix in (".py", ".toml", ".json") and _APART not in path.parents:
            for name in _PATTERN.findall(path.read_text("utf-8", "replace")):
                found |= {name.lower(), *name.lower().split("_")}
    return frozenset(found)
