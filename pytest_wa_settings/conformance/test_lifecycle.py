"""The client's life as a state machine: sequences of backups and restores that no one wrote by hand.

A small model beside the client says after each step what must be readable. Every finding names the clause
that the broken step belongs to; the test only widens those clauses.
"""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pytest_wa_settings.conformance.arrange import (
    Backup,
    plant_other_values,
    take_backup,
)
from pytest_wa_settings.conformance.damage import flip
from pytest_wa_settings.conformance.decoding import longest_run
from pytest_wa_settings.conformance.draws import reproducible
from pytest_wa_settings.conformance.fields import Leaf
from pytest_wa_settings.conformance.judgements import (
    agree,
    came,
    changed_leaves,
    refused,
    restored,
    taken_up_late,
)
from pytest_wa_settings.conformance.refusals import read_unchanged
from pytest_wa_settings.conformance.restores import (
    attempt_restore,
    come_back,
    refused_by_both,
    until_answered,
)
from pytest_wa_settings.conformance.snapshots import Snapshot, look, read
from pytest_wa_settings.conformance.starts import judged_over_a_start
from pytest_wa_settings.testbed import Client, Need, Unavailable
from pytest_wa_settings.verdicts import Case, Finding, FindingError, Judgement, NotTested

_STEPS = 10
_FEWEST = 4
"""Sequences at least: the first one that Hypothesis draws hardly does anything."""
_MOST_BACKUPS = 4
_SHRINK_SECONDS = 8.0


