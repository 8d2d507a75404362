"""report.json and the words of a finding."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pytest_wa_settings import schemas
from pytest_wa_settings.verdicts import load_catalog
from pytest_wa_settings.verdicts.decision import Ending, run_verdict
from pytest_wa_settings.verdicts.entries import Entry, FindingEntry
from pytest_wa_settings.verdicts.ledger import Ledger
from pytest_wa_settings.verdicts.report import RunFacts, build_report, discard_report, write_report
from pytest_wa_settings.verdicts.wording import finding_text

FINDING = FindingEntry(
    clause="RESTORE-5",
    sent="a restore with another password",
    expected="a refusal",
    observed="HTTP 200 with null",
    example="password of 8 characters",
    curl="curl -X POST https://127.0.0.1/v1/settings/restore",
    exchanges=[17],
    evidence=[
        {
            "number": 17,
            "client": "mock",
            "method": "POST",
            "url": "https://127.0.0.1/v1/settings/restore",
            "request_body": '{"password": "<string of 8 characters>"}',
            "status": 200,
            "response_body": "null",
            "failure": None,
            "seconds": 0.25,
        }
    ],
)
CLIENT = {
    "name": "mock",
    "testbed": "mock",
    "address": "mock:",
    "version": "2.57.2",
    "state": "registered",
    "shards": 1,
}


def ledger() -> Ledger:
    made = Ledger(load_catalog())
    made.add(
        Entry(
            test="test_restore.py::test_other_password",
            clauses=["RESTORE-5"],
            widens=[],
            outcome="fail",
            reason="see RESTORE-5",
            findings=[FINDING],
            remarks=["slow"],
            examples=12,
            seconds=0.5,
        )
    )
    return made


def report(profile: str = "full") -> dict[str, Any]:
    outcomes = ledger().outcomes(profile, Ending())
    facts = RunFacts("mock", 1764000000.0, 9.8123, profile, False, 0, 50, 1612, [CLIENT])
    return build_report(load_catalog(), outcomes, run_verdict(outcomes, profile), facts)


@pytest.mark.parametrize("profile", ["full", "backup"])
def test_a_report_is_valid_by_its_schema(profile: str) -> None:
    assert schemas.problems("report", report(profile)) == []


def test_a_report_lists_every_clause_and_its_sums_close() -> None:
    made = report("backup")
    assert [clause["id"] for clause in made["clauses"]] == [clause.id for clause in load_catalog()]
    total = made["sums"].pop("clauses")
    assert total == sum(made["sums"].values()) == len(made["clauses"])


def test_a_report_says_when_the_run_began_in_utc() -> None:
    assert report()["run"]["started"] == "2025-11-24T16:00:00Z"


def test_a_failing_clause_carries_its_finding_with_the_evidence() -> None:
    clause = next(one for one in report()["clauses"] if one["id"] == "RESTORE-5")
    assert (clause["verdict"], clause["examples"], clause["remarks"]) == ("fail", 12, ["slow"])
    assert clause["findings"][0]["evidence"][0]["number"] == 17


def test_writing_leaves_nothing_but_the_report(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    write_report(folder, report())
    write_report(folder, report())
    assert [path.name for path in folder.iterdir()] == ["report.json"]


def test_discarding_removes_the_report_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    write_report(tmp_path, report())
    discard_report(tmp_path)
    discard_report(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_finding_reads_from_the_clause_to_the_line_that_repeats_it() -> None:
    text = finding_text(load_catalog()["RESTORE-5"], FINDING)
    wanted = [
        "RESTORE-5 (MUST): ",
        "sent:     a restore with another password",
        "expected: a refusal",
        "observed: HTTP 200 with null",
        "example:  password of 8 characters",
        "exchange 17, mock: POST https://127.0.0.1/v1/settings/restore",
        '> {"password": "<string of 8 characters>"}',
        "HTTP 200 after 0.25 s",
        "< null",
        "curl -X POST https://127.0.0.1/v1/settings/restore",
    ]
    places = [text.find(part) for part in wanted]
    assert -1 not in places
    assert places == sorted(places)


def test_a_link_in_the_report_s_place_is_not_followed(tmp_path: Path) -> None:
    precious, folder = tmp_path / "precious", tmp_path / "report"
    precious.write_text("mine")
    folder.mkdir()
    for name in ("report.json", f".report.json.{os.getpid()}"):
        (folder / name).symlink_to(precious)
    write_report(folder, {"verdict": "conformant"})
    assert precious.read_text() == "mine"
    assert not (folder / "report.json").is_symlink()
    (folder / "report.json").unlink()
    (folder / "report.json").symlink_to(precious)
    discard_report(folder)
    assert precious.read_text() == "mine"
