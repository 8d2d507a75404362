"""Passwords as the suite draws them, and their near misses (RESTORE-5)."""

from __future__ import annotations

import html
import random
import re
import unicodedata
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import strategies as st

_PLAIN = 40
_CUTS = (8, 16, 20, 32, 55, 56, 64, 72, 100, 128, 200, 255, 256, 512, 1000, 1024)
_VERY_LONG, _LONG_CUTS = 1000, 512


def opaque(password: str) -> str:
    """The password as RFC 8265 (OpaqueString) prepares it: Unicode spaces become U+0020, then NFC."""
    spaced = "".join(" " if unicodedata.category(c) == "Zs" else c for c in password)
    return unicodedata.normalize("NFC", spaced)


def one_password(left: str, right: str) -> bool:
    """Whether a fair client may take both for one password."""
    return left == right or opaque(left) == opaque(right)


@dataclass(frozen=True)
class NearMiss:
    """Another password than the right one, by what was done to it (which may be told; the value may not)."""

    how: str
    password: str

    def __repr__(self) -> str:
        return f"NearMiss({self.how!r}, {self.password!r})"


def base_passwords(rng: random.Random) -> dict[str, str]:
    """Right passwords to miss narrowly: each long enough for the cuts that it is there for."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    filler = "".join(rng.choice(letters) for _ in range(1100))
    escapes, signs = "&amp;%41$A\\n+'\"#:", "\u2019\u05d0\U0001f44d\U0001f3fd\u270c\ufe0f"
    return {
        "24 characters": "aA1!" + filler[:20],
        "60 characters": "bB2?" + filler[20:76],
        "140 characters": "cC3#" + filler[:136],
        "300 characters": "dD4%" + filler[:296],
        "40 characters, with blanks and escapes": f" eE5{escapes}{filler[40:48]}  {filler[50:58]} ",
        "32 characters, some beyond ASCII": f"fF6*é\u00fcßж中ﬁ\U0001f511Ωe\u0301{filler[60:72]}{signs}",
        "31 characters with a NUL inside": "hH8-" + filler[90:102] + "\0" + filler[102:116],
        "18 digits, with zeros first": "00" + "".join(rng.choice("123456789") for _ in range(16)),
        "46 characters of 90 bytes": "gG7+" + "\u00e9\u4e2d\u0436" * 11 + filler[80:89],
        "32 characters with a tab and a line end": f"iI9~{filler[10:20]}\t{filler[20:30]}\r\n{filler[30:35]}",
        "1100 characters": "jJ0=" + filler[:1096],
    }


def near_misses(right: str) -> Iterator[NearMiss]:
    """Passwords that differ from the right one in a way that a careless client overlooks.

    A long plain password is missed by its length and its ends only, one with a line end by its control
    characters: the rest tells no more than a short one.
    """
    for miss in _misses(right):
        if not one_password(miss.password, right) and _encodes(miss.password):
            yield miss


def _misses(right: str) -> Iterator[NearMiss]:
    if "\n" in right:
        return _control_characters(right)
    length_alone = len(right) > _PLAIN and right.isascii() and right.isprintable()
    return _cuts_and_ends(right) if length_alone else _all_misses(right)


def _encodes(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _control_characters(right: str) -> Iterator[NearMiss]:
    yield NearMiss("tabs made blanks", right.replace("\t", " "))
    yield NearMiss("tabs left out", right.replace("\t", ""))
    yield NearMiss("line ends without CR", right.replace("\r", ""))
    yield NearMiss("line ends left out", right.replace("\r\n", ""))
    yield NearMiss("line ends made blanks", right.replace("\r\n", " "))
    yield NearMiss("cut at a line end", right.partition("\r")[0])


def _cuts_and_ends(right: str) -> Iterator[NearMiss]:
    for cut in _CUTS:
        if cut < len(right) and (cut >= _LONG_CUTS or len(right) < _VERY_LONG):
            yield NearMiss(f"cut after {cut} characters", right[:cut])
            changed = right[:cut] + ("x" if right[cut] != "x" else "y") + right[cut + 1 :]
            yield NearMiss(f"character {cut + 1} changed", changed)
    raw = right.encode("utf-8")
    if len(raw) != len(right):
        for cut in _CUTS:
            if cut < len(raw):
                yield NearMiss(f"cut after {cut} bytes", raw[:cut].decode("utf-8", "ignore"))
    yield NearMiss("the last character missing", right[:-1])
    yield NearMiss("the first character missing", right[1:])
    yield NearMiss("the first character changed", ("z" if right[0] != "z" else "y") + right[1:])
    yield NearMiss("the last character changed", right[:-1] + ("z" if right[-1] != "z" else "y"))
    yield NearMiss("a character added", right + "x")


def _all_misses(right: str) -> Iterator[NearMiss]:
    yield from _cuts_and_ends(right)
    yield NearMiss("a NUL added at the end", right + "\0")
    yield NearMiss("a NUL added at the start", "\0" + right)
    yield NearMiss("cut by a NUL in the middle", right[: len(right) // 2] + "\0" + right[len(right) // 2 :])
    yield NearMiss("a NUL and more added", right + "\0more")
    yield NearMiss("a blank added at the end", right + " ")
    yield NearMiss("a blank added at the start", " " + right)
    yield NearMiss("a line end added", right + "\n")
    yield NearMiss("blanks at the ends missing", right.strip())
    yield NearMiss("blanks inside made one", re.sub(r"(?<=\S) +(?=\S)", " ", right))
    yield NearMiss("blanks left out", right.replace(" ", ""))
    yield NearMiss("cut at a blank", right.strip().partition(" ")[0])
    yield NearMiss("cut at a blank, from its start on", right.rstrip().rpartition("  ")[0])
    for sign in "#:":
        yield NearMiss(f"cut at {sign}", right.partition(sign)[0])
    yield NearMiss("quotes left out", re.sub("['\"]", "", right))
    yield NearMiss("backslashes left out", right.replace("\\", ""))
    yield NearMiss("zeros at the start missing", right.lstrip("0"))
    yield NearMiss("a zero-width space added", right + "\u200b")
    yield NearMiss("a byte order mark added", "\ufeff" + right)
    yield NearMiss("a no-break space added", right + "\u00a0")
    yield NearMiss("an accent added", right + "\u0301")
    yield NearMiss("a letter in its full width", right[:-1] + _full_width(right[-1]))
    yield NearMiss("percent escapes undone", urllib.parse.unquote(right))
    yield NearMiss("escapes of HTML undone", html.unescape(right))
    yield NearMiss("a dollar and its name left out", re.sub(r"\$\w+", "", right))
    yield NearMiss("percent-encoded", urllib.parse.quote(right, safe=""))
    yield NearMiss("escaped for HTML", html.escape(right))
    yield NearMiss("all lower case", right.lower())
    yield NearMiss("all upper case", right.upper())
    yield NearMiss("letter case swapped", right.swapcase())
    yield NearMiss("the first letter's case swapped", _one_case(right, 1))
    yield NearMiss("the last letter's case swapped", _one_case(right, -1))
    yield NearMiss(
        "letter case swapped beyond ASCII", "".join(c if c.isascii() else _swapped(c) for c in right)
    )
    yield NearMiss("letters from right to left left out", re.sub("[\u0590-\u08ff]", "", right))
    yield NearMiss("typographic quotes made plain", right.replace("\u2019", "'"))
    yield NearMiss("variation selectors left out", right.replace("\ufe0f", ""))
    yield NearMiss("skin tones left out", re.sub("[\U0001f3fb-\U0001f3ff]", "", right))
    yield NearMiss("compatibility forms folded (NFKC)", unicodedata.normalize("NFKC", right))
    yield NearMiss("characters beyond ASCII replaced by ?", re.sub(r"[^\x00-\x7f]", "?", right))
    yield NearMiss("characters beyond Latin-1 replaced by ?", re.sub(r"[^\x00-\xff]", "?", right))
    yield NearMiss("characters beyond ASCII left out", re.sub(r"[^\x00-\x7f]", "", right))
    yield NearMiss("another character beyond ASCII", re.sub(r"[^\x00-\x7f]", "\u00ea", right))
    yield NearMiss("characters cut to 8 bits", "".join(chr(ord(c) & 0xFF) for c in right))
    seven_bits = bytes(byte & 0x7F for byte in right.encode("utf-8")).decode("ascii")
    yield NearMiss("bytes cut to 7 bits", seven_bits)
    yield NearMiss("read as Latin-1", right.encode("utf-8").decode("latin-1"))
    yield NearMiss(
        "accents left out",
        "".join(c for c in unicodedata.normalize("NFD", right) if not unicodedata.combining(c)),
    )
    yield NearMiss("characters reversed", right[::-1])
    yield NearMiss("two characters exchanged", right[1] + right[0] + right[2:])
    yield NearMiss("the middle two characters exchanged", _exchange(right, len(right) // 2))
    yield NearMiss("said twice", right + right)
    yield NearMiss("empty", "")
    yield NearMiss("a single blank", " ")
    yield NearMiss("quoted", f'"{right}"')
    for wild in ("*", "%", ".*"):
        yield NearMiss(f"the wild card {wild}", wild)


def _exchange(text: str, at: int) -> str:
    return text[: at - 1] + text[at] + text[at - 1] + text[at + 1 :]


def _full_width(letter: str) -> str:
    return chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter


def _swapped(letter: str) -> str:
    swapped = letter.swapcase()
    return swapped if len(swapped) == 1 else letter


def _one_case(text: str, direction: int) -> str:
    places = [at for at, c in enumerate(text) if _swapped(c) != c]
    if not places:
        return text + "x"
    at = places[0] if direction > 0 else places[-1]
    return text[:at] + text[at].swapcase() + text[at + 1 :]


PASSWORD_CHARACTERS = st.characters(exclude_categories=["Cs"])


def passwords(*, shortest: int = 0, longest: int = 300) -> st.SearchStrategy[str]:
    """Any password that JSON carries: blanks, NUL, combining forms, emoji, right-to-left, long."""
    plain = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=shortest, max_size=40)
    anything = st.text(PASSWORD_CHARACTERS, min_size=shortest, max_size=60)
    special = st.sampled_from(
        [
            "\0",
            " ",
            "\u0301",
            "e\u0301",
            "\u202e",
            "\U0001f468\u200d\U0001f469",
            "\u05d0",
            "\ufdfa",
            "\t",
            "\\",
            '"',
        ]
    )
    spiced = st.builds("{}{}{}".format, plain, special, plain)
    long = st.builds(
        lambda text, n: (text * n)[:longest],
        st.text(PASSWORD_CHARACTERS, min_size=1, max_size=9),
        st.integers(1, longest),
    )
    return st.one_of(plain, spiced, anything, long).filter(lambda text: len(text) >= shortest)


def drawn_miss(right: str) -> st.SearchStrategy[NearMiss]:
    """A near miss at a drawn place: a change, a removal or an addition of one character."""
    at = st.integers(0, len(right) - 1)
    changed = st.builds(
        lambda i, c: NearMiss(f"character {i + 1} changed", right[:i] + c + right[i + 1 :]),
        at,
        PASSWORD_CHARACTERS,
    )
    removed = at.map(lambda i: NearMiss(f"character {i + 1} missing", right[:i] + right[i + 1 :]))
    added = st.builds(
        lambda i, c: NearMiss(f"a character added after {i}", right[:i] + c + right[i:]),
        at,
        PASSWORD_CHARACTERS,
    )
    cut = at.map(lambda i: NearMiss(f"cut after {i} characters", right[:i]))
    other = passwords().map(lambda text: NearMiss("another password", text))
    return st.one_of(changed, removed, added, cut, other).filter(
        lambda miss: not one_password(miss.password, right)
    )
