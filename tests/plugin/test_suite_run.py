"""A suite run: what it comes to, and that all formats say the same."""

from __future__ import annotations

import contextlib
import os
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from fake_suite import SECRET
from small_suite import FakeSuite, last_line

from pytest_wa_settings import schemas

FAIL = "raise finding('SEA-1')"
SHORT = "raise finding('SKY-1')"


def junit(path: Path) -> tuple[dict[str, str], set[str]]:
    """The counts of a JUnit file, and the clause verdicts that its test cases carry."""
    root = ElementTree.parse(path).getroot()
    found = root.find("testsuite")
    assert found is not None
    properties = {one.attrib["value"] for one in root.iter("property") if one.attrib["name"] == "wa_clause"}
    return found.attrib, properties


def test_a_client_that_passes_is_conformant(suite: FakeSuite) -> None:
    result = suite.run("--wa-report=out")
    assert result.ret == 0
    assert last_line(result) == "conformant: all 3 MUST clauses of profile full pass"
    assert suite.report()["verdict"] == "conformant"
    assert schemas.problems("report", suite.report()) == []


def test_a_finding_on_a_must_is_non_conformant(suite: FakeSuite) -> None:
    suite.write(SEA1=FAIL)
    result = suite.run("--wa-report=out")
    assert result.ret == 1
    assert last_line(result).startswith("non-conformant: SEA-1 fails (data exposed): a wave: it was let in")
    assert last_line(result).endswith(" (expected: a refusal)")
    assert suite.verdicts()["SEA-1"] == "fail"
    result.assert_outcomes(failed=1, passed=3)


