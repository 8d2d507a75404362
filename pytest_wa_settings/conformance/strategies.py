"""What the suite draws: passwords and their near misses, damage to `data`, bodies of every shape."""

from __future__ import annotations

import json
import random
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import strategies as st

from pytest_wa_settings.conformance.decoding import Run, could_mean_the_same, longest_run

_HEAD = 256
"""Bytes at the start of `data` that are changed one by one: there a header would stand."""
_CUTS = (8, 16, 20, 32, 55, 56, 64, 72, 100, 128, 200, 255, 256)


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
    filler = "".join(rng.choice(letters) for _ in range(400))
    return {
        "24 characters": "aA1!" + filler[:20],
        "60 characters": "bB2?" + filler[20:76],
        "140 characters": "cC3#" + filler[:136],
        "300 characters": "dD4%" + filler[:296],
        "26 characters with blanks at both ends": " eE5&" + filler[40:60] + " ",
        "26 characters, some beyond ASCII": "fF6*é\u00fcßж中ﬁ\U0001f511Ω" + filler[60:78],
        "31 characters with a NUL inside": "hH8-" + filler[90:102] + "\0" + filler[102:116],
        "90 bytes in 36 characters": "gG7+" + "\u00e9\u4e2d\u0436" * 8 + filler[80:88],
    }


def near_misses(right: str) -> Iterator[NearMiss]:
    """Passwords that differ from the right one in a way that a careless client overlooks."""
    for miss in _all_misses(right):
        if not one_password(miss.password, right) and _encodes(miss.password):
            yield miss


