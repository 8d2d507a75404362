"""`--wa-catalog`: own tests that decide own clauses get a table, a verdict and a report."""

from __future__ import annotations

from typing import Any

import pytest
from small_suite import FakeSuite, last_line

from pytest_wa_settings import schemas

CLAUSE = """
[[clause]]
id = "OURS-{number}"
level = "{level}"
text = "The text of OURS-{number}."
source = "our manual"
sentence = []
needs = [["registered"]]
profiles = []
effect = "data lost"
"""
CATALOG = 'version = "7"\n' + "".join(
    CLAUSE.format(number=number, level=level) for number, level in ((1, "MUST"), (2, "SHOULD"), (3, "MUST"))
)
TESTS = """
import pytest

@pytest.mark.wa_clause("OURS-1")
def test_one(wa_client):
    {one}

@pytest.mark.wa_clause("OURS-2")
def test_two(wa_client):
    {two}

@pytest.mark.wa_clause("OURS-3")
def test_three():
    {three}

def test_of_no_clause():
    {none}
"""


def run(suite: FakeSuite, *arguments: str, **bodies: str) -> pytest.RunResult:
    bodies = {name: bodies.get(name, "pass") for name in ("one", "two", "three", "none")}
    suite.pytester.makepyfile(test_ours=TESTS.format(**bodies))
    (suite.pytester.path / "ours.toml").write_text(CATALOG)
    options = ("--wa-url=mock:", "--wa-catalog=ours.toml", "--wa-report=out", *arguments, "test_ours.py")
    if "-n2" in arguments:
        return suite.pytester.run(*suite.command(*options), timeout=60)
    return suite.pytester.runpytest_inprocess(*options)


def by_clause(suite: FakeSuite) -> dict[str, Any]:
    return {one["id"]: one for one in suite.report()["clauses"]}


def test_own_clauses_get_a_table_a_verdict_and_a_report(suite: FakeSuite) -> None:
    result = run(suite)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["OURS      3 of 3", "3 clauses: 3 pass"])
    assert last_line(result) == "conformant: all 2 MUST clauses of profile full pass"
    report = suite.report()
    assert schemas.problems("report", report) == []
    assert (report["suite"]["catalog"], report["clients"][0]["name"]) == ("7", "fake")
    assert by_clause(suite)["OURS-1"]["tests"] == ["test_ours.py::test_one"]


@pytest.mark.parametrize("arguments", [(), ("-n2",)])
def test_own_tests_need_enter_no_evidence(suite: FakeSuite, arguments: tuple[str, ...]) -> None:
    assert run(suite, *arguments).ret == 0
    told = [(one["verdict"], one["evidence"][0]["judgement"]) for one in suite.report()["clauses"]]
    assert told == [("pass", "the test's own assertions")] * 3


def test_an_own_test_that_did_not_pass_has_no_evidence(suite: FakeSuite) -> None:
    run(suite, one="assert 1 == 2", three="pytest.skip('no phone here')")
    assert [bool(by_clause(suite)[f"OURS-{number}"]["evidence"]) for number in (1, 2, 3)] == [
        False,
        True,
        False,
    ]


def test_a_failed_assertion_is_a_finding(suite: FakeSuite) -> None:
    result = run(suite, one="assert wa_client.name == 'other'")
    assert result.ret == 1
    result.assert_outcomes(failed=1, passed=3)
    assert last_line(result).startswith("non-conformant: OURS-1 fails (data lost): ")
    finding = by_clause(suite)["OURS-1"]["findings"][0]
    assert (finding["sent"], "fake" in finding["observed"]) == ("test_ours.py::test_one", True)


def test_a_should_that_is_missed_is_a_shortfall_and_no_failed_test(suite: FakeSuite) -> None:
    result = run(suite, two="assert 1 == 2")
    assert result.ret == 0
    assert by_clause(suite)["OURS-2"]["shortfall"]
    assert run(suite, "--wa-strict", two="assert 1 == 2").ret == 1


def test_a_skip_leaves_its_clause_untested(suite: FakeSuite) -> None:
    result = run(suite, three="pytest.skip('no phone here')")
    assert result.ret == 1
    assert last_line(result).startswith("inconclusive: 1 of 2 MUST clauses is not tested: OURS-3")
    assert run(suite, "--wa-allow-not-tested", three="pytest.skip('no phone here')").ret == 0


def test_what_breaks_is_an_error_and_no_finding(suite: FakeSuite) -> None:
    assert run(suite, three="1 / 0").ret == 1
    assert by_clause(suite)["OURS-3"]["verdict"] == "error"


def test_a_clause_without_a_test_is_not_tested(suite: FakeSuite) -> None:
    run(suite, "-k", "not three")
    assert by_clause(suite)["OURS-3"]["verdict"] == "not tested"


def test_a_test_of_no_clause_still_fails_the_run(suite: FakeSuite) -> None:
    result = run(suite, none="assert False")
    assert (result.ret, suite.report()["verdict"]) == (1, "conformant")


def test_workers_of_xdist_come_to_the_same_report(suite: FakeSuite) -> None:
    alone = run(suite, one="assert 1 == 2")
    here = [(one["id"], one["verdict"], one["tests"]) for one in suite.report()["clauses"]]
    spread = run(suite, "-n2", one="assert 1 == 2")
    assert [(one["id"], one["verdict"], one["tests"]) for one in suite.report()["clauses"]] == here
    assert last_line(alone) == last_line(spread)
    assert suite.report()["clients"]


@pytest.mark.parametrize(
    ("catalog", "said"),
    [("version = ", "is not valid TOML"), ('version = "1"', "has no clauses"), (None, "cannot be read")],
)
def test_a_catalog_that_cannot_be_used_is_a_usage_error(
    suite: FakeSuite, catalog: str | None, said: str
) -> None:
    suite.pytester.makepyfile(test_ours="def test(): pass")
    if catalog is not None:
        (suite.pytester.path / "ours.toml").write_text(catalog)
    result = suite.pytester.runpytest_inprocess("--wa-url=mock:", "--wa-catalog=ours.toml", "test_ours.py")
    assert (result.ret, said in result.stderr.str()) == (4, True)


def test_a_mark_that_the_catalog_does_not_have_is_a_usage_error(suite: FakeSuite) -> None:
    (suite.pytester.path / "ours.toml").write_text(CATALOG)
    suite.pytester.makepyfile(
        test_ours="import pytest\n@pytest.mark.wa_clause('OURS-9')\ndef test_it(): pass"
    )
    result = suite.pytester.runpytest_inprocess("--wa-url=mock:", "--wa-catalog=ours.toml", "test_ours.py")
    assert result.ret == 4
    assert "names OURS-9" in result.stderr.str()


def test_an_own_catalog_without_paths_is_a_usage_error(suite: FakeSuite) -> None:
    (suite.pytester.path / "ours.toml").write_text(CATALOG)
    result = suite.run("--wa-catalog=ours.toml")
    assert (result.ret, "give the tests' paths" in result.stderr.str()) == (4, True)