def test_a_finding_is_told_without_a_traceback(suite: FakeSuite) -> None:
    suite.write(SEA1=FAIL)
    result = suite.run()
    result.stdout.fnmatch_lines(
        [
            "-- SEA-1 MUST fail -*",
            "The text of SEA-1.",
            "  sent     a wave",
            "  expected a refusal",
            "  received it was let in with <secret>",
            "*exchange 17, fake: POST https://127.0.0.1/v1/settings/restore",
            "*HTTP 200 after 0.012 s",
            "*curl -sS -X POST https://127.0.0.1/v1/settings/restore",
            "  means    data exposed",
            "  in       test_fake.py::test_sea_one",
            "  again    the same command with --wa-only SEA-1",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*raise finding*")


def test_a_finding_on_a_should_is_a_shortfall_and_no_failed_test(suite: FakeSuite) -> None:
    suite.write(SKY1=SHORT)
    result = suite.run("-x", "--wa-report=out", "--junitxml=junit.xml")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["SKY       0 of 1, 1 shortfall", "-- SKY-1 SHOULD shortfall -*", "*1 shortfall*"]
    )
    assert last_line(result).startswith("conformant")
    counts, properties = junit(suite.pytester.path / "junit.xml")
    assert (counts["failures"], counts["errors"], counts["skipped"]) == ("0", "0", "0")
    assert "SKY-1: fail" in properties
    assert suite.report()["sums"]["shortfall"] == 1


def test_strict_lets_a_should_decide(suite: FakeSuite) -> None:
    suite.write(SKY1=SHORT)
    result = suite.run("--wa-strict")
    assert result.ret == 1
    assert last_line(result).startswith("non-conformant: SKY-1 fails")


def test_any_other_exception_is_an_error_and_not_a_failure(suite: FakeSuite) -> None:
    suite.write(SEA1="assert wa_case is None")
    result = suite.run("--wa-report=out", "--junitxml=junit.xml", "--showlocals", "--full-trace")
    assert result.ret == 1
    assert last_line(result).startswith(
        "inconclusive: 1 of 3 MUST clauses is in error: SEA-1 (AssertionError"
    )
    result.stdout.fnmatch_lines(
        ["*not the client's fault: AssertionError*", "*test_fake.py:* in test_sea_one"]
    )
    result.assert_outcomes(errors=1, passed=3)
    counts, _ = junit(suite.pytester.path / "junit.xml")
    assert (counts["failures"], counts["errors"]) == ("0", "1")
    assert suite.verdicts()["SEA-1"] == "error"


def test_what_the_testbed_lacks_is_not_tested_and_says_what_to_add(suite: FakeSuite) -> None:
    suite.write(SEA1="wa_case.testbed.lease(Need(state='unregistered')).__enter__()")
    result = suite.run("--wa-report=out")
    assert result.ret == 1
    reason = "no unregistered client; add an unregistered client"
    assert last_line(result) == f"inconclusive: 1 of 3 MUST clauses is not tested: SEA-1 ({reason})"
    result.assert_outcomes(skipped=1, passed=3)


UNPROVEN = "its tests ended without evidence that the clause is kept"


def test_a_test_that_passes_without_evidence_leaves_its_clause_not_tested(suite: FakeSuite) -> None:
    suite.write(SEA1="return")
    result = suite.run("--wa-report=out", "--junitxml=junit.xml")
    assert result.ret == 1
    assert last_line(result) == f"inconclusive: 1 of 3 MUST clauses is not tested: SEA-1 ({UNPROVEN})"
    told = suite.clause("SEA-1")
    assert (told["verdict"], told["kind"], told["reason"]) == ("not tested", "no evidence", UNPROVEN)
    assert "SEA-1: not tested" in junit(suite.pytester.path / "junit.xml")[1]


def test_evidence_of_another_clause_does_not_prove_a_pass(suite: FakeSuite) -> None:
    suite.write(SEA1="return proven(wa_case, 'SEA-2')")
    suite.run("--wa-report=out")
    told = suite.clause("SEA-1")
    assert (told["verdict"], told["kind"]) == ("not tested", "no evidence")


def test_evidence_that_is_not_enough_leaves_its_clause_not_tested_for_what_is_missing(
    suite: FakeSuite,
) -> None:
    suite.write(SEA1="wa_case.judge(Evidence('SEA-1', 'unchanged', missing='no field can be read'))")
    suite.run("--wa-report=out").assert_outcomes(passed=3, skipped=1)
    told = suite.clause("SEA-1")
    assert (told["verdict"], told["kind"]) == ("not tested", "no evidence")
    assert told["reason"] == "no field can be read"


def test_a_pass_without_evidence_is_excused_like_anything_not_tested(suite: FakeSuite) -> None:
    suite.write(SEA1="return")
    assert suite.run("--wa-allow-not-tested").ret == 0


def test_a_test_without_evidence_that_only_widens_a_clause_takes_nothing_from_it(suite: FakeSuite) -> None:
    extra = """
@pytest.mark.wa_clause("SEA-1", widens=True)
def test_wide(wa_case):
    pass
"""
    suite.write(extra=extra)
    assert suite.run("--wa-report=out").ret == 0
    assert suite.clause("SEA-1")["verdict"] == "pass"


def test_a_report_shows_on_what_each_pass_rests(suite: FakeSuite) -> None:
    suite.write(SEA1="wa_case.judge(Evidence('SEA-1', 'unchanged', 3, ('about:text',), 'it was read'))")
    suite.run("--wa-report=out")
    entered = {
        "test": "test_fake.py::test_sea_one",
        "judgement": "unchanged",
        "exchanges": 3,
        "fields": ["about:text"],
        "control": "it was read",
    }
    assert entered in suite.clause("SEA-1")["evidence"]
    assert all(one["evidence"] for one in suite.report()["clauses"] if one["verdict"] == "pass")


def test_allow_not_tested_excuses_it(suite: FakeSuite) -> None:
    suite.write(SEA1="raise NotTested('add a consumer')")
    result = suite.run("--wa-allow-not-tested")
    assert result.ret == 0
    assert last_line(result).startswith("inconclusive")


def test_not_applicable_does_not_decide(suite: FakeSuite) -> None:
    suite.write(SEA1="raise NotApplicable('before v2.31.4')")
    result = suite.run()
    assert result.ret == 0
    assert last_line(result) == "conformant: all 2 MUST clauses of profile full pass, 1 is not applicable"


def test_a_flaky_property_with_a_recorded_finding_fails(suite: FakeSuite) -> None:
    extra = """
from hypothesis import given, seed, settings, strategies as st

@pytest.mark.wa_clause("SEA-1")
def test_flaky(wa_case):
    seen = []

    @seed(wa_case.test_seed)
    @settings(database=None, max_examples=5)
    @given(st.integers())
    def property(n):
        if not seen:
            seen.append(n)
            error = finding("SEA-1", example=str(n))
            wa_case.record(error.finding)
            raise error

    property()
"""
    suite.write(extra=extra)
    result = suite.run("--wa-report=out")
    assert result.ret == 1
    assert suite.verdicts()["SEA-1"] == "fail"
    result.stdout.no_fnmatch_line("*Flaky*")


def test_a_break_in_a_teardown_is_an_error(suite: FakeSuite) -> None:
    extra = """
@pytest.fixture
def breaking():
    yield
    raise KeyError("gone")

@pytest.mark.wa_clause("SEA-1")
def test_more(wa_case, breaking):
    pass
"""
    suite.write(extra=extra)
    suite.run("--wa-report=out")
    assert suite.verdicts()["SEA-1"] == "error"


def test_a_test_runs_only_where_all_its_clauses_are_in_the_profile(suite: FakeSuite) -> None:
    suite.write(EARTH1=FAIL)
    result = suite.run("--wa-profile=backup", "--wa-report=out")
    assert result.ret == 0
    earth = next(one for one in suite.report()["clauses"] if one["id"] == "EARTH-1")
    assert (earth["verdict"], earth["reason"]) == ("not tested", "not in profile")
    assert suite.report()["sums"]["not in profile"] == 1


def test_remarks_and_examples_stand_in_table_and_report(suite: FakeSuite) -> None:
    suite.write(SEA1="wa_case.remark('it was slow'); wa_case.count_examples(9)")
    result = suite.run("--wa-report=out", "-vv")
    result.stdout.fnmatch_lines(["SEA-1 *pass*", "*remark: it was slow"])
    suite.run().stdout.fnmatch_lines(["1 remark (-vv shows them)"])
    assert suite.report()["clauses"][0]["examples"] == 9


MIXED = {
    "SEA1": FAIL,
    "SEA2": "raise NotTested('add a consumer')",
    "SKY1": SHORT,
    "EARTH1": "raise KeyError('x')",
}


def test_all_formats_agree_and_the_sums_close(suite: FakeSuite) -> None:
    suite.write(**MIXED)
    result = suite.run("--wa-report=out", "--junitxml=junit.xml", "-v")
    report = suite.report()
    shown = {line.split()[0]: line for line in result.outlines if line.split()[1:2] in (["MUST"], ["SHOULD"])}
    for clause in report["clauses"]:
        if clause["level"] != "INFO":
            word = "shortfall" if clause["shortfall"] else clause["verdict"]
            assert f" {word} " in shown[clause["id"]]
    total = report["sums"].pop("clauses")
    assert total == sum(report["sums"].values()) == 5
    parts = "1 fail, 1 shortfall, 1 not tested, 1 error, 1 information"
    result.stdout.fnmatch_lines([f"5 clauses: {parts}"])
    counts, properties = junit(suite.pytester.path / "junit.xml")
    assert [counts[name] for name in ("tests", "failures", "errors", "skipped")] == ["4", "1", "1", "1"]
    assert properties == {"SEA-1: fail", "SEA-2: not tested", "SKY-1: fail", "EARTH-1: error"}
    assert last_line(result) == f"{report['verdict']}: {report['reason']}"


@pytest.mark.parametrize(
    "flags", [["-q"], ["-qq"], ["-v"], ["-p", "no:terminal"], ["--no-summary"], ["--tb=no"]]
)
def test_the_verdict_is_the_last_line_however_pytest_is_told_to_speak(
    suite: FakeSuite, flags: list[str]
) -> None:
    suite.write(**MIXED)
    result = suite.run(*flags)
    assert result.ret == 1
    assert last_line(result).startswith("non-conformant: SEA-1 fails")


def test_the_first_finding_ends_the_run_under_x(suite: FakeSuite) -> None:
    suite.write(SEA1=FAIL)
    result = suite.run("-x", "--wa-report=out")
    assert result.ret == 1
    verdicts = {one["id"]: (one["verdict"], one["reason"]) for one in suite.report()["clauses"]}
    assert verdicts["SEA-1"][0] == "fail"
    assert verdicts["EARTH-1"] == ("not tested", "the run stopped early (stopping after 1 failures)")


def test_what_k_leaves_out_is_not_tested(suite: FakeSuite) -> None:
    result = suite.run("-k", "sea_one", "--wa-report=out")
    assert result.ret == 1
    assert (suite.verdicts()["SEA-1"], suite.verdicts()["SEA-2"]) == ("pass", "not tested")
    assert "SEA-2, EARTH-1 (deselected" in last_line(result)
    result.stdout.fnmatch_lines(["not asked for: * clauses (* deselected)"])


def test_an_empty_selection_is_an_error_in_one_line(suite: FakeSuite) -> None:
    result = suite.run("-k", "nothing_is_called_so", "--wa-allow-not-tested")
    assert result.ret == 1
    assert last_line(result) == "inconclusive: nothing was tested: no test was collected, or none selected"


def test_an_empty_suite_is_an_error(suite: FakeSuite) -> None:
    (suite.folder / "test_fake.py").unlink()
    result = suite.run()
    assert result.ret == 1
    assert last_line(result).startswith(
        "inconclusive: nothing was tested: the suite does not match its catalog"
    )


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ("def test_stray(): pass", "test_fake.py::test_stray names no clause"),
        (
            "@pytest.mark.wa_clause('SEA-77')\ndef test_odd(): pass",
            "test_fake.py::test_odd names SEA-77, which the catalog does not have",
        ),
    ],
)
def test_a_suite_that_does_not_match_its_catalog_is_not_run(suite: FakeSuite, extra: str, told: str) -> None:
    suite.write(SEA1=FAIL, extra=extra)
    result = suite.run("-k", "sea_one", "--wa-report=out")
    assert result.ret == 1
    assert last_line(result).endswith(told)
    assert set(suite.verdicts().values()) == {"error", "not tested"}


