"""What cannot be used is said in one line, with what to do about it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
from fake_suite import SECRET
from small_suite import FakeSuite, last_line


def refused(result: pytest.RunResult, told: str) -> None:
    assert result.ret == 4
    lines = [line for line in result.stderr.lines + result.outlines if line.strip()]
    assert len(lines) == 1
    assert told in lines[0]


def run(suite: FakeSuite, *arguments: str) -> pytest.RunResult:
    return suite.pytester.runpytest_inprocess(*arguments)


def test_an_address_of_no_known_kind_is_a_usage_error(suite: FakeSuite) -> None:
    refused(run(suite, "--wa-url", "bad:"), "no kind of testbed is called bad; give mock: or https://…")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--wa-url=mock:", "--wa-url=mock:"], "more than once"),
        (["--wa-url=mock:", "--wa-config=a.toml"], "--wa-url or --wa-config"),
        (["--wa-url=mock:", "--wa-seed=-1"], "--wa-seed cannot be used; give a whole number, 0 or above"),
        (["--wa-url=mock:", "--wa-timeout=nan"], "--wa-timeout cannot be used; give a number of seconds"),
        (["--wa-url=mock:", "--wa-examples=0"], "--wa-examples cannot be used; give a whole number above 0"),
        (["--wa-url=mock:", "--wa-seed=1", "--wa-explore"], "leave one of the two out"),
        (["--wa-url=mock:", "--wa-admin-password-file=none"], "cannot be read"),
    ],
)
def test_an_option_that_cannot_be_used_is_a_usage_error(
    suite: FakeSuite, arguments: list[str], told: str
) -> None:
    refused(run(suite, *arguments), told)


def test_an_unknown_option_is_a_usage_error(suite: FakeSuite) -> None:
    assert run(suite, "--wa-url=mock:", "--wa-strickt").ret == 4


def test_a_report_folder_that_is_a_file_is_a_usage_error(suite: FakeSuite) -> None:
    (suite.pytester.path / "out").touch()
    refused(run(suite, "--wa-url=mock:", "--wa-report=out"), "give --wa-report a folder that can be written")


def test_a_client_that_cannot_be_used_is_said_in_one_line(suite: FakeSuite) -> None:
    result = run(suite, "--wa-url", "https://closed", "--wa-report=out", "--junitxml=junit.xml", "-v")
    assert result.ret == 1
    assert [line for line in result.outlines if not line.startswith("report: ")] == [
        "the client was put back",
        "inconclusive: nothing was tested: connection refused; start the client (not <secret>)",
    ]
    assert SECRET not in (suite.pytester.path / "junit.xml").read_text()


def test_a_client_that_cannot_be_used_leaves_all_planned_clauses_in_error(suite: FakeSuite) -> None:
    run(suite, "--wa-url", "https://closed", "--wa-report=out", "--junitxml=junit.xml", "--wa-profile=full")
    assert suite.verdicts() == {
        "SEA-1": "error",
        "SEA-2": "error",
        "SKY-1": "error",
        "EARTH-1": "error",
        "TALE-1": "not tested",
    }
    suite_element = ElementTree.parse(suite.pytester.path / "junit.xml").getroot().find("testsuite")
    assert suite_element is not None
    assert [suite_element.attrib[name] for name in ("tests", "errors", "failures")] == ["1", "1", "0"]


def test_a_client_that_cannot_be_used_is_said_in_one_line_under_xdist(suite: FakeSuite) -> None:
    result = run(suite, "--wa-url", "https://closed", "-n", "2")
    assert result.ret == 1
    assert last_line(result).startswith("inconclusive: nothing was tested: connection refused")
    assert suite.events() == ["open https://closed", "close https://closed"]


def test_a_run_that_dies_early_leaves_no_old_report(suite: FakeSuite) -> None:
    assert suite.run("--wa-report=out").ret == 0
    refused(run(suite, "--wa-url=bad:", "--wa-report=out"), "no kind of testbed")
    assert list((suite.pytester.path / "out").iterdir()) == []


def test_a_bad_expression_for_k_is_a_usage_error(suite: FakeSuite) -> None:
    assert suite.run("-k", "not (", "--wa-report=out").ret == 4
