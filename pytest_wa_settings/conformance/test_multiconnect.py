"""A backup restores on the same type of setup, and on no other (SHARD-1 to SHARD-4)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

import pytest

from pytest_wa_settings.conformance.arrange import (
    Backup,
    a_password,
    change_values,
    changed_since,
    multiconnect_setups,
    retired,
    rng_of,
    take_backup,
)
from pytest_wa_settings.conformance.episodes import MulticonnectApp, multiconnect_app
from pytest_wa_settings.conformance.fields import PROFILE, Leaf
from pytest_wa_settings.conformance.judgements import (
    accepted_backup,
    agree,
    came,
    changed_leaves,
    current,
    differing_leaves,
    refused_while_down,
    restore_answer,
    restored,
)
from pytest_wa_settings.conformance.once import once
from pytest_wa_settings.conformance.refusals import Refusals
from pytest_wa_settings.conformance.restores import (
    OF_A_NEWER_VERSION,
    attempt_restore,
    come_back,
    machine_for,
    need_not_take,
    restore_accepted,
)
from pytest_wa_settings.conformance.snapshots import Snapshot, read
from pytest_wa_settings.testbed import Need, NotBack, Setup, Testbed, Unavailable
from pytest_wa_settings.verdicts import Case, Evidence, Finding, NotTested
from pytest_wa_settings.wire import Answer

SINGLE: Setup = (1, False)
_ADD = "add clients of more setups (shards, multiconnect) to clients.toml"


def told(setup: Setup) -> str:
    """A setup in words."""
    return f"{setup[0]} shards" if setup[1] else "a single instance"


def _source(setup: Setup) -> Need:
    return Need(shards=setup[0], multiconnect=setup[1])


def _targets(testbed: Testbed, setup: Setup) -> list[Need]:
    """The clients of this setup to restore on: a registered one and a new machine, as offered."""
    needs = (
        Need(shards=setup[0], multiconnect=setup[1], exclusive=not testbed.managed or setup[0] <= 2),
        Need("unregistered", shards=setup[0], multiconnect=setup[1]),
    )
    return [need for need in needs if testbed.why_not(need) is None]


def _lease_backup(case: Case, setup: Setup) -> Backup:
    with case.testbed.lease(_source(setup)) as client:
        return take_backup(client, a_password(rng_of(case)))


def _refused(case: Case, clause: str, source: Setup, targets: list[Setup]) -> int:
    """Judges that a backup of one setup is refused on each of the others; how many were judged."""
    why = case.testbed.why_not(_source(source))
    if why:
        raise Unavailable(why, _ADD)
    backup = _lease_backup(case, source)
    return sum(_refused_on(case, clause, target, {source: backup}) for target in targets)


def _refused_on(case: Case, clause: str, target: Setup, backups: Mapping[Setup, Backup]) -> int:
    """Judges that one setup's clients refuse each of the backups; how many calls were judged."""
    judged = 0
    for need in _targets(case.testbed, target):
        with ExitStack() as leases:
            try:
                client = leases.enter_context(case.testbed.lease(need))
            except Unavailable:
                continue
            if need.exclusive and client.may_change:
                change_values(client, rng_of(case), "application")
            refusals = Refusals(case, clause, client, registered=client.state == "registered")
            for source, backup in backups.items():
                for again in ("", ", sent once more"):
                    refusals.judge(
                        f"a backup from {told(source)}, restored on {told(target)}{again}",
                        partial(client.restore, backup.password, backup.data),
                        example=f"{told(source)} on {told(target)}",
                    )
                judged += 1
            refusals.finish(widens=judged > len(backups))  # another client of this setup was judged before
            if need.exclusive:
                refusals.survives_a_start(*backups.values())
    return judged


def _judged_any(judged: int, needed: str) -> None:
    if not judged:
        raise Unavailable(f"needs {needed}", _ADD)


