"""Runs the reference in pieces, on loopback: a PostgreSQL server of its own, a web, masters and coreapps."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx

PASSWORD, DATABASE_PASSWORD = "Secret-123", "testpass"
NUMBER = "15550001111"
LIMIT = 45.0
WEB, NETWORK = 0, 1
CORES = 10
"""Where each piece's ports lie, counted from the set-up's first."""


def binaries() -> Path | None:
    """Where PostgreSQL's programs are, the newest version's, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    named = shutil.which("initdb")
    return found[-1].parent if found else Path(named).parent if named else None


def until(condition: Callable[[], bool], limit: float = LIMIT) -> bool:
    """Whether something comes true in time."""
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def free_ports(count: int) -> int:
    """The first of so many ports in a row that nobody listens on."""
    for _ in range(200):
        first = random.randrange(33000, 59000)
        sockets: list[socket.socket] = []
        try:
            for port in range(first, first + count):
                sockets.append(socket.socket())
                sockets[-1].bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
    raise AssertionError("no ports")


def run(*arguments: str, **environment: str) -> tuple[int, str]:
    """Exit status and stderr of the reference's command in an environment of the real images."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("WA_")}
    command = [sys.executable, "-m", "pytest_wa_settings.reference", *arguments]
    ended = subprocess.run(
        command, env={**inherited, **environment}, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    return ended.returncode, ended.stderr


class Database:
    """A PostgreSQL server in a folder, run by an unprivileged user."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.programs = programs
        self.port = free_ports(1)
        self.folder = folder / "data"
        self.user: dict[str, Any] = {}
        if os.geteuid() == 0:
            # The server refuses to run as root.
            shutil.chown(folder, "nobody", "nogroup")
            self.user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        secret = folder / "password"
        secret.write_text(DATABASE_PASSWORD)
        self.run(
            "initdb",
            "-D",
            self.folder,
            "-U",
            "root",
            f"--pwfile={secret}",
            "-A",
            "scram-sha-256",
            "--no-sync",
        )
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self.run("pg_ctl", "-D", self.folder, "-w", "-l", folder / "log", "-o", options, "start")

    def run(self, program: str, *arguments: object) -> None:
        """Run one of PostgreSQL's programs."""
        environment = {**os.environ, "PGPASSWORD": DATABASE_PASSWORD}
        command = [str(self.programs / program), *map(str, arguments)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", env=environment, **self.user)

    def create(self, name: str) -> None:
        """A database with the name of its user, as the roles expect it."""
        there = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "root"]
        self.run(
            "psql",
            *there,
            "-d",
            "postgres",
            "-qc",
            f"CREATE ROLE {name} LOGIN PASSWORD '{DATABASE_PASSWORD}'",
        )
        self.run("createdb", *there, "-O", name, name)

    def stop(self) -> None:
        """End the server."""
        self.run("pg_ctl", "-D", self.folder, "-m", "immediate", "stop")


