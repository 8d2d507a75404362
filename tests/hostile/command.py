"""The public command in a process of its own, with a home and a working folder that are its own, too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MEASURED = Path(__file__).with_name("measured.py")
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT")


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    `status` is None if it had to be killed; `terminal` is stdout and stderr; `report` is None where
    no usable report.json was written; `left_behind` are files where the run stood.
    """

    status: int | None
    seconds: float
    peak_mb: int
    terminal: str
    report: dict[str, Any] | None
    left_behind: tuple[str, ...]

    def verdicts(self) -> dict[str, str]:
        """Each clause's verdict."""
        return {one["id"]: one["verdict"] for one in (self.report or {}).get("clauses", ())}

    def tail(self, lines: int = 25) -> str:
        """The terminal's last lines."""
        return "\n".join(self.terminal.splitlines()[-lines:])


def run(
    folder: Path, address: str, options: Sequence[str], *, seconds: float, environment: Mapping[str, str]
) -> Outcome:
    """The outcome of `pytest --wa-url ADDRESS --wa-report … OPTIONS`, killed after `seconds`.

    Everything that it writes ends up below `folder`: `home`, `tmp`, `here` (where it stands), `report`.
    """
    for name in ("home", "tmp", "here"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    note, terminal, report = folder / "note.json", folder / "terminal.txt", folder / "report"
    command = [sys.executable, "-m", "pytest", "--wa-url", address, "--wa-report", str(report), *options]
    surroundings = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    surroundings |= {
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "COLUMNS": "120",
        **environment,
    }
    with terminal.open("wb") as out:
        subprocess.run(
            [sys.executable, "-S", "-E", str(MEASURED), str(note), str(seconds), *command],
            cwd=folder / "here",
            env=surroundings,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=True,
        )
    return Outcome(
        **json.loads(note.read_text()),
        terminal=terminal.read_bytes().decode("utf-8", "backslashreplace"),
        report=_json(report / "report.json"),
        left_behind=tuple(sorted(str(one.relative_to(folder)) for one in (folder / "here").iterdir())),
    )


def _json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
