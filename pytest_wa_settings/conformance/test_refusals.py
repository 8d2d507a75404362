"""What a restore must refuse, and leave the client as it was (RESTORE-5, -6, -7 and -15)."""

from __future__ import annotations

from functools import partial

import pytest

from pytest_wa_settings.conformance.arrange import (
    ALL,
    Backup,
    a_password,
    backup_between_changes,
    change_values,
    plant_longest_values,
    plant_other_values,
    rng_of,
    take_backup,
)
from pytest_wa_settings.conformance.bodies import incomplete, of_other_types
from pytest_wa_settings.conformance.damage import Damage, damages_for, drawn_damage
from pytest_wa_settings.conformance.draws import affordable, few, for_all, how_many
from pytest_wa_settings.conformance.judgements import came, refused
from pytest_wa_settings.conformance.negative import BrokenBody, lacking, mistyped
from pytest_wa_settings.conformance.passwords import (
    NearMiss,
    base_passwords,
    drawn_miss,
    near_misses,
    one_password,
)
from pytest_wa_settings.conformance.refusals import IN_A_ROW, Refusals
from pytest_wa_settings.conformance.restores import until_answered
from pytest_wa_settings.conformance.snapshots import read
from pytest_wa_settings.testbed import Client, Need
from pytest_wa_settings.verdicts import Case, NotTested


def _backups(client: Client, case: Case) -> dict[str, Backup]:
    """A backup under each base password that the client accepts; those that it refuses are left out."""
    taken = {}
    rng = rng_of(case)
    at = plant_other_values(client, rng, *ALL) if client.may_change else read(client)
    for name, password in base_passwords(rng).items():
        answer = client.backup(password)
        if answer.ok and answer.data:
            taken[name] = Backup(password, answer.data, at, answer)
        elif not taken:
            raise NotTested(f"there is no backup to go on with ({came(answer)}): see BACKUP-1")
        else:
            case.remark(f"the client gave no backup under a password of {name}, which it may refuse")
    if client.may_change:
        change_values(client, rng, *ALL, now=at)
    return taken


