"""Whose a container is: the process that started it, written down for later runs to tell whether it lives."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_ENDED = ("Z", "X")
"""The states of a process that has ended, and whose parent has not asked for it yet."""


@dataclass(frozen=True)
class Owner:
    """A process, and the place where its number means something.

    `boot` and `space` are the kernel's start and the namespace of process numbers, `-` where there is none to
    read. `born` tells it apart from a later process of that number.
    """

    host: str
    boot: str
    space: str
    pid: int
    born: str

    @classmethod
    def this(cls) -> Owner:
        """The running process."""
        pid = os.getpid()
        return cls(socket.gethostname() or "-", *_place(), pid, _born(pid))

    @classmethod
    def read(cls, text: str) -> Owner | None:
        """What `str` has written, or None for anything else."""
        parts = text.split(" ")
        if len(parts) != 5 or not parts[3].isdigit():
            return None
        host, boot, space, pid, born = parts
        return cls(host, boot, space, int(pid), born)

    def __str__(self) -> str:
        return f"{self.host} {self.boot} {self.space} {self.pid} {self.born}"

    def lives(self) -> bool | None:
        """Whether it still runs; None where that cannot be told from here (another machine, say)."""
        boot, space = _place()
        same_host = self.host == socket.gethostname()
        if (boot, space) == (self.boot, self.space) and (boot != "-" or same_host):
            return _runs(self.pid, self.born)
        if same_host and self.boot != boot:
            return False  # the machine was started anew since
        return None


def _place() -> tuple[str, str]:
    boot, space = "-", "-"
    with suppress(OSError):
        boot = (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
        space = str(os.stat("/proc/self/ns/pid").st_ino)
    return boot, space


def _born(pid: int) -> str:
    """When a process was started, in the kernel's ticks; `-` where that cannot be read."""
    stat = _stat(pid)
    return stat[19] if stat else "-"


def _stat(pid: int) -> list[str]:
    """What the kernel says of a process, from its state on; nothing where that cannot be read."""
    try:
        # the command's name, in brackets, may hold blanks
        return (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []


def _runs(pid: int, born: str) -> bool | None:
    if os.name != "posix":
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it is another user's
    stat = _stat(pid)
    if stat and stat[0] in _ENDED:
        return False
    return not stat or born == "-" or stat[19] == born