@pytest.mark.wa_clause("SHARD-2")
def test_a_backup_is_refused_on_another_number_of_shards(wa_case: Case) -> None:
    setups = multiconnect_setups(wa_case.testbed)[:2]
    if len(setups) < 2:
        raise Unavailable("needs multiconnect clients of two shard counts", _ADD)
    fewer, more = setups
    judged = 0
    for source, target in ((more, fewer), (fewer, more)):
        if wa_case.testbed.why_not(_source(source)) is None:
            judged += _refused(wa_case, "SHARD-2", source, [target])
    _judged_any(judged, "a registered multiconnect client, and one of another shard count")
    if judged == 1:
        wa_case.remark(
            "only one way was judged: for the other, add a registered client of the other shard count"
        )


@pytest.mark.wa_clause("SHARD-2", "SHARD-3", widens=True)
def test_a_backup_is_refused_on_every_other_number_of_shards(wa_case: Case) -> None:
    setups = multiconnect_setups(wa_case.testbed)
    if len(setups) < 3:
        raise NotTested("the testbed offers no third multiconnect setup")
    sources = [setup for setup in setups if wa_case.testbed.why_not(_source(setup)) is None]
    backups = {setup: _lease_backup(wa_case, setup) for setup in sources}
    judged = 0
    for done, target in enumerate(setups):
        wa_case.progress(done, len(setups), "shard counts, each with the backups of all others")
        others = {setup: backup for setup, backup in backups.items() if setup != target}
        judged += _refused_on(wa_case, "SHARD-2", target, others)
    judged += _refused_on(wa_case, "SHARD-3", SINGLE, backups)
    wa_case.count_examples(judged)
    _judged_any(judged, "a registered multiconnect client, and one of another shard count")


@pytest.mark.wa_clause("SHARD-3")
def test_a_multiconnect_backup_is_refused_on_a_single_instance(wa_case: Case) -> None:
    setups = multiconnect_setups(wa_case.testbed)
    judged = 0
    for source in [setup for setup in setups if wa_case.testbed.why_not(_source(setup)) is None][:3]:
        judged += _refused(wa_case, "SHARD-3", source, [SINGLE])
    _judged_any(judged, "a registered multiconnect client and a single instance")


@pytest.mark.wa_clause("SHARD-4")
def test_a_single_instances_backup_is_refused_on_multiconnect(wa_case: Case) -> None:
    judged = _refused(wa_case, "SHARD-4", SINGLE, multiconnect_setups(wa_case.testbed)[:3])
    _judged_any(judged, "a registered single instance and a multiconnect client")


@pytest.mark.wa_clause("SHARD-1", uses_up="new machine")
def test_a_backup_restores_on_the_same_number_of_shards(wa_case: Case) -> None:
    for setup in _round_setups(wa_case)[:2]:
        _judge_round_trip(wa_case, setup)


@pytest.mark.wa_clause("SHARD-1", uses_up="new machine", widens=True)
def test_a_backup_restores_on_every_number_of_shards(wa_case: Case) -> None:
    setups = _round_setups(wa_case)[2:]
    if not setups:
        raise NotTested("the testbed offers no third multiconnect setup")
    for setup in setups:
        _judge_round_trip(wa_case, setup)


@pytest.mark.wa_clause("RESTORE-2", "RESTORE-4", uses_up="new machine", widens=True)
def test_settings_and_profile_come_back_on_multiconnect(wa_case: Case) -> None:
    for setup in _round_setups(wa_case)[:2]:
        trip = _round_trip(wa_case, setup)
        if trip.after is None:
            raise NotTested(f"{trip.back or came(trip.answer)}: see SHARD-1")
        for clause, resources in (("RESTORE-2", ("application", "providers")), ("RESTORE-4", PROFILE)):
            wanted, where = trip.backup.at.of(*resources), f"on {told(setup)}"
            wanted = {leaf: value for leaf, value in wanted.items() if leaf not in trip.retired}
            before = trip.before.values
            wa_case.judge(
                restored(clause, wanted, trip.after, before=before, where=where, answers=(trip.answer,))
            )


