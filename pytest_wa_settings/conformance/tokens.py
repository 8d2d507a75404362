"""Tokens that a client did not give out (ACCESS-1 and ACCESS-3)."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator

from pytest_wa_settings.conformance.arrange import wait_until
from pytest_wa_settings.conformance.judgements import came
from pytest_wa_settings.testbed import Client
from pytest_wa_settings.verdicts import NotTested
from pytest_wa_settings.wire import NO_TOKEN, Token

_HANDED_OUT_FOR, _LOGIN_PAUSE = 15.0, 0.5
"""Seconds in which a client may hand one token out to every login, and between two logins meanwhile."""
_LONG_ENOUGH = 16
"""Characters of a token that can be changed so that it is no other valid one by chance."""


def bad_tokens(client: Client, rng: random.Random) -> Iterator[tuple[str, str | Token]]:
    """No token, and tokens that no client gave out."""
    yield "no token", NO_TOKEN
    yield "a token made up of hex digits", f"{rng.getrandbits(256):064x}"
    yield (
        "a made-up JSON Web Token",
        "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyIjoiYWRtaW4iLCJyb2xlIjoiUk9MRV9BRE1JTiJ9.c2lnbmF0dXJlLW1hZGUtdXA",
    )
    yield "the admin's name as token", "admin"
    for nothing in ("null", "undefined"):  # what a program sends that has no token
        yield f"the word `{nothing}` as token", nothing
    valid = client.driver.session_token()
    if valid and len(valid) >= _LONG_ENOUGH:
        yield from _near(valid)


def token_apart(client: Client) -> str:
    """The token of one more login as administrator, another than the session's where the client gives such.

    A client may hand one token out to every login of some seconds: then it waits for another one.

    Raises:
        Unavailable: no login can be made.
    """
    tokens = [client.fresh_admin_token()]

    def is_apart() -> bool:
        if is_held_by(client, tokens[0]):
            tokens[0] = client.fresh_admin_token()
        return not is_held_by(client, tokens[0])

    if not client.habits.one_token and not wait_until(is_apart, _HANDED_OUT_FOR, _LOGIN_PAUSE):
        client.habits.one_token = True
    return tokens[0]


def log_out(client: Client, token: str) -> None:
    """Logs a token out, and sees that no login since was given it again.

    Raises:
        NotTested: the client refused the logout, or gives the same token to the next login.
    """
    was_session = is_held_by(client, token)
    change = client.log_out(token)
    if not change.made:
        raise NotTested(f"the client refused the logout ({came(change.answer)})")
    if was_session:
        client.driver.forget_token()
        client.calls.application()  # which logs in
    if is_held_by(client, token):
        raise NotTested(
            "a login after the logout gives the same token again, so it is rightly good", "no evidence"
        )


def is_held_by(client: Client, token: str) -> bool:
    """Whether a token is the session's own."""
    return client.driver.session_token() == token


def odd_headers(rng: random.Random) -> Iterator[tuple[str, dict[str, str]]]:
    """Headers that hold no bearer token; what refuses them may be the HTTP layer, with another status."""
    made_up = f"{rng.getrandbits(128):032x}"
    yield "an empty token", {"Authorization": "Bearer"}
    yield "made-up credentials of another scheme", {"Authorization": f"Basic {_basic(f'nobody:{made_up}')}"}
    yield "a made-up token without a scheme", {"Authorization": made_up}


def _basic(credentials: str) -> str:
    return base64.b64encode(credentials.encode()).decode()


def _near(valid: str) -> Iterator[tuple[str, str]]:
    size = len(valid.rstrip("="))  # the last character before the padding may hold bits of no meaning
    for place, at in (("in the middle", size // 2), ("near its end", size * 7 // 8)):
        other = "A" if valid[at] not in "aA" else "B"
        yield f"a valid token with a character {place} changed", valid[:at] + other + valid[at + 1 :]
    yield "a valid token with its second half cut off", valid[: len(valid) // 2]
    yield "a valid token with more behind it", valid + "a1b2c3d4"
    *claims, last = valid.split(".")
    if any(c.islower() for c in last) and any(c.isupper() for c in last):  # else it may be hex or base32
        yield "a valid token with letter case swapped", ".".join([*claims, last.swapcase()])
    if len(claims) == 2:
        header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
        yield "a valid token without its signature", f"{claims[0]}.{claims[1]}."
        yield "a valid token's claims under the algorithm `none`", f"{header}.{claims[1]}."
