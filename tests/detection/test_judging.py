"""How a run against a mutant or a variant is judged."""

from __future__ import annotations

from detecting import Outcome, Subject, complaints

MUTANT = Subject("mutant", "password-cut", "The password is cut.", "RESTORE-5", ("RESTORE-6",))
VARIANT = Subject("variant", "refusals-with-503", "Refusals are 503.", None, ("ERROR-2",))


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
