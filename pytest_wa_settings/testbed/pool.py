"""The reference client's pool: one process that starts, kills and restarts reference clients on request."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from typing import IO, Any

from pytest_wa_settings.testbed.environment import child_environment
from pytest_wa_settings.testbed.errors import NotBack, TestbedError
from pytest_wa_settings.testbed.life import Life
from pytest_wa_settings.testbed.scratch import Scratch

_ANSWER_WITHIN = 60.0
_END_WITHIN = 5.0
_REMEDY = "run `python -m pytest_wa_settings.reference serve` to see what keeps it from starting"


class PoolError(TestbedError):
    """The pool cannot do what it was asked, or is gone."""


class Pool:
    """Speaks JSON lines with the pool's process, from any thread; an answer may be fetched later.

    The process ends when its standard input does, and takes its files with it, so that it never outlives the
    suite, however that ends.
    """

    def __init__(self) -> None:
        self._log: IO[bytes] | None = None
        self._scratch: Scratch | None = None
        self._lock = threading.RLock()
        self._next = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._unread = b""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the process; raises PoolError."""
        command = [sys.executable, "-P", "-m", "pytest_wa_settings.reference", "pool"]
        self._scratch = Scratch("pool-")
        # Without a name: nothing of it is left, also after a SIGKILL.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the pool
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                # Not the folder that the user stands in, whose modules might shadow others.
                cwd=os.path.abspath(os.sep),
                # Its folders stand in ours, which it holds with us.
                env={**child_environment(), "TMPDIR": str(self._scratch.path)},
                pass_fds=(self._scratch.lock,),
                # Ctrl-C on the terminal is for the suite, which ends the pool in its own time.
                start_new_session=True,
            )
        except OSError as error:
            self._close_log()
            raise PoolError(f"the reference client cannot be started ({error.strerror})", _REMEDY) from None

    def submit(self, op: str, **members: object) -> int:
        """Sends a request; returns the number by which `result` fetches the answer."""
        with self._lock:
            process = self._running()
            self._next += 1
            line = json.dumps({"id": self._next, "op": op, **members}) + "\n"
            try:
                assert process.stdin is not None
                process.stdin.write(line.encode())
                process.stdin.flush()
            except OSError:
                raise self._gone() from None
            return self._next

    def result(self, number: int, timeout: float = _ANSWER_WITHIN) -> dict[str, Any]:
        """The answer to request `number`; raises PoolError where it is an error or does not come in time."""
        with self._lock:
            deadline = time.monotonic() + timeout
            while number not in self._answers:
                self._read(deadline)
            answer = self._answers.pop(number)
        if "error" in answer:
            problem, _, remedy = str(answer["error"])[:300].partition(". ")
            raise PoolError(f"the reference client: {problem.rstrip('.')}", remedy.rstrip(".") or _REMEDY)
        return answer

    def ask(self, op: str, *, timeout: float = _ANSWER_WITHIN, **members: object) -> dict[str, Any]:
        """Sends a request and waits for its answer; raises PoolError."""
        with self._lock:
            return self.result(self.submit(op, **members), timeout)

    def close(self) -> None:
        """Ends the process and all that it started; safe to call at any time, also twice."""
        process = self._process
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()
        try:
            process.wait(_END_WITHIN)
        except subprocess.TimeoutExpired:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_WITHIN)
        finally:
            # What is left of its process group was started by it.
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self._process = None
            self._close_log()

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None
        if self._scratch is not None:
            self._scratch.close()
            self._scratch = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise PoolError("the reference client's pool is closed", "open the testbed first")
        return self._process

    def _read(self, deadline: float) -> None:
        process = self._running()
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise PoolError("the reference client's pool does not answer", _REMEDY)
        chunk = os.read(process.stdout.fileno(), 65536)
        if not chunk:
            raise self._gone()
        *lines, self._unread = (self._unread + chunk).split(b"\n")
        for line in lines:
            try:
                answer = json.loads(line)
                self._answers[answer["id"]] = answer
            except (ValueError, KeyError, TypeError):
                raise PoolError(
                    "the reference client's pool says something else than JSON", _REMEDY
                ) from None

    def _gone(self) -> PoolError:
        """The error for a pool that ended, with the last line that it left."""
        why = ""
        if self._log is not None:
            self._log.seek(0)
            lines = self._log.read(65536).decode("utf-8", "replace").strip().splitlines()
            why = f": {lines[-1].strip()[:300]}" if lines else ""
        return PoolError(f"the reference client's pool has ended{why}", _REMEDY)


class PoolLife(Life):
    """The life of one reference client in the pool."""

    can_restart = True
    can_kill = True

    def __init__(self, pool: Pool, key: str, ready_timeout: float) -> None:
        self._pool = pool
        self.key = key
        self._ready_timeout = ready_timeout

    def _status(self) -> Mapping[str, Any]:
        return self._pool.ask("status", client=self.key)

    def running(self) -> bool:
        """Whether its process runs."""
        return bool(self._status()["running"])

    def generation(self) -> int:
        """How many times it was started."""
        return int(self._status()["generation"])

    def kill(self) -> None:
        """Ends its process by SIGKILL."""
        self._pool.ask("kill", client=self.key)

    def restart(self) -> None:
        """Kills it if it runs, and starts it again with its port and state."""
        if self.running():
            self.kill()
        try:
            self._pool.ask("start_again", client=self.key, timeout=self._ready_timeout + 10.0)
        except PoolError as error:
            raise NotBack(f"the client does not start: {error.problem}", error.remedy) from None

    def discard(self) -> None:
        """Ends it and has its state deleted."""
        self._pool.ask("discard", client=self.key)


__all__ = ["Pool", "PoolError", "PoolLife"]
