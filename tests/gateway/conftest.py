"""The clients that the runs with one bad answer are made against."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "declared"))

from machine import PASSWORD, VARIABLE, Machine, free_port
from positions import Subject

READY = ("--wa-ready-timeout", "20", "--wa-seed", "0")


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """One client that lasts, and is only looked at: profile `backup`."""
    folder = tmp_path_factory.mktemp("lasting")
    machine = Machine(folder / "one", free_port(), free_port()).start()
    password = folder / "password"
    password.write_text(PASSWORD)
    options = ("--wa-url", machine.url, "--wa-profile", "backup", "--wa-admin-password-file", str(password))
    yield Subject((*options, *READY))
    machine.end()


@pytest.fixture(scope="module")
def managed() -> Subject:
    """Clients that the suite starts itself: profile `full`."""
    return Subject(("--wa-url", "mock:", *READY))


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """Clients that are declared: an app, and a new machine of the same network; both can be reset."""
    folder = tmp_path_factory.mktemp("laboratory")
    network = free_port()
    app = Machine(folder / "app", free_port(), network).start()
    others = ("--network", f"http://127.0.0.1:{network}")
    new = Machine(folder / "new", free_port(), free_port(), None, others).start()
    config = folder / "clients.toml"
    config.write_text(_entry("app", app, network) + _entry("new", new, network))
    yield Subject(("--wa-config", str(config), *READY), {VARIABLE: PASSWORD})
    new.end()
    app.end()


def _entry(name: str, machine: Machine, network: int) -> str:
    lines = [
        "[[client]]",
        f'name = "{name}"',
        f'url = "{machine.url}"',
        f'state = "{"registered" if machine.number else "unregistered"}"',
        'version = "2.57.2"',
        f'admin_password_env = "{VARIABLE}"',
        "may_restore = true",
        "max_restores = 200",
        'restart_policy = "no"',
        f'restart = "{machine.command("start")}"',
        # the app's, too: a move alone takes its number from it, and nothing of it was changed to be put back
        f'reset = "{machine.command("reset")}"',
        f'consumer = "http://127.0.0.1:{network}"',
    ]
    return "\n".join([*lines, "", ""])