def test_a_clause_without_a_test_stops_the_run(suite: FakeSuite) -> None:
    source = suite.folder / "test_fake.py"
    source.write_text(source.read_text().replace('wa_clause("EARTH-1")', 'wa_clause("SEA-1")'))
    result = suite.run()
    assert result.ret == 1
    assert last_line(result).endswith("EARTH-1 has no test")


def test_a_module_that_cannot_be_imported_is_an_error(suite: FakeSuite) -> None:
    (suite.folder / "test_more.py").write_text("import no_such_module_at_all")
    result = suite.run("--wa-report=out")
    assert result.ret == 1
    assert last_line(result).startswith("inconclusive: nothing was tested: the suite could not be collected")
    assert suite.verdicts()["SEA-1"] == "error"


def test_collect_only_lists_the_tests_and_touches_no_client(suite: FakeSuite) -> None:
    result = suite.run("--collect-only", "-q", "--wa-report=out")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*test_fake.py::test_sea_one"])
    assert suite.events() == []
    assert not (suite.pytester.path / "out").exists()


def test_the_testbed_is_opened_and_closed_once(suite: FakeSuite) -> None:
    result = suite.run()
    assert suite.events() == ["open mock:", "close mock:"]
    result.stdout.fnmatch_lines(["the client was put back", "conformant: *"])


