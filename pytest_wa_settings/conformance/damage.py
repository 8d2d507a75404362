"""Damage to `data`, directed and drawn: never what a fair reading takes for the same value (RESTORE-6)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from hypothesis import strategies as st

from pytest_wa_settings.conformance.decoding import Run, could_mean_the_same, longest_run

_ABOUT_SO_MANY = 350
_MOST_CHARACTERS = 2**28
"""Characters of damaged data in all: of very long data only some damages are made."""
_HEAD = 256
"""Bytes at the start of `data` that are changed one by one: there a header would stand."""


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
    every = 1 + len(data) * _ABOUT_SO_MANY // _MOST_CHARACTERS
    for damage in islice(_all_damages(data, other), 0, None, every):
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
