"""Values at the edges of what fields can hold come back (RESTORE-2 and -4)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pytest

from pytest_wa_settings.conformance.edge_states import EdgeStates, Trip, edge_states
from pytest_wa_settings.conformance.fields import Leaf
from pytest_wa_settings.conformance.judgements import came, restored
from pytest_wa_settings.conformance.planting import lost_edges, names
from pytest_wa_settings.conformance.starts import judged_over_a_start
from pytest_wa_settings.verdicts import Case, Finding, Judgement, NotTested


@pytest.mark.wa_clause("BACKUP-1", "RESTORE-2", "RESTORE-8", uses_up="restores", widens=True)
def test_settings_at_the_edges_of_what_they_can_hold_come_back(wa_case: Case) -> None:
    record = edge_states(wa_case)
    gone, every = record.left_out
    if gone:
        told = f"{gone} of {every} values at the edges of what fields can hold were left out"
        why = f", as only {len(record.trips)} states were restored"
        wa_case.remark(f"{told}{why}" + (f": {record.remedy}" if record.remedy else ""))
    if record.refused:
        what, answer, planted = record.refused
        clause = {"backup": "BACKUP-1", "restore": "RESTORE-8"}[what]
        sent = f"{what} of a state at the edges of what fields can hold; one of another state is accepted"
        told = "; ".join(f"{leaf}: {names(one.edges)}" for leaf, one in planted.items())
        wa_case.judge(Finding(clause, sent, "it is accepted", came(answer), (answer,), told))
    _judge(wa_case, record, "RESTORE-2", "application")


@pytest.mark.wa_clause("RESTORE-4", uses_up="restores", widens=True)
def test_a_profile_at_the_edges_of_what_it_can_hold_comes_back(wa_case: Case) -> None:
    _judge(wa_case, edge_states(wa_case), "RESTORE-4", "about", "business")


def _judge(case: Case, record: EdgeStates, clause: str, *resources: str) -> None:
    judgements = [
        judged_over_a_start(case, trip.backup.at.of(*resources), partial(_come_back, clause, trip))
        for trip in record.trips
    ]
    proven = [one for one in judgements if isinstance(one, Finding) or not one.missing]
    case.judge(*(proven or judgements))
    if record.stopped:
        raise record.stopped
    if not proven:
        raise NotTested("no state at the edges of what fields can hold was restored")


def _come_back(clause: str, trip: Trip, at: Mapping[Leaf, object]) -> Judgement:
    after = trip.after
    return restored(
        clause,
        at,
        after,
        before=trip.before.values,
        where="on the same machine",
        answers=(trip.answer,),
        example=lost_edges(trip.planted, at, after.values),
    )
