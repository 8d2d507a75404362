"""Who may back up and restore: an admin with a valid token, nobody else (ACCESS-1 to ACCESS-5)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial

import pytest

from pytest_wa_settings.conformance.arrange import (
    a_password,
    backup_between_changes,
    rng_of,
    take_backup,
)
from pytest_wa_settings.conformance.judgements import came, refused, settle, unauthorized
from pytest_wa_settings.conformance.refusals import Refusals
from pytest_wa_settings.testbed import Client, Need
from pytest_wa_settings.verdicts import Case, NotTested
from pytest_wa_settings.wire import NO_TOKEN, Token


def bad_tokens(client: Client, rng: random.Random) -> Iterator[tuple[str, str | Token]]:
    """No token, and tokens that no client gave out."""
    yield "no token", NO_TOKEN
    yield "a token made up of hex digits", f"{rng.getrandbits(256):064x}"
    yield (
        "a made-up JSON Web Token",
        "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyIjoiYWRtaW4iLCJyb2xlIjoiUk9MRV9BRE1JTiJ9.c2lnbmF0dXJlLW1hZGUtdXA",
    )
    yield "the admin's name as token", "admin"
    valid = client.driver.session_token()
    if valid and len(valid) >= 16:
        middle = len(valid) // 2
        other = "A" if valid[middle] not in "aA" else "B"
        yield (
            "a valid token with a character in the middle changed",
            valid[:middle] + other + valid[middle + 1 :],
        )
        yield "a valid token with its second half cut off", valid[:middle]
        if valid.count(".") == 2:
            yield "a valid token without its signature", valid.rsplit(".", 1)[0] + "."


@pytest.mark.wa_clause("ACCESS-1")
def test_backup_without_a_valid_token_answers_401(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need()) as client:
        password = a_password(rng_of(wa_case))
        take_backup(client, password)
        for name, token in bad_tokens(client, rng_of(wa_case)):
            answer = client.backup(password, token=token)
            settle(unauthorized("ACCESS-1", f"backup with {name}", answer))


@pytest.mark.wa_clause("ACCESS-2")
def test_backup_refuses_a_user_that_is_no_admin(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need()) as client:
        password = a_password(rng_of(wa_case))
        take_backup(client, password)
        answer = client.backup(password, token=client.user_token())
        settle(refused("ACCESS-2", "backup with a non-admin account's token", answer))


@pytest.mark.wa_clause("ACCESS-3")
def test_restore_without_a_valid_token_answers_401(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        backup = backup_between_changes(client, rng_of(wa_case), a_password(rng_of(wa_case)))
        refusals = Refusals(wa_case, "ACCESS-3", client)
        for name, token in bad_tokens(client, rng_of(wa_case)):
            sent = f"restore of a good backup with {name}"
            answer = refusals.judge(sent, partial(client.restore, backup.password, backup.data, token=token))
            settle(unauthorized("ACCESS-3", sent, answer))
        refusals.survives_a_start(backup)
        refusals.finish(backup)


@pytest.mark.wa_clause("ACCESS-4")
def test_restore_refuses_a_user_that_is_no_admin(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        token = client.user_token()
        backup = backup_between_changes(client, rng_of(wa_case), a_password(rng_of(wa_case)))
        refusals = Refusals(wa_case, "ACCESS-4", client)
        refusals.judge(
            "restore of a good backup with a non-admin account's token",
            lambda: client.restore(backup.password, backup.data, token=token),
        )
        refusals.survives_a_start(backup)
        refusals.finish(backup)


@pytest.mark.wa_clause("ACCESS-5")
def test_a_token_that_was_logged_out_is_refused(wa_case: Case) -> None:
    restores = wa_case.testbed.profile != "backup"
    with wa_case.testbed.lease(Need(exclusive=restores)) as client:
        token = client.fresh_admin_token()
        password = a_password(rng_of(wa_case))
        answer = client.backup(password, token=token)
        if not answer.ok or not answer.data:
            raise NotTested(f"a fresh token was of no use before its logout ({came(answer)}): see BACKUP-1")
        logout = client.driver.logout(token)
        if not logout.ok:
            raise NotTested(f"the client refused the logout ({came(logout)})")
        refusals = Refusals(wa_case, "ACCESS-5", client)
        refusals.judge(
            "backup with a token that was logged out", lambda: client.backup(password, token=token)
        )
        if restores and client.may_restore:
            refusals.judge(
                "restore of a good backup with a token that was logged out",
                lambda: client.restore(password, answer.data, token=token),
            )
        refusals.finish()
