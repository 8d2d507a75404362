"""The ways in which a secret may stand in a text, and which of them no word of the suite's can be."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from html import escape
from urllib.parse import quote, quote_plus

SHORTEST = 4
"""Characters: what is shorter is too common to be looked for."""
LONG = 512
"""Characters: of a longer secret (backup data) only the beginning is known, and hidden to its word's end."""
BEGINNING = 24
"""Characters by which a longer spelling is known."""

_CODED = re.compile(r"[A-Za-z0-9+/=_.~-]+")
_WORD = re.compile(r"[a-z]{6}|[A-Z]{6}|/[^/]*/[^/]*/")
_CHANGE = re.compile(r"(?<=[0-9])(?=[A-Za-z])|(?<=[A-Za-z])(?=[0-9])|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[a-z])")
_LENGTH, _CHARACTERS, _CHANGES = 20, 10, 5


def unmistakable(text: str) -> bool:
    """Whether `text` is long and random enough that no word, name or path of ours can be meant by it.

    That is said here alone: 20 characters or more of an encoding's alphabet, whose first 24 hold 10 different
    ones, digits among them, change at least five times between digits, capitals and small letters, and hold
    neither a word of six letters in one case nor three slashes. Of random hexadecimal, base64 and JWT tokens
    some 9 in 10 are so.
    """
    beginning = text[:BEGINNING]
    return (
        len(text) >= _LENGTH
        and _CODED.fullmatch(beginning) is not None
        and len(set(beginning)) >= _CHARACTERS
        and any(one.isdigit() for one in beginning)
        and len(_CHANGE.findall(beginning)) >= _CHANGES
        and _WORD.search(beginning) is None
    )


def forms(secret: str) -> set[str]:
    """The ways in which `secret` may stand in a text: raw, escaped, percent, base64 at any offset, hex.

    Of one longer than `LONG` they are beginnings, of BEGINNING characters each.
    """
    if len(secret) > LONG:
        return {form[:BEGINNING] for form in spellings(secret[:LONG]) if len(form) >= BEGINNING}
    return spellings(secret)


def spellings(secret: str) -> set[str]:
    """The ways in which the whole of `secret` may stand in a text, each of 4 characters or more."""
    raw = secret.encode("utf-8", "surrogatepass")
    found = {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(json.dumps(secret)[1:-1])[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        escape(secret),
        quote(raw, safe=""),
        quote(raw),
        quote_plus(raw),
        raw.hex(),
        raw.hex().upper(),
    }
    found |= {form.lower() for form in (quote(raw, safe=""),) if "%" in form and secret.lower() == secret}
    for offset in range(3):
        encoded = b64encode(b"\0" * offset + raw).decode("ascii").rstrip("=")
        # Characters that also depend on the neighbours' bits are left away.
        inner = encoded[(0, 2, 3)[offset] : (offset + len(raw)) * 8 // 6]
        if len(inner) >= 6:
            found |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {form for form in found if len(form) >= SHORTEST}
