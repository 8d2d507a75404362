"""The operator's own commands: run in a shell with a time limit, their output kept short and scrubbed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pytest_wa_settings.testbed.environment import child_environment, withheld
from pytest_wa_settings.testbed.errors import StartFailed
from pytest_wa_settings.testbed.life import Life

_KEPT = 2000
_MOST_OUTPUT = 64 * 2**20
_GOING = 2.0
_MOST_FAILURES = 2
"""How often in a row a command may fail before it is not run any more in this run."""


@dataclass(frozen=True)
class Ran:
    """How a command ended: `status` is its exit status, None if it was stopped for `why`."""

    status: int | None
    seconds: float
    output: str
    why: str = ""

    @property
    def ok(self) -> bool:
        """Whether it ended by itself, with status 0."""
        return self.status == 0


def run_command(
    command: str,
    *,
    limit: float,
    folder: Path,
    scrub: Callable[[str], str] = str,
    secrets: Collection[str] = (),
) -> Ran:
    """Runs `command` in a shell in `folder`, for at most `limit` seconds; its end of output is kept.

    Of the environment it gets neither a WA_* variable nor one that holds one of `secrets`, but for those that
    its own text names: it may be somebody else's script, and write its environment down.
    It has a process group of its own, which is ended with it only when it takes too long: what a command
    starts and leaves running (the client itself, perhaps) is the operator's.
    """
    began = time.monotonic()
    # A file, not a pipe: a server started by the command must not die of a pipe that nobody reads.
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                command,
                shell=True,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=child_environment(secrets, command=command),
                start_new_session=True,
            )
        except OSError as error:
            return Ran(None, 0.0, "", f"it cannot be started ({error.strerror})")
        try:
            why = _watch(process, output, began + limit, limit)
        except BaseException:
            _end(process)
            raise
        if why:
            _end(process)
        status = None if why else process.returncode
        return Ran(status, time.monotonic() - began, scrub(_tail(output)), why)


def _watch(process: subprocess.Popen[bytes], output: IO[bytes], deadline: float, limit: float) -> str:
    """Waits for the end; returns why it must be stopped, or nothing."""
    pause = 0.005
    while process.poll() is None:
        if time.monotonic() > deadline:
            return f"it did not end within {limit:g} s"
        if os.fstat(output.fileno()).st_size > _MOST_OUTPUT:
            return f"it wrote more than {_MOST_OUTPUT // 2**20} MB"
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(pause)
        pause = min(2 * pause, 0.25)
    return ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the command with all that it started."""
    for number, patience in ((signal.SIGTERM, _GOING), (signal.SIGKILL, _GOING)):
        with contextlib.suppress(OSError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            if number == signal.SIGKILL or not _group_lives(process.pid):
                return


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return True


def _tail(output: IO[bytes]) -> str:
    size = os.fstat(output.fileno()).st_size
    # Some more than is kept, so that a secret is not cut in two before it is scrubbed.
    output.seek(max(0, size - 4 * _KEPT))
    return output.read(4 * _KEPT).decode("utf-8", "replace").strip()


_MOST_NAMES = 4


class CommandLife(Life):
    """The life of a client that only the operator's commands can start again, or reset."""

    def __init__(
        self,
        name: str,
        *,
        restart: str | None,
        reset: str | None,
        limit: float,
        folder: Path,
        scrub: Callable[[str], str],
        secrets: Collection[str] = (),
    ) -> None:
        self.can_restart = self.can_kill = restart is not None
        self.can_reset = reset is not None
        self._name = name
        self._restart, self._reset = restart, reset
        self._limit = limit
        self._folder = folder
        self._scrub = scrub
        self._secrets = secrets
        self._failures: dict[str, list[StartFailed]] = {}

    def restart(self) -> None:
        """Runs the restart command; raises NotBack when it fails."""
        self._run("restart command", self._restart)

    def reset(self) -> None:
        """Runs the reset command; raises NotBack when it fails."""
        self._run("reset command", self._reset)

    def _run(self, what: str, command: str | None) -> None:
        if command is None:
            raise StartFailed(f"{self._name} has no {what}", "add one to its entry in clients.toml")
        failures = self._failures.setdefault(what, [])
        if len(failures) >= _MOST_FAILURES or any(one.took_too_long for one in failures):
            raise failures[-1].again()
        ran = run_command(
            command, limit=self._limit, folder=self._folder, scrub=self._scrub, secrets=self._secrets
        )
        if ran.ok:
            failures.clear()
        else:
            ended = ran.why or f"it ended with status {ran.status}"
            words = "".join(one if one.isprintable() else " " for one in ran.output[-_KEPT:])
            said = " ".join(words.split())[-300:]
            failed = StartFailed(
                f"the {what} of {self._name} failed: {ended}" + (f"; its last words: {said}" if said else ""),
                f"run it by hand to see why{self._without(command)}",
            )
            failed.took_too_long = bool(ran.why)
            failures.append(failed)
            raise failed

    def _without(self, command: str) -> str:
        """A hint at the variables that the command did not get."""
        names = withheld(self._secrets, command=command)
        if not names:
            return ""
        shown = ", ".join(names[:_MOST_NAMES]) + (", …" if len(names) > _MOST_NAMES else "")
        return f"; it gets {shown} only where its own text names them"
