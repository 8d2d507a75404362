"""Whatever ends a run, nothing of it stays: no container, no network, no volume."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from suite import begin, ended, owned_by, run, until

# a few tests long, so that it is cut off in the middle
LONG = ("-k", "access or restores_more_than_once or comes_back", "--wa-examples", "30")


@pytest.fixture
def going(tmp_path: Path, engine: Any) -> Iterator[subprocess.Popen[str]]:
    """A run with at least two clients, in the middle of its tests."""
    one = begin(tmp_path, "docker:", *LONG)
    try:
        until(lambda: sum("-client-" in name for name in owned_by(engine, one.pid)) >= 2)
        yield one
    finally:
        one.kill()
        one.communicate()


def clean(*options: str) -> str:
    command = [str(Path(sys.executable).with_name("wa-settings")), "clean", *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_nothing_is_left_at_the_end(tmp_path: Path, engine: Any) -> None:
    outcome = run(tmp_path, "docker:", "-k", "backup_without_a_password")
    assert outcome.verdicts("not tested", "not applicable") == {"BACKUP-5": "pass"}
    assert owned_by(engine, outcome.pid) == []


def test_nothing_is_left_after_a_failure(tmp_path: Path, engine: Any) -> None:
    outcome = run(tmp_path, "docker:mutant=backup-answers-201", "-x", "-k", "client_gives_a_backup")
    assert outcome.verdicts("not tested", "not applicable", "pass") == {"BACKUP-1": "fail"}
    assert owned_by(engine, outcome.pid) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_nothing_is_left_after_an_interrupt(
    going: subprocess.Popen[str], tmp_path: Path, engine: Any, number: int
) -> None:
    going.send_signal(number)
    outcome = ended(going, tmp_path)
    assert outcome.status == 2
    assert owned_by(engine, outcome.pid) == []


def test_clean_removes_what_a_killed_run_left(going: subprocess.Popen[str], engine: Any) -> None:
    going.kill()
    going.wait()
    assert len(owned_by(engine, going.pid)) > 3
    assert "removed: " in clean()
    assert owned_by(engine, going.pid) == []


def test_the_next_run_removes_what_a_killed_one_left(
    going: subprocess.Popen[str], tmp_path: Path, engine: Any
) -> None:
    going.kill()
    going.wait()
    run(tmp_path / "next", "docker:", "-k", "backup_without_a_password")
    assert owned_by(engine, going.pid) == []


def test_clean_spares_a_run_that_goes_on(going: subprocess.Popen[str], engine: Any) -> None:
    (network,) = [name for name in owned_by(engine, going.pid) if "-network-" in name]
    clean("--all")
    assert network in owned_by(engine, going.pid)
    assert going.poll() is None


def test_what_is_kept_stays_until_clean(tmp_path: Path, engine: Any) -> None:
    outcome = run(tmp_path, "docker:keep", "-k", "backup_without_a_password")
    kept = owned_by(engine, outcome.pid)
    (told,) = [line for line in outcome.terminal.splitlines() if "is kept" in line][:1]
    assert any(name in told for name in kept)
    clean()
    assert owned_by(engine, outcome.pid) == []


def test_what_another_process_of_this_test_owns_is_known(engine: Any) -> None:
    assert owned_by(engine, os.getpid()) == []
