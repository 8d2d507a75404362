"""How a refusal is worded (ERROR-1 to ERROR-4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial

import pytest

from pytest_wa_settings.api.codes import is_rate_limit
from pytest_wa_settings.conformance.arrange import a_password, another_setup, rng_of, take_backup
from pytest_wa_settings.conformance.bodies import WRONG_TYPES, not_objects
from pytest_wa_settings.conformance.judgements import (
    callers_mistake,
    enveloped,
    fitting_code,
    refused,
)
from pytest_wa_settings.conformance.once import once
from pytest_wa_settings.conformance.restores import until_answered
from pytest_wa_settings.testbed import Client, Need, Unavailable
from pytest_wa_settings.verdicts import Case, NotTested
from pytest_wa_settings.wire import NO_TOKEN, Answer


@dataclass(frozen=True)
class Mistake:
    """One refusal for one cause.

    Attributes:
        codes: the codes that fit the cause; empty where no source ties one to it.
        callers: whether the mistake is the caller's.
    """

    sent: str
    answer: Answer
    codes: tuple[int, ...] = ()
    callers: bool = True


def mistakes(case: Case, client: Client) -> Iterator[Mistake]:
    """Refusals of backup and, where restores are judged, of restore, one cause at a time: on one client."""
    password = a_password(rng_of(case))
    backup = take_backup(client, password)
    path = "/v1/settings/backup"
    yield Mistake("backup without a token", client.backup(password, token=NO_TOKEN), (1005,))
    yield Mistake(
        "backup with an invalid token", client.backup(password, token="made-up-token-0000"), (1005,)
    )
    yield Mistake("backup without password", client.ask("POST", path, json={}), (1008,))
    for name, value in WRONG_TYPES:
        yield Mistake(f"backup with {name} as password", client.backup(value), _type_codes(value))
    user = _user_token(client)
    if user is not None:
        yield Mistake("backup with a non-admin account's token", client.backup(password, token=user))
    if not _may_restore(case, client):
        return
    restore, data = "/v1/settings/restore", backup.data
    yield Mistake("restore without a token", client.restore(password, data, token=NO_TOKEN), (1005,))
    yield Mistake("restore without password", client.ask("POST", restore, json={"data": data}), (1008,))
    yield Mistake("restore without data", client.ask("POST", restore, json={"password": password}), (1008,))
    for name, value in WRONG_TYPES:
        yield Mistake(f"restore with {name} as data", client.restore(password, value), _type_codes(value))
    if user is not None:
        answer = client.restore(password, data, token=user)
        yield Mistake("restore with a non-admin account's token", answer)
    yield Mistake("restore with a wrong password", client.restore(password[::-1], data))
    yield Mistake("restore of damaged data", client.restore(password, data[: len(data) // 2]))
    yield Mistake("restore of a text that is no backup", client.restore(password, "this is no backup"))


def elsewhere(case: Case) -> Iterator[Mistake]:
    """Refusals that take an unregistered client or two set-ups, as far as the testbed offers them."""
    password = a_password(rng_of(case))
    with suppress(Unavailable), case.testbed.lease(Need("unregistered")) as new:
        yield Mistake("backup on an unregistered client", new.backup(password), (1011,), callers=False)
        if _may_restore(case, new):
            answer = new.restore(password, "this is no backup")
            yield Mistake("restore of a text that is no backup on an unregistered client", answer)
    with suppress(Unavailable, NotTested), ExitStack() as leases:
        client = leases.enter_context(case.testbed.lease(Need()))
        setup = another_setup(client)
        if setup is None:
            return
        need = Need(shards=setup[0], multiconnect=setup[1])
        other = leases.enter_context(case.testbed.lease(need))
        for source, target in ((client, other), (other, client)):
            if _may_restore(case, target):
                answer = target.restore(password, take_backup(source, password).data)
                yield Mistake("restore of a backup from another set-up", answer)


def _may_restore(case: Case, client: Client) -> bool:
    return case.testbed.profile != "backup" and client.may_restore


def _user_token(client: Client) -> str | None:
    try:
        return client.user_token()
    except Unavailable:
        return None


def _type_codes(value: object) -> tuple[int, ...]:
    return (1008, 1009) if value is None else (1009,)


def _refusals(case: Case) -> list[Mistake]:
    """What was refused, sent once for all clauses that judge it."""
    return [one for one in once(case, "mistakes", lambda: _sent(case)) if _is_refusal(one.answer)]


def _sent(case: Case) -> list[Mistake]:
    with case.testbed.lease(Need()) as client:
        found = list(mistakes(case, client))
    return [*found, *elsewhere(case)]


def _is_refusal(answer: Answer) -> bool:
    """What was wrongly accepted, or not answered, is no evidence for or against these clauses."""
    return answer.answered and not answer.ok and not is_rate_limit(answer)


@pytest.mark.wa_clause("ERROR-1")
@pytest.mark.wa_breaks("backup-request", "restore-request")
def test_a_refusal_carries_the_error_envelope(wa_case: Case) -> None:
    found = _refusals(wa_case)
    if not found:
        raise NotTested("the client refused nothing, so there is no refusal to judge", "no evidence")
    for mistake in found:
        if mistake.answer.status == 401 and not (mistake.answer.failure or mistake.answer.content.strip()):
            wa_case.remark("a 401 comes with an empty body, without the error envelope")
        else:
            wa_case.judge(enveloped(mistake.answer, mistake.sent))


@pytest.mark.wa_clause("ERROR-2")
def test_a_refusal_for_the_callers_mistake_is_a_4xx(wa_case: Case) -> None:
    found = _refusals(wa_case)
    if not found:
        raise NotTested("the client refused nothing, so there is no refusal to judge", "no evidence")
    for mistake in found:
        if mistake.callers:
            wa_case.judge(callers_mistake(mistake.answer, mistake.sent))


@pytest.mark.wa_clause("ERROR-3")
def test_the_code_fits_the_cause(wa_case: Case) -> None:
    found = [mistake for mistake in _refusals(wa_case) if mistake.codes]
    if all(mistake.callers for mistake in found):
        wa_case.remark("the code of an unregistered client's refusal was not judged: none was seen")
    if not any(mistake.answer.codes for mistake in found):
        raise NotTested("no refusal carries a code: see ERROR-1")
    for mistake in found:
        wa_case.judge(fitting_code(mistake.answer, mistake.sent, mistake.codes))


@pytest.mark.wa_clause("ERROR-4")
@pytest.mark.wa_breaks("backup-request", "restore-request")
def test_a_body_that_is_no_json_object_is_refused(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need()) as client:
        password = a_password(rng_of(wa_case))
        good = {"backup": {"password": password}}
        backup = take_backup(client, password)
        if _may_restore(wa_case, client):
            good["restore"] = {"password": password, "data": backup.data}
        headers = {"Content-Type": "application/json"}
        for path, members in good.items():
            for name, content in not_objects(members):
                ask = partial(
                    client.ask,
                    "POST",
                    f"/v1/settings/{path}",
                    content=content,
                    secrets=(password,),
                    of_client=(backup.data,),
                    headers=headers,
                )
                answer = until_answered(client, ask)
                wa_case.judge(refused("ERROR-4", f"{path} with {name} as body", answer))
