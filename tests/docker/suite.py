"""The suite against `docker:` as a user runs it, and what a run leaves on the engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STAND_IN, POSTGRES_STAND_IN = "local/bookworm-py:base", "local/postgres:stand-in"
NO_REAPER = {"TESTCONTAINERS_RYUK_DISABLED": "true"}
LIMIT_SECONDS = 300
OWNER = "pytest-wa-settings.owner"


@dataclass(frozen=True)
class Outcome:
    """How a run ended; `pid` is its process."""

    status: int
    terminal: str
    report: dict[str, Any] | None
    pid: int

    @property
    def last_line(self) -> str:
        """The verdict with its reason."""
        return self.terminal.strip().splitlines()[-1]

    def verdicts(self, *but: str) -> dict[str, str]:
        """Each clause's verdict, without those named."""
        clauses = (self.report or {}).get("clauses", ())
        return {one["id"]: one["verdict"] for one in clauses if one["verdict"] not in but}

    def clause(self, name: str) -> dict[str, Any]:
        """A clause as the report has it."""
        found: dict[str, Any] = next(one for one in (self.report or {})["clauses"] if one["id"] == name)
        return found


def begin(folder: Path, address: str, *options: str, **environment: str) -> subprocess.Popen[str]:
    """A run that goes on, in an empty folder."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "--wa-url", address, "--wa-report", "report", *options],
        cwd=folder,
        env={**kept, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # what a terminal's Ctrl-C reaches is this run alone
        start_new_session=True,
    )


def ended(run: subprocess.Popen[str], folder: Path) -> Outcome:
    """The outcome of a run, once it has ended."""
    try:
        terminal, _ = run.communicate(timeout=LIMIT_SECONDS)
    finally:
        run.kill()
    report = folder / "report" / "report.json"
    told = json.loads(report.read_text("utf-8")) if report.exists() else None
    return Outcome(run.returncode, terminal, told, run.pid)


def run(folder: Path, address: str, *options: str, **environment: str) -> Outcome:
    """The outcome of a run from its start to its end."""
    return ended(begin(folder, address, *options, **environment), folder)


def owned(engine: Any, owner: Callable[[int], bool]) -> list[str]:
    """Containers, networks and volumes of the processes that `owner` takes."""

    def ours(labels: dict[str, str] | None) -> bool:
        parts = (labels or {}).get(OWNER, "").split(" ")
        return len(parts) == 5 and owner(int(parts[3]))

    api, labelled = engine.api, {"label": OWNER}
    found = [
        *[(one["Names"], one["Labels"]) for one in api.containers(all=True, filters=labelled)],
        *[(one["Name"], one["Labels"]) for one in api.networks(filters=labelled)],
        *[(one["Name"], one["Labels"]) for one in api.volumes(filters=labelled)["Volumes"] or ()],
    ]
    return [str(name) for name, labels in found if ours(labels)]


def owned_by(engine: Any, *pids: int) -> list[str]:
    """What these processes have left."""
    return owned(engine, lambda pid: pid in pids)


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Waits for a condition; fails when it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)
