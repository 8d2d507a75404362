"""What a restore brings back on a new machine (RESTORE-3 and -9)."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from pytest_wa_settings.conformance.arrange import (
    a_password,
    come_back,
    not_an_earlier_state,
    plant_other_values,
    refused_by_both,
    restore_accepted,
    rng_of,
    take_backup,
)
from pytest_wa_settings.conformance.episodes import new_machine
from pytest_wa_settings.conformance.judgements import came, restored, settle
from pytest_wa_settings.conformance.snapshots import read
from pytest_wa_settings.testbed import Need
from pytest_wa_settings.verdicts import Case, Finding, FindingError, NotTested


@pytest.mark.wa_clause("RESTORE-3", uses_up="new machine")
def test_the_registration_comes_back_on_a_new_machine(wa_case: Case) -> None:
    record = new_machine(wa_case)
    sent = "backup of a registered client, restore on a new machine"
    after = record.after
    if after is None and record.restarted is not None and record.restarted.registered is False:
        expected = "it is registered again, with no new code or verification"
        observed = "health says `unregistered`, after one more start, too"
        settle(
            Finding("RESTORE-3", sent, expected, observed, (record.answer, *record.restarted.answers[-1:]))
        )
    if after is None:
        raise NotTested(f"{record.back}: see RESTORE-9")
    if after.registered is False:
        expected = "it is registered again, with no new code or verification"
        settle(
            Finding(
                "RESTORE-3",
                sent,
                expected,
                "health says `unregistered`",
                (record.answer, *after.answers[-1:]),
            )
        )
    if record.number and after.number and after.number != record.number:
        settle(
            Finding("RESTORE-3", sent, "the same phone number", "another phone number", after.answers[-1:])
        )
    if record.number and after.number is None and after.registered is None:
        raise NotTested("neither health nor any answer tells whether the client is registered")


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
        settle(Finding("RESTORE-9", sent, expected, observed, (record.answer, *record.again.answers[-1:])))
    if record.late:
        observed = f"it gave {' and '.join(record.late)} only after one more start"
        expected = "the client begins to serve, without a restart, as it goes on answering"
        settle(Finding("RESTORE-9", sent, expected, observed, (record.answer,)))
    if record.back:
        expected = "the client initializes itself and begins to serve" + (
            ", without a restart, as it goes on answering" if record.stayed_up else ", after a restart"
        )
        settle(Finding("RESTORE-9", sent, expected, record.back, (record.answer,)))


@pytest.mark.wa_clause("RESTORE-2", "RESTORE-3", "RESTORE-8", "RESTORE-9", uses_up="new machine", widens=True)
def test_a_machine_that_was_restored_moves_once_more(wa_case: Case) -> None:
    if not wa_case.testbed.managed:
        raise NotTested("a second move needs clients that the testbed starts itself, in any number")
    rng = rng_of(wa_case)
    target = Need("unregistered", exclusive=True, consumes=True)
    with ExitStack() as leases:
        first, second, third = (
            leases.enter_context(wa_case.testbed.lease(need))
            for need in (Need(exclusive=True), target, target)
        )
        earlier = plant_other_values(first, rng, "application")
        restore_accepted(second, take_backup(first, a_password(rng), at=earlier), "RESTORE-9")
        come_back(second, see="RESTORE-9")
        at = plant_other_values(second, rng, "application")
        backup = take_backup(second, a_password(rng), at=at)
        answer = third.restore(backup.password, backup.data)
        sent = "a backup of a machine that was restored itself, restored on a new one"
        if answer.answered and not answer.ok:
            clause = refused_by_both(second, backup, "RESTORE-9")
            settle(Finding(clause, sent, "it is accepted", came(answer), (answer,)))
        come_back(third, see="RESTORE-9")
        after = read(third)
        if at.number and after.number and at.number != after.number:
            settle(Finding("RESTORE-3", sent, "the same phone number", "another phone number", after.answers))
        not_an_earlier_state(at, after, earlier)
        wanted = at.of("application")
        settle(restored("RESTORE-2", wanted, after, where="on the third machine", answers=(answer,)))
