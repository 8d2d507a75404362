"""Runs the suite against a deviation of the reference, as a user would, and judges what it said."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest

EXAMPLES = 3
READY_SECONDS = 5
LIMIT_SECONDS = 600
NO_REPORT = "no report"
FEW = 3
LISTINGS = {"mutant": "mutants", "variant": "variants", "sparse": "sparse"}
"""The command of `wa-settings` that lists each kind."""
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        *["pytest", "hypothesis.stateful", "httpx", "h11", "jsonschema", "trustme"],
        *["pytest_wa_settings.session.nested", "pytest_wa_settings.session.leading"],
        "pytest_wa_settings.testbed.process",
    ]
)


class Target(Protocol):
    """What the suite is run against: its address, and the options of the suite that it needs."""

    @property
    def address(self) -> str:
        """What `--wa-url` is given."""

    @property
    def run(self) -> tuple[str, ...]:
        """Further options."""


@dataclass(frozen=True)
class Subject:
    """A mutant, a variant or a sparse client, as the reference lists it; only a mutant has a `clause`.

    Without a name it is the reference as it is.
    """

    kind: str
    name: str
    summary: str
    clause: str | None = None
    also: tuple[str, ...] = ()
    run: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """What `--wa-url` is given."""
        return f"mock:{self.kind}={self.name}" if self.name else "mock:"


@dataclass(frozen=True)
class Outcome:
    """What a run said: the verdict, each clause's verdict, the tests that failed and all that there are."""

    verdict: str
    clauses: Mapping[str, str]
    tests: tuple[str, ...] = ()
    all_tests: tuple[str, ...] = ()
    seconds: float = 0.0
    exchanges: int = 0
    reasons: Mapping[str, str] = field(default_factory=dict)

    def having(self, verdict: str) -> list[str]:
        """The clauses that ended with a verdict, in the catalog's order."""
        return [clause for clause, found in self.clauses.items() if found == verdict]


def subjects(kind: str) -> list[Subject]:
    """All of a kind (`mutant`, `variant` or `sparse`), in the order of their list."""
    command = [str(Path(sys.executable).with_name("wa-settings")), LISTINGS[kind], "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [
        Subject(
            kind,
            one["name"],
            one["summary"],
            one.get("clause"),
            tuple(one.get("also", ())),
            tuple(one.get("run", ())),
        )
        for one in json.loads(done.stdout)
    ]


def command(target: Target, seed: int, examples: int | None, tests: Sequence[str] = ()) -> list[str]:
    """The arguments of the pytest command that runs the suite, or some tests of it, against a target."""
    drawn = ["--wa-examples", str(examples)] if examples is not None else []
    chosen = ["-k", " or ".join(tests)] if tests else []
    return [
        *["-q", "--wa-url", target.address],
        *["--wa-seed", str(seed), "--wa-ready-timeout", str(READY_SECONDS), *drawn, *chosen, *target.run],
        *["--wa-report", "report", "--junitxml", "junit.xml"],
    ]


