"""Nothing that a run leaves behind holds a password, a token, backup data or a setting, in any encoding."""

from __future__ import annotations

import os
import secrets
import socket
import stat
import subprocess
import sys
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from canary import Secrets, heard, leaks
from command import Outcome, run
from misbehaving import CASES, Stage
from misbehaving.core import PASSWORD

from pytest_wa_settings.api import Driver
from pytest_wa_settings.wire import Recorder

TAP = str(Path(__file__).with_name("tap"))
REFERENCE = [sys.executable, "-m", "pytest_wa_settings.reference"]
NUMBER = "15557654321"
PLANTED = {
    "about": 'Canary about 7Qx~ü€"\\/ zwölf',
    "address": "Canary address <9%41&> Straße",
    "pager": "canary-pager-5e7d81c0",
}
SMALL = ("--wa-timeout", "1", "--wa-ready-timeout", "2", "--wa-max-restores", "6")
NOTHING = Secrets(frozenset(), frozenset())


@dataclass
class Runs:
    """Runs the command with a tap on its sockets, loudly, and searches all that is left."""

    folder: Path

    def go(
        self,
        address: str,
        *options: str,
        password: str | None = None,
        planted: Secrets = NOTHING,
        seconds: float = 100,
    ) -> Outcome:
        """How the run ended; fails if one of its secrets can be read in what it left."""
        tap = self.folder / "tap"
        tap.mkdir()
        environment = {"WA_TAP": str(tap), "PYTHONPATH": TAP}
        environment |= {"WA_ADMIN_PASSWORD": password} if password else {}
        left = self.folder / "left"
        outcome = run(left, address, [*loud(left), *options], seconds=seconds, environment=environment)
        known = heard(tap) | planted
        assert outcome.status is not None, outcome.tail()
        assert known.data, "the tap heard no backup: " + outcome.tail()
        assert len(known.words) >= 3, "the tap heard no secrets: " + outcome.tail()
        assert leaks(self.files(), known) == []
        return outcome

    def files(self) -> list[Path]:
        """What the run left; not a journal that only its owner may read."""
        found = []
        for path in (self.folder / "left").rglob("*"):
            if path.is_file():
                kept = path.parent.name == "wa-settings" and stat.S_IMODE(path.stat().st_mode) == 0o600
                found += [] if kept else [path]
        return found


def loud(folder: Path) -> list[str]:
    """The options under which a run says and keeps as much as it can."""
    return [
        *("-v", "--showlocals", "-rA", f"--junitxml={folder / 'junit.xml'}", "-o", "junit_logging=all"),
        f"--log-file={folder / 'log.txt'}",
        *("--log-file-level=DEBUG", "--wa-examples", "3", "--wa-timeout", "10"),
    ]


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