class Life:
    """One run's client, and what the model needs of it; a fresh one for every example."""

    def __init__(self, case: Case, leases: ExitStack) -> None:
        self.case = case
        self.leases = leases
        self.client: Client = leases.enter_context(case.testbed.lease(Need(exclusive=True)))
        self.rng = random.Random(case.test_seed)
        self.states: list[Snapshot] = [read(self.client)]
        self.backups: list[Backup] = []
        self.restored: set[str] = set()
        self.refused: list[tuple[str, Backup]] = []
        self.steps: list[str] = []

    @property
    def now(self) -> Snapshot:
        """What must be readable now."""
        return self.states[-1]

    def judge(self, judgement: Judgement) -> None:
        """Raises a finding with the sequence of steps that led to it; else enters what was evidence."""
        if isinstance(judgement, Finding):
            raise FindingError(dataclasses.replace(judgement, example="; ".join(self.steps)))
        if judgement.missing is None:
            self.case.judge(judgement)

    def change(self) -> None:
        self.steps.append("change the settings")
        self.states.append(plant_other_values(self.client, self.rng, "application", now=self.now))

    def back_up(self, letter: str) -> None:
        self.steps.append(f"back up with password {letter}")
        self.backups.append(take_backup(self.client, "aA1!wa-settings-of-" + letter, at=self.now))
        # What a backup changes is BACKUP-10's, which is judged elsewhere.
        self.states.append(look(self.client, self.now, "application"))

    def restore(self, which: int) -> None:
        number = which % len(self.backups)
        backup = self.backups[number]
        self.steps.append(f"restore backup {number + 1}")
        before = self.now
        attempt = attempt_restore(self.client, backup, before=before)
        answer = attempt.answer
        if attempt.refused:
            clause = "RESTORE-13" if backup.data in self.restored else "RESTORE-8"
            self.judge(Finding(clause, "restore of a good backup", "it is accepted", came(answer), (answer,)))
        self.restored.add(backup.data)
        self.refused.clear()
        come_back(self.client)
        self._judge_restored(backup, before)

    def _judge_restored(self, backup: Backup, before: Snapshot) -> None:
        after = read(self.client)
        judge = partial(restored, "RESTORE-2", after=after, before=before.values, where="after the restore")
        judgement, after = self._over_a_start(backup.at.of("application"), after, judge)
        if isinstance(judgement, Finding) and self._is_another_state(backup, after):
            sent = "a restore after several backups"
            observed = "the state of another backup, or from before the restore"
            judgement = Finding("BACKUP-9", sent, "the state at this backup", observed, after.answers)
        self.judge(judgement)
        self.states.append(after)

    def _over_a_start(
        self,
        wanted: Mapping[Leaf, object],
        after: Snapshot,
        judge: Callable[[Mapping[Leaf, object]], Judgement],
    ) -> tuple[Judgement, Snapshot]:
        """What is found of the wanted values, and the reading of now: the control may change the settings."""
        if not isinstance(found := judge(wanted), Finding):
            return found, after
        found = judged_over_a_start(self.case, wanted, judge, self.client)
        return found, look(self.client, after, "application")

    def _is_another_state(self, backup: Backup, after: Snapshot) -> bool:
        leaves = list(backup.at.of("application"))
        return any(agree(leaves, state.values, after.values) for state in self.states)

    def refuse(self, kind: str, which: int) -> None:
        backup = self.backups[which % len(self.backups)]
        self.steps.append(f"restore with {kind}")
        clause, password, data = {
            "a wrong password": ("RESTORE-5", backup.password + "x", backup.data),
            "damaged data": ("RESTORE-6", backup.password, damaged(backup.data)),
            "data cut short": ("RESTORE-6", backup.password, backup.data[: len(backup.data) // 2]),
        }[kind]
        answer = until_answered(self.client, lambda: self.client.restore(password, data))
        judgement = refused(clause, f"restore with {kind}", answer)
        if isinstance(judgement, Finding):
            come_back(self.client)
        self.judge(judgement)
        self.refused.append((clause, backup))
        try:
            read_unchanged(clause, f"restore with {kind}", self.client, self.now, (answer,))
        except FindingError as error:
            self.judge(error.finding)

    def restart(self) -> None:
        self.steps.append("start again")
        self.client.restart()
        after = read(self.client)
        for clause, backup in self.refused:
            leaves = changed_leaves(backup.at.values, self.now.values)
            if leaves and agree(leaves, backup.at.values, after.values):
                sent = "a restore that was refused, then a start"
                self.judge(taken_up_late(clause, sent, len(leaves), after))
        if self.restored:
            wanted = self.now.of("application")
            judge = partial(restored, "RESTORE-10", after=after, before={}, where="after one more start")
            judgement, after = self._over_a_start(wanted, after, judge)
            self.judge(judgement)
        self.states.append(after)

    def move(self, which: int) -> None:
        """Goes on, on a new machine."""
        backup = self.backups[which % len(self.backups)]
        self.steps.append("restore on a new machine")
        new = self.leases.enter_context(
            self.case.testbed.lease(Need("unregistered", exclusive=True, consumes=True))
        )
        before = read(new)
        attempt = attempt_restore(new, backup, before=before)
        answer = attempt.answer
        if attempt.refused:
            clause = refused_by_both(self.client, backup, "RESTORE-9")
            self.judge(Finding(clause, "restore on a new machine", "it is accepted", came(answer), (answer,)))
        come_back(new, see="RESTORE-9")
        self.client = new
        self.refused.clear()
        self.restored.add(backup.data)
        self._judge_restored(backup, before)


def damaged(data: str) -> str:
    """The data with one bit of its middle byte changed (of its text, where it is no known encoding)."""
    run = longest_run(data)
    raw = run.decoded()
    if raw:
        return run.encode(flip(raw, len(raw) // 2, 1))
    middle = len(data) // 2
    return data[:middle] + data[middle + 8 :]


def machine_of(case: Case, stops: list[NotTested | Unavailable]) -> type[RuleBasedStateMachine]:
    """The state machine over this case's clients; what stops one ends them all, and goes to `stops`."""
    began: list[float] = []

    class ClientLife(RuleBasedStateMachine):
        life: Life

        def __init__(self) -> None:
            super().__init__()
            self.leases = ExitStack()
            self.over = bool(stops) or (bool(began) and time.monotonic() - began[0] > _SHRINK_SECONDS)

        @initialize()
        def begin(self) -> None:
            if self.over:
                return
            try:
                self.life = Life(case, self.leases)
                case.count_examples()
            except (NotTested, Unavailable) as stopped:
                self._stop(stopped)

        def _stop(self, stopped: NotTested | Unavailable) -> None:
            stops.append(stopped)
            self.over = True

        def _step(self, name: str, *arguments: object) -> None:
            if self.over:
                return
            try:
                getattr(self.life, name)(*arguments)
            except FindingError as error:
                began.append(time.monotonic())
                case.record(error.finding)
                raise
            except (NotTested, Unavailable) as stopped:
                self._stop(stopped)

        @rule()
        def change(self) -> None:
            self._step("change")

        @precondition(lambda self: self.over or len(self.life.backups) < _MOST_BACKUPS)
        @rule(letter=st.sampled_from("ABC"))
        def back_up(self, letter: str) -> None:
            self._step("back_up", letter)

        @precondition(lambda self: self.over or self.life.backups)
        @rule(which=st.integers(0, _MOST_BACKUPS))
        def restore(self, which: int) -> None:
            self._step("restore", which)

        @precondition(lambda self: self.over or self.life.backups)
        @rule(
            kind=st.sampled_from(["a wrong password", "damaged data", "data cut short"]),
            which=st.integers(0, _MOST_BACKUPS),
        )
        def refuse(self, kind: str, which: int) -> None:
            self._step("refuse", kind, which)

        @rule()
        def restart(self) -> None:
            self._step("restart")

        @precondition(lambda self: self.over or self.life.backups)
        @rule(which=st.integers(0, _MOST_BACKUPS))
        def move(self, which: int) -> None:
            self._step("move", which)

        def teardown(self) -> None:
            self.leases.close()

    return ClientLife


@pytest.mark.wa_clause("RESTORE-2", uses_up="new machine", widens=True)
@pytest.mark.wa_clause("RESTORE-5", uses_up="new machine", widens=True)
@pytest.mark.wa_clause("RESTORE-6", uses_up="new machine", widens=True)
@pytest.mark.wa_clause("RESTORE-8", uses_up="new machine", widens=True)
@pytest.mark.wa_clause("RESTORE-9", uses_up="new machine", widens=True)
@pytest.mark.wa_clause("RESTORE-10", uses_up="new machine", widens=True)
@pytest.mark.wa_clause("RESTORE-13", uses_up="new machine", widens=True)
@pytest.mark.wa_clause("BACKUP-9", uses_up="new machine", widens=True)
def test_any_sequence_of_backups_and_restores(wa_case: Case) -> None:
    if not wa_case.testbed.managed:
        raise NotTested("sequences need clients that the testbed starts itself, in any number")
    configured = hypothesis.settings(
        max_examples=max(_FEWEST, wa_case.examples // 10),
        stateful_step_count=_STEPS,
        database=None,
        deadline=None,
        print_blob=False,
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    stops: list[NotTested | Unavailable] = []
    machine = hypothesis.seed(wa_case.test_seed)(machine_of(wa_case, stops))
    try:
        with reproducible():
            run_state_machine_as_test(machine, settings=configured)
    except FindingError as error:
        raise FindingError(error.finding) from None
    except Flaky:
        if not wa_case.recorded:
            raise
        raise FindingError(wa_case.recorded[-1]) from None
    if stops and not wa_case.recorded:
        raise stops[0]
