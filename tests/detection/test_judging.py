"""How a run against a mutant, a variant, a sparse client or a sparse mutant is judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import detecting
import pairs
import pytest
from detecting import NO_REPORT, Outcome, Subject, complaints

MUTANT = Subject("mutant", "password-cut", "The password is cut.", "RESTORE-5", ("RESTORE-6",))
VARIANT = Subject("variant", "refusals-with-503", "Refusals are 503.", None, ("ERROR-2",))
SPARSE = Subject("sparse", "health-of-text", "Health is a text.")
PAIR = pairs.Pair(MUTANT, SPARSE)
REASON = "Nothing there shows it."


def outcome(verdict: str = "non-conformant", **clauses: str) -> Outcome:
    """An outcome by verdicts, written with an underscore for the dash."""
    return Outcome(verdict, {name.replace("_", "-"): found for name, found in clauses.items()})


def test_a_mutant_whose_clauses_are_red_is_well_judged() -> None:
    seen = outcome(RESTORE_5="fail", RESTORE_6="fail", RESTORE_8="not tested", CODE_1="pass")
    assert complaints(MUTANT, seen) == []


def test_a_mutant_whose_clause_is_green_is_not_caught() -> None:
    seen = outcome(RESTORE_5="pass", RESTORE_6="fail")
    assert complaints(MUTANT, seen) == ["not caught: RESTORE-5 is pass"]


def test_a_mutant_whose_clause_is_not_tested_is_not_caught() -> None:
    seen = outcome(RESTORE_5="not tested", RESTORE_6="fail")
    assert complaints(MUTANT, seen) == ["not caught: RESTORE-5 is not tested"]


def test_a_red_clause_that_the_mutant_does_not_name_is_wrong_blame() -> None:
    seen = outcome(RESTORE_5="fail", RESTORE_6="fail", CODE_1="fail")
    assert complaints(MUTANT, seen) == ["wrong blame: CODE-1 is red: None"]


def test_a_clause_that_must_break_with_it_and_does_not_is_told() -> None:
    seen = outcome(RESTORE_5="fail", RESTORE_6="pass")
    assert complaints(MUTANT, seen) == ["RESTORE-6 must break with it, and is green"]


def test_a_clause_that_must_break_with_it_may_stay_untested() -> None:
    seen = outcome(RESTORE_5="fail", RESTORE_6="not tested")
    assert complaints(MUTANT, seen) == []


def test_an_error_of_the_suite_is_told() -> None:
    seen = outcome(RESTORE_5="fail", RESTORE_6="fail", CODE_1="error")
    assert complaints(MUTANT, seen) == ["CODE-1 ended in error: None"]


def test_a_variant_is_well_judged_only_when_it_ends_conformant() -> None:
    assert complaints(VARIANT, outcome("conformant", ERROR_2="fail")) == []
    assert complaints(VARIANT, outcome("conformant", ERROR_1="fail")) == ["ERROR-1 is red: None"]
    assert complaints(VARIANT, outcome("inconclusive", CODE_1="not tested")) == [
        "the run ended inconclusive",
        "CODE-1 not tested: None",
    ]


@pytest.mark.parametrize("verdict", ["conformant", "inconclusive"])
def test_a_sparse_client_may_leave_clauses_untested(verdict: str) -> None:
    assert complaints(SPARSE, outcome(verdict, RESTORE_5="not tested", CODE_1="pass")) == []


def test_a_sparse_client_with_a_red_clause_is_told() -> None:
    assert complaints(SPARSE, outcome("non-conformant", CODE_1="fail")) == [
        "the run ended non-conformant",
        "CODE-1 is red: None",
    ]


def test_a_red_should_of_a_sparse_client_is_told_though_it_does_not_decide() -> None:
    assert complaints(SPARSE, outcome("conformant", ERROR_1="fail")) == ["ERROR-1 is red: None"]


def test_an_error_with_a_sparse_client_is_told() -> None:
    assert complaints(SPARSE, outcome("inconclusive", CODE_1="error")) == ["CODE-1 ended in error: None"]


def test_of_many_errors_of_one_reason_a_few_are_named() -> None:
    seen = outcome("inconclusive", **{f"CODE_{number}": "error" for number in range(1, 6)})
    assert complaints(SPARSE, seen) == ["CODE-1, CODE-2, CODE-3 and 2 more ended in error: None"]


def test_errors_of_one_reason_are_told_together() -> None:
    seen = outcome("inconclusive", CODE_1="error", CODE_2="error", CODE_3="error")
    seen = replace(seen, reasons={"CODE-1": "no client", "CODE-2": "a fault", "CODE-3": "no client"})
    assert complaints(SPARSE, seen) == [
        "CODE-1, CODE-3 ended in error: no client",
        "CODE-2 ended in error: a fault",
    ]


def test_a_sparse_client_whose_run_leaves_no_report_is_told() -> None:
    seen = Outcome(NO_REPORT, {}, reasons={NO_REPORT: "exit status 3"})
    assert complaints(SPARSE, seen) == ["the run left no report: exit status 3"]


@pytest.mark.parametrize("verdict", ["fail", "not tested"])
def test_a_pair_is_well_judged_if_its_clause_is_red_or_not_tested(verdict: str) -> None:
    assert pairs.complaints(PAIR, outcome(RESTORE_5=verdict, RESTORE_6="fail"), None) == []


@pytest.mark.parametrize("verdict", ["pass", "not applicable"])
def test_a_pair_that_passes_is_told_unless_it_is_listed(verdict: str) -> None:
    seen = outcome("inconclusive", RESTORE_5=verdict)
    assert pairs.complaints(PAIR, seen, None) == [
        f"RESTORE-5 is {verdict}, though the mutant breaks it: The password is cut."
    ]
    assert pairs.complaints(PAIR, seen, REASON) == []


def test_a_pair_whose_clause_is_missing_is_told() -> None:
    assert pairs.complaints(PAIR, outcome("inconclusive"), None) == [
        "RESTORE-5 is None, though the mutant breaks it: The password is cut."
    ]


@pytest.mark.parametrize("verdict", ["fail", "not tested"])
def test_a_listed_pair_that_is_seen_is_to_be_taken_off_the_list(verdict: str) -> None:
    assert pairs.complaints(PAIR, outcome(RESTORE_5=verdict), REASON) == [
        f"RESTORE-5 is {verdict}: take the pair out of sparse_pairs.toml"
    ]


def test_a_pair_whose_clause_was_deselected_is_told() -> None:
    seen = outcome("inconclusive", RESTORE_5="not tested")
    seen = replace(seen, reasons={"RESTORE-5": "deselected by -k, -m, --deselect or a plugin"})
    assert pairs.complaints(PAIR, seen, None) == [
        "RESTORE-5 was not run whole: deselected by -k, -m, --deselect or a plugin"
    ]


def test_a_pair_that_blames_another_clause_is_told() -> None:
    seen = outcome(RESTORE_5="fail", RESTORE_6="fail", CODE_1="fail")
    assert pairs.complaints(PAIR, seen, None) == ["wrong blame: CODE-1 is red: None"]


def test_a_pair_that_ends_in_error_is_told_once() -> None:
    assert pairs.complaints(PAIR, outcome("inconclusive", RESTORE_5="error"), None) == [
        "RESTORE-5 ended in error: None"
    ]


def test_a_pair_whose_run_leaves_no_report_is_told() -> None:
    seen = Outcome(NO_REPORT, {}, reasons={NO_REPORT: "exit status 3"})
    assert pairs.complaints(PAIR, seen, REASON) == ["the run left no report: exit status 3"]


def test_a_pair_is_one_client_with_the_options_of_both() -> None:
    pair = replace(PAIR, mutant=replace(MUTANT, run=("--wa-budget", "120")))
    arguments = detecting.command(pair, 0, 3, ("test_one", "test_two"))
    assert arguments[1:3] == ["--wa-url", "mock:mutant=password-cut,sparse=health-of-text"]
    assert {"--wa-budget", "120", "test_one or test_two"} <= set(arguments)


def test_shares_are_a_whole_without_overlap() -> None:
    items = list(range(23))
    parts = [pairs.share(items, f"{number}/10") for number in range(1, 11)]
    assert sorted(one for part in parts for one in part) == items
    assert {len(part) for part in parts} == {2, 3}
    assert pairs.share(items, "1/1") == items


@pytest.mark.parametrize("text", ["", "3", "0/10", "11/10", "3/0", "a/b", "-1/10", "3/10/2"])
def test_what_is_no_share_is_refused_with_what_is_one(text: str) -> None:
    with pytest.raises(ValueError, match="give one such as 3/10"):
        pairs.share([1, 2, 3], text)


def test_the_draw_is_the_same_at_the_same_seed() -> None:
    items = list(range(100))
    assert pairs.draw(items, 10, 1) == pairs.draw(items, 10, 1)
    assert pairs.draw(items, 10, 1) != pairs.draw(items, 10, 2)
    assert len(pairs.draw([1, 2], 10, 1)) == 2


def test_a_pair_runs_all_that_must_end_for_its_clause_and_what_caught_its_mutant() -> None:
    main = {test for test, widens in pairs.marked()["RESTORE-5"].items() if not widens}
    further = next(test for test, widens in pairs.marked()["RESTORE-5"].items() if widens)
    row = {"name": MUTANT.name, "tests": [f"test_any::{further}[single]"]}
    assert main
    assert set(pairs.tests_of(MUTANT, {"mutants": [row]})) == {*main, further}
    assert set(pairs.tests_of(MUTANT, {"mutants": []})) == set(pairs.marked()["RESTORE-5"])


LISTED = """
[[unseen]]
mutants = ["a", "b"]
sparse = ["c"]
reason = "Nothing there shows it."
"""


def test_an_entry_of_the_list_holds_for_each_pair_of_its_names(tmp_path: Path) -> None:
    (tmp_path / "pairs.toml").write_text(LISTED, "utf-8")
    assert pairs.unseen(tmp_path / "pairs.toml") == {("a", "c"): REASON, ("b", "c"): REASON}


def test_a_pair_that_is_listed_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pairs.toml").write_text(LISTED * 2, "utf-8")
    with pytest.raises(ValueError, match="the pair a and c twice"):
        pairs.unseen(tmp_path / "pairs.toml")


def test_the_list_kept_here_names_pairs_that_there_are_and_gives_reasons() -> None:
    known = {(pair.mutant.name, pair.sparse.name) for pair in pairs.every()}
    listed = pairs.unseen()
    assert [pair for pair in listed if pair not in known] == []
    assert [pair for pair, reason in listed.items() if len(reason) < 20 or not reason.endswith(".")] == []
