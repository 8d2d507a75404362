"""What a field can hold at the edges of common representations: number types, encodings, column lengths.

A table by kind of field, the most telling edges first. Each value is valid by the documented limits (api 5.1
and 5.2); a client may refuse or normalise one all the same, and is never blamed for that.
"""

from __future__ import annotations

import random
import string
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from pytest_wa_settings.conformance.fields import Field, canary

HOST = "wa-settings.invalid"
_SEPARATOR = "|"
_FILLER = "\U0001f600"
_CANARY = 16


@dataclass(frozen=True)
class Edge:
    """One edge: how reports call it, and the value, or the part of a text, that has it."""

    name: str
    value: object


LONGEST = Edge("as long as it may be, filled with characters of four bytes", _FILLER)
BLANK_ENDS = Edge("blanks at both ends", " ")


@dataclass(frozen=True)
class Planting:
    """What a field is given in one state.

    Attributes:
        edges: those that the value has.
        room: characters that a text of several joined edges may have; 0 where `edges` is one that has its own
            value.
        canary: what a joined text begins with, so that chance never finds it (clause BACKUP-4).
    """

    edges: tuple[Edge, ...]
    room: int = 0
    canary: str = ""

    @property
    def value(self) -> object:
        """The value that has all these edges."""
        if not self.room:
            return self.edges[0].value
        blank = " " if BLANK_ENDS in self.edges else ""
        parts = [str(one.value) for one in self.edges if one not in (LONGEST, BLANK_ENDS)]
        text = _SEPARATOR.join([self.canary, *parts])
        if LONGEST in self.edges:
            text += _FILLER * (self.room - len(text) - 2 * len(blank))
        return blank + text + blank

    def only(self, edges: Sequence[Edge]) -> Planting:
        """The same with some of its edges."""
        return replace(self, edges=tuple(edges))


def whole(name: str, value: object) -> Planting:
    """A planting of one edge."""
    return Planting((Edge(name, value),))


# Texts.

PARTS: tuple[Edge, ...] = (
    Edge("an emoji beyond the basic plane", "\U0001f600"),
    Edge("composed and decomposed letters", "\u00e9e\u0301"),
    Edge("a letter of two bytes", "\u00fc"),
    Edge("an ideograph of three bytes", "\u4e2d"),
    Edge("U+0000", "\0"),
    Edge("a tab", "a\tb"),
    Edge("a line feed", "a\nb"),
    Edge("CR LF", "a\r\nb"),
    Edge("a carriage return", "a\rb"),
    Edge("two blanks", "a  b"),
    Edge("quotes", "\"'`"),
    Edge("backslashes", "\\ \\n \\u0041"),
    Edge("percent signs", "%s%d%00%25"),
    Edge("dollars", "$1${x}$$"),
    Edge("braces", "{{x}}{0}"),
    Edge("markup", "<b>&amp;</b>]]>"),
    Edge("comma and semicolon", "a,b;c"),
    Edge("marks of a comment", "--/*#"),
    Edge("characters of CP1252 that Latin-1 lacks", "\u20ac\u201c\u201d"),
    Edge("U+0080 to U+009F", "\x80\x85\x9f"),
    Edge("a no-break space and the end of Latin-1", "\xa0\xff"),
    Edge("a soft hyphen", "a\xadb"),
    Edge("U+FEFF inside", "a\ufeffb"),
    Edge("U+2028 and U+2029", "\u2028\u2029"),
    Edge("marks of writing from right to left", "\u200f\u05d0\u202eab\u202c"),
    Edge("characters of no width", "\u200b\u200c\u200d"),
    Edge("emoji of several characters", "\U0001f44d\U0001f3fd\U0001f468\u200d\U0001f469\u200d\U0001f467"),
    Edge("a flag and a variation selector", "\U0001f1ef\U0001f1f5\u2764\ufe0f"),
    Edge("combining marks in an order of their own", "o\u0307\u0323"),
    Edge("characters with a compatible form", "\u212b\ufb01\uff21"),
    Edge("a syllable and its parts", "\ud55c\u1112\u1161\u11ab"),
    Edge("letters whose case changes oddly", "\u0130\u0131\u00df\u1e9e\u03c2"),
    Edge("the last code points", "\ufffd\U0010fffd"),
    Edge("code points that are no characters", "\ufffe\uffff"),
    Edge("control characters", "\x01\x1b\x7f"),
)
"""Parts of texts: many stand in one text."""

