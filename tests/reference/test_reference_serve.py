"""`serve`: one client in the foreground."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

COMMAND = [sys.executable, "-m", "pytest_wa_settings.reference"]
PASSWORD = "Secret-123"


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Served:
    """A `serve` process and what it has said."""

    def __init__(self, *arguments: str) -> None:
        environment = {**os.environ, "WA_ADMIN_PASSWORD": PASSWORD}
        self.process = subprocess.Popen(
            [*COMMAND, "serve", "--kdf", "light", "--log-level", "info", *arguments],
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.listening = self.event("listening")
        context = ssl.create_default_context(cafile=self.listening["ca"]) if self.listening["ca"] else False
        self.http = httpx.Client(base_url=self.listening["url"], verify=context, trust_env=False)
        token = self.http.post("/v1/users/login", auth=("admin", PASSWORD)).json()["users"][0]["token"]
        self.http.headers["Authorization"] = f"Bearer {token}"

    def event(self, name: str) -> dict[str, Any]:
        """The next event of a name."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            event: dict[str, Any] = json.loads(line)
            if event["event"] == name:
                return event
        raise AssertionError(f"no {name}")

    def status(self) -> str:
        """The gateway status."""
        status: str = self.http.get("/v1/health").json()["health"]["gateway_status"]
        return status

    def end(self, number: int = signal.SIGTERM) -> int:
        """End it and return its exit status."""
        self.http.close()
        self.process.send_signal(number)
        status = self.process.wait(5)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return status


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Any]:
    """Starts `serve` with one state folder; what still runs afterwards is killed."""
    started: list[Served] = []

    def start(*arguments: str) -> Served:
        where = ("--state-dir", str(tmp_path / "state"), "--port", str(free_port()))
        started.append(Served(*where, *arguments))
        return started[-1]

    yield start
    for served in started:
        served.http.close()
        if served.process.poll() is None:
            served.process.kill()
            served.process.wait(5)
        if served.process.stderr is not None:
            served.process.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order_when_told_to(serve: Any, number: int) -> None:
    served = serve("--register", "15551234567")
    assert served.status() == "connected"
    assert served.end(number) == 0


def test_state_and_certificate_outlive_the_process(serve: Any) -> None:
    served = serve("--register", "15551234567")
    served.http.patch("/v1/settings/application", json={"heartbeat_interval": 14})
    ca = Path(served.listening["ca"]).read_text()
    served.end()
    again = serve()
    assert (
        again.http.get("/v1/settings/application").json()["settings"]["application"]["heartbeat_interval"]
        == 14
    )
    assert again.status() == "connected"
    assert Path(again.listening["ca"]).read_text() == ca


@pytest.mark.parametrize(("first", "second"), [("light", "strong"), ("strong", "light")])
def test_a_state_takes_its_passwords_under_another_cost_of_key_derivation(
    serve: Any, first: str, second: str
) -> None:
    served = serve("--kdf", first)
    account = {"username": "agent", "password": "Agent-Pass-1"}
    assert served.http.post("/v1/users", json=account).status_code == 201
    served.end()
    again = serve("--kdf", second)  # which logs in as admin
    login = "/v1/users/login"
    assert again.http.post(login, auth=("agent", "Agent-Pass-1")).status_code == 200
    assert again.http.post(login, auth=("agent", "Agent-Pass-2")).status_code == 401
    assert again.http.post(login, auth=("admin", "Secret-124")).status_code == 401


def test_after_a_restore_it_stops_and_serves_when_started_again(serve: Any) -> None:
    served = serve("--register", "15551234567")
    data = served.http.post("/v1/settings/backup", json={"password": "p"}).json()["settings"]["data"]
    assert served.http.post("/v1/settings/restore", json={"password": "p", "data": data}).json() is None
    assert served.process.wait(5) == 0
    assert serve().status() == "connected"


