"""Clients whose life is the trouble: restarts, restart commands, and ports that something else takes over."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import trustme

from .core import Core, Reply, Request
from .stage import Stage, always, hostile, plain, server_context

ANY = r"^(inconclusive|non-conformant): "
UNTESTED = r"^inconclusive: \d+ of \d+ MUST clauses are not tested"
AFTER = ("RESTORE-2", "RESTORE-10", "RESTORE-11")
SPARED = ("RESTORE-1", "RESTORE-2", "RESTORE-8", "RESTORE-10", "RESTORE-11")
LIMIT = 60.0


@hostile(ANY, limit=LIMIT, never_passes=(), whole=True)
def restarts_in_a_loop(stage: Stage) -> str:
    """It goes down and comes back by itself ten times a second."""
    core = Core()
    address = stage.api(core)

    def loop() -> None:
        while not stage.over.wait(0.1):
            core.port.start_again()

    threading.Thread(target=loop, daemon=True).start()
    return address


class DiesOften(Core):
    """Every seventh request kills it; it is back at once."""

    def answer(self, request: Request) -> Reply | None:
        reply = super().answer(request)
        if self.asked % 7 == 0:
            self.port.start_again()
            return None
        return reply


@hostile(ANY, limit=LIMIT, never_passes=(), whole=True)
def dies_at_every_seventh_request(stage: Stage) -> str:
    """A crash now and then, and a policy that starts it again."""
    return stage.api(DiesOften())


class TakenOver(Core):
    """After the first restore, something else has the port."""

    def __init__(self, other: Any) -> None:
        super().__init__()
        self.other = other

    def import_backup(self, state: dict[str, Any]) -> Reply:
        self.port.instead = self.other
        return super().import_backup(state)


@hostile("RESTORE-11 fails", tells="could not be put back", limit=LIMIT, never_passes=AFTER)
def port_taken_by_a_web_page(stage: Stage) -> str:
    """After a restart a friendly page answers 200 to everything."""
    return stage.api(TakenOver(always(plain(b"<html><title>It works!</title></html>", kind="text/html"))))


@hostile("RESTORE-11 fails", tells="could not be put back", limit=LIMIT, never_passes=AFTER)
def port_taken_by_another_protocol(stage: Stage) -> str:
    """After a restart a mail server greets."""

    def handler(connection: Any) -> None:
        connection.sendall(b"220 mail.example.org ESMTP\r\n")
        connection.recv(65536)
        connection.sendall(b"500 5.5.1 Command unrecognized\r\n")

    return stage.api(TakenOver(handler))


@hostile("RESTORE-11 fails", tells="could not be put back", limit=LIMIT, never_passes=AFTER)
def port_taken_by_another_client(stage: Stage) -> str:
    """After a restart another Business API client is there, with another password."""
    other = Core()
    other.users = {"admin": "Someone-Else-1!"}
    port = stage.port(other)
    return stage.api(TakenOver(port._serve))


@hostile("RESTORE-11 fails", tells="could not be put back", limit=LIMIT, never_passes=AFTER)
def port_taken_with_another_certificate(stage: Stage) -> str:
    """After a restart the certificate is one that no one has signed."""

    class Exchanged(Core):
        def import_backup(self, state: dict[str, Any]) -> Reply:
            self.port.context = server_context(trustme.CA())
            return super().import_backup(state)

    return stage.api(Exchanged(), server_context(stage.authority()))


def lives(pid: str) -> bool:
    """Whether a process runs (one that no one has waited for yet does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def with_command(stage: Stage, code: str) -> str:
    """The address of a proper client whose restart command is this Python code."""
    script = stage.folder / "restart_command.py"
    script.write_text(code)
    stage.options += ["--wa-allow-restore", "--wa-restart-command", f"{sys.executable} -S -E {script}"]
    return stage.port(Core()).url


@hostile(UNTESTED, tells="restart command", limit=LIMIT, never_passes=AFTER, spares=SPARED)
def restart_command_that_fails(stage: Stage) -> str:
    """The command ends with 3 and a word on stderr."""
    return with_command(stage, "import sys; sys.exit('no such container')")


@hostile(UNTESTED, tells="restart command", limit=LIMIT, never_passes=AFTER, spares=SPARED)
def restart_command_that_never_ends(stage: Stage) -> str:
    """The command sleeps, and so does the child that holds its output."""
    pids = stage.folder / "pids"

    def still_there(_: str) -> str | None:
        alive = sum(lives(pid) for pid in pids.read_text().split())
        return f"{alive} processes of the restart command were left" if alive else None

    stage.checks.append(still_there)
    return with_command(
        stage,
        "import os, subprocess, time\n"
        "child = subprocess.Popen(['sleep', '20'])\n"
        f"print(os.getpid(), child.pid, file=open({str(pids)!r}, 'a'))\n"
        "time.sleep(600)",
    )


@hostile(UNTESTED, tells="restart command", limit=LIMIT, never_passes=AFTER, spares=SPARED)
def restart_command_that_floods(stage: Stage) -> str:
    """The command writes 200 MB of what is no text, and fails."""
    return with_command(
        stage,
        "import sys\nfor _ in range(200): sys.stdout.buffer.write(b'\\xff\\x1b[2J' * 200000)\nsys.exit(1)",
    )


@hostile(UNTESTED, tells="restart command", limit=LIMIT, never_passes=AFTER, spares=SPARED)
def restart_command_that_is_not_there(stage: Stage) -> str:
    """There is no such program."""
    stage.options += ["--wa-allow-restore", "--wa-restart-command", str(stage.folder / "no-such-program")]
    return stage.port(Core()).url


@hostile(UNTESTED, tells="--wa-restart-command", limit=LIMIT, never_passes=AFTER, spares=SPARED)
def no_restart_command(stage: Stage) -> str:
    """The app stops after a restore, as it should, but nothing brings it back."""
    stage.options.append("--wa-allow-restore")
    return stage.port(Core()).url
