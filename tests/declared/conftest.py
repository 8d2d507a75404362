"""One machine for the tests that only look at it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine import PASSWORD, VARIABLE, Machine, Run, free_port


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A registered machine that runs; no test changes it."""
    made = Machine(tmp_path_factory.mktemp("machine") / "one", free_port(), free_port())
    yield made.start()
    made.end()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `wa-settings …` or `pytest …` in an empty folder, as a user does; stdin is no terminal."""
    monkeypatch.setenv(VARIABLE, PASSWORD)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("WA_ADMIN_PASSWORD", raising=False)
    (tmp_path / "here").mkdir()

    def command(program: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        module = {"wa-settings": "-c", "pytest": "-m"}[program]
        what = {"-c": "import sys; from pytest_wa_settings.cli import main; sys.exit(main())", "-m": "pytest"}
        return subprocess.run(
            [sys.executable, module, what[module], *arguments],
            cwd=tmp_path / "here",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **more,  # type: ignore[call-overload]
        )

    return command
