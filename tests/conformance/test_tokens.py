"""Tokens that no client gave out: near a valid one, and never the same by another reading."""

from __future__ import annotations

import base64
import random
from types import SimpleNamespace
from typing import Any

import pytest
from shown_client import answer

from pytest_wa_settings.conformance.tokens import bad_tokens, is_held_by, log_out, token_apart
from pytest_wa_settings.testbed.life import Habits
from pytest_wa_settings.testbed.retry import Change
from pytest_wa_settings.verdicts import NotTested

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


class TokenClient:
    """A client that hands one token out to so many logins in a row, and then the next one.

    A logout ends a token; `forgets` is whether the client gives another one after it.
    """

    def __init__(
        self, logins_a_token: int = 1, *, forgets: bool = True, refuses_logout: bool = False
    ) -> None:
        self.logins_a_token, self.forgets, self.refuses_logout = logins_a_token, forgets, refuses_logout
        self.logins = 0
        self.first = 0
        self.habits = Habits()
        self.current: str | None = self.log_in()
        self.driver = SimpleNamespace(session_token=lambda: self.current, forget_token=self.forget)
        self.calls = SimpleNamespace(application=self.application)

    def log_in(self) -> str:
        self.logins += 1
        return f"token {self.first + (self.logins - 1) // self.logins_a_token}"

    def fresh_admin_token(self) -> str:
        return self.log_in()

    def forget(self) -> None:
        self.current = None

    def application(self) -> None:
        self.current = self.current or self.log_in()

    def log_out(self, token: str) -> Change:
        if self.refuses_logout:
            return Change(answer(403, {}), False)
        if self.forgets:
            self.first += 100
        return Change(answer(200, {}), True)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_wa_settings.conformance.tokens._LOGIN_PAUSE", 0.0)
    monkeypatch.setattr("pytest_wa_settings.conformance.tokens._HANDED_OUT_FOR", 0.05)


def client_of(*given: Any, **more: Any) -> Any:
    return TokenClient(*given, **more)


def test_where_each_login_gives_a_token_of_its_own_one_login_is_made() -> None:
    client = client_of()
    assert token_apart(client) == "token 1"
    assert client.logins == 2


def test_a_token_that_is_handed_out_to_some_logins_is_waited_out() -> None:
    client = client_of(4)
    token = token_apart(client)
    assert not is_held_by(client, token)
    assert not client.habits.one_token


def test_a_client_that_hands_out_one_token_for_ever_is_waited_for_once() -> None:
    client = client_of(10**9)
    assert is_held_by(client, token_apart(client))
    assert client.habits.one_token
    before = client.logins
    token_apart(client)
    assert client.logins == before + 1


def test_the_token_of_another_login_is_logged_out_and_the_sessions_stays() -> None:
    client = client_of()
    token = token_apart(client)
    log_out(client, token)
    assert client.current == "token 0"


def test_after_the_sessions_own_token_is_logged_out_the_session_logs_in_anew() -> None:
    client = client_of(10**9)
    token = client.current
    log_out(client, token)
    assert client.current is not None
    assert client.current != token


def test_a_login_after_the_logout_that_gives_the_same_token_is_no_evidence() -> None:
    client = client_of(10**9, forgets=False)
    with pytest.raises(NotTested, match="gives the same token again") as raised:
        log_out(client, client.current)
    assert raised.value.kind == "no evidence"


def test_a_logout_that_is_refused_is_not_tested_with_the_answer() -> None:
    client = client_of(refuses_logout=True)
    with pytest.raises(NotTested, match="refused the logout \\(HTTP 403"):
        log_out(client, token_apart(client))
