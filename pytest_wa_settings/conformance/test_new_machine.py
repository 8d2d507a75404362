"""What a restore brings back on a new machine, and on a newer version there (RESTORE-3, -9 and -12)."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from pytest_wa_settings.conformance.arrange import (
    a_password,
    come_back,
    plant_other_values,
    rng_of,
    take_backup,
)
from pytest_wa_settings.conformance.episodes import existing_app, new_machine
from pytest_wa_settings.conformance.fields import Leaf
from pytest_wa_settings.conformance.judgements import (
    agree,
    came,
    differences,
    settle,
)
from pytest_wa_settings.conformance.phones import version_numbers
from pytest_wa_settings.conformance.snapshots import Snapshot, read
from pytest_wa_settings.testbed import Need
from pytest_wa_settings.verdicts import Case, Finding, FindingError, NotTested
from pytest_wa_settings.wire import Answer


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
    if record.back:
        expected = "the client initializes itself and begins to serve" + (
            ", without a restart, as it goes on answering" if record.stayed_up else ", after a restart"
        )
        settle(Finding("RESTORE-9", sent, expected, record.back, (record.answer,)))


@pytest.mark.wa_clause("RESTORE-12", uses_up="new machine")
def test_a_newer_version_restores_an_older_versions_backup(wa_case: Case) -> None:
    testbed = wa_case.testbed
    seen = None if testbed.managed else _seen_versions(wa_case)
    if seen is not None:
        _judge_versions(*seen, lost=_lost_anyway(wa_case) | {"application:webhooks.url"})
        return
    older, newer, pinned_older = _version_pair(wa_case)
    with ExitStack() as leases:
        old = leases.enter_context(testbed.lease(Need(exclusive=True, version=older, peer=not pinned_older)))
        need = Need("unregistered", exclusive=True, consumes=True, version=newer, peer=pinned_older)
        new = leases.enter_context(testbed.lease(need))
        rng = rng_of(wa_case)
        at = plant_other_values(old, rng, "application")
        backup = take_backup(old, a_password(rng), at=at)
        answer = new.restore(backup.password, backup.data)
        sent = f"a backup of version {older}, restored by version {newer} on a new machine"
        if answer.answered and not answer.ok:
            settle(Finding("RESTORE-12", sent, "it is accepted", came(answer), (answer,)))
        come_back(new, see="RESTORE-9")
        _judge_versions(sent, at, read(new), answer, lost=_lost_anyway(wa_case))


def _seen_versions(case: Case) -> tuple[str, Snapshot, Snapshot, Answer] | None:
    """The restore on a new machine that was made already, where that machine's version is the newer one."""
    record = new_machine(case)
    older, newer = version_numbers(record.old.version), version_numbers(record.new.version)
    if older is None or newer is None:
        raise NotTested("the clients' versions are unknown: add version to their entries in clients.toml")
    if not older < newer:
        return None
    if record.after is None:
        raise NotTested(f"{record.back}: see RESTORE-9")
    sent = f"a backup of version {record.old.version}, restored by version {record.new.version}"
    return sent, record.backup.at, record.after, record.answer


def _lost_anyway(case: Case) -> set[Leaf]:
    """Application settings that a restore within one version loses as well."""
    record = existing_app(case)
    if record.after is None:
        raise NotTested(f"{record.back}: see RESTORE-11")
    at, after = record.backup.at.of("application"), record.after.values
    return {leaf for leaf in at if not agree([leaf], at, after)}


def _judge_versions(sent: str, at: Snapshot, after: Snapshot, answer: Answer, *, lost: set[Leaf]) -> None:
    """A field that any restore loses is RESTORE-2's; what only the newer version loses is judged here."""
    wanted = {leaf: value for leaf, value in at.of("application").items() if leaf not in lost}
    told = differences(wanted, after.values)
    if told:
        settle(Finding("RESTORE-12", sent, "the older client's settings", "; ".join(told[:4]), (answer,)))


def _version_pair(case: Case) -> tuple[str, str, bool]:
    """An older and a newer version that this testbed offers; whether the older one is the pinned one."""
    offered = sorted(case.testbed.versions, key=lambda version: version_numbers(version) or ())
    pinned = case.testbed.pinned_version
    if pinned is None:
        if len(offered) < 2:
            raise NotTested("needs clients of two versions: add one of another version to clients.toml")
        return offered[0], offered[-1], False
    newer = [v for v in offered if (version_numbers(v) or ()) > (version_numbers(pinned) or ())]
    if newer:
        return pinned, newer[-1], True
    older = [v for v in offered if (version_numbers(v) or ()) < (version_numbers(pinned) or ())]
    if not older:
        raise NotTested("needs clients of two versions: add one of another version to clients.toml")
    return older[0], pinned, False
