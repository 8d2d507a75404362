"""Forked children that live no longer than their parent and share none of its open files."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import random
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from pytest_wa_settings.reference.errors import ReferenceFault

PR_SET_PDEATHSIG = 1
# What a client would else import at its start or for its first callback; one that a version lacks is no loss.
LATE_IMPORTS = (
    "anyio._backends._asyncio",
    "anyio.streams.tls",
    "certifi",
    "httpcore",
    "httpcore._backends.anyio",
    "httpcore._backends.auto",
    "uvicorn.lifespan.off",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)
Ready = Callable[[str], None]


@dataclass
class Child:
    """A forked process; `ready` is the pipe on which it tells that it serves, or why not.

    One that was forked ahead gets its work over `orders`, and may take the next when it has done the last.
    """

    pid: int
    ready: int
    told: bytes = b""
    orders: int = -1

    @property
    def serves(self) -> bool:
        """Whether it has told that it serves."""
        return self.told.startswith(b"listening\n") and not self.idle

    @property
    def idle(self) -> bool:
        """Whether it has told that its work is done, and waits for the next."""
        return self.told.endswith(b"idle\n")

    def begin(self, order: bytes) -> None:
        """Hand it its work; one that is gone already is seen to have ended before it served."""
        self.told = b""
        with contextlib.suppress(OSError):
            os.write(self.orders, len(order).to_bytes(4, "big") + order)

    def dismiss(self) -> None:
        """Let one that waits for work end."""
        if self.orders >= 0:
            os.close(self.orders)
            self.orders = -1

    def signal(self, number: int) -> None:
        """Send a signal; a process that is gone already is no problem."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return


def tie_to_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies (Linux; elsewhere the parent sees to it)."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def close_files(keep: set[int]) -> None:
    """Close all files but the standard ones and those to keep: ports and pipe ends of siblings, above all."""
    for name in os.listdir("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"):
        handle = int(name)
        if handle > 2 and handle not in keep:
            try:
                os.close(handle)
            except OSError:
                continue
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)


def fork(work: Callable[[Ready], None], keep: frozenset[int] = frozenset()) -> Child:
    """Run `work` in a child process; it calls its argument with a line once it serves.

    The parent must have one thread. What goes wrong is told as `!` and one line: problem, tab, remedy.
    """
    parent = os.getpid()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        os.set_blocking(reading, False)
        return Child(pid, reading)
    status = 1
    try:
        tie_to_parent(parent)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us in order
        signal.set_wakeup_fd(-1)
        close_files({writing, *keep})
        random.seed()

        def ready(line: str) -> None:
            os.write(writing, line.encode() + b"\n")

        work(ready)
        status = 0
    except ReferenceFault as fault:
        os.write(writing, f"!{fault.problem}\t{fault.remedy}\n".encode())
    except BaseException as problem:  # noqa: BLE001 - a child must never return into its parent's code
        if os.environ.get("WA_REFERENCE_DEBUG"):
            traceback.print_exc()
        try:
            os.write(writing, f"!The process failed: {type(problem).__name__}.\tSee its log.\n".encode())
        except OSError:
            status = 1
    finally:
        os._exit(status)


def fork_ahead(work: Callable[[bytes, Ready], None]) -> Child:
    """Fork a process that runs `work` with orders that it gets later, so that no start waits for a fork.

    It ends when it can get no more of them.
    """
    reading, writing = os.pipe()

    def wait(ready: Ready) -> None:
        with os.fdopen(reading, "rb") as orders:
            while order := orders.read(int.from_bytes(orders.read(4), "big")):
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                work(order, ready)
                # What was sent to end the work that is done must not end the next.
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                ready("idle")

    child = fork(wait, frozenset({reading}))
    os.close(reading)
    child.orders = writing
    return child


def freeze() -> None:
    """Load what the children will need, and spare them from copying it."""
    for name in LATE_IMPORTS:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
