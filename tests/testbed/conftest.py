"""Fixtures of the testbed's tests: small clients in this process, and declared testbeds over them."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_client import ADMIN_PASSWORD, FakeClient

from pytest_wa_settings.testbed import Settings
from pytest_wa_settings.testbed.declared import DeclaredTestbed
from pytest_wa_settings.testbed.entry import Entry


@pytest.fixture
def fake() -> Iterator[Callable[..., FakeClient]]:
    """Starts fake clients that end with the test."""
    started: list[FakeClient] = []

    def start(**options: Any) -> FakeClient:
        started.append(FakeClient(**options))
        return started[-1]

    yield start
    for client in started:
        client.close()


@pytest.fixture(autouse=True)
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keeps safety backups out of the home of whoever runs the tests."""
    home = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    return home


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[[Callable[[], None]], str]]:
    """A shell command that calls a function of the test, as an operator's script would act."""
    made: list[Path] = []
    stop = threading.Event()
    actions: dict[Path, Callable[[], None]] = {}

    def watch() -> None:
        while not stop.wait(0.005):
            for flag, action in list(actions.items()):
                if flag.exists():
                    action()
                    flag.unlink()

    thread = threading.Thread(target=watch, daemon=True)

    def make(action: Callable[[], None]) -> str:
        if not thread.is_alive():
            thread.start()
        flag = tmp_path / f"flag-{len(made)}"
        made.append(flag)
        actions[flag] = action
        quoted = shlex.quote(str(flag))
        return f"touch {quoted}; while [ -e {quoted} ]; do sleep 0.01; done"

    yield make
    stop.set()
    if thread.is_alive():
        thread.join()


@pytest.fixture
def declare(command: object) -> Iterator[Callable[..., DeclaredTestbed]]:
    """Opens a testbed of declared clients; each is a FakeClient, or one with more keys of its entry.

    It closes while commands still work.
    """
    opened: list[DeclaredTestbed] = []

    def open_(*clients: FakeClient | tuple[FakeClient, dict[str, Any]], **common: Any) -> DeclaredTestbed:
        settings = common.pop("settings", Settings(url="http://x"))
        keys = {"may_restore": True, "may_change": True, "ready_timeout": 3.0, "timeout": 5.0, **common}
        entries = []
        for number, client in enumerate(clients, 1):
            one, more = client if isinstance(client, tuple) else (client, {})
            entry = Entry(name=f"client {number}", url=one.url, admin_password=ADMIN_PASSWORD)
            entries.append(replace(entry, **{**keys, **more}))
        testbed = DeclaredTestbed("clients", "clients.toml", entries, settings)
        opened.append(testbed)
        testbed.open()
        return testbed

    yield open_
    for testbed in opened:
        testbed.close()
