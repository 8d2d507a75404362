"""The small suite of the plugin's tests: its files, and ways to run it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CATALOG = """
version = "1.0"
"""
CLAUSE = """
[[clause]]
id = "{id}"
level = "{level}"
text = "The text of {id}."
source = "derived"
sentence = []
needs = {needs}
profiles = {profiles}
effect = "data exposed"
"""
LEVELS = {"SEA-1": "MUST", "SEA-2": "MUST", "SKY-1": "SHOULD", "EARTH-1": "MUST", "TALE-1": "INFO"}
PASSING = """
import pytest
from fake_suite import SECRET, FakeAnswer
from pytest_wa_settings.testbed import Need, TestbedError, Unavailable
from pytest_wa_settings.verdicts import Evidence, Finding, FindingError, NotApplicable, NotTested

def finding(clause, **more):
    observed = f"it was let in with {SECRET}"
    return FindingError(Finding(clause, "a wave", "a refusal", observed, (FakeAnswer(),), **more))

def proven(case, *clauses):
    case.judge(*(Evidence(clause, "refused") for clause in clauses or case.clauses))

@pytest.mark.wa_clause("SEA-1")
def test_sea_one(wa_case):
    SEA1

@pytest.mark.wa_clause("SEA-2")
def test_sea_two(wa_case):
    SEA2

@pytest.mark.wa_clause("SKY-1")
def test_sky(wa_case):
    SKY1

@pytest.mark.wa_clause("EARTH-1")
def test_earth(wa_case):
    EARTH1
"""


@dataclass
class FakeSuite:
    """The small suite, and the folder that a user stands in."""

    pytester: pytest.Pytester
    folder: Path
    log: Path

    def write(self, *, extra: str = "", **bodies: str) -> None:
        """The suite with these bodies for its tests (`SEA1="raise finding('SEA-1')"`); the others pass.

        One that gets to its end enters evidence of its clauses, unless its body says `return`.
        """
        text = PASSING
        for name in ("SEA1", "SEA2", "SKY1", "EARTH1"):
            text = text.replace(f"    {name}\n", f"    {bodies.get(name, 'pass')}\n    proven(wa_case)\n")
        (self.folder / "test_fake.py").write_text(text + extra)

    def run(self, *arguments: str) -> pytest.RunResult:
        """The suite against `mock:`, in this process."""
        return self.pytester.runpytest_inprocess("--wa-url", "mock:", *arguments)

    def run_apart(self, *arguments: str) -> pytest.RunResult:
        """The suite against `mock:`, in a process of its own."""
        return self.pytester.run(*self.command("--wa-url", "mock:", *arguments), timeout=60)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "pytest", "-p", "fake_suite", *arguments]

    def report(self, folder: str = "out") -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.pytester.path / folder / "report.json").read_text())
        return report

    def verdicts(self) -> dict[str, str]:
        return {clause["id"]: clause["verdict"] for clause in self.report()["clauses"]}

    def clause(self, name: str) -> dict[str, Any]:
        """What the report says of one clause."""
        found: dict[str, Any] = next(one for one in self.report()["clauses"] if one["id"] == name)
        return found

    def events(self) -> list[str]:
        """What the testbeds did, "open mock:" and the like."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.rpartition(" ")[0] for line in lines]


def last_line(result: pytest.RunResult) -> str:
    """The last line on the terminal that is not empty."""
    return next(line for line in reversed(result.outlines) if line.strip())


def catalog_text() -> str:
    """The small suite's catalog as TOML."""
    clauses = [
        CLAUSE.format(
            id=name,
            level=level,
            needs="[]" if level == "INFO" else '[["registered"]]',
            profiles="[]" if level == "INFO" or name == "EARTH-1" else '["backup", "restore"]',
        )
        for name, level in LEVELS.items()
    ]
    return CATALOG + "".join(clauses)
