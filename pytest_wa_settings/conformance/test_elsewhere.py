"""What a new machine and a multiconnect set-up refuse as a single instance that serves does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

import pytest

from pytest_wa_settings.conformance.arrange import (
    Backup,
    a_password,
    backup_between_changes,
    change_values,
    on_multiconnect,
    rng_of,
    take_backup,
)
from pytest_wa_settings.conformance.bodies import incomplete, of_other_types
from pytest_wa_settings.conformance.damage import damages_for
from pytest_wa_settings.conformance.judgements import came, refused, unauthorized
from pytest_wa_settings.conformance.passwords import NearMiss, near_misses
from pytest_wa_settings.conformance.refusals import IN_A_ROW, Refusals
from pytest_wa_settings.conformance.restores import attempt_restore, can_spare_restores, restore_accepted
from pytest_wa_settings.conformance.tokens import bad_tokens, log_out, token_apart
from pytest_wa_settings.testbed import Client, Need, Unavailable
from pytest_wa_settings.verdicts import Case, Finding, NotTested
from pytest_wa_settings.wire import Answer, Token

_SOME_MISSES = 6
_SOME_DAMAGES = 15
"""Every so manieth of them: the rest is sent to the client that all clauses are judged on."""
_MADE_UP = 14
"""The last of them, which are no backups at all."""

_NEW = Need("unregistered", exclusive=True)
Call = tuple[str, Callable[[], Answer]]


@pytest.mark.wa_clause("BACKUP-2", widens=True)
@pytest.mark.wa_clause("ACCESS-3", "ACCESS-4", "ACCESS-5", widens=True)
@pytest.mark.wa_clause("RESTORE-5", "RESTORE-6", "RESTORE-7", "RESTORE-15", widens=True)
@pytest.mark.wa_breaks("restore-request")
def test_a_new_machine_refuses_what_an_app_that_serves_refuses(wa_case: Case) -> None:
    with ExitStack() as leases:
        source = leases.enter_context(wa_case.testbed.lease(Need(exclusive=True)))
        client = leases.enter_context(wa_case.testbed.lease(_NEW))
        if client.may_change:
            change_values(client, rng_of(wa_case), "application")
        backup, other = (take_backup(source, a_password(rng_of(wa_case), length)) for length in (24, 25))
        _judge_refusals(wa_case, client, backup, other)
        answer = client.backup(backup.password)
        if not answer.ok or client.serves(registered=False):
            sent = "backup on a client that is not registered, after settings and restores that were refused"
            wa_case.judge(refused("BACKUP-2", sent, answer))
        if not (wa_case.testbed.managed or client.life.can_reset) or not can_spare_restores(client):
            return
        attempt = attempt_restore(client, backup)
    if attempt.refused:
        _judge_stuck(wa_case, backup, other, attempt.answer)


@pytest.mark.wa_clause("ACCESS-1", "ACCESS-2", "ACCESS-3", "ACCESS-4", "ACCESS-5", widens=True)
@pytest.mark.wa_clause("RESTORE-5", "RESTORE-6", "RESTORE-7", "RESTORE-15", widens=True)
@pytest.mark.wa_breaks("restore-request")
def test_a_multiconnect_setup_refuses_what_a_single_instance_refuses(wa_case: Case) -> None:
    with wa_case.testbed.lease(on_multiconnect(wa_case.testbed)) as client:
        rng = rng_of(wa_case)
        other = take_backup(client, a_password(rng, 25))
        for name, token in bad_tokens(client, rng):
            answer = client.backup(other.password, token=token)
            wa_case.judge(unauthorized("ACCESS-1", f"backup with {name} (multiconnect)", answer))
        with suppress(Unavailable):  # _judge_refusals says so
            answer = client.backup(other.password, token=client.user_token())
            sent = "backup with a non-admin account's token (multiconnect)"
            wa_case.judge(refused("ACCESS-2", sent, answer))
        _judge_refusals(wa_case, client, backup_between_changes(client, rng, a_password(rng)), other)


def _judge_stuck(case: Case, backup: Backup, other: Backup, refusal: Answer) -> None:
    """A new machine refused a good backup after all those calls: after one call of which clause does another?

    One, as many may rightly make a client wait.
    """
    with _as_new(case) as control:
        clauses = [clause for clause, _ in _calls(case, control, backup, other)]
        taken = restore_accepted(control, backup, "RESTORE-9")
    for judged in clauses:
        with _as_new(case) as another:
            told, call = dict(_calls(case, another, backup, other))[judged][0]
            call()
            attempt = attempt_restore(another, backup)
        if attempt.refused:
            sent = f"{told}, refused by a new machine, then the good backup"
            expected = "it is accepted, as on a new machine that refused nothing"
            answers = (attempt.answer, taken)
            case.judge(Finding(judged, sent, expected, came(attempt.answer), answers))
    case.remark(f"a new machine refused a good backup after many calls that it refused ({came(refusal)})")


@contextmanager
def _as_new(case: Case) -> Iterator[Client]:
    """A new machine to which nothing was sent yet; one that may be stuck afterwards is not left so."""
    with case.testbed.lease(_NEW) as client:
        if client.life.can_reset:
            client.reset()
        try:
            yield client
        finally:
            if client.life.can_reset:
                client.reset()


def _judge_refusals(case: Case, client: Client, backup: Backup, other: Backup) -> None:
    """Sends some of every clause's calls that must be refused, and judges each under its own."""
    for clause, calls in _calls(case, client, backup, other):
        refusals = Refusals(case, clause, client, registered=client.state == "registered")
        for sent, call in calls:
            refusals.judge(f"{sent} ({client.state} client)", call, every=IN_A_ROW)
        refusals.finish(widens=True)


