"""Answers that are not as their schemas have them stand in the report and in a line, and decide no clause."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from machine import PASSWORD, Machine, Run

BRISK = ("-k", "test_a_registered_client_gives_a_backup", "--wa-report", "report", "--wa-allow-not-tested")


def command(machine: Machine, *more: str) -> tuple[str, ...]:
    """A run of one test against the machine."""
    return ("--wa-url", machine.url, *BRISK, *more)


@pytest.fixture
def strict(tmp_path: Path) -> Path:
    """A vendor's folder: every answer of health must name a region."""
    folder = tmp_path / "strict"
    folder.mkdir()
    (folder / "health.json").write_text(json.dumps({"required": ["region"]}))
    return folder


def test_the_report_counts_every_kind_of_message(
    machine: Machine, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WA_ADMIN_PASSWORD", PASSWORD)
    result = run("pytest", *command(machine))
    messages = json.loads((tmp_path / "here" / "report" / "report.json").read_text())["messages"]
    counted = {one["name"]: (one["valid"] > 0, one["invalid"]) for one in messages}
    assert counted["POST /v1/settings/backup"] == (True, 0)
    assert counted["GET /v1/health"] == (True, 0)
    assert "are not as" not in result.stdout


def test_what_breaks_a_vendors_schema_is_a_remark(
    machine: Machine, run: Run, tmp_path: Path, strict: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WA_ADMIN_PASSWORD", PASSWORD)
    result = run("pytest", *command(machine, "--wa-schemas", str(strict)))
    assert "answers are not as the vendor's own schemas have them: GET /v1/health" in result.stdout
    report = json.loads((tmp_path / "here" / "report" / "report.json").read_text())
    assert not {"fail", "error"} & {clause["verdict"] for clause in report["clauses"]}
    assert "1 passed" in result.stdout


def test_a_vendors_schema_that_cannot_be_used_ends_the_run(machine: Machine, run: Run, strict: Path) -> None:
    (strict / "health.json").rename(strict / "helth.json")
    result = run("pytest", *command(machine, "--wa-schemas", str(strict)))
    assert result.returncode == 4
    assert "helth.json has the name of no message; name it after one of" in result.stderr
