"""Who may back up and restore: an admin with a valid token, nobody else (ACCESS-1 to ACCESS-5)."""

from __future__ import annotations

from functools import partial

import pytest

from pytest_wa_settings.conformance.arrange import (
    a_password,
    backup_between_changes,
    changed_since,
    rng_of,
    take_backup,
)
from pytest_wa_settings.conformance.judgements import came, refused, unauthorized
from pytest_wa_settings.conformance.migration import new_machine
from pytest_wa_settings.conformance.refusals import Refusals
from pytest_wa_settings.conformance.restores import can_spare_restores, come_back, restore_accepted
from pytest_wa_settings.conformance.tokens import bad_tokens, is_held_by, log_out, odd_headers, token_apart
from pytest_wa_settings.testbed import Client, Need, NotBack, Unavailable
from pytest_wa_settings.verdicts import Case, NotTested
from pytest_wa_settings.wire import NO_TOKEN


@pytest.mark.wa_clause("ACCESS-1")
def test_backup_without_a_valid_token_answers_401(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need()) as client:
        password = a_password(rng_of(wa_case))
        take_backup(client, password)
        for name, token in bad_tokens(client, rng_of(wa_case)):
            answer = client.backup(password, token=token)
            wa_case.judge(unauthorized("ACCESS-1", f"backup with {name}", answer))
        for name, headers in odd_headers(rng_of(wa_case)):
            answer = client.ask(
                "POST",
                "/v1/settings/backup",
                json={"password": password},
                token=NO_TOKEN,
                headers=headers,
            )
            wa_case.judge(refused("ACCESS-1", f"backup with {name}", answer))


@pytest.mark.wa_clause("ACCESS-1", uses_up="new machine", widens=True)
def test_backup_of_a_machine_that_was_restored_answers_401(wa_case: Case) -> None:
    record = new_machine(wa_case)
    if record.open_to_all is None or record.copy is None or not record.copy.ok:
        raise NotTested("no new machine gave a backup after a restore: see RESTORE-9")
    sent = "restore on a new machine, backup with no token"
    wa_case.judge(unauthorized("ACCESS-1", sent, record.open_to_all))


@pytest.mark.wa_clause("ACCESS-2")
def test_backup_refuses_a_user_that_is_no_admin(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need()) as client:
        password = a_password(rng_of(wa_case))
        take_backup(client, password)
        answer = client.backup(password, token=client.user_token())
        wa_case.judge(refused("ACCESS-2", "backup with a non-admin account's token", answer))


@pytest.mark.wa_clause("ACCESS-3")
def test_restore_without_a_valid_token_answers_401(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        backup = backup_between_changes(client, rng_of(wa_case), a_password(rng_of(wa_case)))
        refusals = Refusals(wa_case, "ACCESS-3", client)
        for name, token in bad_tokens(client, rng_of(wa_case)):
            sent = f"restore of a good backup with {name}"
            restore = partial(client.restore, backup.password, backup.data, token=token, fresh=True)
            answer = refusals.judge(sent, restore)
            wa_case.judge(unauthorized("ACCESS-3", sent, answer))
        good = {"password": backup.password, "data": backup.data}
        for name, headers in odd_headers(rng_of(wa_case)):
            restore = partial(
                client.ask, "POST", "/v1/settings/restore", json=good, token=NO_TOKEN, headers=headers
            )
            refusals.judge(f"restore of a good backup with {name}", restore)
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
            lambda: client.restore(backup.password, backup.data, token=token, fresh=True),
        )
        refusals.survives_a_start(backup)
        refusals.finish(backup)


@pytest.mark.wa_clause("ACCESS-5")
def test_a_token_that_was_logged_out_is_refused(wa_case: Case) -> None:
    restores = wa_case.testbed.profile != "backup"
    with wa_case.testbed.lease(Need(exclusive=restores)) as client:
        token = token_apart(client)
        password = a_password(rng_of(wa_case))
        answer = client.backup(password, token=token)
        if not answer.ok or not answer.data:
            raise NotTested(f"a fresh token was of no use before its logout ({came(answer)}): see BACKUP-1")
        log_out(client, token)
        refusals = Refusals(wa_case, "ACCESS-5", client)
        refusals.judge(
            "backup with a token that was logged out", lambda: client.backup(password, token=token)
        )
        if restores and client.may_restore:
            refusals.judge(
                "restore of a good backup with a token that was logged out",
                lambda: client.restore(password, answer.data, token=token, fresh=True),
            )
        more = _logged_out_after_one_more_login(client)
        if more and not is_held_by(client, more[0]):
            refusals.judge(
                "backup with a token that was logged out after one more login",
                lambda: client.backup(password, token=more[0]),
            )
            if token not in more and not is_held_by(client, token):  # logins of one second may give one token
                refusals.judge(
                    "backup with a token that was logged out, after two more logins",
                    lambda: client.backup(password, token=token),
                )
        refusals.finish()


def _logged_out_after_one_more_login(client: Client) -> tuple[str, str] | None:
    """A token that was logged out while the newer one went on; None where a client has no two sessions."""
    try:
        earlier = client.fresh_admin_token()
        newer = client.fresh_admin_token()
    except Unavailable:
        return None
    return (earlier, newer) if client.log_out(earlier).made else None


@pytest.mark.wa_clause("ACCESS-5", uses_up="restores", widens=True)
def test_a_token_that_was_logged_out_is_refused_after_a_start(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        if wa_case.testbed.profile == "backup" or not client.can_restart:
            raise NotTested("the client is not started again in this run")
        password = a_password(rng_of(wa_case))
        token = token_apart(client)
        take_backup(client, password)
        log_out(client, token)
        sent = "backup with a token that was logged out"
        wa_case.judge(refused("ACCESS-5", sent, client.backup(password, token=token)))
        try:
            client.restart()
        except NotBack as error:
            raise NotTested(f"{error.problem}: see RESTORE-11") from None
        _still_refused(wa_case, client, password, token, "a start")


@pytest.mark.wa_clause("ACCESS-5", uses_up="restores", widens=True)
def test_a_token_that_was_logged_out_is_refused_after_a_restore(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        if wa_case.testbed.profile == "backup" or not can_spare_restores(client):
            raise NotTested("restores are saved for what cannot be judged without them")
        token = token_apart(client)
        rng = rng_of(wa_case)
        backup, before = changed_since(client, rng, a_password(rng))  # the token is good in this state
        log_out(client, token)
        restore_accepted(client, backup, "RESTORE-8", before=before)
        come_back(client)
        _still_refused(wa_case, client, backup.password, token, "a restore")


def _still_refused(case: Case, client: Client, password: str, token: str, since: str) -> None:
    client.wait_serving()
    if is_held_by(client, token):
        raise NotTested("a login after the logout gave the same token again", "no evidence")
    sent = f"backup with a token that was logged out before {since}"
    case.judge(refused("ACCESS-5", sent, client.backup(password, token=token)))
