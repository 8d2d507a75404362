"""Clients that their owner lends: each lasts, has a state of its own, and can crash and be started again."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

sys.path.append(str(Path(__file__).parent.parent / "declared"))
sys.path.append(str(Path(__file__).parent.parent / "foreign"))

import lab
import machine

READINGS = (
    "/v1/settings/application",
    "/v1/settings/profile/about",
    "/v1/settings/business/profile",
    "/v1/settings/profile/photo",
    "/v1/health",
    "/v1/users/made-by-its-owner",
)
OWN = {
    "/v1/settings/application": ("PATCH", {"heartbeat_interval": 17, "callback_backoff_delay_ms": "7777"}),
    "/v1/settings/profile/about": ("PATCH", {"text": "as its owner had it"}),
    "/v1/settings/business/profile": (
        "POST",
        {
            "address": "Weg 1",
            "description": "its owner's",
            "email": "a@b.example",
            "vertical": "Shopping and Retail",
            "websites": ["https://a.example"],
        },
    ),
    "/v1/users/made-by-its-owner": ("POST", {"username": "made-by-its-owner", "password": "aA1!its-owners"}),
}
NO_LIMIT = "ulimit -f unlimited; "
"""The disk that is full to a run is not full to the client that it starts."""
State = dict[str, tuple[int, str]]


class Owned(Protocol):
    """A client: `entry` holds its lines in clients.toml, without its address and what it permits."""

    url: str
    password: str
    entry: tuple[str, ...]

    def crash(self) -> None:
        """Kills it; it stays down."""

    def start(self) -> None:
        """Starts it, and ends it first where it runs; returns once it listens."""

    def remove(self) -> None:
        """Ends it, and removes what it had."""


def ask(client: Owned, method: str, path: str, body: object = None, token: str = "") -> tuple[int, bytes]:
    """Status and body of a client's answer to its administrator."""
    basic = base64.b64encode(f"admin:{client.password}".encode()).decode()
    headers = {"Authorization": f"Bearer {token}" if token else f"Basic {basic}"}
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(client.url + path, data, headers, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read()


def logged_in(client: Owned) -> str:
    """A token of its administrator."""
    status, body = ask(client, "POST", "/v1/users/login")
    assert status == 200, status
    token: str = json.loads(body)["users"][0]["token"]
    return token


def make_its_own(client: Owned) -> None:
    """Gives it a state that no client is born with."""
    token = logged_in(client)
    for path, (method, body) in OWN.items():
        target = "/v1/users" if path.startswith("/v1/users") else path
        status, answer = ask(client, method, target, body, token)
        assert status in (200, 201), (path, status, answer)


def state(client: Owned) -> State:
    """All that a run must put back, as its administrator reads it."""
    token = logged_in(client)
    read: State = {}
    for path in READINGS:
        status, body = ask(client, "GET", path, token=token)
        read[path] = status, _comparable(body) if status == 200 else ""
    return read


def _comparable(body: bytes) -> str:
    try:
        content = json.loads(body)
    except ValueError:
        return hashlib.sha256(body).hexdigest()
    if isinstance(content, dict):
        content.pop("meta", None)
    return json.dumps(content, sort_keys=True)


@dataclass
class Reference:
    """The project's own client, as `serve` runs it."""

    folder: Path
    password: str = machine.PASSWORD
    url: str = ""
    entry: tuple[str, ...] = ()
    _machine: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._machine = machine.Machine(self.folder, machine.free_port(), machine.free_port()).start()
        self.url = self._machine.url
        self.entry = ('restart_policy = "no"', f'restart = "{NO_LIMIT}{self._machine.command("start")}"')

    def crash(self) -> None:
        machine.end(self.folder)

    def start(self) -> None:
        machine.start(self.folder)

    def remove(self) -> None:
        self._machine.end()


@dataclass
class Foreign:
    """The app of a laboratory of another hand's client."""

    folder: Path
    stack: str = "go"
    password: str = ""
    url: str = ""
    entry: tuple[str, ...] = ()
    _plan: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        command = [sys.executable, lab.__file__, "--lab", str(self.folder), "up", self.stack, "--plain"]
        subprocess.run(command, check=True, capture_output=True, env=dict(os.environ))
        self._plan = json.loads((self.folder / "lab.json").read_text())
        self.password = self._plan["secrets"]["FOREIGN_ADMIN_PASSWORD"]
        self.url = f"http://127.0.0.1:{self._plan['clients']['single']['port']}"
        restart = f"{sys.executable} {lab.__file__} --lab {self.folder} restart single"
        policy = lab.STACKS[self.stack]["policy"]
        self.entry = (f'restart_policy = "{policy}"', f'restart = "{NO_LIMIT}{restart}"')

    def crash(self) -> None:
        with lab.locked(self.folder, "single"):
            lab.end(self.folder, "single")

    def start(self) -> None:
        lab.restart(self.folder, self._plan, "single")

    def remove(self) -> None:
        lab.down(self.folder)
