"""Runs a command against a laboratory of its own, and leaves nothing of it behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import lab
import pytest

BRISK = ("--wa-examples", "1", "--wa-budget", "30")


def in_laboratory(
    folder: Path, stack: str, options: Sequence[str], suite: Sequence[str], *, seconds: float
) -> tuple[int, str]:
    """Exit status and output of a run of the suite on the clients of a stack, in an empty folder.

    `options` are the laboratory's, `suite` those of the run; {run} in them is its number. Skips where the
    machine lacks what the stack needs, and fails there in CI.
    """
    if lacks := lab.lacks(stack):
        assert "CI" not in os.environ, lacks
        pytest.skip(lacks)
    (folder / "here").mkdir()
    program = [sys.executable, lab.__file__, "--lab", str(folder / "lab")]
    brought_up = ["run", stack, "--older", "--start-time", "150", *options]
    run = [sys.executable, "-m", "pytest", "--wa-config", "{toml}", *BRISK, *suite]
    process = subprocess.Popen(
        [*program, *brought_up, "--", *run],
        cwd=folder / "here",
        env={**os.environ, "XDG_STATE_HOME": str(folder / "state")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        terminal, _ = process.communicate(timeout=seconds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        subprocess.run([*program, "down"], check=True)
    return process.returncode, terminal