FORMS: tuple[Edge, ...] = (
    Edge("digits with leading zeros", "007"),
    Edge("the text null", "null"),
    Edge("the text true", "true"),
    Edge("a number with an exponent", "1e5"),
    Edge("a formula", "=1+1"),
    Edge("one character", "0"),
    Edge("blanks alone", "   "),
    Edge("the text NaN", "NaN"),
    Edge("a text in quotes", '"wa"'),
    Edge("an empty list as text", "[]"),
    Edge("a number beyond double precision", "9007199254740993"),
    Edge("white space of all kinds at both ends", "\n\t\u00a0wa\u3000\t\n"),
    Edge("a hexadecimal number", "0x10"),
    Edge("the text no", "no"),
    Edge("the text \\N", "\\N"),
    Edge("a negative zero", "-0"),
    Edge("a number with a plus sign", "+1"),
    Edge("a number with a fraction of zero", "1.0"),
    Edge("a date", "2020-01-01"),
    Edge("a time", "12:30"),
    Edge("a tilde", "~"),
    Edge("an object as text", '{"a": 1}'),
    Edge("a key and a value", "a: b #c"),
    Edge("U+FEFF at the beginning", "\ufeffwa"),
)
"""What is more than a text elsewhere: each is a text of its own."""

_IN_BYTES = ((63, 127), (64, 128), (127, 255), (128, 256))
"""Lengths in characters and in bytes of UTF-8 that stand beside or at an edge."""
_IN_CHARACTERS = (255,)


def _texts(one: Field, rng: random.Random, forms: Sequence[Edge]) -> Iterator[Planting]:
    """Joined texts, the lengths of this field, then its share of the forms, in turns."""
    yield from _joined(one, rng)
    yield whole("an empty text", "")
    lengths = [whole(f"{one.high} characters of ASCII", canary(rng, one.high))]
    for characters, octets in _IN_BYTES:
        wide = octets - characters  # one of three bytes makes an odd number
        text = "\u4e2d" * (wide > characters) + "\u00e9" * (wide - 2 * (wide > characters))
        text += canary(rng, characters - len(text)) if characters > len(text) else ""
        if len(text) <= one.high:
            lengths.append(whole(f"{characters} characters in {octets} bytes", text))
    lengths += [whole(f"{n} characters of ASCII", canary(rng, n)) for n in _IN_CHARACTERS if n < one.high]
    others = [Planting((form,)) for form in forms]
    for turn in range(max(len(lengths), len(others))):
        yield from (*others[turn : turn + 1], *lengths[turn : turn + 1])


def _joined(one: Field, rng: random.Random) -> Iterator[Planting]:
    """As few texts as hold all parts, each as long as it may be, with blanks at both ends."""
    left = list(PARTS)
    while left:
        room = one.high - _CANARY - 2
        taken = []
        for part in left:
            need = len(_SEPARATOR) + len(str(part.value))
            if need <= room:
                taken.append(part)
                room -= need
        yield Planting((*taken, LONGEST, BLANK_ENDS), one.high, canary(rng, _CANARY))
        left = [part for part in left if part not in taken]


def _digits(one: Field, rng: random.Random) -> Iterator[Planting]:
    """Texts of digits alone, which read as numbers."""
    drawn = "".join(rng.choice(string.digits) for _ in range(one.high - 2))
    yield whole("digits with a leading zero", f"0{rng.randint(1, 9)}{drawn}")
    yield whole("an empty text", "")
    yield whole("as many digits as it takes", "9" * one.high)
    yield whole("a zero", "0")
    yield whole("2 to the power of 32", str(2**32))
    yield whole("2 to the power of 31", str(2**31))
    yield whole("a power of ten", "1" + "0" * (one.high - 1))
    yield whole("zeros alone", "0" * one.high)


# Addresses.


def _addresses(rng: random.Random, longest: int) -> Iterator[Edge]:
    """Addresses of https, each with a random part where there is room for one."""

    def edge(name: str, rest: str, host: str = HOST) -> Edge:
        return Edge(name, f"https://{host}{rest.replace('*', canary(rng, 12))}")

    yield edge("an address of many parts", ":8443/*/%C3%a9%2f/a/./b/../c//?a=1&b==&c&a=2&&d=%2B+%26#e")
    yield _long_address(longest, rng)
    yield edge("percent escapes in both cases", "/*/%c3%A9%2f%2F%20%25%00")
    yield edge("a query with odd members", "/*?a=1&b==&c&&a=2&d=%26+%2B&")
    yield edge("a slash at the end", "/*/")
    yield edge("no path", "")
    yield edge("an empty query and fragment", "/*?#")
    yield edge("the default port", ":443/*")
    yield edge("dots and empty parts in the path", "/*/./a/../b//c/..")
    yield edge("marks that need no escape", "/*/~!$'(),;:@-._=&?/?:@'()*")
    yield edge("a host in punycode", "/*", "xn--bcher-kva.invalid")
    yield edge("letters beyond ASCII in the path", "/*/\u00e9\u4e2d\U0001f600")
    yield edge("a host beyond ASCII", "/*", "b\u00fccher.invalid")
    for length in (127, 128, 255, 256):
        if length < longest:
            yield _long_address(length, rng)


