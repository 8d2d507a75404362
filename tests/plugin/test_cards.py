"""The end of a run: a row a section, a card a red clause, and every finding once."""

from __future__ import annotations

import pytest
from small_suite import FakeSuite, last_line

FOUND = "raise finding('SEA-1')"


def test_a_green_run_ends_in_a_few_lines(suite: FakeSuite) -> None:
    lines = suite.run().outlines
    start = next(number for number, line in enumerate(lines) if " clauses, profile full " in line)
    assert lines[start + 1 : start + 5] == ["SEA       2 of 2", "SKY       1 of 1", "EARTH     1 of 1",
                                            "5 clauses: 4 pass, 1 information"]  # fmt: skip
    assert len(lines) - start <= 20


def test_a_finding_is_shown_once(suite: FakeSuite) -> None:
    suite.write(SEA1=FOUND)
    result = suite.run()
    shown = [line for line in result.outlines[:-1] if "it was let in" in line]
    assert len(shown) == 1
    result.assert_outcomes(failed=1, passed=3)


def test_what_breaks_in_the_suite_is_still_shown_by_pytest(suite: FakeSuite) -> None:
    suite.write(SEA1=FOUND, SEA2="raise KeyError('x')")
    result = suite.run()
    result.stdout.fnmatch_lines(["*= ERRORS =*", "*not the client's fault: KeyError: 'x'*"])


def test_findings_that_differ_in_what_was_sent_alone_are_one(suite: FakeSuite) -> None:
    more = "\n\n@pytest.mark.wa_clause('SEA-1')\ndef test_sea_again(wa_case):\n    raise finding('SEA-1')\n"
    suite.write(SEA1=FOUND, extra=more)
    result = suite.run()
    result.stdout.fnmatch_lines(
        [
            "-- SEA-1 MUST fail -*",
            "  sent     a wave (and 1 more calls of this kind)",
            "  in       test_fake.py::test_sea_one (2 findings)",
            "           test_fake.py::test_sea_again",
        ]
    )


def test_a_card_says_how_to_see_it_again_and_where_its_evidence_is(suite: FakeSuite) -> None:
    suite.write(SEA1=FOUND)
    result = suite.run("--wa-report=out")
    result.stdout.fnmatch_lines(
        ["  evidence */out/report.json, exchange 17", "  again    wa-settings replay *out SEA-1"]
    )


def test_what_was_not_tested_is_grouped_by_what_to_add(suite: FakeSuite) -> None:
    suite.write(SEA1="raise NotTested('add a phone')", SEA2="raise NotTested('add a phone')")
    suite.run().stdout.fnmatch_lines(
        ["SEA       0 of 2, 2 not tested", "not tested: SEA-1, SEA-2: add a phone"]
    )


@pytest.mark.parametrize(("columns", "longest"), [("40", 60), ("200", 200)])
def test_cards_keep_to_the_width_of_the_terminal(
    suite: FakeSuite, monkeypatch: pytest.MonkeyPatch, columns: str, longest: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    suite.write(SEA1="raise finding('SEA-1', example='x ' * 300)")
    lines = suite.run_apart().outlines
    start = next(number for number, line in enumerate(lines) if line.startswith("-- SEA-1"))
    end = next(number for number, line in enumerate(lines) if line.startswith("  means"))
    told = [line for line in lines[start:end] if not line.startswith(("    ", "  exchange", "  repeat"))]
    assert max(map(len, told)) <= longest


def test_the_last_line_names_the_clauses_and_is_never_long(suite: FakeSuite) -> None:
    long = "raise FindingError(Finding('{}', 'a wave', 'a refusal', 'x ' * 400, ()))"
    suite.write(SEA1=long.format("SEA-1"), SEA2=long.format("SEA-2"))
    line = last_line(suite.run())
    assert line.startswith("non-conformant: SEA-1 fails (data exposed); so do SEA-2: ")
    assert len(line) <= 160
