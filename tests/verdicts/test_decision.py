"""The rules that turn how tests ended into verdicts."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_wa_settings.verdicts import Catalog, Clause
from pytest_wa_settings.verdicts.decision import (
    UNPROVEN,
    Ending,
    Outcome,
    clause_outcomes,
    run_verdict,
    rungs_of,
    sums,
)
from pytest_wa_settings.verdicts.entries import Entry, EvidenceEntry, FindingEntry, PlannedTest
from pytest_wa_settings.verdicts.ledger import Ledger, mismatches


def clause(name: str, level: str = "MUST", profiles: tuple[str, ...] = ("backup", "full")) -> Clause:
    return Clause(name, level, f"Text of {name}.", "doc", (), (), profiles, "data lost")  # type: ignore[arg-type]


CATALOG = Catalog(
    "1.0",
    "sha256:" + "0" * 64,
    (
        clause("SEA-1"),
        clause("SEA-2"),
        clause("SKY-1", "SHOULD"),
        clause("EARTH-1", profiles=("full",)),
        clause("TALE-1", "INFO", ()),
    ),
)
FINISHED = Ending()
ALL = ("SEA-1", "SEA-2", "SKY-1", "EARTH-1")


def planned(
    test: str, *clauses: str, widens: tuple[str, ...] = (), left_out: str | None = None
) -> PlannedTest:
    return PlannedTest(test=test, clauses=list(clauses), widens=list(widens), left_out=left_out)


def found(name: str) -> FindingEntry:
    return FindingEntry(
        clause=name, sent="s", expected="e", observed="o", example=None, curl=None, exchanges=[], evidence=[]
    )


def proof(name: str, test: str = "t") -> EvidenceEntry:
    return EvidenceEntry(clause=name, test=test, judgement="refused", exchanges=1, fields=[], control=None)


def entry(test: str, *clauses: str, outcome: Any = "pass", **more: Any) -> Entry:
    """The entry of a test; one that passes has evidence of all that it names, unless told otherwise."""
    named = (*clauses, *more.get("widens", ()))
    made = Entry(
        test=test,
        clauses=list(clauses),
        widens=[],
        outcome=outcome,
        reason=None if outcome == "pass" else f"{outcome} of {test}",
        kind="not offered" if outcome == "not tested" else None,
        evidence=[proof(name, test) for name in named] if outcome == "pass" else [],
        unproven=[] if outcome == "pass" else list(clauses),
        findings=[],
        remarks=[],
        examples=0,
        seconds=0.0,
    )
    made.update(more)  # type: ignore[typeddict-item]
    return made


def judge(
    entries: list[Entry],
    plan: list[PlannedTest] | None = None,
    *,
    profile: str = "full",
    lost: dict[str, str] | None = None,
    ending: Ending = FINISHED,
) -> dict[str, Outcome]:
    plan = plan if plan is not None else [planned(one["test"], *one["clauses"]) for one in entries]
    outcomes = clause_outcomes(CATALOG, profile, plan, entries, lost or {}, ending)
    return {one.clause.id: one for one in outcomes}


def passing(*but: str) -> list[Entry]:
    return [entry(f"t-{name}", name) for name in ALL if name not in but]


def test_every_clause_of_the_catalog_has_an_outcome_in_its_order() -> None:
    assert list(judge([])) == [one.id for one in CATALOG]


@pytest.mark.parametrize(
    ("lower", "higher"),
    [("not applicable", "pass"), ("pass", "not tested"), ("not tested", "error"), ("pass", "error")],
)
def test_several_tests_of_a_clause_give_the_highest_verdict(lower: str, higher: str) -> None:
    tests = [entry("a", "SEA-1", outcome=higher), entry("b", "SEA-1", outcome=lower)]
    assert judge(tests)["SEA-1"].verdict == higher
    assert judge(tests[::-1])["SEA-1"].verdict == higher


def test_a_fail_stands_above_an_error() -> None:
    failing = entry("a", "SEA-1", outcome="fail", findings=[found("SEA-1")])
    outcome = judge([failing, entry("b", "SEA-1", outcome="error")])["SEA-1"]
    assert (outcome.verdict, len(outcome.findings)) == ("fail", 1)


def test_a_finding_leaves_the_other_clauses_of_its_test_not_tested() -> None:
    both = entry("a", "SEA-1", "SEA-2", outcome="fail", reason="see SEA-1", findings=[found("SEA-1")])
    outcomes = judge([both])
    assert (outcomes["SEA-2"].verdict, outcomes["SEA-2"].reason) == ("not tested", "see SEA-1")


def test_a_widening_test_that_cannot_run_leaves_a_remark_alone() -> None:
    wide = entry("wide", outcome="not tested", reason="add 16 shards", widens=["SEA-1"])
    outcome = judge([*passing(), wide])["SEA-1"]
    assert outcome.verdict == "pass"
    assert "add 16 shards" in outcome.remarks[0]


def test_a_widening_test_fails_its_clause_with_a_finding() -> None:
    wide = entry("wide", outcome="fail", findings=[found("SEA-1")], widens=["SEA-1", "SEA-2"])
    outcomes = judge([*passing(), wide])
    assert (outcomes["SEA-1"].verdict, outcomes["SEA-2"].verdict) == ("fail", "pass")


def test_a_widening_test_alone_does_not_pass_a_clause() -> None:
    plan = [planned("narrow", "SEA-1", left_out="deselected"), planned("wide", widens=("SEA-1",))]
    assert judge([entry("wide", widens=["SEA-1"])], plan)["SEA-1"].verdict == "not tested"


def without_evidence(test: str, *clauses: str, **more: Any) -> Entry:
    return entry(test, *clauses, evidence=[], unproven=list(clauses), **more)


def test_a_pass_without_evidence_is_not_tested() -> None:
    outcome = judge([without_evidence("a", "SEA-1")])["SEA-1"]
    assert (outcome.verdict, outcome.reason, outcome.kind) == ("not tested", UNPROVEN, "no evidence")


def test_evidence_of_one_clause_proves_no_other_one_of_its_test() -> None:
    both = entry("a", "SEA-1", "SEA-2", evidence=[proof("SEA-1")], unproven=["SEA-2"])
    outcomes = judge([both])
    assert [outcomes[name].verdict for name in ("SEA-1", "SEA-2")] == ["pass", "not tested"]


def test_evidence_of_another_test_does_not_prove_a_pass_without_it() -> None:
    outcome = judge([entry("a", "SEA-1"), without_evidence("b", "SEA-1")])["SEA-1"]
    assert (outcome.verdict, outcome.kind) == ("not tested", "no evidence")


def test_a_pass_without_evidence_keeps_a_run_from_being_conformant() -> None:
    assert verdict([*passing("SEA-1"), without_evidence("a", "SEA-1")]) == ("inconclusive", 1)


def test_a_widening_test_without_evidence_says_nothing_of_its_clause() -> None:
    wide = without_evidence("wide", widens=["SEA-1"])
    assert rungs_of("SEA-1", wide) == []
    assert judge([*passing(), wide])["SEA-1"].verdict == "pass"


def test_a_widening_test_without_evidence_alone_leaves_its_clause_not_tested() -> None:
    outcome = judge([without_evidence("wide", widens=["SEA-1"])])["SEA-1"]
    assert (outcome.verdict, outcome.reason) == ("not tested", "no test of it ran")


def test_an_outcome_holds_the_evidence_of_its_own_clause_from_every_test() -> None:
    both = entry("a", "SEA-1", "SEA-2")
    assert judge([both, entry("b", "SEA-1")])["SEA-1"].evidence == (proof("SEA-1", "a"), proof("SEA-1", "b"))


@pytest.mark.parametrize(
    ("entries", "plan", "profile", "kind"),
    [
        ([entry("a", "SEA-1", outcome="not tested", kind="not declared")], None, "full", "not declared"),
        ([entry("a", "SEA-1", outcome="not tested", kind="surroundings")], None, "full", "surroundings"),
        ([], [planned("a", "SEA-1", left_out="deselected")], "full", "deselected"),
        ([], [], "full", "deselected"),
        ([], [], "restore", "not in profile"),
        (
            [entry("a", "SEA-1", "SEA-2", outcome="fail", findings=[found("SEA-2")])],
            None,
            "full",
            "blocked by",
        ),
        ([entry("a", "SEA-1")], None, "full", None),
        ([entry("a", "SEA-1", outcome="error")], None, "full", None),
    ],
)
def test_an_outcome_tells_the_kind_of_its_not_tested(
    entries: list[Entry], plan: list[PlannedTest] | None, profile: str, kind: str | None
) -> None:
    assert judge(entries, plan, profile=profile)["SEA-1"].kind == kind


def test_the_kind_is_that_of_the_highest_verdict() -> None:
    untested = entry("a", "SEA-1", outcome="not tested", kind="not declared")
    assert judge([untested, entry("b", "SEA-1", outcome="error")])["SEA-1"].kind is None


def test_a_deselected_test_leaves_its_clause_not_tested() -> None:
    plan = [planned("a", "SEA-1"), planned("b", "SEA-1", left_out="deselected")]
    outcome = judge([entry("a", "SEA-1")], plan)["SEA-1"]
    assert (outcome.verdict, outcome.reason) == ("not tested", "deselected")


def test_a_planned_test_that_never_ran_is_an_error() -> None:
    assert judge([], [planned("a", "SEA-1")])["SEA-1"].verdict == "error"


@pytest.mark.parametrize("kind", ["stopped", "interrupted"])
def test_what_an_early_end_left_over_is_not_tested(kind: Any) -> None:
    outcome = judge([], [planned("a", "SEA-1")], ending=Ending(kind, "the run was interrupted"))["SEA-1"]
    assert (outcome.verdict, outcome.reason) == ("not tested", "the run was interrupted")
    assert outcome.kind == "stopped"


def test_a_test_whose_process_died_is_an_error() -> None:
    outcome = judge([], [planned("a", "SEA-1")], lost={"a": "its worker died"})["SEA-1"]
    assert (outcome.verdict, outcome.reason) == ("error", "its worker died")


def test_a_broken_run_leaves_every_clause_of_the_profile_in_error() -> None:
    outcomes = judge([], [], ending=Ending("broken", "connection refused"))
    assert {name for name, one in outcomes.items() if one.verdict == "error"} == set(ALL)


def test_clauses_outside_the_profile_and_info_do_not_count() -> None:
    outcomes = judge(passing("EARTH-1"), profile="backup")
    assert (outcomes["EARTH-1"].reason, outcomes["EARTH-1"].counts) == ("not in profile", False)
    assert not outcomes["TALE-1"].counts
    assert run_verdict(list(outcomes.values()), "backup").verdict == "conformant"


def verdict(entries: list[Entry], **more: Any) -> tuple[str, int]:
    decided = run_verdict(list(judge(entries).values()), "full", **more)
    return decided.verdict, decided.exit_status


def test_conformant_is_when_every_must_passes() -> None:
    assert verdict(passing()) == ("conformant", 0)


def test_a_should_never_decides() -> None:
    short = entry("sky", "SKY-1", outcome="fail", findings=[found("SKY-1")])
    assert verdict([*passing("SKY-1"), short]) == ("conformant", 0)
    assert verdict([*passing("SKY-1"), entry("sky", "SKY-1", outcome="error")]) == ("conformant", 0)


def test_a_should_decides_under_strict() -> None:
    short = entry("sky", "SKY-1", outcome="fail", findings=[found("SKY-1")])
    assert verdict([*passing("SKY-1"), short], strict=True) == ("non-conformant", 1)


def test_a_failing_must_is_non_conformant_whatever_else_is_missing() -> None:
    failing = entry("a", "SEA-1", outcome="fail", findings=[found("SEA-1")])
    assert verdict([failing, entry("b", "SEA-2", outcome="error")]) == ("non-conformant", 1)


def test_the_reason_names_the_failing_clause_and_its_effect() -> None:
    failing = entry("a", "SEA-1", outcome="fail", findings=[found("SEA-1")])
    reason = run_verdict(list(judge([failing, *passing("SEA-1")]).values()), "full").reason
    assert reason == "SEA-1 fails (data lost): s: o (expected: e)"


@pytest.mark.parametrize("outcome", ["not tested", "error"])
def test_a_must_without_a_judgement_is_inconclusive(outcome: str) -> None:
    assert verdict([*passing("SEA-1"), entry("a", "SEA-1", outcome=outcome)]) == ("inconclusive", 1)


def test_not_applicable_never_decides() -> None:
    assert verdict([*passing("SEA-1"), entry("a", "SEA-1", outcome="not applicable")]) == ("conformant", 0)


def test_nothing_but_not_applicable_is_inconclusive() -> None:
    assert verdict([entry("a", name, outcome="not applicable") for name in ALL])[0] == "inconclusive"


def test_allow_not_tested_excuses_not_tested_alone() -> None:
    untested = entry("a", "SEA-1", outcome="not tested")
    assert verdict([*passing("SEA-1"), untested], allow_not_tested=True) == ("inconclusive", 0)
    broken = [*passing("SEA-1", "SEA-2"), untested, entry("b", "SEA-2", outcome="error")]
    assert verdict(broken, allow_not_tested=True) == ("inconclusive", 1)


def test_allow_not_tested_excuses_no_run_in_which_nothing_passed() -> None:
    untested = [entry(name, name, outcome="not tested") for name in ALL]
    assert verdict(untested, allow_not_tested=True) == ("inconclusive", 1)


def test_allow_not_tested_excuses_no_run_that_stopped_early() -> None:
    untested = entry("a", "SEA-1", outcome="not tested")
    ending = Ending("stopped", "stopping after 1 failures")
    assert verdict([*passing("SEA-1"), untested], allow_not_tested=True, ending=ending)[1] == 1


def test_an_interrupted_run_exits_with_2_whatever_was_found() -> None:
    failing = entry("a", "SEA-1", outcome="fail", findings=[found("SEA-1")])
    assert verdict([failing], ending=Ending("interrupted", "…")) == ("non-conformant", 2)


@pytest.mark.parametrize("strict", [False, True])
def test_the_sums_close(strict: bool) -> None:
    short = entry("sky", "SKY-1", outcome="fail", findings=[found("SKY-1")])
    counted = sums(judge([entry("a", "SEA-1"), short], profile="backup").values(), strict)
    assert counted.pop("clauses") == len(CATALOG) == sum(counted.values())
    assert (counted["shortfall"], counted["fail"]) == ((0, 1) if strict else (1, 0))


def test_a_suite_that_matches_its_catalog_has_no_mismatch() -> None:
    assert mismatches(CATALOG, [planned("a", *ALL)]) == []


def test_each_mismatch_of_suite_and_catalog_is_told() -> None:
    plan = [
        planned("a", "SEA-1", "SEA-9"),
        planned("b"),
        planned("c", "TALE-1"),
        planned("d", widens=("SEA-2",)),
    ]
    assert mismatches(CATALOG, plan) == [
        "a names SEA-9, which the catalog does not have",
        "b names no clause",
        "c names TALE-1, which is INFO and cannot be tested",
        "SEA-2 has no test",
        "SKY-1 has no test",
        "EARTH-1 has no test",
    ]


def test_a_plan_that_arrives_twice_counts_once() -> None:
    ledger = Ledger(CATALOG)
    for _ in range(2):
        ledger.plan([planned("a", "SEA-1"), planned("b", "SEA-2", left_out="deselected")])
    assert ledger.runnable == 1


def test_a_test_that_ends_twice_gives_the_higher_verdict() -> None:
    ledger = Ledger(CATALOG)
    ledger.plan([planned("a", "SEA-1")])
    ledger.add(entry("a", "SEA-1"))
    ledger.add(entry("a", "SEA-1", outcome="error"))
    assert ledger.outcomes("full", Ending())[0].verdict == "error"
