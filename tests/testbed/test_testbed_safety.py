"""What protects somebody's client: a lock, a keepsake of its readings, a safety backup for its owner only."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_client import FakeClient

from pytest_wa_settings.testbed import Need, TestbedError, Unavailable
from pytest_wa_settings.testbed.declared import DeclaredTestbed
from pytest_wa_settings.testbed.keepsake import differing
from pytest_wa_settings.testbed.locks import ClientLock
from pytest_wa_settings.testbed.safety import SafetyBackup, take_safety_backup

Fake = Callable[..., FakeClient]
Declare = Callable[..., DeclaredTestbed]


def test_a_locked_client_is_refused_to_another_run(tmp_path: Path) -> None:
    first, second = ClientLock("https://wa.example:1/"), ClientLock("https://WA.example:1")
    first.take()
    try:
        with pytest.raises(TestbedError, match="another run is using"):
            second.take()
    finally:
        first.release()
    second.take()
    second.release()


def test_other_addresses_have_other_locks() -> None:
    locks = [ClientLock(f"https://wa.example:{port}{path}") for port, path in ((2, ""), (3, ""), (2, "/b"))]
    for lock in locks:
        lock.take()
    for lock in locks:
        lock.release()
        lock.release()


def test_a_lock_leaves_no_file() -> None:
    lock = ClientLock("https://wa.example:4")
    lock.take()
    assert lock._path.exists()
    lock.release()
    assert not lock._path.exists()


def test_a_lock_ends_with_its_process() -> None:
    program = (
        "from pytest_wa_settings.testbed.locks import ClientLock; import os;"
        "ClientLock('https://wa.example:5').take(); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    lock = ClientLock("https://wa.example:5")
    lock.take()
    lock.release()


@pytest.mark.parametrize(
    ("before", "now", "changes"),
    [
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {"a": 2}, {"a": 1}),
        ({"a": 1}, {}, {"a": 1}),
        ({}, {"url": "https://x"}, {"url": ""}),
        ({}, {"count": 5}, {}),
        ({"wa_id": "1"}, {"wa_id": "2"}, {}),
        ({"media": {"auto": ["a"], "b": 1}}, {"media": {"auto": [], "b": 1}}, {"media": {"auto": ["a"]}}),
        ({"webhooks": {"max": 6}}, {"webhooks": {"max": 6, "url": "x"}}, {"webhooks": {"url": ""}}),
        ({}, {"webhooks": {"url": "x"}}, {"webhooks": {"url": ""}}),
        ({"on_call_pager": "1"}, {"on_call_pager": {"odd": 1}}, {"on_call_pager": "1"}),
    ],
)
def test_only_what_reads_differently_is_set_again(
    before: dict[str, object], now: dict[str, object], changes: dict[str, object]
) -> None:
    assert differing(before, now) == changes


def test_a_safety_backup_is_for_its_owner_only(fake: Fake, declare: Declare, state_home: Path) -> None:
    with declare(fake()).lease(Need()) as client:
        backup = take_safety_backup(client)
        assert stat.S_IMODE(os.stat(backup.path).st_mode) == 0o600
        assert backup.path.parent == state_home / "wa-settings"
        content = json.loads(backup.path.read_text())
        assert (content["url"], content["client"]) == (client.driver.base_url, "client 1")
        assert client.driver.restore(content["password"], content["data"]).ok
        backup.remove()
    assert not backup.path.parent.exists()


def test_a_state_folder_that_cannot_be_used_is_replaced(
    fake: Fake, declare: Declare, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with declare(fake()).lease(Need()) as client:
        assert take_safety_backup(client).path.parent == tmp_path


def test_without_a_backup_there_is_no_restore(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.scripted["POST /v1/settings/backup"] = [(500, {}, {})] * 3
    with declare(one).lease(Need()) as client:
        with pytest.raises(Unavailable, match="no safety backup of client 1 could be taken"):
            client.restore("a", "b")
        assert "POST /v1/settings/restore" not in one.seen


def test_the_last_words_restore_the_client_and_hold_no_secret(
    fake: Fake, declare: Declare, tmp_path: Path
) -> None:
    with declare(fake()).lease(Need()) as client:
        backup = take_safety_backup(client)
        words = "\n".join(backup.last_words("old machine", "no answer"))
    assert str(backup.path) in words
    assert backup.password not in words
    assert backup.data not in words
    body = _sent_by(backup, tmp_path)
    assert json.loads(body) == {"password": backup.password, "data": backup.data}


def _sent_by(backup: SafetyBackup, folder: Path) -> str:
    """What the command would send: a stand-in for curl keeps it."""
    curl = folder / "curl"
    curl.write_text('#!/bin/sh\ncat > "$OUT"\n')
    curl.chmod(0o755)
    out = folder / "out"
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "OUT": str(out)}
    subprocess.run(["sh", "-c", backup.command()], check=True, env=environment)
    return out.read_text()
