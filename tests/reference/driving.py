"""Drives the reference's `pool` command as the test bed does: JSON lines in, JSON lines out."""

from __future__ import annotations

import itertools
import json
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

ADMIN_PASSWORD = "Secret-123"
NUMBERS = itertools.count(15550000000 + os.getpid() % 10000 * 1000)


class Pool:
    """One pool process with one network."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.clients: list[Reference] = []
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pytest_wa_settings.reference", "pool"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        self.ids = itertools.count(1)
        self.network = self.ask("network")["url"]
        self.plain = httpx.Client(base_url=self.network, verify=False, trust_env=False)
        self.ca = self.ask("ca")["ca"]
        self.tls = ssl.create_default_context(cafile=self.ca)

    def ask(self, op: str, **members: Any) -> dict[str, Any]:
        """One order and its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        order = {"id": next(self.ids), "op": op, **members}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        assert answer.pop("id") == order["id"]
        return answer

    def start(self, *, registered: bool = True, **options: Any) -> Reference:
        """A client, registered under a number of its own unless told otherwise."""
        number = options.pop("number", str(next(NUMBERS)) if registered else None)
        given = {"admin_password": ADMIN_PASSWORD, "network": self.network, "number": number, **options}
        answer = self.ask("start", options=given)
        assert "error" not in answer, answer
        client = Reference(self, answer, number, given["admin_password"] or "secret")
        self.clients.append(client)
        return client

    def clean(self) -> None:
        """Discard the clients that were started since the last time."""
        while self.clients:
            client = self.clients.pop()
            client.http.close()
            self.ask("discard", client=client.key)

    def close(self) -> int:
        """End the pool as the test bed does; returns its exit status."""
        assert self.process.stdin is not None
        self.plain.close()
        self.process.stdin.close()
        status = self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


class Reference:
    """One client of a pool, with an admin's token."""

    def __init__(self, pool: Pool, answer: dict[str, Any], number: str | None, password: str) -> None:
        self.pool = pool
        self.key: str = answer["client"]
        self.url: str = answer["url"]
        self.pid: int = answer["pid"]
        self.number = number
        self.password = password
        # each request on a connection of its own: a deviation may drop one that is kept
        alone = httpx.Limits(max_keepalive_connections=0)
        self.http = httpx.Client(
            base_url=self.url, verify=pool.tls, trust_env=False, timeout=10, limits=alone
        )
        self.token = ""

    def login(self, name: str = "admin", password: str | None = None, **body: Any) -> httpx.Response:
        """Log in; `body` may hold a new_password."""
        auth = httpx.BasicAuth(name, self.password if password is None else password)
        return self.http.post("/v1/users/login", auth=auth, json=body or None)

    def ask(self, method: str, path: str, *, token: str | None = None, **kwargs: Any) -> httpx.Response:
        """A request as admin, or with another token ("" for none)."""
        if token is None:
            if not self.token:
                self.token = self.login().json()["users"][0]["token"]
            token = self.token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.http.request(method, path, headers={**headers, **kwargs.pop("headers", {})}, **kwargs)

    def backup(self, password: object = "backup password", **kwargs: Any) -> httpx.Response:
        """POST backup."""
        return self.ask("POST", "/v1/settings/backup", json={"password": password}, **kwargs)

    def data(self, password: str = "backup password") -> str:
        """A backup's data."""
        data: str = self.backup(password).json()["settings"]["data"]
        return data

    def restore(self, data: object, password: object = "backup password", **kwargs: Any) -> httpx.Response:
        """POST restore."""
        body = {"password": password, "data": data}
        return self.ask("POST", "/v1/settings/restore", json=body, **kwargs)

    def start_again(self) -> None:
        """Start the client again."""
        answer = self.pool.ask("start_again", client=self.key)
        assert "error" not in answer, answer
        self.pid = answer["pid"]

    def application(self) -> dict[str, Any]:
        """The application settings."""
        settings: dict[str, Any] = self.ask("GET", "/v1/settings/application").json()["settings"]
        return settings["application"]

    def patch(self, **members: Any) -> httpx.Response:
        """Change application settings."""
        return self.ask("PATCH", "/v1/settings/application", json=members)

    def status(self) -> str:
        """The single instance's gateway status."""
        status: str = self.ask("GET", "/v1/health").json()["health"]["gateway_status"]
        return status

    def user(self, name: str = "agent") -> str:
        """The token of a new account that is no admin."""
        made = self.ask("POST", "/v1/users", json={"username": name, "password": "Agent-Pass-1"})
        assert made.status_code == 201
        token: str = self.login(name, "Agent-Pass-1").json()["users"][0]["token"]
        return token

    def contact(self, wa_id: str) -> dict[str, Any]:
        """What a contact's phone shows of this business."""
        view = self.pool.plain.get(f"/contacts/{wa_id}", params={"business": self.number or ""})
        shown: dict[str, Any] = view.json()
        return shown


def code(answer: httpx.Response) -> int:
    """The code of a refusal, whose envelope must be whole."""
    body = answer.json()
    (error,) = body["errors"]
    assert isinstance(error["code"], int)
    assert error["title"]
    assert body["meta"]["version"].startswith("v")
    found: int = error["code"]
    return found
