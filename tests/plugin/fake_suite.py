"""A small suite, catalog and testbed in place of the shipped ones.

`-p fake_suite` puts them in place in any process, a worker of pytest-xdist among them. The folder of the
suite and the catalog come from the environment (FAKE_SUITE); what the testbed does, it writes to FAKE_LOG.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_wa_settings import testbed as room
from pytest_wa_settings.session import options
from pytest_wa_settings.testbed.offer import Offer
from pytest_wa_settings.verdicts import catalog
from pytest_wa_settings.wire.curl import Repeat

SECRET = "Gr4v!ty-and-tides"


@dataclass(frozen=True)
class FakeExchange:
    number: int = 17
    client: str = "fake"

    def as_dict(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "client": "fake",
            "method": "POST",
            "url": "https://127.0.0.1/v1/settings/restore",
            "request_body": '{"password": "<string of 9 characters>"}',
            "status": 200,
            "response_body": "null",
            "failure": None,
            "seconds": 0.012,
        }

    def repeat(self, folder: Path | None, scrub: Callable[[str], str]) -> Repeat:
        return Repeat("curl -sS -X POST https://127.0.0.1/v1/settings/restore")


@dataclass(frozen=True)
class FakeAnswer:
    exchange: FakeExchange = FakeExchange()
    ok: bool = True
    answered: bool = True
    status: int = 200
    data: str | None = "sealed"


class FakeRecorder:
    count = 3

    def scrub(self, text: str) -> str:
        return text.replace(SECRET, "<secret>")

    scrub_wording = scrub_of_client = scrub


class FakeClient:
    name = "fake"

    def backup(self, password: str) -> FakeAnswer:
        return FakeAnswer(data=f"sealed with {len(password)} characters")


class FakeTestbed:
    consumer = webhook = pinned_version = None
    timeout, ready_timeout, latency, restores_left = 30.0, 60.0, 0.001, 20
    shard_setups = ((1, False), (2, True))
    versions = ("2.57.2",)

    def __init__(self, settings: room.Settings) -> None:
        self.settings = settings
        self.name = self.address = str(settings.testbed or settings.url or settings.config)
        self.managed = not self.name.startswith("http")
        self.profile = settings.profile or ("full" if self.managed else "backup")
        self.recorder = FakeRecorder()

    def open(self) -> None:
        log("open", self.name)

    def preflight(self) -> list[str]:
        if "closed" in self.name:
            raise room.TestbedError("connection refused", f"start the client (not {SECRET})")
        return ["client: 2.57.2, registered"]

    def close(self) -> list[str]:
        log("close", self.name)
        return ["the client was put back"]

    reaches_receiver = True

    def offers(self) -> tuple[Offer, ...]:
        config, url = self.settings.config, self.settings.url or ""
        allowed = self.settings.allow_restore or bool(config and "may_restore = true" in config.read_text())
        may_restore = allowed or not (config or url.startswith("http"))
        return (Offer("fake", may_restore=may_restore, managed=self.managed),)

    def why_not(self, need: room.Need) -> str | None:
        return "add an unregistered client" if need.state == "unregistered" else None

    @contextlib.contextmanager
    def lease(self, need: room.Need) -> Iterator[FakeClient]:
        sentence = self.why_not(need)
        if sentence:
            raise room.Unavailable("no unregistered client", sentence)
        yield FakeClient()

    def clients_info(self) -> list[dict[str, Any]]:
        return [
            {
                "name": "fake",
                "testbed": self.name,
                "address": self.name,
                "version": "2.57.2",
                "state": "registered",
                "shards": 1,
            }
        ]

    def warnings(self) -> list[str]:
        return []

    def log_of(self, client: str) -> str | None:
        return None


def open_testbed(settings: room.Settings) -> FakeTestbed:
    if "bad" in str(settings.url):
        raise room.UsageError("no kind of testbed is called bad", "give mock: or https://…")
    return FakeTestbed(settings)


def log(what: str, name: str) -> None:
    with Path(os.environ["FAKE_LOG"]).open("a") as file:
        file.write(f"{what} {name} {os.getpid()}\n")


def install(folder: Path, put: Callable[[Any, str, Any], None] = setattr) -> None:
    put(options, "SUITE", folder)
    put(catalog, "SHIPPED", folder / "catalog.toml")
    put(room, "open_testbed", open_testbed)


if "FAKE_SUITE" in os.environ:
    install(Path(os.environ["FAKE_SUITE"]))