class Pieces:
    """One client in pieces. A piece that ends stays down until it is started again."""

    def __init__(self, database: Database, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.first = free_ports(60)
        self.environment = {
            "WA_DB_ENGINE": "PGSQL",
            "WA_DB_HOSTNAME": "127.0.0.1",
            "WA_DB_PORT": str(database.port),
            "WA_DB_USERNAME": name,
            "WA_DB_PASSWORD": DATABASE_PASSWORD,
            "WA_REFERENCE_HOST": "127.0.0.1",
            "WA_REFERENCE_KDF": "light",
            "WA_REFERENCE_STATE_DIR": str(folder),
        }
        self.roles: dict[str, tuple[list[str], dict[str, str]]] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.http = httpx.Client(
            base_url=f"https://127.0.0.1:{self.first + WEB}", verify=False, trust_env=False, timeout=LIMIT
        )
        self.network = httpx.Client(base_url=f"http://127.0.0.1:{self.first + NETWORK}", trust_env=False)
        self.token = ""

    def set_up(self, masters: int, coreapps: int, shards: int = 1) -> None:
        """Start a multiconnect client."""
        self.environment.update(WA_APP_MULTICONNECT="1", WA_REFERENCE_SHARDS=str(shards))
        self.start_web(WEBAPP_HOSTNAME="127.0.0.1", WA_API_KEY="monitoring-key")
        for number in range(masters):
            self.start_core(f"master{number + 1}", number, WA_MASTER_NODE="1")
        for number in range(coreapps):
            self.start_core(f"wacore{number + 1}", masters + number)

    def set_up_single(self) -> None:
        """Start a client with one coreapp."""
        self.start_core("wacore", 0)
        self.start_web(WACORE_HOSTNAME="127.0.0.1", WEBAPP_HOSTNAME="127.0.0.1")

    def start_web(self, **environment: str) -> None:
        """Start the web."""
        ports = ["--port", str(self.first + WEB), "--network-port", str(self.first + NETWORK)]
        self.roles["web"] = (["launch", *ports], environment)
        self.start("web")

    def start_core(self, name: str, number: int, **environment: str) -> None:
        """Start a master or coreapp."""
        first = self.first + CORES + 4 * number
        ports = ",".join(str(first + port) for port in range(4))
        given = {
            "HOSTNAME": name,
            "COREAPP_HOSTNAME": "127.0.0.1",
            "COREAPP_EXTERNAL_PORTS": ports,
            **environment,
        }
        self.roles[name] = (["launch", "--port", str(first)], given)
        self.start(name)

    def port(self, name: str, kind: int) -> int:
        """One of the four ports of a master or coreapp."""
        return int(self.roles[name][0][2]) + kind

    def start(self, name: str) -> None:
        """Start a piece, for the first time or again."""
        arguments, environment = self.roles[name]
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("WA_")}
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "pytest_wa_settings.reference", *arguments],
                stderr=log,
                env={**inherited, **self.environment, **environment},
            )

    def kill(self, name: str) -> None:
        """End a piece at once."""
        self.processes[name].kill()
        self.processes[name].wait()

    def ended(self) -> list[str]:
        """The pieces that have ended by themselves."""
        return [name for name, process in self.processes.items() if process.poll() is not None]

    def close(self) -> None:
        """End everything."""
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
        self.http.close()
        self.network.close()

    # calls

    def answers(self) -> bool:
        """Whether the web answers."""
        try:
            return self.http.get("/v1/health").status_code == 401
        except httpx.TransportError:
            return False

    def enter(self) -> None:
        """Log in for the first time, and wait until all pieces serve."""
        assert until(self.answers), self.logs()
        answer = self.http.post("/v1/users/login", auth=("admin", "secret"), json={"new_password": PASSWORD})
        self.token = answer.json()["users"][0]["token"]
        assert until(self.up), self.logs()

    def heal(self) -> None:
        """Start what has ended, and register again where the number was lost."""
        for name in self.ended():
            self.start(name)
        assert until(self.up), self.logs()
        assert until(self.settled), self.logs()
        if ("coreapp", "connected") not in self.health():
            self.register()

    def settled(self) -> bool:
        """Whether somebody leads and knows whether the number is still this client's."""
        nodes = self.health()
        return any(role == "primary_master" for role, _ in nodes) and all(
            status != "connecting" for _, status in nodes
        )

    def up(self) -> bool:
        """Whether the web and every coreapp answer."""
        try:
            cores = [
                self.ask("GET", "/health", port=self.port(name, 3)) for name in self.roles if name != "web"
            ]
        except httpx.TransportError:
            return False
        return all(answer.status_code == 200 for answer in cores) and self.serves()

    def serves(self) -> bool:
        """Whether the coreapps can be reached."""
        return self.ask("GET", "/v1/settings/application").status_code == 200

    def register(self, number: str = NUMBER) -> None:
        """Register with the code that the number's phone gets."""
        body = {"cc": number[:1], "phone_number": number[1:], "method": "sms", "cert": "UmVmZXJlbmNl"}
        assert self.ask("POST", "/v1/account", json=body).status_code == 202
        code = self.network.get(f"/wa/codes/{number}").json()["code"]
        assert self.ask("POST", "/v1/account/verify", json={"code": code}).status_code == 201

    def ask(self, method: str, path: str, *, port: int | None = None, **kwargs: Any) -> httpx.Response:
        """A request as admin, to the web or to a coreapp's port."""
        headers = {"Authorization": f"Bearer {self.token}"}
        if port is None:
            return self.http.request(method, path, headers=headers, **kwargs)
        url = f"http://127.0.0.1:{port}{path}"
        with httpx.Client(trust_env=False, timeout=LIMIT) as direct:
            return direct.request(method, url, headers=headers, **kwargs)

    def health(self) -> list[tuple[str, str]]:
        """Role and status of each node, in order of their roles."""
        nodes = self.ask("GET", "/v1/health").json()["health"].values()
        return sorted((node["role"], node["gateway_status"]) for node in nodes)

    def comes_to(self, *expected: tuple[str, str]) -> bool:
        """Whether health comes to show these nodes."""
        return until(lambda: self.health() == sorted(expected))

    def primary(self) -> str:
        """The name of the piece that leads."""
        for name in self.roles:
            if name.startswith("master") and self.processes[name].poll() is None:
                found = self.ask("GET", "/health", port=self.port(name, 3)).json()["health"]
                if found["role"] == "primary_master":
                    return name
        raise AssertionError("nobody leads")

    def owner(self, shard: int) -> str:
        """The name of the piece that owns a shard, as support tells; empty for nobody's."""
        nodes = self.ask("GET", "/v1/support").json()["support"]
        return next(
            (name.partition(":")[2] for name, node in nodes.items() if [shard, shard] in node["shards"]), ""
        )

    def backup(self, password: str = "backup password") -> str:
        """A backup's data, once the pieces give one: after a death they may say *not now* for a moment."""
        answers: list[httpx.Response] = []

        def settled() -> bool:
            answers.append(self.ask("POST", "/v1/settings/backup", json={"password": password}))
            return answers[-1].status_code != 503

        until(settled)
        answer = answers[-1]
        assert answer.status_code == 200, answer.text
        data: str = answer.json()["settings"]["data"]
        return data

    def restore(self, data: str, password: str = "backup password") -> httpx.Response:
        """Restore a backup."""
        return self.ask("POST", "/v1/settings/restore", json={"password": password, "data": data})

    def logs(self, names: Sequence[str] = ()) -> str:
        """What the pieces have logged."""
        return "\n".join(
            f"{name}: {(self.folder / f'{name}.log').read_text()[-1500:]}" for name in names or self.roles
        )