def test_with_a_restart_policy_it_comes_back(serve: Any) -> None:
    served = serve("--register", "15551234567", "--restart-policy", "unless-stopped")
    data = served.http.post("/v1/settings/backup", json={"password": "p"}).json()["settings"]["data"]
    served.http.post("/v1/settings/restore", json={"password": "p", "data": data})
    served.event("listening")
    assert served.status() == "connected"
    assert served.end() == 0


def test_two_machines_share_a_network(serve: Any, tmp_path: Path) -> None:
    old = serve("--register", "15551234567")
    data = old.http.post("/v1/settings/backup", json={"password": "p"}).json()["settings"]["data"]
    new = Served(
        *("--state-dir", str(tmp_path / "other"), "--port", str(free_port())),
        *("--network", old.listening["network"], "--http"),
    )
    assert new.http.post("/v1/settings/restore", json={"password": "p", "data": data}).status_code == 200
    assert new.status() == "connected"
    assert new.end() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "99999"],
        ["--client-version", "x"],
        ["--shards", "0"],
        ["--register", "12"],
        ["--admin-password-file", "/nowhere"],
    ],
)
def test_what_cannot_be_served_is_one_line(arguments: list[str]) -> None:
    run = subprocess.run([*COMMAND, "serve", *arguments], capture_output=True, text=True, timeout=20)
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert run.stderr.startswith("wa-settings: ")


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        arguments = ["--port", str(taken.getsockname()[1]), "--log-level", "error"]
        run = subprocess.run(
            [*COMMAND, "serve", "--state-dir", str(tmp_path), *arguments],
            capture_output=True,
            text=True,
            timeout=20,
        )
    assert run.returncode == 1
    assert "Nothing can listen" in run.stderr


def test_a_password_comes_from_a_file_too(tmp_path: Path, serve: Any) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    served = serve("--admin-password-file", str(tmp_path / "password"))
    assert served.status() == "unregistered"


@pytest.mark.parametrize("restored", [False, True])
def test_a_temporary_state_is_kept_only_where_a_restore_stopped_the_app(
    tmp_path: Path, restored: bool
) -> None:
    served = Served("--register", "15551234567", "--port", str(free_port()))
    folder = Path(served.listening["state_dir"])
    assert folder.exists()
    if restored:
        data = served.http.post("/v1/settings/backup", json={"password": "p"}).json()["settings"]["data"]
        served.http.post("/v1/settings/restore", json={"password": "p", "data": data})
        served.process.wait(5)
    served.end()
    assert folder.exists() is restored
    shutil.rmtree(folder, ignore_errors=True)


def test_what_is_restarted_outside_ends_whatever_its_policy_says(serve: Any) -> None:
    served = serve("--register", "15551234567", "--restart-policy", "always", "--restarted-outside")
    backup = served.http.post("/v1/settings/backup", json={"password": PASSWORD}).json()
    body = {"password": PASSWORD, "data": backup["settings"]["data"]}
    assert served.http.post("/v1/settings/restore", json=body).status_code == 200
    assert served.process.wait(10) == 0


def test_a_network_alone_serves_its_contacts_until_it_is_told_to_end() -> None:
    command = [*COMMAND, "network", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            port = json.loads(process.stderr.readline())["port"]
            view = httpx.get(f"http://127.0.0.1:{port}/contacts/15550100001", trust_env=False).json()
            assert view["wa_id"] == "15550100001"
            process.terminate()
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_beyond_loopback_the_factory_password_is_not_served(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WA_")}
    where = ["--state-dir", str(tmp_path), "--port", str(free_port()), "--host", "0.0.0.0"]
    command = [sys.executable, "-m", "pytest_wa_settings.reference", "serve", *where]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30, check=False)
    assert done.returncode == 1
    assert "with the factory password. Set WA_ADMIN_PASSWORD" in done.stderr.splitlines()[-1]


def test_help_tells_what_account_passwords_cost() -> None:
    command = [sys.executable, "-m", "pytest_wa_settings.reference", "serve", "--help"]
    told = " ".join(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert "Argon2id with 19 MiB and 2 passes" in told
