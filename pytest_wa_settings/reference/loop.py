"""One thread's view of stdin, of signals and of its children."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable

from pytest_wa_settings.reference.errors import ReferenceFault
from pytest_wa_settings.reference.processes import Child

START_SECONDS = 20.0
END_SECONDS = 5.0


class Loop:
    """Reads lines from stdin and children's news, and reaps children; all in one thread."""

    def __init__(self) -> None:
        # Not epoll, which takes neither a file nor /dev/null for stdin.
        self.selector = selectors.PollSelector()
        self.lines: list[bytes] = []
        self.rest = b""
        self.ended = False
        self.on_turn: Callable[[list[Child]], None] = lambda ended: None
        self.children: dict[int, Child] = {}
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.wake = wake_read
        self.selector.register(wake_read, selectors.EVENT_READ)

    def _end(self, *_: object) -> None:
        self.ended = True

    def watch_stdin(self) -> None:
        """Begin to read orders."""
        self.selector.register(0, selectors.EVENT_READ)

    def add(self, child: Child) -> None:
        """Watch a child."""
        self.children[child.pid] = child
        self.selector.register(child.ready, selectors.EVENT_READ, child)

    def forget_pipe(self, child: Child) -> None:
        """Close a child's pipe, if it is still open."""
        if child.ready >= 0:
            self.selector.unregister(child.ready)
            os.close(child.ready)
            child.ready = -1
        child.dismiss()

    def turn(self, seconds: float | None) -> None:
        """Wait for news up to `seconds`, and hand the children that have ended to `on_turn`."""
        for key, _ in self.selector.select(seconds):
            if key.fd == self.wake:
                os.read(self.wake, 4096)
            elif key.fd == 0:
                self._read_stdin()
            else:
                child = key.data
                part = os.read(child.ready, 4096)
                child.told += part
                if not part:
                    self.forget_pipe(child)
        self.on_turn(self._reap())

    def until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Whether something came true within `seconds`; an order to end cuts the wait short."""
        deadline = time.monotonic() + seconds
        while not done():
            left = deadline - time.monotonic()
            if left <= 0 or self.ended:
                return False
            self.turn(left)
        return True

    def await_child(self, child: Child) -> None:
        """Wait until a child serves; a fault when it does not."""
        self.until(lambda: b"\n" in child.told or child.pid not in self.children, START_SECONDS)
        if not child.serves:
            said = child.told.decode(errors="replace").partition("\n")[0].removeprefix("!")
            problem, _, remedy = said.partition("\t")
            raise ReferenceFault(problem or "A process did not come up.", remedy or "See its log.")

    def stop(self, child: Child, number: int, patience: float = END_SECONDS) -> None:
        """End a child with a signal, wait until it is gone or idle; one that lingers is killed."""
        child.signal(number)
        in_order = number != signal.SIGKILL
        if not self.until(lambda: child.pid not in self.children or (in_order and child.idle), patience):
            child.signal(signal.SIGKILL)
            self.until(lambda: child.pid not in self.children, END_SECONDS)

    def end(self, seconds: float = 0.0) -> None:
        """End all children, giving them `seconds` to end in order, and wait until they are gone."""
        if seconds:
            for child in self.children.values():
                child.signal(signal.SIGTERM)
            self.ended, self.on_turn = False, lambda ended: None
            self.until(lambda: not self.children, seconds)
        for child in self.children.values():
            child.signal(signal.SIGKILL)
        for pid in list(self.children):
            try:
                os.waitpid(pid, 0)
            except ChildProcessError:
                continue

    def _read_stdin(self) -> None:
        part = os.read(0, 65536)
        if not part:
            self.ended = True
            self.selector.unregister(0)
        *lines, self.rest = (self.rest + part).split(b"\n")
        self.lines.extend(lines)

    def _reap(self) -> list[Child]:
        ended = []
        while self.children:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            child = self.children.pop(pid, None)
            if child is not None:
                self._drain(child)
                ended.append(child)
        return ended

    def _drain(self, child: Child) -> None:
        while child.ready >= 0:
            part = os.read(child.ready, 4096)
            child.told += part
            if not part:
                self.forget_pipe(child)