@dataclass(frozen=True)
class Client:
    """A reference client that the run is told of by its address only."""

    address: str
    password: str
    planted: Secrets


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A registered reference client with planted settings, which comes back by itself after a restore."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    password = "Canary-Adm1n-" + secrets.token_hex(8)
    options = [
        "--http",
        "--port",
        str(port),
        "--register",
        NUMBER,
        "--restart-policy",
        "always",
        "--kdf",
        "light",
    ]
    with (tmp_path / "reference.log").open("wb") as log:
        process = subprocess.Popen(
            [*REFERENCE, "serve", *options, "--state-dir", str(tmp_path / "state")],
            env={**os.environ, "WA_ADMIN_PASSWORD": password},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        yield Client(address, password, plant(address, password))
    finally:
        process.terminate()
        process.wait(20)


def plant(address: str, password: str) -> Secrets:
    """Puts known texts into a client's settings and profile, and returns them with a backup of them."""
    driver = Driver(address, name="planter", password=password, recorder=Recorder())
    until = time.monotonic() + 15
    while not driver.health().ok and time.monotonic() < until:
        time.sleep(0.05)
    assert driver.patch_about(PLANTED["about"]).ok
    assert driver.set_business_profile({"address": PLANTED["address"]}).ok
    assert driver.patch_application({"on_call_pager": PLANTED["pager"]}).ok
    data = driver.backup("Canary-backup-1!").data
    driver.close()
    assert data is not None
    return Secrets(frozenset({*PLANTED.values(), password}), frozenset({data}))


def test_a_run_against_the_mock_leaves_no_secret(runs: Runs) -> None:
    outcome = runs.go("mock:")
    assert outcome.status == 0, outcome.tail()


@pytest.mark.parametrize("mutant", ["password-in-the-header", "wrong-password-echoed"])
def test_a_run_with_findings_leaves_no_secret(runs: Runs, mutant: str) -> None:
    outcome = runs.go(f"mock:mutant={mutant}", "--wa-strict")
    assert outcome.status == 1, outcome.tail()
    assert (outcome.report or {}).get("verdict") == "non-conformant"


def test_a_run_that_restores_on_a_declared_client_leaves_no_secret(runs: Runs, client: Client) -> None:
    outcome = runs.go(client.address, "--wa-allow-restore", password=client.password, planted=client.planted)
    assert outcome.verdicts()["RESTORE-5"] == "pass", outcome.tail()


def test_a_run_in_many_processes_leaves_no_secret(runs: Runs, client: Client) -> None:
    outcome = runs.go(client.address, "-n", "2", password=client.password, planted=client.planted)
    assert outcome.verdicts()["BACKUP-1"] == "pass", outcome.tail()


def test_tests_of_ones_own_that_fail_show_no_secret_of_the_fixtures(runs: Runs, client: Client) -> None:
    own = runs.folder / "test_own.py"
    own.write_text(OWN_TESTS)
    outcome = runs.go(
        client.address, str(own), "--wa-allow-restore", password=client.password, planted=client.planted
    )
    assert outcome.status == 1, outcome.tail()
    assert "3 failed" in outcome.terminal, outcome.tail()


OWN_TESTS = """
def test_that_fails_with_an_answer_at_hand(wa_client):
    driver, accounts = wa_client.driver, wa_client.accounts
    answer = wa_client.backup("Canary-own-pass-1!"[::1] if wa_client else None)
    read = wa_client.ask("GET", "/v1/settings/application")
    assert answer == read


def test_that_fails_with_the_testbed_at_hand(wa_testbed, wa_new_client, wa_backup):
    recorder = wa_testbed.recorder
    first, last = recorder.exchanges[0], recorder.exchanges[-1]
    assert wa_testbed == recorder


def test_that_fails_in_the_fixture_itself(wa_backup):
    wa_backup({"not": ["a", "password"]}, 1)
"""


@pytest.mark.parametrize(
    "hostile",
    [
        "echoes_every_secret",
        "backup_with_the_password_in_it",
        "restores_whatever_comes",
        "locks_the_administrator_out",
        "never_comes_back_after_a_restore",
    ],
)
def test_a_run_against_a_client_that_misbehaves_leaves_no_secret(runs: Runs, hostile: str) -> None:
    stage = Stage(runs.folder)
    try:
        address = CASES[hostile].start(stage)
        outcome = runs.go(address, *SMALL, *stage.options, password=PASSWORD)
    finally:
        stage.close()
    assert outcome.status == 1, outcome.tail()


WORD = 'Känary "9%/\\x~'


@pytest.mark.parametrize(
    "shown",
    [
        WORD.encode(),
        b'K\\u00e4nary \\"9%/\\\\x~',
        quote(WORD, safe="").encode(),
        WORD.encode().hex().encode(),
        WORD.encode().hex().upper().encode(),
        WORD.encode("utf-16-le"),
        b64encode(WORD.encode()),
        b64encode(b"a" + WORD.encode() + b"b"),
        urlsafe_b64encode(b"ab" + WORD.encode() + b"\xff"),
        repr(WORD).encode(),
    ],
)
def test_the_canary_is_heard_in_every_encoding(tmp_path: Path, shown: bytes) -> None:
    path = tmp_path / "left"
    path.write_bytes(b"before " + shown + b" after")
    assert leaks([path], Secrets(frozenset({WORD}), frozenset()))


def test_the_canary_is_heard_in_a_part_of_a_backup(tmp_path: Path) -> None:
    data = b64encode(bytes(range(256)) * 2).decode()
    path = tmp_path / "left"
    path.write_bytes(b'{"data": "' + data[77:140].encode() + b'..."}')
    assert leaks([path], Secrets(frozenset(), frozenset({data})))
    path.write_bytes(b"harmless")
    assert leaks([path], Secrets(frozenset({WORD}), frozenset({data}))) == []
