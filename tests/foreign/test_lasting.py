"""Run after run against one lasting set of clients, at one seed: every clause ends as it did the first time.

What a run leaves behind (messages at contacts, users, photos, settings, notices, codes, machines that lost
their number) is what the next one finds. `WA_DETECTION=all` takes each profile for the reference and for the
two foreign clients of odd habits; by default a share: what leaves most behind, and what takes least.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from running import in_laboratory

RUNS = 3
PROFILES = ("backup", "restore", "multiconnect", "full")
# stack, profile, and what narrows it: the messages, callbacks and accounts of a migration leave most behind
SHARE = (
    ("reference", "backup", ()),
    ("reference", "restore", ("-k", "test_messages_are_not_in_the_backup or test_access")),
    ("go", "backup", ()),
)
EVERYTHING = tuple((stack, profile, ()) for stack in ("reference", "go", "asyncio") for profile in PROFILES)
SECONDS = 900
CHOSEN = EVERYTHING if os.environ.get("WA_DETECTION") == "all" else SHARE

Verdicts = dict[str, str]


def run_after_run(
    folder: Path, stack: str, profile: str, narrowed: tuple[str, ...]
) -> tuple[list[Verdicts], str]:
    """The clauses' verdicts of each run of a profile against one laboratory, and what the terminal showed."""
    report = str(folder / "report-{run}")
    suite = ["--wa-profile", profile, *narrowed, "--wa-report", report]
    options = ("--times", str(RUNS))
    _, terminal = in_laboratory(folder, stack, options, suite, seconds=SECONDS)
    reports = [folder / f"report-{run + 1}" / "report.json" for run in range(RUNS)]
    assert all(report.exists() for report in reports), terminal
    return [verdicts(json.loads(report.read_text())) for report in reports], terminal


def verdicts(report: dict[str, list[dict[str, str]]]) -> Verdicts:
    """The verdict of each clause in a report."""
    return {clause["id"]: clause["verdict"] for clause in report["clauses"]}


def differing(runs: list[Verdicts]) -> dict[str, list[str]]:
    """The clauses whose verdict is not the same in all runs, with their verdicts in order."""
    each = {clause: [run[clause] for run in runs] for clause in runs[0]}
    return {clause: found for clause, found in each.items() if len(set(found)) > 1}


@pytest.mark.parametrize(
    ("stack", "profile", "narrowed"),
    CHOSEN,
    ids=lambda part: part if isinstance(part, str) else "narrowed" if part else "whole",
)
def test_each_run_against_lasting_clients_ends_as_the_first(
    tmp_path: Path, stack: str, profile: str, narrowed: tuple[str, ...]
) -> None:
    runs, terminal = run_after_run(tmp_path, stack, profile, narrowed)
    assert differing(runs) == {}, terminal
    red = [clause for clause, verdict in runs[0].items() if verdict in ("fail", "error")]
    assert red == [], terminal
    assert "pass" in runs[0].values(), terminal


def test_a_verdict_that_differs_in_one_run_is_named() -> None:
    good, other = {"A": "pass", "B": "pass"}, {"A": "pass", "B": "fail"}
    assert differing([good, other, good]) == {"B": ["pass", "fail", "pass"]}
