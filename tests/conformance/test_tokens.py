"""Tokens that no client gave out: near a valid one, and never the same by another reading."""

from __future__ import annotations

import base64
import random
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_wa_settings.conformance.tokens import bad_tokens

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyIjoiYWRtaW4ifQ.c2lnbmF0dXJlLW9mLXRoZS1jbGllbnQ"


def of(valid: str | None) -> dict[str, Any]:
    client: Any = SimpleNamespace(driver=SimpleNamespace(session_token=lambda: valid))
    return dict(bad_tokens(client, random.Random(1)))


@pytest.mark.parametrize("valid", [JWT, "0f" * 20, "AbCdEfGhIjKlMnOpQrStUvWx"])
def test_none_of_them_is_the_valid_one(valid: str) -> None:
    assert valid not in of(valid).values()


@pytest.mark.parametrize("valid", ["0f" * 20, "0123456789ABCDEF" * 2, "MFRGGZDFMZTWQ2LK"])
def test_letter_case_is_left_alone_where_it_may_not_count(valid: str) -> None:
    assert "a valid token with letter case swapped" not in of(valid)


def test_of_a_token_in_three_parts_the_signature_alone_changes_its_case() -> None:
    swapped = of(JWT)["a valid token with letter case swapped"]
    assert swapped.split(".")[:2] == JWT.split(".")[:2]
    assert swapped.split(".")[2] == JWT.split(".")[2].swapcase()


def test_the_claims_of_a_token_in_three_parts_are_sent_without_an_algorithm() -> None:
    header, claims, signature = of(JWT)["a valid token's claims under the algorithm `none`"].split(".")
    assert (claims, signature) == (JWT.split(".")[1], "")
    assert header != JWT.split(".")[0]


@pytest.mark.parametrize("size", range(12, 65))
def test_a_changed_token_is_another_one_to_a_lenient_decoder_too(size: int) -> None:
    raw = bytes(size)
    changed = of(base64.b64encode(raw).decode())["a valid token with a character near its end changed"]
    assert base64.b64decode(changed) != raw


@pytest.mark.parametrize("valid", [None, "short"])
def test_a_token_that_is_unknown_or_short_has_no_near_ones(valid: str | None) -> None:
    assert len(of(valid)) == 6
    assert not [name for name in of(valid) if name.startswith("a valid token")]
