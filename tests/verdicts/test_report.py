"""report.json and the words of a finding."""

from __future__ import annotations

import json
import os
import stat
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from pytest_wa_settings import schemas
from pytest_wa_settings.verdicts import load_catalog
from pytest_wa_settings.verdicts.decision import Ending, run_verdict
from pytest_wa_settings.verdicts.entries import Entry, EvidenceEntry, FindingEntry
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
EVIDENCE = EvidenceEntry(
    clause="RESTORE-8",
    test="test_restore.py::test_good_one",
    judgement="the restored state",
    exchanges=6,
    fields=["about:text"],
    control="the field differed before",
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
            kind=None,
            evidence=[],
            unproven=["RESTORE-5"],
            findings=[FINDING],
            remarks=["slow"],
            examples=12,
            seconds=0.5,
        )
    )
    made.add(
        Entry(
            test="test_restore.py::test_good_one",
            clauses=["RESTORE-8", "RESTORE-11"],
            widens=[],
            outcome="pass",
            reason=None,
            kind=None,
            evidence=[EVIDENCE],
            unproven=["RESTORE-11"],
            findings=[],
            remarks=[],
            examples=0,
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


def clauses(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in made["clauses"]}


def test_a_pass_carries_its_evidence() -> None:
    told = clauses(report())["RESTORE-8"]
    assert told["verdict"] == "pass"
    assert told["evidence"] == [{name: value for name, value in EVIDENCE.items() if name != "clause"}]


def test_every_pass_of_a_report_has_evidence_and_everything_else_has_none() -> None:
    for one in report()["clauses"]:
        assert bool(one["evidence"]) is (one["verdict"] == "pass"), one["id"]


def test_a_clause_that_passed_without_evidence_says_so_in_the_report() -> None:
    told = clauses(report())["RESTORE-11"]
    assert (told["verdict"], told["kind"], told["evidence"]) == ("not tested", "no evidence", [])


@pytest.mark.parametrize("evidence", [[], None])
def test_a_pass_without_evidence_is_no_valid_report(evidence: list[Any] | None) -> None:
    made = report()
    told = clauses(made)["RESTORE-8"]
    told.pop("evidence")
    if evidence is not None:
        told["evidence"] = evidence
    assert schemas.problems("report", made) != []


def test_a_report_of_the_first_format_is_still_valid() -> None:
    made = report()
    made["schema"] = "urn:pytest-wa-settings:report:1"
    for one in made["clauses"]:
        del one["evidence"], one["kind"]
    assert schemas.problems("report", made) == []


def test_writing_leaves_nothing_but_the_report(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    write_report(folder, report())
    write_report(folder, report())
    assert [path.name for path in folder.iterdir()] == ["report.json"]


def with_a_body(content: bytes) -> tuple[dict[str, Any], str]:
    """A report whose finding's line reads a body from a file, and the file's name."""
    made, name = report(), "0123456789abcdef.bin"
    clause = next(one for one in made["clauses"] if one["findings"])
    clause["findings"][0]["bodies"] = {name: b64encode(content).decode()}
    return made, name


def test_a_long_body_is_a_file_that_its_owner_alone_may_read(tmp_path: Path) -> None:
    made, name = with_a_body(b"\0\xff")
    written = json.loads(write_report(tmp_path, made).read_text())
    path = tmp_path / "bodies" / name
    assert path.read_bytes() == b"\0\xff"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert all("bodies" not in finding for clause in written["clauses"] for finding in clause["findings"])


def test_what_has_the_name_of_a_body_gives_way(tmp_path: Path) -> None:
    made, name = with_a_body(b"new")
    (tmp_path / "other").write_bytes(b"other")
    (tmp_path / "bodies").mkdir()
    (tmp_path / "bodies" / name).symlink_to(tmp_path / "other")
    write_report(tmp_path, made)
    assert (tmp_path / "bodies" / name).read_bytes() == b"new"
    assert (tmp_path / "other").read_bytes() == b"other"


def test_a_body_that_cannot_be_written_is_a_note(tmp_path: Path) -> None:
    made, name = with_a_body(b"x")
    (tmp_path / "bodies").write_text("in the way")
    notes = json.loads(write_report(tmp_path, made).read_text())["notes"]
    assert len(notes) == 1
    assert notes[0].startswith(f"the curl line of RESTORE-5 cannot be used: bodies/{name} was not written (")


def test_discarding_a_report_removes_its_bodies(tmp_path: Path) -> None:
    made, _ = with_a_body(b"x")
    write_report(tmp_path, made)
    discard_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_discarding_removes_the_report_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / "bodies").mkdir()
    (tmp_path / "bodies" / "mine.bin").touch()
    write_report(tmp_path, report())
    discard_report(tmp_path)
    discard_report(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["bodies", "mine.bin", "notes.txt"]


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
    write_report(folder, {"verdict": "conformant", "clauses": []})
    assert precious.read_text() == "mine"
    assert not (folder / "report.json").is_symlink()
    (folder / "report.json").unlink()
    (folder / "report.json").symlink_to(precious)
    discard_report(folder)
    assert precious.read_text() == "mine"
