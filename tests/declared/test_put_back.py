"""However and whenever a run is ended, a client that was declared is as it was before."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import urllib.error
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from interposer import Interposer
from machine import PASSWORD, VARIABLE, Machine, free_port

MOMENTS = 20
ABREAST = 5
SOME_TESTS = (
    "test_backup_without_a_valid_token or test_backup_refuses_a_user or test_an_existing_app_stops "
    "or test_settings_come_back_on_the_same_machine or test_restore_without_password_or_data"
)


def machine_in(folder: Path) -> Machine:
    """A machine that has settings and a profile of its own."""
    made = Machine(folder, free_port(), free_port()).start()
    made.call("PATCH", "/v1/settings/application", {"heartbeat_interval": 17, "sent_status": True})
    made.call("PATCH", "/v1/settings/profile/about", {"text": "as it was"})
    return made


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[list[Machine]]:
    """Several machines, so that runs need not wait for each other."""
    made: list[Machine] = []
    try:
        for number in range(ABREAST):
            made.append(machine_in(tmp_path / f"machine-{number}"))
        yield made
    finally:
        for one in made:
            one.end()


_READS_BEFORE = 40
"""Requests within which putting back begins, counted back from its restore."""


class Certification:
    """A run on the machine, through a relay that calls `at` with the number of each request."""

    def __init__(self, machine: Machine, folder: Path, at: Any) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "tmp").mkdir()
        self.relay = Interposer(machine.port, lambda number, chunk: at(self, number, chunk))
        config = folder / "clients.toml"
        config.write_text(
            f'[[client]]\nname = "one"\nurl = "{self.relay.url}"\nadmin_password_env = "{VARIABLE}"\n'
            f'may_restore = true\nrestart_policy = "no"\nrestart = "{machine.command("start")}"\n'
        )
        self.terminal = (folder / "terminal").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "--wa-config", str(config), "-k", SOME_TESTS, "-p", "no:xdist"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=self.terminal,
            stderr=self.terminal,
            start_new_session=True,  # a Ctrl-C of its own, as on a terminal
            env={
                **os.environ,
                VARIABLE: PASSWORD,
                "XDG_STATE_HOME": str(folder / "state"),
                "TMPDIR": str(folder / "tmp"),
            },
        )

    def signal(self, number: int) -> None:
        """SIGTERM as `kill` sends it, to the run alone; SIGINT as a terminal does, to its whole group."""
        if number == signal.SIGINT:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def wait(self) -> tuple[int, str]:
        """The exit status, and the terminal's text."""
        try:
            status = self.process.wait(60)
        finally:
            self.process.kill()
            self.relay.close()
        self.terminal.seek(0)
        text = self.terminal.read()
        self.terminal.close()
        return status, text

    def left_behind(self) -> list[str]:
        """Safety backups, locks and other files that should be gone."""
        places = (self.folder / "state", self.folder / "tmp")
        return [str(file) for place in places for file in place.rglob("*") if file.is_file()]


def watched(one: Machine, folder: Path) -> list[bytes]:
    """The requests of a run that nobody ends, each by its first line; it puts the client back, too."""
    seen: list[bytes] = []
    before = one.state()
    run = Certification(one, folder, lambda run, number, chunk: seen.append(chunk[:80]))
    status, text = run.wait()
    assert " failed" not in text, text
    assert "one was put back as it was before the run" in text, text
    assert (status, one.state(), run.left_behind()) == (1, before, [])
    return seen


def wrong_after(one: Machine, folder: Path, number: int, at: int, put_back_at: int) -> list[str]:
    """What is not as it should be after a run that was sent a signal at its request `at`."""
    before = one.state()
    sent = threading.Event()

    def end(run: Certification, request: int, chunk: bytes) -> None:
        if request == at:
            sent.set()
            run.signal(number)

    run = Certification(one, folder, end)
    status, text = run.wait()
    last = text.rstrip().splitlines()[-1]
    # Too late to end what is over already: putting back begins with some reading, before its restore.
    expected = (2,) if at < put_back_at - _READS_BEFORE else (1, 2)
    checks = {
        "no signal was sent": sent.is_set(),
        f"exit status {status}": status in expected,
        "the client is not as it was": one.state() == before,
        f"left behind: {run.left_behind()}": not run.left_behind(),
        "a traceback": "Traceback" not in text and "INTERNALERROR" not in text,
        f"the last line is {last!r}": last.startswith(("inconclusive: ", "conformant: ")),
    }
    wrong = [what for what, right in checks.items() if not right]
    return [f"signal {number} at request {at}: {'; '.join(wrong)}\n{text}"] if wrong else []


def test_a_run_ended_at_any_of_twenty_moments_puts_the_client_back(
    machines: list[Machine], tmp_path: Path
) -> None:
    seen = watched(machines[0], tmp_path / "whole")
    restores = [number for number, line in enumerate(seen, 1) if b"/settings/restore" in line]
    free: queue.SimpleQueue[Machine] = queue.SimpleQueue()
    for one in machines:
        free.put(one)

    def moment(index: int) -> list[str]:
        one = free.get()
        try:
            number = signal.SIGINT if index % 2 else signal.SIGTERM
            at = 1 + index * (len(seen) - 1) // MOMENTS
            return wrong_after(one, tmp_path / f"run-{index}", number, at, restores[-1])
        finally:
            free.put(one)

    with ThreadPoolExecutor(len(machines)) as pool:
        wrong = [text for texts in pool.map(moment, range(MOMENTS)) for text in texts]
    assert not wrong, "\n\n".join(wrong)


def test_a_run_outlives_the_end_of_its_token(machines: list[Machine], tmp_path: Path) -> None:
    """Tokens end in the middle of a run, twice: it logs in again, and judges as before."""
    one = machines[0]
    ended: list[bytes] = []

    def end_tokens(run: Certification, request: int, chunk: bytes) -> None:
        if request >= (20, 60, request + 1)[len(ended)] and (held := re.search(rb"Bearer (\S+)", chunk)):
            with contextlib.suppress(urllib.error.HTTPError):  # a token that the run made up is refused
                one.log_out(held[1].decode())
                ended.append(held[1])

    before = one.state()
    _, text = Certification(one, tmp_path / "run", end_tokens).wait()
    assert len(set(ended)) == 2
    assert "6 passed" in text, text
    assert one.state() == before
