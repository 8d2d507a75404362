"""Restores of states at the edges of what fields can hold, made once a testbed and judged by two clauses.

It arranges and records, and judges nothing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_wa_settings.conformance.arrange import (
    Backup,
    a_password,
    change_values,
    take_backup,
)
from pytest_wa_settings.conformance.judgements import came
from pytest_wa_settings.conformance.once import once
from pytest_wa_settings.conformance.packing import BLOCK, State, left_out
from pytest_wa_settings.conformance.planting import packed_states, plant_state
from pytest_wa_settings.conformance.restores import (
    attempt_restore,
    come_back,
    need_not_take,
    not_an_earlier_state,
)
from pytest_wa_settings.conformance.snapshots import Snapshot, shown
from pytest_wa_settings.testbed import Client, Need, Unavailable
from pytest_wa_settings.testbed.restoring import LET_IT_RESTORE
from pytest_wa_settings.verdicts import Case, NotTested
from pytest_wa_settings.wire import Answer

_RESOURCES = ("application", "about", "business")
_MOST_STATES = 20
_KEPT = 1
"""Restores that stay for what comes after: all that cannot be judged without them came before."""
_SECONDS = 30.0
"""How long states are made on a managed client: a block of them is made whatever it takes."""


@dataclass(frozen=True)
class Trip:
    """One state, its backup, and what the restore of that brought back.

    Attributes:
        planted: what the client took of the state; `backup.at` is how that read.
        before: the reading just before the restore, other in every field that could be changed.
    """

    planted: State
    backup: Backup
    before: Snapshot
    answer: Answer
    after: Snapshot


@dataclass
class EdgeStates:
    """The trips of one client.

    Attributes:
        refused: the answer to a backup or a restore of such a state, which of the two, and what was planted,
            where the client gave and took those of another state.
        stopped: why no more trips were made; None where all were.
        left_out: edges that the number of states left out, of so many. remedy: how there can be more states.
    """

    trips: list[Trip] = field(default_factory=list)
    refused: tuple[str, Answer, State] | None = None
    stopped: NotTested | Unavailable | None = None
    left_out: tuple[int, int] = (0, 0)
    remedy: str | None = None


def edge_states(case: Case) -> EdgeStates:
    """The record of the restores; made once."""
    return once(case, "edge states", lambda: _edge_states(case))


def how_many_states(client: Client) -> int:
    """As many as are needed on a managed client; on a declared one what its restores allow, 4 at most."""
    if client.managed:
        return _MOST_STATES
    return max(0, min(BLOCK, client.testbed.restores_left - _KEPT))


def _edge_states(case: Case) -> EdgeStates:
    rng = random.Random(f"{case.seed} edge states")
    with case.testbed.lease(Need(exclusive=True)) as client:
        if not client.may_restore:
            raise Unavailable("the suite may not restore on this client", LET_IT_RESTORE)
        most = how_many_states(client)
        if not most:
            raise NotTested("no restores are left for states at the edges: raise --wa-max-restores")
        now = change_values(client, rng, *_RESOURCES)  # else what is not set yet would not be there
        table, states = packed_states(now, rng, most=most)
        if not states:
            raise NotTested("the client shows nothing that can be changed", "no evidence")
        record, deadline = EdgeStates(), time.monotonic() + _SECONDS
        run = _Run(client, rng, take_backup(client, a_password(rng), at=now), record, [now])
        done = 0
        try:
            while done < len(states) and (done == 0 or time.monotonic() < deadline):
                run.make(states[done : done + BLOCK])
                done += BLOCK
                if record.refused:
                    break
        except (NotTested, Unavailable) as stopped:
            record.stopped = stopped
        record.left_out = left_out(table, states[:done])
        record.remedy = None if client.managed or most == BLOCK else "raise --wa-max-restores"
        return record


@dataclass
class _Run:
    """What the trips of a client go on with: `tame` is a backup of any state, `seen` the readings so far."""

    client: Client
    rng: random.Random
    tame: Backup
    record: EdgeStates
    seen: list[Snapshot]

    def make(self, states: Sequence[State]) -> None:
        """Plants and backs up all of these, then restores one after another."""
        kept: list[tuple[State, Backup]] = []
        for state in states:
            at, planted = plant_state(self.client, state, self.seen[-1])
            backup = self._back_up(planted, at)
            if backup is None:
                return
            kept.append((planted, backup))
            self.seen.append(at)
        for planted, backup in kept:
            if not self._restore(planted, backup):
                return

    def _back_up(self, planted: State, at: Snapshot) -> Backup | None:
        password = a_password(self.rng)
        answer = self.client.backup(password)
        if answer.ok and answer.data:
            return Backup(password, answer.data, at, answer, self.client.version)
        if not answer.answered:
            raise NotTested(f"no answer came to a backup ({came(answer)}): see BACKUP-1")
        take_backup(self.client, password, at=change_values(self.client, self.rng, *_RESOURCES))
        self.record.refused = ("backup", answer, planted)
        return None

    def _restore(self, planted: State, backup: Backup) -> bool:
        client = self.client
        before = change_values(client, self.rng, *_RESOURCES, now=self.seen[-1], other_than=backup.at)
        attempt = attempt_restore(client, backup, before=before)
        if attempt.refused:
            if need_not_take(client, backup) or attempt_restore(client, self.tame).refused:
                raise NotTested("the restore was refused: see RESTORE-8")
            self.record.refused = ("restore", attempt.answer, planted)
            come_back(client)
            return False
        come_back(client)
        after = shown(client, *_RESOURCES)
        not_an_earlier_state(backup.at, after, *(one for one in self.seen if one is not backup.at))
        self.seen.append(after)
        self.record.trips.append(Trip(planted, backup, before, attempt.answer, after))
        return True
