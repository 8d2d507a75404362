"""What an accepted restore brings back, and how often (RESTORE-1, -2, -4, -8, -10, -11, -13 and -14)."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from functools import partial

import pytest
from hypothesis import strategies as st

from pytest_wa_settings.conformance.arrange import (
    Backup,
    a_password,
    change_values,
    changeable,
    plant,
    plant_other_values,
    rng_of,
    take_backup,
    until_shown,
)
from pytest_wa_settings.conformance.draws import for_all, how_many
from pytest_wa_settings.conformance.episodes import ExistingApp, existing_app
from pytest_wa_settings.conformance.fields import PROFILE, Leaf, values
from pytest_wa_settings.conformance.judgements import (
    agree,
    came,
    changed_leaves,
    is_state,
    made_again,
    raise_if_found,
    restore_answer,
    restored,
    stale,
    whole,
)
from pytest_wa_settings.conformance.migration import NewMachine, new_machine
from pytest_wa_settings.conformance.passwords import base_passwords, passwords
from pytest_wa_settings.conformance.planting import lost_edges
from pytest_wa_settings.conformance.restores import (
    attempt_restore,
    can_spare_restores,
    come_back,
    not_an_earlier_state,
    read_settled,
    restore_accepted,
    restore_and_read,
    restore_its_own_state,
)
from pytest_wa_settings.conformance.snapshots import Snapshot, read, shown
from pytest_wa_settings.conformance.starts import judged_over_a_start
from pytest_wa_settings.testbed import Client, GivenUp, Need, Unavailable
from pytest_wa_settings.verdicts import Case, Evidence, Finding, FindingError, Judgement, NotTested


@pytest.mark.wa_clause("RESTORE-1", uses_up="new machine")
def test_a_successful_restore_answers_200_with_null_or_an_empty_object(wa_case: Case) -> None:
    records: list[ExistingApp | NewMachine] = []
    reasons = []
    for episode in (existing_app, new_machine):
        try:
            records.append(episode(wa_case))
        except (NotTested, Unavailable) as stopped:
            reasons.append(str(stopped))
    arrived = [one for one in records if one.answer.answered and not one.answer.failure]
    if not arrived:
        lost = "no answer to a restore ever arrived: add an unregistered client, which need not stop"
        raise NotTested(lost if records else "; ".join(dict.fromkeys(reasons)))
    evidence = []
    for record in arrived:
        judgement, remark = restore_answer(record.answer, strict=wa_case.strict, made=record.is_made)
        evidence.append(raise_if_found(judgement))
        if remark:
            wa_case.remark(remark)
    if all(record.is_made is False for record in arrived):
        raise NotTested("the state from before the restore came back: see RESTORE-10")
    wa_case.judge(*([one for one in evidence if not one.missing] or evidence))


@pytest.mark.wa_clause("RESTORE-2", uses_up="restores")
def test_settings_come_back_on_the_same_machine(wa_case: Case) -> None:
    record = existing_app(wa_case)
    if record.after is None:
        raise NotTested(f"{record.back}: see RESTORE-11")
    wanted = record.backup.at.of("application", "providers")
    if not wanted:
        raise NotTested("the client shows none of the documented application settings", "no evidence")
    _not_stale(record, record.after)
    judge = partial(_as_at_the_backup, "RESTORE-2", record, record.after)
    wa_case.judge(judged_over_a_start(wa_case, wanted, judge))


def _as_at_the_backup(
    clause: str, record: ExistingApp, after: Snapshot, wanted: Mapping[Leaf, object]
) -> Judgement:
    before, where = record.before.values, "on the same machine"
    return restored(clause, wanted, after, before=before, where=where, answers=(record.answer,))


def _not_stale(record: ExistingApp, after: Snapshot) -> None:
    """What came back from before the backup's last changes is BACKUP-9's."""
    at, before = record.backup.at.values, record.before.values
    not_an_earlier_state(record.backup.at, after, record.earlier)
    if any(stale(at, before, after.values, one.values) for one in (record.earlier, record.second.at)):
        raise NotTested("fields of an earlier moment came back: see BACKUP-9")


@pytest.mark.wa_clause("RESTORE-2", "RESTORE-4", uses_up="new machine", widens=True)
def test_settings_and_profile_come_back_on_a_new_machine(wa_case: Case) -> None:
    record = new_machine(wa_case)
    if record.after is None:
        raise NotTested(f"{record.back}: see RESTORE-9")
    at = record.backup.at
    if record.left_out[0] and not record.new.managed:
        gone, every = record.left_out
        told = f"{gone} of {every} values at the edges of what fields can hold were left out"
        wa_case.remark(f"{told} on the way to a new machine, which gets one state")
    wanted = {leaf: value for leaf, value in at.values.items() if leaf not in record.retired}
    not_an_earlier_state(at, record.after, record.earlier)
    _judge_read_back(wa_case, at, wanted, record, record.after, "on a new machine")
    served, again = record.served, record.again
    if served is None or again is None or not again.serving or again.registered is False:
        return
    not_an_earlier_state(at, again, record.earlier)
    # what a backup or a message changed there in between is no matter of the start
    still = {leaf: value for leaf, value in wanted.items() if agree([leaf], at.values, served.values)}
    _judge_read_back(wa_case, at, still, record, again, "on a new machine that is started once more")


def _judge_read_back(
    case: Case,
    at: Snapshot,
    wanted: Mapping[Leaf, object],
    record: NewMachine,
    after: Snapshot,
    where: str,
) -> None:
    for clause, resources in (("RESTORE-2", ("application", "providers")), ("RESTORE-4", PROFILE)):
        kept = {leaf: value for leaf, value in at.of(*resources).items() if leaf in wanted}
        judgement = judged_over_a_start(case, kept, partial(_read_back, record, clause, after, where))
        if isinstance(judgement, Finding) or not judgement.missing:
            case.judge(judgement)


def _read_back(
    record: NewMachine, clause: str, after: Snapshot, where: str, kept: Mapping[Leaf, object]
) -> Judgement:
    return restored(
        clause,
        kept,
        after,
        before=record.before,
        where=where,
        answers=(record.answer,),
        example=lost_edges(record.planted, kept, after.values),
    )


@pytest.mark.wa_clause("RESTORE-2", uses_up="restores", widens=True)
def test_any_settings_come_back(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        rng = rng_of(wa_case)
        seen = [change_values(client, rng, "application")]  # else what is not set yet would not be drawn
        fields = changeable(seen[0], "application")
        if not fields:
            raise NotTested("the client shows no application setting that can be changed", "no evidence")
        drawn = st.fixed_dictionaries({}, optional={one.leaf: values(one) for one in fields})

        def round_trip(wanted: dict[Leaf, object]) -> None:
            told = f"{len(wanted)} settings: {', '.join(sorted(wanted))}" if wanted else "no setting changed"
            _judge_come_back(wa_case, client, rng, wanted, seen, told)

        if for_all(wa_case, drawn, round_trip, most=how_many(wa_case, restores=1)) == 0:
            raise NotTested("too few restores are left for drawn settings: raise --wa-max-restores")


def _judge_come_back(
    case: Case,
    client: Client,
    rng: random.Random,
    wanted: Mapping[Leaf, object],
    seen: list[Snapshot],
    told: str,
) -> None:
    """Gives a client these settings, backs up, changes them and restores: they must read back.

    `seen` are the readings so far, the last one of now; one more is added.
    """
    _serving(client)
    taken = plant(client, wanted)
    at = until_shown(client, {leaf: wanted[leaf] for leaf in taken}, seen[-1])
    backup = take_backup(client, a_password(rng), at=at)
    before = change_values(client, rng, "application", now=at)
    answer = restore_accepted(client, backup, "RESTORE-8", before=before)
    come_back(client)
    after = shown(client, "application")
    not_an_earlier_state(at, after, *seen)
    seen.append(after)
    judge = partial(
        restored,
        "RESTORE-2",
        after=after,
        before=before.values,
        where="on the same machine",
        answers=(answer,),
        example=told,
    )
    case.judge(judged_over_a_start(case, at.of("application"), judge, client))


def _serving(client: Client) -> None:
    if not client.wait_serving(registered=True):
        come_back(client)


@pytest.mark.wa_clause("RESTORE-4", uses_up="restores")
def test_the_profile_comes_back(wa_case: Case) -> None:
    record = existing_app(wa_case)
    if record.after is None:
        raise NotTested(f"{record.back}: see RESTORE-11")
    wanted = record.backup.at.of(*PROFILE)
    if not wanted:
        raise NotTested("the client shows no profile", "no evidence")
    _not_stale(record, record.after)
    wa_case.judge(_as_at_the_backup("RESTORE-4", record, record.after, wanted))


@pytest.mark.wa_clause("RESTORE-8", uses_up="restores")
def test_every_backup_restores_with_its_own_password(wa_case: Case) -> None:
    rng = rng_of(wa_case)
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        first = take_backup(client, a_password(rng))
        middle = change_values(client, rng, "application", now=first.at)
        second = take_backup(client, a_password(rng, 40), at=middle)
        take_backup(client, first.password, at=middle)
        rest = list(base_passwords(rng).items())
        others = [
            (f"one, under a password of {name}, among other", password, client.backup(password))
            for name, password in (rest if client.managed else rest[: client.budget.left // 10])
        ]
        now = change_values(client, rng, "application", now=middle)
        now = _judge_own_password(wa_case, client, second, "the newer of two", now)
        for name, password, answer in others:
            if answer.ok and answer.data:
                now = change_values(client, rng, "application", now=now)
                backup = Backup(password, answer.data, middle, answer, client.version)
                now = _judge_own_password(wa_case, client, backup, name, now)
        # last, after backups under its own password and under others
        now = change_values(client, rng, "application", now=now)
        _judge_own_password(wa_case, client, first, "the oldest of several", now)


def _judge_own_password(
    case: Case, client: Client, backup: Backup, name: str, before: Snapshot, example: str | None = None
) -> Snapshot:
    """Judges that a backup restores with its own password; the reading after it. `before`: just before it."""
    attempt = attempt_restore(client, backup, before=before)
    if attempt.refused:
        sent, answers = f"restore of {name} backups with its own password", (attempt.answer,)
        finding = Finding("RESTORE-8", sent, "it is accepted", came(attempt.answer), answers, example)
        case.judge(finding)
    come_back(client)
    after = shown(client, "application")
    case.judge(made_again("RESTORE-8", backup.at, before, after))
    return after


@pytest.mark.wa_clause("RESTORE-8", uses_up="restores", widens=True)
def test_a_backup_restores_with_any_password_it_was_taken_with(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        rng = rng_of(wa_case)
        now = [take_backup(client, a_password(rng)).at]

        def own(password: str) -> None:
            _serving(client)
            answer = client.backup(password)
            if answer.ok and answer.data:
                told = f"a password of {len(password)} characters, {len(password.encode())} bytes"
                backup = Backup(password, answer.data, now[0], answer, client.version)
                changed = change_values(client, rng, "application", now=now[0])
                now[0] = _judge_own_password(wa_case, client, backup, "a backup among other", changed, told)

        if for_all(wa_case, passwords(), own, most=how_many(wa_case, restores=1)) == 0:
            raise NotTested("too few restores are left for drawn passwords: raise --wa-max-restores")


@pytest.mark.wa_clause("RESTORE-10", uses_up="restores", widens=True)
def test_a_later_start_does_not_restore_again(wa_case: Case) -> None:
    if not wa_case.testbed.managed:
        raise NotTested("what a start alone loses shows on clients that the testbed starts itself")
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        rng = rng_of(wa_case)
        backup = take_backup(client, a_password(rng), at=change_values(client, rng, "application"))
        before = change_values(client, rng, "application", now=backup.at)
        answer = restore_accepted(client, backup, "RESTORE-8", before=before)
        come_back(client)
        changed = change_values(client, rng, "application", now=shown(client, "application"))
        client.restart()
        after = shown(client, "application")
    where = "after changes and one more start"
    judge = partial(
        restored, "RESTORE-10", after=after, before=backup.at.values, where=where, answers=(answer,)
    )
    wa_case.judge(judged_over_a_start(wa_case, changed.of("application"), judge))


@pytest.mark.wa_clause("RESTORE-10", uses_up="restores")
def test_an_existing_app_stops_and_then_serves_the_restored_state(wa_case: Case) -> None:
    record = existing_app(wa_case)
    sent = "restore on an existing app"
    if record.went_down is False:
        limit = wa_case.testbed.ready_timeout
        observed = f"it was still serving {limit:.0f} s after the restore"
        expected = "the app stops (nothing brings it back)"
        wa_case.judge(Finding("RESTORE-10", sent, expected, observed, (record.answer,)))
    if record.after is None:
        raise NotTested(f"{record.back}: see RESTORE-11")
    leaves = changed_leaves(record.backup.at.values, record.before.values)
    if not leaves:
        raise NotTested(
            "no application setting could be changed, so states cannot be told apart", "no evidence"
        )
    for told, after in (("start again", record.after), ("start again, and once more", record.again)):
        if after is not None and agree(leaves, record.before.values, after.values):
            observed = f"the state from before the restore ({len(leaves)} changed fields read as before it)"
            answers = (record.answer, *after.answers)
            wa_case.judge(Finding("RESTORE-10", f"{sent}, {told}", "the restored state", observed, answers))
    wa_case.judge(made_again("RESTORE-10", record.backup.at, record.before, record.after))


@pytest.mark.wa_clause("RESTORE-10", uses_up="restores", widens=True)
def test_an_existing_app_stops_after_a_restore_of_the_state_that_it_has(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        if client.restart_policy != "no" or not client.can_restart:
            raise NotTested("whether the app stops shows only where nothing but the suite starts it again")
        if not can_spare_restores(client):
            raise NotTested("the restores that are left are for other clauses: raise --wa-max-restores")
        answer = restore_its_own_state(client, rng_of(wa_case), "RESTORE-8")
        if not client.wait_down(wa_case.testbed.ready_timeout):
            observed = f"it was still serving {wa_case.testbed.ready_timeout:.0f} s after the restore"
            sent = "backup, restore of it with no change in between"
            expected = "the app stops (nothing brings it back)"
            wa_case.judge(Finding("RESTORE-10", sent, expected, observed, (answer,)))
        wa_case.judge(Evidence("RESTORE-10", "the app stops"))
        come_back(client)


@pytest.mark.wa_clause("RESTORE-11", uses_up="restores")
def test_after_the_import_the_client_comes_back_connected(wa_case: Case) -> None:
    try:
        record = existing_app(wa_case)
    except GivenUp as gone:
        sent = "restore on an existing app in another test, start again"
        expected = "the client serves again and is connected"
        raise FindingError(Finding("RESTORE-11", sent, expected, gone.problem)) from None
    if record.back and record.no_fault:
        raise NotTested(record.back)
    if record.back:
        sent = "restore on an existing app, start again"
        expected = "the client serves again and is connected"
        wa_case.judge(Finding("RESTORE-11", sent, expected, record.back, (record.answer,)))
    if record.mute:
        sent = "restore on an existing app, start again, a message to a contact"
        expected = "it is connected: the message arrives, as one did before the restore"
        wa_case.judge(Finding("RESTORE-11", sent, expected, "no message arrived, twice", (record.answer,)))
    if record.refuses:
        sent = "restore on an existing app, start again"
        expected, observed = "it serves as before the restore", f"it refuses {' and '.join(record.refuses)}"
        wa_case.judge(Finding("RESTORE-11", sent, expected, f"{observed}, twice", (record.answer,)))
    assert record.after is not None
    if record.after.registered is False:
        sent = "restore on an existing app, start again"
        observed, answers = "health says `unregistered`", record.after.answers[-1:]
        wa_case.judge(Finding("RESTORE-11", sent, "it is connected", observed, answers))
    if record.is_made is False:
        raise NotTested("the state from before the restore came back: see RESTORE-10")
    wa_case.judge(made_again("RESTORE-11", record.backup.at, record.before, record.after))


@pytest.mark.wa_clause("RESTORE-13", uses_up="restores")
def test_one_backup_restores_more_than_once(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        rng = rng_of(wa_case)
        at = plant_other_values(client, rng, "application")
        backup = take_backup(client, a_password(rng), at=at)
        earlier = plant_other_values(client, rng, "application", now=at)
        _, first = restore_and_read(client, backup, before=earlier)
        changed = changed_leaves(at.values, earlier.values)
        if changed and agree(changed, earlier.values, first.values):
            raise NotTested("the first restore brought the state from before it: see RESTORE-10")
        now = first
        for time in ("second", "third") if can_spare_restores(client) else ("second",):
            now = _restore_again(wa_case, client, rng, backup, time, now)


def _restore_again(
    case: Case, client: Client, rng: random.Random, backup: Backup, time: str, now: Snapshot
) -> Snapshot:
    before = plant_other_values(client, rng, "application", now=now)
    attempt = attempt_restore(client, backup, before=before)
    sent = f"the same backup restored a {time} time"
    if attempt.refused:
        answer = attempt.answer
        case.judge(Finding("RESTORE-13", sent, "it is accepted again", came(answer), (answer,)))
    come_back(client)
    leaves, after = changed_leaves(backup.at.values, before.values), read(client)
    if leaves and agree(leaves, before.values, after.values):
        observed = f"the state from before ({len(leaves)} changed fields read as before it)"
        sent += ", start again"
        case.judge(Finding("RESTORE-13", sent, "the restored state again", observed, after.answers))
    case.judge(made_again("RESTORE-13", backup.at, before, after))
    return after


@pytest.mark.wa_clause("RESTORE-14", uses_up="restores")
def test_a_restore_that_is_cut_off_leaves_the_old_state_or_the_new(wa_case: Case) -> None:
    rng = rng_of(wa_case)
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        at = plant_other_values(client, rng, "application", "about", "business")
        backup = take_backup(client, a_password(rng), at=at)
        rounds = 8 if client.managed else min(2, max(0, client.testbed.restores_left - 5))
        if not rounds:
            raise NotTested("too few restores are left: raise --wa-max-restores")
        changed = plant_other_values(client, rng, "application", "about", "business", now=at)
        # what a whole restore reads as, whatever it loses
        first, new = restore_and_read(client, backup, before=changed)
        if is_state(new, changed):
            raise NotTested("the state from before the restore came back: see RESTORE-10")
        earlier, after = [at, new], new
        for done in range(rounds):
            before = plant_other_values(client, rng, "application", "about", "business", now=after)
            how = _cut_off(client, backup, done, part=rng.random(), takes=first.seconds)
            after = read_settled(client)
            judgement = whole(
                "RESTORE-14", f"restore, {how}", after, ("the old state", before), ("the new one", new)
            )
            found = isinstance(judgement, Finding)
            if found and any(is_state(after, one) for one in earlier):
                raise NotTested("the state of an earlier start came back: see RESTORE-10")
            if found and not _whole_if_not_cut_off(client, rng, backup, new):
                raise NotTested("a restore that is not cut off leaves a mixture, too: see RESTORE-2")
            wa_case.judge(judgement)
            earlier.append(before)


def _whole_if_not_cut_off(client: Client, rng: random.Random, backup: Backup, new: Snapshot) -> bool:
    """The control: whether a restore that nobody cuts off is whole, and still is after one more start."""
    before = plant_other_values(client, rng, "application", "about", "business")
    restore_accepted(client, backup, "RESTORE-8", before=before)
    after = read_settled(client)
    if client.can_restart:
        client.restart()
        after = read_settled(client)
    judgement = whole("RESTORE-14", "", after, ("the old state", before), ("the new one", new))
    return isinstance(judgement, Evidence)


def _cut_off(client: Client, backup: Backup, turn: int, *, part: float, takes: float) -> str:
    """Cuts a restore off, by closing the connection or by a kill; says how. A whole one `takes` seconds."""
    if turn % 2 == 0 or not client.can_kill:
        fraction = 1.0 if turn == 0 else 0.2 + 0.8 * part
        client.restore_and_close(backup.password, backup.data, fraction=fraction)
        if fraction == 1.0:
            client.wait_down(3 * takes + 0.1)  # what was sent whole may still be carried out
        return f"connection closed after {fraction:.0%} of the request"
    sending = threading.Thread(target=client.restore_in_background, args=(backup.password, backup.data))
    sending.start()
    delay = part * max(0.002, 4 * client.testbed.latency)
    client.kill_after(delay)
    sending.join()
    return f"the client killed {delay * 1000:.1f} ms after the request began"
