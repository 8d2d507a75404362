"""A newer version restores what an older one backed up, on a new machine (RESTORE-12)."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import pytest

from pytest_wa_settings.api.versions import version_numbers
from pytest_wa_settings.conformance.arrange import (
    Backup,
    a_password,
    plant_other_values,
    retired,
    rng_of,
    take_backup,
)
from pytest_wa_settings.conformance.damage import damages_for
from pytest_wa_settings.conformance.episodes import existing_app
from pytest_wa_settings.conformance.fields import Leaf
from pytest_wa_settings.conformance.judgements import (
    agree,
    came,
    changed_leaves,
    differences,
    planted_texts,
    refused,
    restored,
    sealed,
    told_by,
)
from pytest_wa_settings.conformance.migration import new_machine
from pytest_wa_settings.conformance.phones import Phones, gives_new_code, new_codes
from pytest_wa_settings.conformance.restores import (
    attempt_restore,
    come_back,
    restore_accepted,
    until_answered,
)
from pytest_wa_settings.conformance.snapshots import Snapshot, read
from pytest_wa_settings.testbed import Client, Need, NotBack, Unavailable
from pytest_wa_settings.verdicts import Case, Evidence, Finding, NotTested
from pytest_wa_settings.wire import Answer

_SOME_DAMAGES = 60
"""Every so manieth of them: all are sent to a client that restores its own version's backups."""
_OF_ANOTHER_FORMAT = pytest.mark.wa_clause(
    "BACKUP-4", "CODE-1", "RESTORE-4", "RESTORE-5", "RESTORE-6", uses_up="new machine", widens=True
)


@_OF_ANOTHER_FORMAT
@pytest.mark.wa_clause("RESTORE-12", uses_up="new machine")
def test_a_newer_version_restores_an_older_versions_backup(wa_case: Case) -> None:
    testbed = wa_case.testbed
    seen = None if testbed.managed else _seen_versions(wa_case)
    if seen is not None:
        _judge_versions(wa_case, *seen, lost=_lost_anyway(wa_case) | {"application:webhooks.url"})
        return
    older, newer = _version_pair(wa_case)
    _judge_move(wa_case, older, newer)


@_OF_ANOTHER_FORMAT
@pytest.mark.wa_clause("RESTORE-12", uses_up="new machine", widens=True)
def test_every_newer_version_restores_every_older_versions_backup(wa_case: Case) -> None:
    if not wa_case.testbed.managed:
        raise NotTested("needs clients that the testbed starts itself, in any number")
    pairs = [pair for pair in _version_pairs(wa_case) if pair != _version_pair(wa_case)]
    for done, (older, newer) in enumerate(pairs):
        wa_case.progress(done, len(pairs), "pairs of versions")
        _judge_move(wa_case, older, newer)


def _judge_move(case: Case, older: str, newer: str) -> None:
    """Judges a restore of the older version's backup on a new machine of the newer one."""
    testbed, pinned = case.testbed, case.testbed.pinned_version
    with ExitStack() as leases:
        old = leases.enter_context(testbed.lease(Need(exclusive=True, version=older, peer=older != pinned)))
        need = Need("unregistered", exclusive=True, consumes=True, version=newer, peer=newer != pinned)
        new = leases.enter_context(testbed.lease(need))
        rng = rng_of(case)
        earlier = read(old)
        at = plant_other_values(old, rng, "application", "about", "business", now=earlier)
        backup = take_backup(old, a_password(rng), at=at)
        judgement = sealed(backup.data, planted_texts(at, earlier), (backup.answer,))
        if isinstance(judgement, Finding) or not judgement.missing:
            case.judge(judgement)
        phones = Phones.of(case, old) if gives_new_code(newer) and not gives_new_code(older) else None
        if phones:
            phones.look_before()
        sent = f"a backup of version {older}, restored by version {newer} on a new machine"
        attempt = attempt_restore(new, backup)
        answer = attempt.answer
        if attempt.refused:
            case.judge(Finding("RESTORE-12", sent, "it is accepted", came(answer), (answer,)))
        try:
            new.come_back(expect_registered=True)
        except NotBack as error:
            if not _own_backup_comes_back(case, newer):
                raise NotTested(f"{error.problem}: see RESTORE-9") from None
            expected = "it serves, as after a restore of its own version's backup"
            case.judge(Finding("RESTORE-12", sent, expected, error.problem, (answer,)))
        planted, after = _planted(earlier, at), read(new)
        if phones and after.number in (None, at.number):  # contacts know no other number
            phones.look_after(restores=1, too_many=False)
            case.judge(new_codes(phones, answer, sent))
        gone = retired(new, at, after)
        planted = {leaf: value for leaf, value in planted.items() if leaf not in gone}
        lost = _lost_within(case, older, backup, planted) if differences(planted, after.values) else set()
        _judge_versions(case, sent, planted, after, answer, lost=lost)
        profile = {leaf: at.values[leaf] for leaf in _changed_profile(at, earlier) if leaf in after.values}
        before, where = earlier.values, "on a new machine"
        judgement = restored("RESTORE-4", profile, after, before=before, where=where, answers=(answer,))
        if isinstance(judgement, Finding) or not judgement.missing:
            case.judge(judgement)
        _judge_refusals(case, new, backup, sent)