def _long_address(length: int, rng: random.Random) -> Edge:
    start = f"https://{HOST}/"
    return Edge(f"{length} characters", start + canary(rng, length - len(start)))


def _url(one: Field, rng: random.Random) -> Iterator[Planting]:
    first, *others = _addresses(rng, one.high)
    yield Planting((first,))
    yield whole("no address", "")
    yield from (Planting((edge,)) for edge in others)


def _urls(one: Field, rng: random.Random) -> Iterator[Planting]:
    """No address, one, and two of them with the edges of addresses."""
    edges = [*_addresses(rng, 256), Edge("an address of http", f"http://{HOST}/{canary(rng)}")]
    pairs = [edges[at : at + one.high] for at in range(0, len(edges), one.high)]
    yield _listed(pairs[0])
    yield whole("no address", [])
    yield whole("one address", [f"https://{HOST}/{canary(rng)}"])
    yield from (_listed(pair) for pair in pairs[1:])


def _listed(edges: Sequence[Edge]) -> Planting:
    return whole(" and ".join(one.name for one in edges), [one.value for one in edges])


def _email(one: Field, rng: random.Random) -> Iterator[Planting]:
    def at(local: str) -> str:
        return f"{local}@{HOST}"

    domain = f"{'w' * (63 - len(HOST) - 1)}.{HOST}"
    text = canary(rng).lower()
    yield whole("the longest address", f"{canary(rng, one.high - 64).lower()}@{domain}")
    yield whole("an empty text", "")
    yield whole("upper case, dots, plus and digits", at(f"Wa.{text}+00.Tag_-7"))
    yield whole("a local part of 64 characters", at(canary(rng, 64).lower()))
    yield whole("digits with leading zeros", at("007"))
    yield whole("a local part of one character", at("a"))
    yield whole("127 characters", f"{canary(rng, one.high - 65).lower()}@{domain}")
    yield whole("marks in the local part", at(f"{text}!#$%&'*/=?^`{{|}}~"))
    yield whole("letters beyond ASCII in the local part", at(f"{text}\u00e9\u4e2d"))


# Numbers and choices.


def _as_float(form: str) -> Callable[[int], object]:
    def read(value: int) -> object:
        try:
            return struct.unpack(form, struct.pack(form, value))[0]
        except (OverflowError, struct.error):
            return None

    return read


_NARROWER: tuple[Callable[[int], object], ...] = (
    lambda value: value & 0x7F,
    lambda value: value & 0xFF,
    lambda value: value & 0x7FFF,
    lambda value: value & 0xFFFF,
    lambda value: value & 0xFFFF_FFFF,
    _as_float("e"),
    _as_float("f"),
    lambda value: float(f"{value:.2e}"),
)
"""What numbers become in narrower representations."""


def _ints(one: Field) -> Iterator[Planting]:
    """The one that most representations lose, both ends, then the rest in that order.

    Powers of two and of ten, and the numbers before them; after them, where a representation loses that.
    """

    def lost(value: int) -> int:
        return sum(read(value) != value for read in _NARROWER)

    powers = [2**n for n in range(64)] + [10**n for n in range(20)]
    around = {value for power in powers for value in (power - 1, power)}
    around |= {power + 1 for power in powers if lost(power + 1) > lost(power)}
    inside = {value for value in around if one.low < value < one.high} | {one.low, one.high}
    ordered = sorted(inside, key=lambda value: (-lost(value), -value))
    ends = [value for value in (one.low, one.high) if value != ordered[0]]
    rest = [value for value in ordered[1:] if value not in ends]
    yield from (whole(str(value), value) for value in (ordered[0], *ends, *rest))


def _subsets(one: Field) -> Iterator[Planting]:
    everything = list(one.choices)
    yield whole("an empty list", [])
    yield whole("all choices", everything)
    yield whole("one choice", everything[-1:])
    yield whole("all choices in another order", everything[::-1])


def plantings(one: Field, rng: random.Random, forms: Sequence[Edge] = FORMS) -> list[Planting]:
    """What a field is to be given, the most telling first; `forms` are those that this text is to take."""
    if one.kind == "bool":
        return [whole("true", True), whole("false", False)]
    if one.kind == "choice":
        return [whole(f"choice {number}", choice) for number, choice in enumerate(one.choices, 1)]
    if one.kind == "text":
        return list(_digits(one, rng) if one.choices else _texts(one, rng, forms))
    if one.kind == "int":
        return list(_ints(one))
    if one.kind == "subset":
        return list(_subsets(one))
    return list({"url": _url, "urls": _urls, "email": _email}[one.kind](one, rng))
