"""Clients that other hands wrote certify through the public options alone; a defect of theirs is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lab
import pytest
from running import in_laboratory

SECONDS = 300


@dataclass(frozen=True)
class Outcome:
    """How a run against a laboratory ended."""

    status: int
    terminal: str
    report: dict[str, Any]

    @property
    def last_line(self) -> str:
        """The verdict, as the terminal has it."""
        return self.terminal.splitlines()[-1]

    def not_passed(self) -> dict[str, str]:
        """The verdicts of those clauses that can be tested and did not pass."""
        can_be_tested = [one for one in self.report["clauses"] if one["level"] != "INFO"]
        return {one["id"]: one["verdict"] for one in can_be_tested if one["verdict"] != "pass"}


Certify = Callable[..., Outcome]


@pytest.fixture
def certify(tmp_path: Path) -> Certify:
    """Runs `pytest --wa-config clients.toml` in an empty folder, against a laboratory of its own."""

    def command(stack: str, *options: str) -> Outcome:
        report = tmp_path / "report"
        suite = ["--wa-report", str(report)]
        status, terminal = in_laboratory(tmp_path, stack, options, suite, seconds=SECONDS)
        assert (report / "report.json").exists(), terminal
        return Outcome(status, terminal, json.loads((report / "report.json").read_text()))

    return command


@pytest.mark.parametrize("stack", lab.STACKS)
def test_a_client_of_another_hand_is_conformant(certify: Certify, stack: str) -> None:
    outcome = certify(stack)
    assert outcome.not_passed() == {}, outcome.terminal
    assert outcome.status == 0
    assert outcome.last_line.startswith("conformant: all ")


def test_a_planted_defect_is_found_on_its_clause_only(certify: Certify) -> None:
    outcome = certify("stdlib", "--defect", "shards-only-if-more")
    assert outcome.not_passed() == {"SHARD-2": "fail"}, outcome.terminal
    assert outcome.status == 1
    assert outcome.last_line.startswith("non-conformant: SHARD-2 fails")