def _calls(case: Case, client: Client, backup: Backup, other: Backup) -> Iterator[tuple[str, list[Call]]]:
    """By clause: calls that a client of any state and set-up must refuse."""

    def with_token(told: str, token: str | Token) -> Call:
        sent = f"restore of a good backup with {told}"
        return sent, partial(client.restore, backup.password, backup.data, token=token)

    yield "ACCESS-3", [with_token(*one) for one in bad_tokens(client, rng_of(case))]
    for clause, told, token_of in (
        ("ACCESS-4", "a non-admin account's token", Client.user_token),
        ("ACCESS-5", "a token that was logged out", _logged_out),
    ):
        try:
            token = token_of(client)
        except Unavailable as missing:
            case.remark(f"{clause} was not judged on a {client.state} client: {missing.problem}")
            continue
        yield clause, [with_token(told, token)]
    misses = list(near_misses(backup.password))[::_SOME_MISSES]
    yield (
        "RESTORE-5",
        [
            (f"restore with a wrong password: {one.how}", partial(client.restore, one.password, backup.data))
            for one in (*misses, NearMiss("the password of another backup", other.password))
        ],
    )
    damaged = damages_for(case, backup.data, other.data)
    yield (
        "RESTORE-6",
        [
            (f"restore of damaged data: {one.how}", partial(client.restore, backup.password, one.data))
            for one in (*damaged[::_SOME_DAMAGES], *damaged[-_MADE_UP:])
        ],
    )
    yield (
        "RESTORE-7",
        [
            (f"restore {told}", partial(client.ask, "POST", "/v1/settings/restore", json=body))
            for told, body in incomplete(backup.password, backup.data)
        ],
    )
    yield (
        "RESTORE-15",
        [
            (f"restore {told}", partial(client.restore, password, data))
            for told, password, data in of_other_types(backup.password, backup.data)
        ],
    )


def _logged_out(client: Client) -> str:
    """A token that was good until its logout; raises Unavailable."""
    token = token_apart(client)
    try:
        log_out(client, token)
    except NotTested as stopped:
        raise Unavailable(stopped.reason, "see what limits logouts on this client") from None
    return token