@pytest.mark.wa_clause("BACKUP-3", "BACKUP-9", "SHARD-1", uses_up="restores", widens=True)
@pytest.mark.wa_clause("RESTORE-2", "RESTORE-10", "RESTORE-11", uses_up="restores", widens=True)
def test_an_existing_multiconnect_app_stops_and_serves_the_restored_state(wa_case: Case) -> None:
    record = multiconnect_app(wa_case)
    answers = (record.answer,)
    if record.refused:
        _works_on_a_single_instance(wa_case)
        wa_case.judge(Finding("SHARD-1", record.sent, "it is accepted", came(record.answer), answers))
    if record.stopped is False:
        observed = f"it was still serving {wa_case.testbed.ready_timeout:.0f} s after the restore"
        wa_case.judge(
            Finding("RESTORE-10", record.sent, "the app stops (nothing brings it back)", observed, answers)
        )
    if record.while_down is not None:
        wa_case.judge(refused_while_down(f"{record.sent}, backup while it is stopped", record.while_down))
    if record.back and record.no_fault:
        raise NotTested(record.back)
    if record.back:
        expected = "the client serves again and is connected"
        wa_case.judge(Finding("RESTORE-11", f"{record.sent}, start again", expected, record.back, answers))
    if record.after is not None:
        _judge_restored_state(wa_case, record, record.after)


def _judge_restored_state(case: Case, record: MulticonnectApp, after: Snapshot) -> None:
    at, before, earlier = record.backup.at, record.before.values, record.earlier.values
    changed = changed_leaves(at.values, before)
    if changed and agree(changed, before, after.values):
        observed = f"the state from before the restore ({len(changed)} changed fields read as before it)"
        case.judge(Finding("RESTORE-10", record.sent, "the restored state", observed, after.answers))
    changed = changed_leaves(at.values, earlier)
    if changed and agree(changed, earlier, after.values):
        observed = f"the state of the first backup ({len(changed)} changed fields read as then)"
        expected = "all changes made before the second backup"
        case.judge(Finding("BACKUP-9", f"two backups, {record.sent}", expected, observed, after.answers))
    wanted, where = at.of("application", "providers"), "on multiconnect"
    case.judge(restored("RESTORE-2", wanted, after, before=before, where=where, answers=(record.answer,)))
    fields = tuple(
        leaf for leaf in changed_leaves(at.values, before) if agree([leaf], at.values, after.values)
    )
    for clause in ("RESTORE-10", "RESTORE-11", "SHARD-1") if fields else ():
        case.judge(Evidence(clause, "the restored state is served", len(after.answers), fields))
    if changed and not current(at.values, earlier, after.values).missing:
        case.judge(current(at.values, earlier, after.values))


@pytest.mark.wa_clause("BACKUP-1", "RESTORE-1", uses_up="new machine", widens=True)
def test_multiconnect_answers_as_a_single_instance_does(wa_case: Case) -> None:
    for setup in _round_setups(wa_case)[:2]:
        trip = _round_trip(wa_case, setup)
        wa_case.judge(accepted_backup(trip.backup.answer, f"backup on {told(setup)}"))
        if trip.answer.answered and not trip.refused and not trip.answer.failure:  # a refusal is SHARD-1's
            judgement, _ = restore_answer(trip.answer, strict=wa_case.strict, made=trip.is_made)
            wa_case.judge(judgement)


@dataclass
class RoundTrip:
    """A restore on the setup that the backup came from.

    Attributes:
        before: the reading just before it. refused: it was refused.
        fresh: whether it was made on a new machine; else on the same client.
        back: why the client did not serve again; None if it did, or where the restore was refused.
        after: the reading after it came back.
        retired: settings that its version, which is another one, does not have.
    """

    backup: Backup
    before: Snapshot
    answer: Answer
    refused: bool
    fresh: bool
    back: str | None = None
    after: Snapshot | None = None
    retired: frozenset[Leaf] = frozenset()

    @property
    def is_made(self) -> bool | None:
        """Whether the state afterwards shows that the restore was carried out; None where nothing tells."""
        at, after = self.backup.at.values, self.after
        if after is None:
            return None
        if self.before.registered is False and after.registered:
            return True
        differing = differing_leaves(self.backup.at.of("application"), self.before.values)
        return any(agree([leaf], at, after.values) for leaf in differing) if differing else None


