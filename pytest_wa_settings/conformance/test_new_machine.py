"""What a restore brings back on a new machine (RESTORE-3 and -9)."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import pytest

from pytest_wa_settings.conformance.arrange import (
    a_password,
    change_values,
    plant_other_values,
    rng_of,
    take_backup,
    wait_until,
)
from pytest_wa_settings.conformance.judgements import agree, came, changed_leaves, current, restored
from pytest_wa_settings.conformance.migration import NewMachine, new_machine
from pytest_wa_settings.conformance.restores import (
    attempt_restore,
    can_spare_restores,
    come_back,
    machine_for,
    need_not_take,
    restore_accepted,
    restore_its_own_state,
)
from pytest_wa_settings.conformance.snapshots import read
from pytest_wa_settings.testbed import Need
from pytest_wa_settings.verdicts import Case, Evidence, Finding, FindingError, NotTested

_STOPS_WITHIN = 3.0
"""Seconds that a client which is down may go on answering that it is."""
_NEW = Need("unregistered", exclusive=True, consumes=True)


@pytest.mark.wa_clause("RESTORE-3", uses_up="new machine")
def test_the_registration_comes_back_on_a_new_machine(wa_case: Case) -> None:
    record = new_machine(wa_case)
    sent = "backup of a registered client, restore on a new machine"
    after = record.after
    if after is None and record.restarted is not None and record.restarted.registered is False:
        expected = "it is registered again, with no new code or verification"
        observed = "health says `unregistered`, after one more start, too"
        answers = (record.answer, *record.restarted.answers[-1:])
        wa_case.judge(Finding("RESTORE-3", sent, expected, observed, answers))
    if after is None:
        raise NotTested(f"{record.back}: see RESTORE-9")
    if after.registered is False:
        expected = "it is registered again, with no new code or verification"
        answers = (record.answer, *after.answers[-1:])
        wa_case.judge(Finding("RESTORE-3", sent, expected, "health says `unregistered`", answers))
    if record.number and after.number and after.number != record.number:
        wa_case.judge(
            Finding("RESTORE-3", sent, "the same phone number", "another phone number", after.answers[-1:])
        )
    wa_case.judge(_registration(record))


def _registration(record: NewMachine) -> Evidence:
    """What tells that the new machine has the registration of the old one, which it had not before."""
    after = record.after
    assert after is not None
    control = None
    if record.blank.registered is False and after.registered:
        control = "health said `unregistered` before the restore"
    elif record.number and after.number == record.number and record.blank.number != record.number:
        control = "it showed another number before the restore, or none"
    missing = "neither health nor any answer tells whether the client is registered"
    return Evidence("RESTORE-3", "registered again", control=control, missing=None if control else missing)


@pytest.mark.wa_clause("RESTORE-9", uses_up="new machine")
def test_a_new_machine_initializes_itself_and_serves(wa_case: Case) -> None:
    try:
        record = new_machine(wa_case)
    except NotTested as stopped:
        if "see RESTORE-9" not in stopped.reason:
            raise
        sent = "restore of a good backup on a running, unregistered client"
        raise FindingError(Finding("RESTORE-9", sent, "it is accepted", stopped.reason)) from None
    sent = "restore on a running, unregistered client"
    if record.back and record.no_fault:
        raise NotTested(record.back)
    if record.restarted is not None and record.restarted.registered is False:
        raise NotTested("it came back unregistered, after one more start, too: see RESTORE-3")
    if record.again is not None and record.again.registered is False:
        observed = "after one more start health says `unregistered`"
        expected = "the client begins to serve, and goes on after a start"
        wa_case.judge(
            Finding("RESTORE-9", sent, expected, observed, (record.answer, *record.again.answers[-1:]))
        )
    if record.late:
        observed = f"it gave {' and '.join(record.late)} only after one more start"
        expected = "the client begins to serve, without a restart, as it goes on answering"
        wa_case.judge(Finding("RESTORE-9", sent, expected, observed, (record.answer,)))
    if record.never:
        observed = f"it never gave {' and '.join(record.never)}, after one more start neither"
        expected = "the client begins to serve, as the machine of the backup did"
        wa_case.judge(Finding("RESTORE-9", sent, expected, observed, (record.answer,)))
    if record.back:
        expected = "the client initializes itself and begins to serve" + (
            ", without a restart, as it goes on answering" if record.stayed_up else ", after a restart"
        )
        wa_case.judge(Finding("RESTORE-9", sent, expected, record.back, (record.answer,)))
    missing = None if record.is_made else "nothing that can be read shows that the restore was carried out"
    if record.is_made is False:
        missing = "the new machine serves, and nothing of the backup: see RESTORE-2"
    control = "it serves the backup's state or registration"
    wa_case.judge(Evidence("RESTORE-9", "begins to serve", control=control, missing=missing))


@pytest.mark.wa_clause("BACKUP-9", "RESTORE-2", "RESTORE-3", "RESTORE-8", uses_up="new machine", widens=True)
def test_a_backup_of_a_machine_that_was_restored_restores(wa_case: Case) -> None:
    rng = rng_of(wa_case)
    with ExitStack() as leases:
        first = leases.enter_context(wa_case.testbed.lease(Need(exclusive=True)))
        second = leases.enter_context(wa_case.testbed.lease(machine_for(wa_case.testbed, first, _NEW)))
        if not (can_spare_restores(first) and first.can_restart and second.may_change):
            raise NotTested("the way back needs one more restore, a restart, and changes on the new machine")
        earlier = plant_other_values(first, rng, "application")
        moved = take_backup(first, a_password(rng), at=earlier)
        # else a restore of nothing might pass for one
        before = change_values(first, rng, "application", now=earlier)
        restore_accepted(second, moved, "RESTORE-9")
        come_back(second, see="RESTORE-9")
        at = plant_other_values(second, rng, "application")
        backup = take_backup(second, a_password(rng), at=at)
        if need_not_take(first, backup):
            raise NotTested("the way back is to an older version, which need not take a newer one's backup")
        before = replace(before, serving=not first.is_down())  # it may have lost its number by now
        attempt = attempt_restore(first, backup, before=before)
        answer = attempt.answer
        sent = "a backup of a machine that was restored itself, restored on the machine before it"
        if attempt.refused:
            wa_case.judge(Finding("RESTORE-8", sent, "it is accepted", came(answer), (answer,)))
        come_back(first)
        after = read(first)
        if at.number and after.number and at.number != after.number:
            observed = "another phone number"
            wa_case.judge(Finding("RESTORE-3", sent, "the same phone number", observed, after.answers))
        changed = changed_leaves(at.values, earlier.values)
        if changed and agree(changed, earlier.values, after.values):
            observed = "the state that the new machine was restored to came back"
            wa_case.judge(Finding("BACKUP-9", sent, "the state at the call of backup", observed, (answer,)))
        wanted, where = at.of("application"), "on the first machine"
        judgement = restored("RESTORE-2", wanted, after, before=before.values, where=where, answers=(answer,))
        wa_case.judge(judgement, current(at.values, earlier.values, after.values))


@pytest.mark.wa_clause("RESTORE-9", uses_up="new machine", widens=True)
def test_a_new_machine_restores_while_the_machine_of_the_backup_is_down(wa_case: Case) -> None:
    with ExitStack() as leases:
        old = leases.enter_context(wa_case.testbed.lease(Need(exclusive=True)))
        new = leases.enter_context(wa_case.testbed.lease(machine_for(wa_case.testbed, old, _NEW)))
        backup = take_backup(old, a_password(rng_of(wa_case)))
        if wa_case.testbed.managed:
            old.kill()
        elif old.restart_policy == "no" and old.can_restart and can_spare_restores(old):
            restore_its_own_state(old, rng_of(wa_case), "RESTORE-8")  # it stops, and nothing brings it back
        else:
            raise NotTested("the machine of the backup cannot be kept down")
        if not old.wait_down(wa_case.testbed.ready_timeout):
            raise NotTested("the machine of the backup was not seen down: see RESTORE-10")
        wait_until(lambda: not old.probe().answered, _STOPS_WITHIN)  # it may answer 503 until its end
        attempt = attempt_restore(new, backup)
        if not attempt.refused:
            control = "the machine of the backup was seen down"
            wa_case.judge(Evidence("RESTORE-9", "a restore that is accepted", control=control))
            return
        come_back(old)
        again = restore_accepted(new, backup, "RESTORE-9")
        sent = "restore on a new machine while the machine of the backup is down"
        expected = "it is accepted, as it is once that is up again"
        answer = attempt.answer
        wa_case.judge(Finding("RESTORE-9", sent, expected, came(answer), (answer, again)))
