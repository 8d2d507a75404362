"""A client that runs already, as a vendor's does: `serve` in a process of its own, and commands around it.

python machine.py start FOLDER      ends what runs there, and starts it anew; used as `restart`
python machine.py reset FOLDER      the same, without its state
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Run = Callable[..., "subprocess.CompletedProcess[str]"]
"""Runs `wa-settings …` or `pytest …` in a folder of its own."""
PASSWORD = "Machine-Pass-1"
VARIABLE = "MACHINE_PASSWORD"
NUMBER = "15551234567"


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Machine:
    """One machine; `serve` is what its client is started with, and `folder` holds all of it."""

    folder: Path
    port: int
    network: int
    number: str | None = NUMBER
    more: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def command(self, verb: str) -> str:
        """A shell line that starts or resets it."""
        return f"{sys.executable} -S -E {Path(__file__)} {verb} {self.folder}"

    def start(self) -> Machine:
        """Starts it for the first time."""
        self.folder.mkdir(parents=True)
        arguments = ["--http", "--kdf", "light", "--log-level", "error", "--port", str(self.port)]
        arguments += ["--network-port", str(self.network), "--state-dir", str(self.folder / "state")]
        arguments += ["--register", self.number] if self.number else []
        plan = {"python": sys.executable, "port": self.port, "arguments": [*arguments, *self.more]}
        (self.folder / "plan.json").write_text(json.dumps(plan))
        start(self.folder)
        return self

    def end(self) -> None:
        """Ends it, for good: a command that a run has under way starts it no more."""
        (self.folder / "ended").touch()
        end(self.folder)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """What it answers to the administrator."""
        token = _call(self.url, "POST", "/v1/users/login", basic=f"admin:{PASSWORD}")["users"][0]["token"]
        return _call(self.url, method, path, token=token, body=body)

    def log_out(self, token: str) -> None:
        """Ends a token before its time."""
        _call(self.url, "POST", "/v1/users/logout", token=token)

    def state(self) -> dict[str, Any]:
        """All that a run must put back: settings, the texts of the profile, the registration."""
        profile = self.call("GET", "/v1/settings/profile/about")
        return {
            "application": self.call("GET", "/v1/settings/application")["settings"]["application"],
            "about": profile["settings"],
            "business": self.call("GET", "/v1/settings/business/profile")["settings"],
            "health": self.call("GET", "/v1/health")["health"],
        }


def _call(url: str, method: str, path: str, *, basic: str = "", token: str = "", body: object = None) -> Any:
    authorization = f"Basic {base64.b64encode(basic.encode()).decode()}" if basic else f"Bearer {token}"
    headers = {"Authorization": authorization, "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, headers, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return json.loads(answer.read() or b"null")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One at a time: a test and the commands of a run may start and end it."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def start(folder: Path) -> None:
    """Ends what runs in the folder and starts it; returns once it listens."""
    with _locked(folder):
        _end(folder)
        if not (folder / "ended").exists():
            _start(folder)


def end(folder: Path) -> None:
    """Ends what runs in the folder, by its pid; returns once it is gone."""
    with _locked(folder):
        _end(folder)


def _start(folder: Path) -> None:
    plan = json.loads((folder / "plan.json").read_text())
    environment = {**os.environ, "WA_ADMIN_PASSWORD": PASSWORD}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [plan["python"], "-m", "pytest_wa_settings.reference", "serve", *plan["arguments"]],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
    (folder / "pid").write_text(str(process.pid))
    process.returncode = 0  # it outlives us
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", plan["port"]), 1):
            return
        time.sleep(0.01)
    raise SystemExit("it does not listen")


def _end(folder: Path) -> None:
    file = folder / "pid"
    if not file.exists():
        return
    pid = int(file.read_text())
    with contextlib.suppress(ProcessLookupError, PermissionError):
        # its own session: the client is a child of `serve`
        os.killpg(pid, signal.SIGKILL)
    while _runs(pid):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        time.sleep(0.005)
    file.unlink(missing_ok=True)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


if __name__ == "__main__":
    where = Path(sys.argv[2])
    if sys.argv[1] == "reset":
        end(where)
        shutil.rmtree(where / "state", ignore_errors=True)
    start(where)