def _round_setups(case: Case) -> list[Setup]:
    """The multiconnect setups of which there is a registered client; raises Unavailable."""
    setups = multiconnect_setups(case.testbed)
    usable = [setup for setup in setups if case.testbed.why_not(_source(setup)) is None]
    if not usable:
        raise Unavailable("needs a registered multiconnect client of two shards or more", _ADD)
    return usable


def _round_trip(case: Case, setup: Setup) -> RoundTrip:
    """Backs up and restores on one setup, once: on a new machine if there is one, else on the same client."""
    return once(case, f"round trip on {told(setup)}", lambda: _make_round_trip(case, setup))


def _make_round_trip(case: Case, setup: Setup) -> RoundTrip:
    rng = random.Random(f"{case.seed} round trip on {told(setup)}")
    target = Need("unregistered", shards=setup[0], multiconnect=setup[1], exclusive=True, consumes=True)
    with ExitStack() as leases:
        source = leases.enter_context(
            case.testbed.lease(Need(shards=setup[0], multiconnect=setup[1], exclusive=True))
        )
        fresh = case.testbed.why_not(target) is None
        target = machine_for(case.testbed, source, target)
        client = leases.enter_context(case.testbed.lease(target)) if fresh else source
        backup, changed = changed_since(source, rng, a_password(rng))
        # a drawn value of the source cannot be on a new machine by itself
        blank = read(client) if fresh else changed
        before = replace(blank, found={**changed.found, **blank.found}) if fresh else changed
        attempt = attempt_restore(client, backup, before=before)
        trip = RoundTrip(backup, before, attempt.answer, attempt.refused, fresh)
        if trip.refused:
            if need_not_take(client, backup):
                raise NotTested(OF_A_NEWER_VERSION)
            return trip
        try:
            client.come_back(expect_registered=True)
        except NotBack as error:
            if need_not_take(client, backup):
                raise NotTested(OF_A_NEWER_VERSION) from None
            trip.back = error.problem
        else:
            trip.after = read(client)
            if client.version != source.version:
                trip.retired = retired(client, backup.at, trip.after)
        return trip


def _judge_round_trip(case: Case, setup: Setup) -> None:
    trip = _round_trip(case, setup)
    sent = f"a backup from {told(setup)}, restored on {told(setup)}"
    if trip.refused:
        _works_on_a_single_instance(case)
        case.judge(Finding("SHARD-1", sent, "it is accepted", came(trip.answer), (trip.answer,)))
    if trip.back:
        _works_on_a_single_instance(case)
        reason = f"{trip.back}: see {'RESTORE-9' if trip.fresh else 'RESTORE-11'}"
        case.judge(Finding("SHARD-1", sent, "the client serves again", reason, (trip.answer,)))
    if trip.after is not None and trip.after.registered is False:
        observed = "health says `unregistered`"
        case.judge(Finding("SHARD-1", sent, "a registered client", observed, (trip.answer,)))
    if trip.is_made is False:
        raise NotTested("the state from before the restore came back: see RESTORE-10")
    missing = None if trip.is_made else "nothing that can be read shows that the restore was carried out"
    case.judge(Evidence("SHARD-1", "restored on the same shards", missing=missing))


def _works_on_a_single_instance(case: Case) -> None:
    """The control: what fails is the shards' fault only if restores work without them. Raises NotTested."""
    single = Need(shards=1, multiconnect=False, exclusive=True)
    if case.testbed.why_not(single) is None:
        with case.testbed.lease(single) as control:
            own = take_backup(control, a_password(rng_of(case)))
            restore_accepted(control, own, "RESTORE-8")
            come_back(control)
            new = Need("unregistered", shards=1, multiconnect=False, exclusive=True, consumes=True)
            if case.testbed.managed:
                with case.testbed.lease(new) as machine:
                    restore_accepted(machine, own, "RESTORE-9")
                    come_back(machine, see="RESTORE-9")