@pytest.mark.wa_clause("RESTORE-5")
def test_a_near_miss_of_the_password_is_refused(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        backups = _backups(client, wa_case)
        refusals = Refusals(wa_case, "RESTORE-5", client)
        misses = [(name, miss) for name, backup in backups.items() for miss in near_misses(backup.password)]
        first_name, first = misses[0]
        _refuse_miss(refusals, client, backups[first_name], first, f"a password of {first_name}")
        for done, (name, miss) in enumerate(affordable(wa_case, misses, refusals.seconds)):
            wa_case.progress(done, len(misses), "near misses of passwords")
            _refuse_miss(refusals, client, backups[name], miss, f"a password of {name}", every=IN_A_ROW)
        for name, backup in backups.items():
            for other, second in backups.items():
                if not one_password(backup.password, second.password) and "24 characters" in (name, other):
                    miss = NearMiss("the password of another backup", second.password)
                    _refuse_miss(refusals, client, backup, miss, f"a password of {name}")
        for how, password in _known_passwords(client):
            miss = NearMiss(how, password)
            _refuse_miss(refusals, client, backups[first_name], miss, f"a password of {first_name}")
        last = list(backups.values())[-1]
        refusals.finish(last)
        sent = "restore of a backup that was restored before, with a wrong password"
        answer = until_answered(client, lambda: client.restore(last.password[::-1], last.data))
        if answer.ok:
            client.come_back()
        wa_case.judge(refused("RESTORE-5", sent, answer))


def _known_passwords(client: Client) -> list[tuple[str, str]]:
    """Passwords that a client may know, and of no backup; `secret` is the factory's (api 1.1)."""
    known = client.driver.admin_password
    own = [("the administrator's password", known)] if known else []
    factory = ("the password that the administrator had from the factory", "secret")
    return [*own, factory, ("the password of the documentation's sample", "PASSWORD")]


@pytest.mark.wa_clause("RESTORE-5")
def test_any_other_password_is_refused(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        backup = backup_between_changes(client, rng_of(wa_case), a_password(rng_of(wa_case)))
        refusals = Refusals(wa_case, "RESTORE-5", client)
        refusals.judge(
            "restore with another password", lambda: client.restore(backup.password[::-1], backup.data)
        )
        most = how_many(wa_case, seconds=refusals.seconds)
        for_all(
            wa_case,
            drawn_miss(backup.password),
            lambda miss: _refuse_miss(refusals, client, backup, miss, "a password of 24 characters"),
            most=most,
        )
        refusals.finish()
        refusals.survives_a_start(backup)


def _refuse_miss(
    refusals: Refusals, client: Client, backup: Backup, miss: NearMiss, of: str, *, every: int = 1
) -> None:
    refusals.judge(
        f"restore with a wrong password: {miss.how} ({of})",
        lambda: client.restore(miss.password, backup.data),
        example=miss.how,
        every=every,
    )


@pytest.mark.wa_clause("RESTORE-6")
def test_directed_damage_is_refused(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        password = a_password(rng_of(wa_case))
        other = take_backup(client, password)
        plant_longest_values(client, rng_of(wa_case))
        backup = take_backup(client, password)
        if client.may_change:
            change_values(client, rng_of(wa_case), *ALL, now=backup.at)
        refusals = Refusals(wa_case, "RESTORE-6", client)
        refusals.judge("restore of data cut to a half", lambda: client.restore(password, _half(backup.data)))
        directed = damages_for(wa_case, backup.data, other.data)
        for done, damage in enumerate(affordable(wa_case, directed, refusals.seconds)):
            wa_case.progress(done, len(directed), "damage to data")
            _refuse_damage(refusals, client, password, damage, every=IN_A_ROW)
        refusals.finish()
        refusals.survives_a_start(backup)


@pytest.mark.wa_clause("RESTORE-6")
def test_damage_at_any_place_is_refused(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        password = a_password(rng_of(wa_case))
        backup = backup_between_changes(client, rng_of(wa_case), password)
        refusals = Refusals(wa_case, "RESTORE-6", client)
        refusals.judge("restore of data cut to a half", lambda: client.restore(password, _half(backup.data)))
        most = how_many(wa_case, seconds=refusals.seconds)
        for_all(
            wa_case,
            drawn_damage(backup.data),
            lambda damage: _refuse_damage(refusals, client, password, damage),
            most=most,
        )
        refusals.finish(backup)


def _half(text: str) -> str:
    return text[: len(text) // 2]


def _refuse_damage(
    refusals: Refusals, client: Client, password: str, damage: Damage, *, every: int = 1
) -> None:
    refusals.judge(
        f"restore of damaged data: {damage.how}",
        lambda: client.restore(password, damage.data),
        example=damage.how,
        every=every,
    )


@pytest.mark.wa_clause("RESTORE-7")
@pytest.mark.wa_breaks("restore-request")
def test_restore_without_password_or_data_is_refused(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        backup = backup_between_changes(client, rng_of(wa_case), a_password(rng_of(wa_case)))
        refusals = Refusals(wa_case, "RESTORE-7", client)
        _judge_incomplete(client, backup, refusals, "")

        def refuse(drawn: BrokenBody) -> None:
            call = partial(client.ask, "POST", "/v1/settings/restore", json=drawn.body)
            refusals.judge(f"restore {drawn.how}", call, every=IN_A_ROW)

        for_all(wa_case, lacking("restore-request", _members(backup)), refuse, most=few(wa_case))
        refusals.survives_a_start(backup)
        if refusals.finish(backup):
            refusals = Refusals(wa_case, "RESTORE-7", client)
            _judge_incomplete(client, backup, refusals, ", after a restore that had both")
            refusals.finish()


def _members(backup: Backup) -> dict[str, str]:
    return {"password": backup.password, "data": backup.data}


def _judge_incomplete(client: Client, backup: Backup, refusals: Refusals, when: str) -> None:
    for name, body in incomplete(backup.password, backup.data):
        call = partial(client.ask, "POST", "/v1/settings/restore", json=body)
        refusals.judge(f"restore {name}{when}", call)


@pytest.mark.wa_clause("RESTORE-15")
@pytest.mark.wa_breaks("restore-request")
def test_restore_of_other_types_than_strings_is_refused(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        digits = str(rng_of(wa_case).randrange(10**11, 10**12))
        of_digits = client.backup(digits)
        backup = backup_between_changes(client, rng_of(wa_case), a_password(rng_of(wa_case)))
        refusals = Refusals(wa_case, "RESTORE-15", client)
        for name, password, data in of_other_types(backup.password, backup.data):
            refusals.judge(f"restore {name}", partial(client.restore, password, data))
        if of_digits.ok and of_digits.data:
            call = partial(client.restore, int(digits), of_digits.data)
            refusals.judge("restore with a password of digits as a number", call)

        def refuse(drawn: BrokenBody) -> None:
            call = partial(client.restore, drawn.body["password"], drawn.body["data"])
            refusals.judge(f"restore {drawn.how}", call, every=IN_A_ROW)

        for_all(wa_case, mistyped("restore-request", _members(backup)), refuse, most=few(wa_case))
        refusals.survives_a_start(backup)
        refusals.finish(backup)
