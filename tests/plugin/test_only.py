"""`--wa-only` runs clauses by their ids or sections, and shows nothing else."""

from __future__ import annotations

import pytest
from small_suite import FakeSuite, last_line


@pytest.mark.parametrize("only", ["SEA", "sea-1,SEA-2", "SEA-1, sea"])
def test_only_the_clauses_named_are_run_and_shown(suite: FakeSuite, only: str) -> None:
    result = suite.run("--wa-only", only, "--wa-report=out")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["SEA       2 of 2"])
    result.stdout.no_fnmatch_line("EARTH  *")
    passed = {clause for clause, verdict in suite.verdicts().items() if verdict == "pass"}
    assert passed == {"SEA-1", "SEA-2"}


def test_a_run_of_some_clauses_is_not_conformant(suite: FakeSuite) -> None:
    result = suite.run("--wa-only", "SEA")
    assert result.ret == 1
    assert last_line(result).startswith("inconclusive: 1 of 3 MUST clauses is not tested: EARTH-1")


@pytest.mark.parametrize(
    ("only", "told"), [("MOON", "no clause and no section: MOON"), (",", "names nothing")]
)
def test_a_name_that_is_none_is_a_wrong_call(suite: FakeSuite, only: str, told: str) -> None:
    result = suite.run("--wa-only", only)
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: --wa-only *{told}*"])


def test_workers_run_only_the_clauses_named_too(suite: FakeSuite) -> None:
    result = suite.run_apart("-n2", "--wa-only=SKY")
    result.stdout.fnmatch_lines(["SKY       1 of 1", "*1 passed*"])