def _encodes(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _all_misses(right: str) -> Iterator[NearMiss]:
    for cut in _CUTS:
        if cut < len(right):
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
    yield NearMiss("a NUL added at the end", right + "\0")
    yield NearMiss("a NUL added at the start", "\0" + right)
    yield NearMiss("cut by a NUL in the middle", right[: len(right) // 2] + "\0" + right[len(right) // 2 :])
    yield NearMiss("a NUL and more added", right + "\0more")
    yield NearMiss("a blank added at the end", right + " ")
    yield NearMiss("a blank added at the start", " " + right)
    yield NearMiss("a line end added", right + "\n")
    yield NearMiss("blanks at the ends missing", right.strip())
    yield NearMiss("all lower case", right.lower())
    yield NearMiss("all upper case", right.upper())
    yield NearMiss("letter case swapped", right.swapcase())
    yield NearMiss("the first letter's case swapped", _one_case(right, 1))
    yield NearMiss("the last letter's case swapped", _one_case(right, -1))
    yield NearMiss("compatibility forms folded (NFKC)", unicodedata.normalize("NFKC", right))
    yield NearMiss("characters beyond ASCII replaced by ?", re.sub(r"[^\x00-\x7f]", "?", right))
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
    yield NearMiss("a wild card", "*")


def _exchange(text: str, at: int) -> str:
    return text[: at - 1] + text[at] + text[at - 1] + text[at + 1 :]


def _one_case(text: str, direction: int) -> str:
    places = [at for at, c in enumerate(text) if c.swapcase() != c and len(c.swapcase()) == 1]
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


@dataclass(frozen=True)
class Damage:
    """Damaged `data`, by what was done to it."""

    how: str
    data: str

    def __repr__(self) -> str:
        return f"Damage({self.how!r}, {self.data!r})"


def damages(data: str, other: str | None = None) -> Iterator[Damage]:
    """Directed damage to every region of `data`; `other` is a second backup to splice with.

    What some fair reading takes for the same value is left out.
    """
    for damage in _all_damages(data, other):
        if not could_mean_the_same(data, damage.data) and not (
            other and could_mean_the_same(other, damage.data)
        ):
            yield damage


def _all_damages(data: str, other: str | None) -> Iterator[Damage]:
    run = longest_run(data)
    raw = run.decoded()
    if not raw:
        yield from _text_damages(run)
    else:
        yield from _byte_damages(run, raw)
        if other is not None:
            yield from _splices(run, raw, longest_run(other))
    yield from _made_up(data, run, raw)


def _byte_damages(run: Run, raw: bytes) -> Iterator[Damage]:
    size = len(raw)
    places = {
        "the first byte": 0,
        "the second byte": 1,
        "a byte at a quarter": size // 4,
        "a byte in the middle": size // 2,
        "a byte at three quarters": size * 3 // 4,
        "the last but one byte": size - 2,
        "the last byte": size - 1,
    }
    places |= {f"byte {at + 1}": at for at in (4, 8, 16, 32, 48)}
    places |= {f"byte {back} from the end": size - back for back in (9, 16, 17, 33)}
    for name, at in places.items():
        if 0 <= at < size:
            for bit, told in ((0x01, "one bit of"), (0x80, "the high bit of")):
                yield Damage(f"{told} {name} changed", run.encode(flip(raw, at, bit)))
    for at in range(min(_HEAD, size)):
        yield Damage(f"the lowest bits of byte {at + 1} changed", run.encode(flip(raw, at, 0x03)))
    yield from _balanced_damages(run, raw)
    for count in (1, 2, 4, 8, 12, 16, 32):
        if count < size:
            yield Damage(f"{count} bytes cut off at the end", run.encode(raw[:-count]))
            yield Damage(f"{count} bytes cut off at the start", run.encode(raw[count:]))
    yield Damage("cut to a half", run.encode(raw[: size // 2]))
    yield Damage("16 bytes cut out of the middle", run.encode(raw[: size // 2] + raw[size // 2 + 16 :]))
    for name, more in (("a zero byte", b"\0"), ("a byte", b"x"), ("16 bytes", b"0123456789abcdef")):
        yield Damage(f"{name} added at the end", run.encode(raw + more))
        yield Damage(f"{name} added at the start", run.encode(more + raw))
    yield Damage("said twice", run.encode(raw + raw))
    yield Damage("the halves exchanged", run.encode(raw[size // 2 :] + raw[: size // 2]))
    middle = size // 2 // 16 * 16
    if size >= 64:
        swapped = (
            raw[: middle - 16] + raw[middle : middle + 16] + raw[middle - 16 : middle] + raw[middle + 16 :]
        )
        yield Damage("two blocks of 16 bytes exchanged", run.encode(swapped))
        yield Damage(
            "a block of 16 bytes said twice",
            run.encode(raw[:middle] + raw[middle - 16 : middle] + raw[middle:]),
        )
    yield Damage(
        "16 bytes in the middle zeroed", run.encode(raw[: size // 2] + bytes(16) + raw[size // 2 + 16 :])
    )
    yield Damage("every byte inverted", run.encode(bytes(byte ^ 0xFF for byte in raw)))


def _balanced_damages(run: Run, raw: bytes) -> Iterator[Damage]:
    """Changes that a sum, an exclusive or, or a count over the bytes does not see."""
    size = len(raw)
    if size < 40:
        return
    one, other = size // 3, size // 2
    added = bytearray(raw)
    added[one], added[other] = (raw[one] + 1) % 256, (raw[other] - 1) % 256
    yield Damage("one byte more by one, another less", run.encode(bytes(added)))
    yield Damage("the same bit of two bytes changed", run.encode(flip(flip(raw, one, 4), other, 4)))
    apart = next((at for at in range(one, size - 1) if raw[at] != raw[at + 1]), None)
    if apart is not None:
        exchanged = raw[:apart] + raw[apart + 1 : apart + 2] + raw[apart : apart + 1] + raw[apart + 2 :]
        yield Damage("two neighbouring bytes exchanged", run.encode(exchanged))


def _text_damages(run: Run) -> Iterator[Damage]:
    text, size = run.text, len(run.text)
    for name, at in (("first", 0), ("middle", size // 2), ("last", size - 1)):
        replaced = "A" if text[at] not in "aA" else "B"
        yield Damage(f"the {name} character changed", text[:at] + replaced + text[at + 1 :])
    yield Damage("cut to a half", text[: size // 2])
    yield Damage("said twice", text + text)
    yield Damage("the halves exchanged", text[size // 2 :] + text[: size // 2])


def _splices(run: Run, raw: bytes, other: Run) -> Iterator[Damage]:
    second = other.decoded()
    if second is None or second == raw:
        return
    size = min(len(raw), len(second))
    for part in (2, 3, 4):
        at = size // part
        yield Damage(
            f"the first 1/{part} of one backup, the rest of another", run.encode(raw[:at] + second[at:])
        )
        yield Damage(
            f"the first 1/{part} of another backup, the rest of this", run.encode(second[:at] + raw[at:])
        )
    for count in (16, 32, 64):
        if size > 2 * count:
            yield Damage(
                f"the last {count} bytes of another backup", run.encode(raw[:-count] + second[-count:])
            )
            yield Damage(
                f"the first {count} bytes of another backup", run.encode(second[:count] + raw[count:])
            )


def _made_up(data: str, run: Run, raw: bytes | None) -> Iterator[Damage]:
    yield Damage("empty", "")
    yield Damage("a blank", " ")
    yield Damage("one character", "A")
    yield Damage("the word null", "null")
    yield Damage("an empty object as text", "{}")
    yield Damage("plain settings as text", '{"settings": {"application": {}}}')
    yield Damage("made up, not encoded", "not a backup, but a sentence of some length")
    made = random.Random(len(data)).randbytes(len(raw) if raw else 64)
    yield Damage("made up, of the same length and encoding", run.encode(made) if raw else "A" * len(data))
    yield Damage("zeros of the same length", run.encode(bytes(len(raw))) if raw else "0" * len(data))
    body = run.body
    yield Damage("text cut by 4 characters", run.replace(body[:-4]))
    yield Damage("text cut to a third", run.replace(body[: len(body) // 3]))
    if body.swapcase() != body and run.encoding == "base64":
        yield Damage("letter case swapped", run.replace(body.swapcase()))
    yield Damage("text reversed", run.replace(body[::-1]))
    if raw:
        yield Damage("the encoded part alone, then 4 characters more", run.replace(body + "AAAA"))


def flip(raw: bytes, at: int, bits: int) -> bytes:
    """The bytes with some bits of one byte changed."""
    return raw[:at] + bytes([raw[at] ^ bits]) + raw[at + 1 :]


def drawn_damage(data: str) -> st.SearchStrategy[Damage]:
    """Damage at a drawn place: a byte changed, bytes removed or added."""
    run = longest_run(data)
    raw = run.decoded()
    if not raw:
        return st.integers(0, len(data) - 1).map(
            lambda at: Damage(f"character {at + 1} missing", data[:at] + data[at + 1 :])
        )

    def change(at: int, bits: int) -> Damage:
        return Damage(f"byte {at + 1} of {len(raw)} changed by {bits:#04x}", run.encode(flip(raw, at, bits)))

    def remove(at: int, count: int) -> Damage:
        left = raw[:at] + raw[at + count :]
        return Damage(f"{count} bytes missing after byte {at} of {len(raw)}", run.encode(left))

    def add(at: int, more: bytes) -> Damage:
        longer = raw[:at] + more + raw[at:]
        return Damage(f"{len(more)} bytes added after byte {at} of {len(raw)}", run.encode(longer))

    place = st.integers(0, len(raw) - 1)
    changed = st.builds(change, place, st.integers(1, 255))
    removed = st.builds(remove, place, st.integers(1, 40))
    added = st.builds(add, place, st.binary(min_size=1, max_size=20))
    return st.one_of(changed, removed, added).filter(
        lambda damage: not could_mean_the_same(data, damage.data)
    )


WRONG_TYPES: tuple[tuple[str, object], ...] = (
    ("a number", 12345678),
    ("a fraction", 1.5),
    ("true", True),
    ("false", False),
    ("null", None),
    ("a list", ["aA1!of-another-type"]),
    ("an empty list", []),
    ("an object", {"password": "aA1!of-another-type"}),
    ("an empty object", {}),
)

NOT_OBJECTS: tuple[tuple[str, bytes], ...] = (
    ("an empty body", b""),
    ("a list", b'["password"]'),
    ("a string", b'"password"'),
    ("a number", b"17"),
    ("null", b"null"),
    ("an object cut short", b'{"password": "wa-sett'),
    ("no JSON at all", b"password=aA1!in-a-form"),
)

_JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def bodies() -> st.SearchStrategy[bytes]:
    """Request bodies of every shape but one that could be a proper request with both members as strings."""

    def encode(value: object) -> bytes:
        return json.dumps(value).encode()

    odd = _JSON_VALUES.map(encode)
    typed = st.fixed_dictionaries(
        {}, optional={"password": _NOT_TEXT, "data": _JSON_VALUES, "extra": _JSON_VALUES}
    ).map(encode)
    return st.one_of(odd, typed, st.binary(max_size=80), st.sampled_from([raw for _, raw in NOT_OBJECTS]))


_NOT_TEXT = _JSON_VALUES.filter(lambda value: not isinstance(value, str))