def run(
    target: Target, *, seed: int = 0, examples: int | None = EXAMPLES, tests: Sequence[str] = ()
) -> Outcome:
    """What the suite says of a target, from an empty folder; `tests` are functions, absent all of them."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="wa-detection-") as folder:
        status = in_a_fork(folder, command(target, seed, examples, tests))
        if not (Path(folder) / "report" / "report.json").exists():
            said = (Path(folder) / "said").read_text("utf-8", "replace").strip().rpartition("\n")[2]
            return Outcome(NO_REPORT, {}, reasons={NO_REPORT: f"exit status {status}: {said}"})
        return read(Path(folder), time.monotonic() - started)


def in_a_fork(
    folder: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> int | None:
    """Runs `pytest ARGUMENTS` in a folder, what it says in its file `said`; the exit status.

    Forked from one process that has loaded pytest already: a tenth of each run would go into that.
    """
    process = _FORKS.Process(target=_run_in, args=(folder, list(arguments), environment or {}), daemon=True)
    process.start()
    process.join(LIMIT_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode


def _run_in(folder: str, arguments: list[str], environment: Mapping[str, str]) -> None:
    """Runs pytest as its command would, in a process of its own that has a folder of its own."""
    os.chdir(folder)
    for name in list(os.environ):
        if name.startswith(("WA_", "PYTEST_")):
            del os.environ[name]
    os.environ.update(environment)
    with open("said", "wb") as said:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(said.fileno(), stream.fileno())
    sys.argv = ["pytest", *arguments]
    sys.exit(pytest.main(arguments))


def read(folder: Path, seconds: float) -> Outcome:
    """The outcome that a run left in its folder."""
    report: dict[str, Any] = json.loads((folder / "report" / "report.json").read_text("utf-8"))
    clauses = {one["id"]: one["verdict"] for one in report["clauses"] if one["level"] != "INFO"}
    reasons = {
        one["id"]: str(one["reason"]) for one in report["clauses"] if one["verdict"] not in ("pass", "-")
    }
    cases = list(ElementTree.parse(folder / "junit.xml").getroot().iter("testcase"))
    return Outcome(
        report["verdict"],
        clauses,
        tuple(name(case) for case in cases if failed(case)),
        tuple(name(case) for case in cases),
        seconds,
        report["run"]["exchanges"],
        reasons,
    )


def name(case: ElementTree.Element) -> str:
    """A test as `module::name`."""
    return f"{case.get('classname')}::{case.get('name')}"


def function(test: str) -> str:
    """The function of a test `module::name`, without its parameters."""
    return test.rpartition("::")[2].partition("[")[0]


def failed(case: ElementTree.Element) -> bool:
    """Whether a test made a clause red; for a SHOULD pytest counts it as passed."""
    judged = [one.get("value", "") for one in case.iter("property")]
    return case.find("failure") is not None or any(value.endswith(": fail") for value in judged)


def complaints(subject: Subject, outcome: Outcome) -> list[str]:
    """What is wrong with how the suite judged a subject; empty where it judged well."""
    if outcome.verdict == NO_REPORT:
        return [f"the run left no report: {outcome.reasons[NO_REPORT]}"]
    told = errors(outcome)
    if subject.kind == "sparse":
        if outcome.verdict not in ("conformant", "inconclusive"):
            told.append(f"the run ended {outcome.verdict}")
        return told + reds(outcome, ())
    if subject.kind == "variant":
        if outcome.verdict != "conformant":
            told.append(f"the run ended {outcome.verdict}")
            told += [
                f"{clause} not tested: {outcome.reasons.get(clause)}"
                for clause in outcome.having("not tested")
            ]
        return told + reds(outcome, subject.also)
    assert subject.clause is not None
    if subject.clause not in outcome.having("fail"):
        told.append(f"not caught: {subject.clause} is {outcome.clauses.get(subject.clause)}")
    told += [f"wrong blame: {one}" for one in reds(outcome, (subject.clause, *subject.also))]
    green = outcome.having("pass")
    return told + [f"{one} must break with it, and is green" for one in subject.also if one in green]


def errors(outcome: Outcome) -> list[str]:
    """The clauses that ended in error, those of one reason together."""
    told: dict[str | None, list[str]] = {}
    for clause in outcome.having("error"):
        told.setdefault(outcome.reasons.get(clause), []).append(clause)
    return [f"{some(clauses)} ended in error: {reason}" for reason, clauses in told.items()]


def some(clauses: Sequence[str]) -> str:
    """A few of the clauses by name, and how many there are beside them."""
    more = f" and {len(clauses) - FEW} more" if len(clauses) > FEW else ""
    return ", ".join(clauses[:FEW]) + more


def reds(outcome: Outcome, allowed: Sequence[str]) -> list[str]:
    """The red clauses beside those allowed, with their reasons."""
    red = [clause for clause in outcome.having("fail") if clause not in allowed]
    return [f"{clause} is red: {outcome.reasons.get(clause)}" for clause in red]