def test_the_header_says_target_version_profile_seed_and_what_is_not_tested(suite: FakeSuite) -> None:
    catalog = suite.folder / "catalog.toml"
    catalog.write_text(
        catalog.read_text().replace('needs = [["registered"]]', 'needs = [["unregistered"]]', 1)
    )
    result = suite.run("--wa-seed=7")
    result.stdout.fnmatch_lines(
        [
            "target: mock:",
            "client: 2.57.2, registered",
            "profile: full, seed: 7, examples: 50",
            "not all can be tested: 1 thing is missing here, see wa-settings check",
        ]
    )


def test_each_test_has_a_seed_of_its_own_that_the_run_seed_changes(suite: FakeSuite) -> None:
    body = "wa_case.remark(f'seed {wa_case.test_seed}')"
    suite.write(SEA1=body, SEA2=body)

    def seeds(*flags: str) -> list[str]:
        suite.run("--wa-report=out", *flags)
        return [suite.report()["clauses"][number]["remarks"][0] for number in (0, 1)]

    first = seeds()
    assert first == seeds("-k", "sea or sky")
    assert len({*first, *seeds("--wa-seed=1")}) == 4


def test_explore_draws_a_seed_and_says_which(suite: FakeSuite) -> None:
    result = suite.run("--wa-explore", "--wa-report=out")
    result.stdout.fnmatch_lines([f"*seed: {suite.report()['run']['seed']}, *"])


def test_no_secret_is_in_any_output(suite: FakeSuite) -> None:
    suite.write(
        SEA1=FAIL,
        SEA2="password = SECRET; print(SECRET); raise ValueError(password)",
        SKY1=SHORT,
        EARTH1="wa_case.remark(SECRET); raise NotTested(SECRET)",
    )
    flags = ("--showlocals", "--full-trace", "-rA", "-vv", "--wa-report=out", "--junitxml=junit.xml")
    result = suite.run(*flags)
    written = (suite.pytester.path / "out" / "report.json").read_text()
    written += (suite.pytester.path / "junit.xml").read_text()
    assert SECRET not in result.stdout.str() + result.stderr.str() + written


def test_the_testbed_may_speak_while_a_test_runs(suite: FakeSuite) -> None:
    suite.write(SEA1="wa_case.testbed.settings.say('the safety backup is in /tmp/x')")
    suite.run().stdout.fnmatch_lines(["wa-settings: the safety backup is in /tmp/x"])


def test_a_long_test_says_on_a_terminal_how_far_it_is_and_takes_it_back(suite: FakeSuite) -> None:
    suite.write(SEA1="wa_case.progress(1, 5, 'waves')")
    assert "waves" not in suite.run().stdout.str()
    ours, theirs = os.openpty()
    process = subprocess.Popen(suite.command("--wa-url", "mock:", "--color=no"), stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # a terminal whose other end is closed
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    assert process.wait() == 0
    assert b"test_fake.py \x1b7 1/5 waves\x1b[K\x1b8\x1b7\x1b[K\x1b8...." in shown
