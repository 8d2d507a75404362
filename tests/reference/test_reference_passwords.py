"""What is kept of the passwords of users."""

from __future__ import annotations

import asyncio

import pytest

from pytest_wa_settings.reference.users import Passwords

LIGHT, STRONG = Passwords("light"), Passwords("strong")


@pytest.mark.parametrize("made", [LIGHT, STRONG])
@pytest.mark.parametrize("read", [LIGHT, STRONG])
def test_a_password_fits_what_was_kept_of_it_under_any_cost(made: Passwords, read: Passwords) -> None:
    kept = asyncio.run(made.hash("Secret-123"))
    assert asyncio.run(read.fits("Secret-123", kept))
    assert not asyncio.run(read.fits("Secret-124", kept))


def test_what_is_kept_tells_its_function_and_parameters_and_a_salt_of_its_own() -> None:
    kept = [asyncio.run(STRONG.hash("Secret-123")) for _ in range(2)]
    assert all(one.startswith("$argon2id$v=19$m=19456,t=2,p=1$") for one in kept)
    assert kept[0] != kept[1]


def test_what_was_kept_by_scrypt_at_an_earlier_versions_cost_still_fits() -> None:
    salt, digest = (
        "000102030405060708090a0b0c0d0e0f",
        "43ce03eedf5deefed6684fe7c60c364c712ef9ea5c03c9840feb7e6b4dcab62a",
    )
    for made in (LIGHT, STRONG):
        assert asyncio.run(made.fits("Secret-123", f"$scrypt$ln=14,r=8,p=1${salt}${digest}"))


def test_what_was_kept_before_without_parameters_has_the_cost_of_the_client() -> None:
    salt, digest = asyncio.run(LIGHT.hash("Secret-123")).split("$")[3:]
    assert asyncio.run(LIGHT.fits("Secret-123", f"{salt}:{digest}"))
    assert not asyncio.run(STRONG.fits("Secret-123", f"{salt}:{digest}"))


def test_what_cannot_be_read_fits_no_password() -> None:
    assert not asyncio.run(LIGHT.fits("", "$argon2id$v=19$m=64$00$00"))
