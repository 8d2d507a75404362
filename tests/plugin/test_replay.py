"""A red clause's examples are sent again from its report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_wa_settings.session.options import OptionError
from pytest_wa_settings.session.replay import replay_arguments


def report(folder: Path, verdict: str = "fail", addresses: tuple[str, ...] = ("mock:mutant=x",)) -> Path:
    clause: dict[str, Any] = {
        "id": "RESTORE-5",
        "verdict": verdict,
        "tests": ["test_refusals.py::test_one", "test_refusals.py::test_two"],
        "findings": [],
    }
    content = {
        "run": {"seed": 7, "examples": 20, "profile": "full"},
        "clients": [{"address": address} for address in addresses],
        "clauses": [clause],
    }
    path = folder / "report.json"
    path.write_text(json.dumps(content), "utf-8")
    return path


def test_the_same_tests_run_with_the_same_draws_on_the_same_client(tmp_path: Path) -> None:
    arguments = replay_arguments(report(tmp_path), "restore-5")
    pairs = dict(zip(arguments[::2], arguments[1::2], strict=False))
    assert pairs["-k"] == "test_one or test_two"
    assert pairs["--wa-seed"] == "7"
    assert pairs["--wa-examples"] == "20"
    assert arguments[-2:] == ["--wa-url", "mock:mutant=x"]


def test_another_client_can_be_named(tmp_path: Path) -> None:
    arguments = replay_arguments(report(tmp_path).parent, "RESTORE-5", ["--wa-url=mock:"])
    assert "mock:mutant=x" not in arguments
    assert arguments[-1] == "--wa-url=mock:"


@pytest.mark.parametrize(
    ("verdict", "clause", "addresses", "problem"),
    [
        ("pass", "RESTORE-5", ("mock:",), "is pass"),
        ("fail", "RESTORE-99", ("mock:",), "no clause"),
        ("fail", "RESTORE-5", ("https://a", "https://b"), "several clients"),
    ],
)
def test_what_cannot_be_repeated_is_said(
    tmp_path: Path, verdict: str, clause: str, addresses: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(OptionError, match=problem):
        replay_arguments(report(tmp_path, verdict, addresses), clause)


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_a_file_that_is_no_report_is_said(tmp_path: Path, content: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(content, "utf-8")
    with pytest.raises(OptionError, match="no report of this suite"):
        replay_arguments(path, "RESTORE-5")
