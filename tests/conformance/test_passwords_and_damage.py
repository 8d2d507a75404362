"""What the suite draws is a fair question: never the right password, never the same data."""

from __future__ import annotations

import base64
import random

import pytest

from pytest_wa_settings.conformance.damage import damages
from pytest_wa_settings.conformance.decoding import longest_run
from pytest_wa_settings.conformance.passwords import base_passwords, near_misses, one_password

BASES = base_passwords(random.Random(3))
LONG_AND_PLAIN = ("60 characters", "140 characters", "300 characters")


LONG_AND_LINES = (*LONG_AND_PLAIN, "1100 characters", "32 characters with a tab and a line end")


@pytest.mark.parametrize("name", BASES)
def test_a_base_password_is_as_long_as_its_name_says(name: str) -> None:
    assert len(BASES[name]) == int(name.split()[0])
    if name.endswith("bytes"):
        assert len(BASES[name].encode()) == int(name.split()[-2])


@pytest.mark.parametrize("name", BASES)
def test_no_near_miss_is_the_password_itself_under_rfc_8265(name: str) -> None:
    misses = list(near_misses(BASES[name]))
    # A long plain password is missed by its length and its ends alone, one with a line end by that.
    assert len(misses) > (5 if name in LONG_AND_LINES else 30)
    assert not [miss.how for miss in misses if one_password(miss.password, BASES[name])]


@pytest.mark.parametrize("name", LONG_AND_PLAIN)
@pytest.mark.parametrize("cut", [8, 16, 32, 64, 72, 128, 255, 256])
def test_a_long_password_is_missed_at_each_length_below_its_own(name: str, cut: int) -> None:
    hows = {miss.how for miss in near_misses(BASES[name])}
    wanted = {f"cut after {cut} characters", f"character {cut + 1} changed"}
    assert wanted & hows == (wanted if cut < len(BASES[name]) else set())


@pytest.mark.parametrize("cut", [8, 16, 32, 64, 72, 128, 255, 256])
def test_each_length_that_clients_cut_at_is_missed(cut: int) -> None:
    hows = {miss.how for base in BASES.values() for miss in near_misses(base)}
    assert f"character {cut + 1} changed" in hows


@pytest.mark.parametrize(
    ("one", "other"),
    [("e\u0301", "\u00e9"), ("a\u00a0b", "a b"), ("x", "x")],
)
def test_passwords_equal_under_rfc_8265_are_one(one: str, other: str) -> None:
    assert one_password(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("ab", "aB"), ("ab", "ab "), ("ab", "ab\0"), ("\ufb01", "fi")],
)
def test_every_other_difference_makes_another_password(one: str, other: str) -> None:
    assert not one_password(one, other)


def test_damage_changes_the_bytes_of_every_region() -> None:
    rng = random.Random(5)
    raw, second = rng.randbytes(400), rng.randbytes(400)
    data, other = base64.b64encode(raw).decode(), base64.b64encode(second).decode()
    found = list(damages(data, other))
    assert len(found) > 60
    assert all(longest_run(damage.data).decoded() != raw for damage in found)
    assert len({damage.how for damage in found}) == len(found)


def test_data_of_no_known_encoding_is_damaged_as_text() -> None:
    data = "".join(chr(0x4E00 + i) for i in range(200))
    assert all(damage.data != data for damage in damages(data))
    assert len(list(damages(data))) > 8
