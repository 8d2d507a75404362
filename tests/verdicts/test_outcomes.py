"""How a judgement ends, and what a case keeps of it."""

from __future__ import annotations

import pytest

from pytest_wa_settings.verdicts import Case, Evidence, Finding, FindingError, NotTested

FINDING = Finding("SEA-1", "a wave", "a refusal", "it was let in")


def case() -> Case:
    return Case(testbed=None)  # type: ignore[arg-type]


def test_joined_evidence_counts_the_exchanges_of_both() -> None:
    assert Evidence("SEA-1", "refused", 2).joined(Evidence("SEA-1", "refused", 3)).exchanges == 5


def test_joined_evidence_names_each_field_once_in_the_order_of_reading() -> None:
    one, other = (
        Evidence("SEA-1", "unchanged", fields=("b", "a")),
        Evidence("SEA-1", "unchanged", fields=("c", "b")),
    )
    assert one.joined(other).fields == ("b", "a", "c")


@pytest.mark.parametrize(
    ("one", "other", "joined"), [(None, "x", "x"), ("x", None, "x"), ("x", "y", "x"), (None, None, None)]
)
def test_joined_evidence_has_the_first_control_that_there_is(
    one: str | None, other: str | None, joined: str | None
) -> None:
    both = Evidence("SEA-1", "refused", control=one).joined(Evidence("SEA-1", "refused", control=other))
    assert both.control == joined


@pytest.mark.parametrize(
    ("one", "other", "joined"), [(None, "x", None), ("x", None, None), ("x", "y", "x"), (None, None, None)]
)
def test_joined_evidence_is_enough_where_one_of_both_is(
    one: str | None, other: str | None, joined: str | None
) -> None:
    both = Evidence("SEA-1", "unchanged", missing=one).joined(Evidence("SEA-1", "unchanged", missing=other))
    assert both.missing == joined


def test_judging_a_finding_raises_it() -> None:
    with pytest.raises(FindingError) as raised:
        case().judge(FINDING)
    assert raised.value.finding is FINDING


def test_judging_evidence_that_is_not_enough_is_not_tested_for_what_is_missing() -> None:
    with pytest.raises(NotTested) as raised:
        case().judge(Evidence("SEA-1", "unchanged", missing="no field can be read"))
    assert (raised.value.reason, raised.value.kind) == ("no field can be read", "no evidence")


def test_what_is_missing_is_no_evidence_though_it_names_a_clause_to_see() -> None:
    with pytest.raises(NotTested) as raised:
        case().judge(Evidence("SEA-1", "unchanged", missing="no field came back: see SEA-2"))
    assert raised.value.kind == "no evidence"


def test_evidence_that_is_not_enough_is_not_kept() -> None:
    ran = case()
    with pytest.raises(NotTested):
        ran.judge(Evidence("SEA-1", "unchanged", missing="no field can be read"))
    assert ran.evidence == ()


def test_what_could_not_be_judged_enters_nothing() -> None:
    ran = case()
    ran.judge(None, None)
    assert ran.evidence == ()


def test_judging_nothing_at_all_enters_nothing() -> None:
    ran = case()
    ran.judge()
    assert ran.evidence == ()


def test_evidence_that_was_entered_before_a_finding_is_kept() -> None:
    ran = case()
    with pytest.raises(FindingError):
        ran.judge(Evidence("SEA-2", "refused"), FINDING, Evidence("SKY-1", "refused"))
    assert [one.clause for one in ran.evidence] == ["SEA-2"]


def test_one_judgement_of_a_clause_made_several_times_is_one_entry() -> None:
    ran = case()
    ran.judge(Evidence("SEA-1", "refused"), Evidence("SEA-1", "refused"))
    ran.judge(Evidence("SEA-1", "refused"))
    assert ran.evidence == (Evidence("SEA-1", "refused", 3),)


def test_judgements_of_other_kinds_or_clauses_are_entries_of_their_own() -> None:
    ran = case()
    entered = (Evidence("SEA-1", "refused"), Evidence("SEA-1", "unchanged"), Evidence("SEA-2", "refused"))
    ran.judge(*entered)
    assert ran.evidence == entered
