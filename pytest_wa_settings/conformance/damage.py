"""Damage to `data`, directed and drawn: never what a fair reading takes for the same value (RESTORE-6)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from hypothesis import strategies as st

from pytest_wa_settings.conformance.budget import Budget
from pytest_wa_settings.conformance.decoding import Run, could_mean_the_same, longest_run
from pytest_wa_settings.verdicts import Case

_ABOUT_SO_MANY = 350
_MOST_CHARACTERS = 2**26
"""Characters of damaged data in all: of very long data only some damages are made."""
MOST_COMPARED = 2**30
"""Characters that telling damage from harmless changes may visit, for all damages together."""
_HEAD = 256
"""Bytes at the start of `data` that are changed one by one: there a header would stand."""
_INVERTED = bytes(range(255, -1, -1))


@dataclass(frozen=True)
class Damage:
    """Damaged `data`, by what was done to it; it is made when it is asked for, and not held."""

    how: str
    make: Callable[[], str] = field(repr=False)
    made_up: bool = False

    @property
    def data(self) -> str:
        """The damaged data."""
        return self.make()


def damages(data: str, other: str | None = None, budget: Budget | None = None) -> Iterator[Damage]:
    """Directed damage to every region of `data`; `other` is a second backup to splice with.

    What some fair reading takes for the same value is left out, and so is what the budget (MOST_COMPARED)
    leaves no comparison for; it says so afterwards.
    """
    budget = budget or Budget(MOST_COMPARED)
    every = 1 + len(data) * _ABOUT_SO_MANY // _MOST_CHARACTERS
    if every > 1:
        budget.leave_out(f"every {every}th damage was made, as each is so long")
    number = 0
    for damage in _all_damages(data, other, budget):
        number += not damage.made_up
        if (number - 1) % every and not damage.made_up:
            continue
        damaged = damage.data
        if not could_mean_the_same(data, damaged, budget) and not (
            other and could_mean_the_same(other, damaged, budget)
        ):
            yield damage


def damages_for(case: Case, data: str, other: str | None = None) -> list[Damage]:
    """The damages, with a remark of the case where the budget left some out."""
    budget = Budget(MOST_COMPARED)
    found = list(damages(data, other, budget))
    if budget.remark is not None:
        case.remark(budget.remark)
    return found


def _all_damages(data: str, other: str | None, budget: Budget) -> Iterator[Damage]:
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
    def damage(how: str, make: Callable[[], bytes]) -> Damage:
        return Damage(how, lambda: run.encode(make()))

    size = len(raw)
    yield from _changed_bytes(run, raw)
    yield from _balanced_damages(run, raw)
    for count in (1, 2, 4, 8, 12, 16, 32):
        if count < size:
            yield damage(f"{count} bytes cut off at the end", partial(_part, raw, 0, size - count))
            yield damage(f"{count} bytes cut off at the start", partial(_part, raw, count, size))
    half = size // 2
    yield damage("cut to a half", lambda: raw[:half])
    yield damage("16 bytes cut out of the middle", lambda: raw[:half] + raw[half + 16 :])
    for name, more in (("a zero byte", b"\0"), ("a byte", b"x"), ("16 bytes", b"0123456789abcdef")):
        yield damage(f"{name} added at the end", partial(_joined, raw, more))
        yield damage(f"{name} added at the start", partial(_joined, more, raw))
    yield damage("said twice", lambda: raw + raw)
    yield damage("the halves exchanged", lambda: raw[half:] + raw[:half])
    at = half // 16 * 16
    if size >= 64:
        yield damage(
            "two blocks of 16 bytes exchanged",
            lambda: raw[: at - 16] + raw[at : at + 16] + raw[at - 16 : at] + raw[at + 16 :],
        )
        yield damage("a block of 16 bytes said twice", lambda: raw[:at] + raw[at - 16 : at] + raw[at:])
    yield damage("16 bytes in the middle zeroed", lambda: raw[:half] + bytes(16) + raw[half + 16 :])
    yield damage("every byte inverted", lambda: raw.translate(_INVERTED))


def _changed_bytes(run: Run, raw: bytes) -> Iterator[Damage]:
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
                yield Damage(f"{told} {name} changed", partial(_flipped, run, raw, at, bit))
    for at in range(min(_HEAD, size)):
        yield Damage(f"the lowest bits of byte {at + 1} changed", partial(_flipped, run, raw, at, 0x03))


def _flipped(run: Run, raw: bytes, at: int, bits: int) -> str:
    return run.encode(flip(raw, at, bits))


def _part(raw: bytes, start: int, end: int) -> bytes:
    return raw[start:end]


def _joined(one: bytes, other: bytes) -> bytes:
    return one + other


def _balanced_damages(run: Run, raw: bytes) -> Iterator[Damage]:
    """Changes that a sum, an exclusive or, or a count over the bytes does not see."""
    size = len(raw)
    if size < 40:
        return
    one, other = size // 3, size // 2

    def balanced() -> str:
        added = bytearray(raw)
        added[one], added[other] = (raw[one] + 1) % 256, (raw[other] - 1) % 256
        return run.encode(bytes(added))

    yield Damage("one byte more by one, another less", balanced)
    yield Damage("the same bit of two bytes changed", lambda: run.encode(flip(flip(raw, one, 4), other, 4)))
    apart = next((at for at in range(one, size - 1) if raw[at] != raw[at + 1]), None)
    if apart is not None:
        parts = (0, apart), (apart + 1, apart + 2), (apart, apart + 1), (apart + 2, size)
        yield Damage(
            "two neighbouring bytes exchanged", lambda: run.encode(b"".join(raw[a:b] for a, b in parts))
        )


def _text_damages(run: Run) -> Iterator[Damage]:
    text, size = run.text, len(run.text)
    for name, at in (("first", 0), ("middle", size // 2), ("last", size - 1)):
        yield Damage(f"the {name} character changed", partial(_replaced, text, at))
    yield Damage("cut to a half", lambda: text[: size // 2])
    yield Damage("said twice", lambda: text + text)
    yield Damage("the halves exchanged", lambda: text[size // 2 :] + text[: size // 2])


def _replaced(text: str, at: int) -> str:
    return text[:at] + ("A" if text[at] not in "aA" else "B") + text[at + 1 :]


def _splices(run: Run, raw: bytes, other: Run) -> Iterator[Damage]:
    second = other.decoded()
    if second is None or second == raw:
        return
    size = min(len(raw), len(second))

    def spliced(how: str, first: bytes, at: int, rest: bytes, start: int) -> Damage:
        return Damage(how, lambda: run.encode(first[:at] + rest[start:]))

    for part in (2, 3, 4):
        at = size // part
        yield spliced(f"the first 1/{part} of one backup, the rest of another", raw, at, second, at)
        yield spliced(f"the first 1/{part} of another backup, the rest of this", second, at, raw, at)
    for count in (16, 32, 64):
        if size > 2 * count:
            tail = len(raw) - count, len(second) - count
            yield spliced(f"the last {count} bytes of another backup", raw, tail[0], second, tail[1])
            yield spliced(f"the first {count} bytes of another backup", second, count, raw, count)


def _made_up(data: str, run: Run, raw: bytes | None) -> Iterator[Damage]:
    for how, text in (
        ("empty", ""),
        ("a blank", " "),
        ("one character", "A"),
        ("the word null", "null"),
        ("an empty object as text", "{}"),
        ("plain settings as text", '{"settings": {"application": {}}}'),
        ("made up, not encoded", "not a backup, but a sentence of some length"),
    ):
        yield Damage(how, partial(str, text), made_up=True)
    size = len(raw) if raw else 0
    yield Damage(
        "made up, of the same length and encoding",
        lambda: run.encode(random.Random(len(data)).randbytes(size)) if raw else "A" * len(data),
    )
    yield Damage("zeros of the same length", lambda: run.encode(bytes(size)) if raw else "0" * len(data))
    body = run.body
    yield Damage("text cut by 4 characters", lambda: run.replace(body[:-4]))
    yield Damage("text cut to a third", lambda: run.replace(body[: len(body) // 3]))
    if body.swapcase() != body and run.encoding == "base64":
        yield Damage("letter case swapped", lambda: run.replace(body.swapcase()))
    yield Damage("text reversed", lambda: run.replace(body[::-1]))
    if raw:
        yield Damage("the encoded part alone, then 4 characters more", lambda: run.replace(body + "AAAA"))


def flip(raw: bytes, at: int, bits: int) -> bytes:
    """The bytes with some bits of one byte changed."""
    return raw[:at] + bytes([raw[at] ^ bits]) + raw[at + 1 :]


def drawn_damage(data: str) -> st.SearchStrategy[Damage]:
    """Damage at a drawn place: a byte changed, bytes removed or added."""
    run = longest_run(data)
    raw = run.decoded()
    if not raw:
        return st.integers(0, len(data) - 1).map(
            lambda at: Damage(f"character {at + 1} missing", lambda: data[:at] + data[at + 1 :])
        )

    def change(at: int, bits: int) -> Damage:
        return Damage(
            f"byte {at + 1} of {len(raw)} changed by {bits:#04x}", partial(_flipped, run, raw, at, bits)
        )

    def remove(at: int, count: int) -> Damage:
        how = f"{count} bytes missing after byte {at} of {len(raw)}"
        return Damage(how, lambda: run.encode(raw[:at] + raw[at + count :]))

    def add(at: int, more: bytes) -> Damage:
        how = f"{len(more)} bytes added after byte {at} of {len(raw)}"
        return Damage(how, lambda: run.encode(raw[:at] + more + raw[at:]))

    place = st.integers(0, len(raw) - 1)
    changed = st.builds(change, place, st.integers(1, 255))
    removed = st.builds(remove, place, st.integers(1, 40))
    added = st.builds(add, place, st.binary(min_size=1, max_size=20))
    return st.one_of(changed, removed, added).filter(
        lambda damage: not could_mean_the_same(data, damage.data)
    )