def _judge_refusals(case: Case, new: Client, backup: Backup, sent: str) -> None:
    """An older version's format may be read by other code, which refuses what is refused in its own."""
    wrong = until_answered(new, lambda: new.restore(backup.password[::-1], backup.data))
    case.judge(refused("RESTORE-5", f"{sent}, with a wrong password", wrong))
    for damage in damages_for(case, backup.data)[::_SOME_DAMAGES]:
        answer = until_answered(new, partial(new.restore, backup.password, damage.data))
        case.judge(refused("RESTORE-6", f"{sent}, damaged: {damage.how}", answer))


def _own_backup_comes_back(case: Case, version: str) -> bool:
    """The control: whether a new machine of this version comes back after a backup of its own version."""
    own = Need(exclusive=True, version=version, peer=version != case.testbed.pinned_version)
    try:
        with ExitStack() as leases:
            old = leases.enter_context(case.testbed.lease(own))
            new = leases.enter_context(case.testbed.lease(replace(own, state="unregistered", consumes=True)))
            restore_accepted(new, take_backup(old, a_password(rng_of(case))), "RESTORE-9")
            new.come_back(expect_registered=True)
    except (NotTested, Unavailable):
        return False
    return True


def _lost_within(case: Case, version: str, backup: Backup, planted: dict[Leaf, object]) -> set[Leaf]:
    """The control: what this backup loses on a new machine of its own version as well.

    Where there is no such machine: what the restore on the existing app loses.
    """
    need = Need("unregistered", exclusive=True, consumes=True, version=version)
    need = replace(need, peer=version != case.testbed.pinned_version)
    if case.testbed.why_not(need) is not None:
        return _lost_anyway(case)
    with case.testbed.lease(need) as machine:
        restore_accepted(machine, backup, "RESTORE-9")
        come_back(machine, see="RESTORE-9")
        found = read(machine).values
    return {leaf for leaf in planted if not agree([leaf], planted, found)}


def _changed_profile(at: Snapshot, earlier: Snapshot) -> list[Leaf]:
    """The texts of the profile that the suite gave."""
    return [leaf for leaf in at.of("about", "business") if at.values[leaf] != earlier.values.get(leaf)]


def _planted(earlier: Snapshot, at: Snapshot) -> dict[Leaf, object]:
    """The settings that the suite gave a value; what nobody set may follow the newer version's defaults."""
    return {leaf: at.values[leaf] for leaf in changed_leaves(at.values, earlier.values)}


def _seen_versions(case: Case) -> tuple[str, dict[Leaf, object], Snapshot, Answer] | None:
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
    planted = _planted(record.earlier, record.backup.at)
    kept = {leaf: value for leaf, value in planted.items() if leaf not in record.retired}
    return sent, kept, record.after, record.answer


def _lost_anyway(case: Case) -> set[Leaf]:
    """Application settings that a restore on the same machine loses as well."""
    record = existing_app(case)
    if record.after is None:
        raise NotTested(f"{record.back}: see RESTORE-11")
    at, after = record.backup.at.of("application"), record.after.values
    return {leaf for leaf in at if not agree([leaf], at, after)}


def _judge_versions(
    case: Case, sent: str, planted: dict[Leaf, object], after: Snapshot, answer: Answer, *, lost: set[Leaf]
) -> None:
    """A field that any restore loses is RESTORE-2's; what only the newer version loses is judged here."""
    wanted = {leaf: value for leaf, value in planted.items() if leaf not in lost}
    told = differences(told_by(after, wanted), after.values)
    if told:
        finding = Finding("RESTORE-12", sent, "the older client's settings", "; ".join(told[:4]), (answer,))
        case.judge(finding)
    fields = tuple(wanted)
    missing = None if fields else "no setting could be changed on the older client, so none can come back"
    case.judge(Evidence("RESTORE-12", "restored by a newer version", 1, fields, missing=missing))


def _version_pair(case: Case) -> tuple[str, str]:
    """The oldest and the newest version that this testbed offers; the pinned one is one of them."""
    pairs = _version_pairs(case)
    if not pairs:
        raise NotTested("needs clients of two versions: add one of another version to clients.toml")
    pinned = case.testbed.pinned_version
    older = [pair for pair in pairs if pair[0] == pinned]
    return older[-1] if older else max(pairs, key=lambda pair: version_numbers(pair[1]) or ())


def _version_pairs(case: Case) -> list[tuple[str, str]]:
    """Every pair of an older and a newer version, oldest first; where one is pinned, those with it."""
    offered = sorted(case.testbed.versions, key=lambda version: version_numbers(version) or ())
    pinned = case.testbed.pinned_version
    return [
        (older, newer)
        for older in offered
        for newer in offered
        if (version_numbers(older) or ()) < (version_numbers(newer) or ()) and pinned in (None, older, newer)
    ]
