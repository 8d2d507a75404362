"""What protects somebody's client: a lock, and a journal of its state before, for its owner only."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fake_client import FakeClient, busy

from pytest_wa_settings.testbed import Need, TestbedError, Unavailable
from pytest_wa_settings.testbed import journal as journal_module
from pytest_wa_settings.testbed.declared import DeclaredTestbed
from pytest_wa_settings.testbed.identity import Identity, place_of
from pytest_wa_settings.testbed.journal import (
    FORMAT,
    Journal,
    JournalError,
    journals,
    new_journal,
    read_journal,
)
from pytest_wa_settings.testbed.locks import ClientLock
from pytest_wa_settings.testbed.putback import last_words
from pytest_wa_settings.testbed.readings import differing

Fake = Callable[..., FakeClient]
Declare = Callable[..., DeclaredTestbed]
Command = Callable[[Callable[[], None]], str]


def lock_of(url: str) -> ClientLock:
    """The lock of the client at an address."""
    return ClientLock(place_of(url), url)


def test_a_number_may_be_held_by_several_clients_of_one_run_and_by_no_other_run() -> None:
    first, second = (ClientLock("number 1", f"https://wa.example:{port}", several=True) for port in (6, 7))
    first.take()
    second.take()
    program = (
        "from pytest_wa_settings.testbed.locks import ClientLock;"
        "ClientLock('number 1', 'https://wa.example:6', several=True).take()"
    )
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "another run is using https://wa.example:6" in other.stderr
    second.release()
    first.release()


def test_a_locked_client_is_refused_to_another_run(tmp_path: Path) -> None:
    first, second = lock_of("https://wa.example:1/"), lock_of("https://WA.example:1")
    first.take()
    try:
        with pytest.raises(TestbedError, match="another run is using"):
            second.take()
    finally:
        first.release()
    second.take()
    second.release()


def test_other_addresses_have_other_locks() -> None:
    locks = [lock_of(f"https://wa.example:{port}{path}") for port, path in ((2, ""), (3, ""), (2, "/b"))]
    for lock in locks:
        lock.take()
    for lock in locks:
        lock.release()
        lock.release()


def test_a_lock_leaves_no_file() -> None:
    lock = lock_of("https://wa.example:4")
    lock.take()
    assert lock._path.exists()
    lock.release()
    assert not lock._path.exists()


def test_a_lock_ends_with_its_process() -> None:
    program = (
        "from pytest_wa_settings.testbed.locks import ClientLock; import os;"
        "ClientLock('wa.example:5', 'https://wa.example:5').take(); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    lock = lock_of("https://wa.example:5")
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


def one_journal(home: Path) -> Journal:
    """The only journal in the state folder."""
    (path,) = home.glob("wa-settings/*.json")
    return read_journal(path)


def test_a_journal_is_for_its_owner_only_and_stands_before_the_first_change(
    fake: Fake, declare: Declare, state_home: Path
) -> None:
    one = fake()
    testbed = declare(one)
    with testbed.lease(Need()) as client:
        client.backup("a password")
        assert not list(state_home.rglob("*.json"))
        client.ask("PATCH", "/v1/settings/application", json={"heartbeat_interval": 9})
        journal = one_journal(state_home)
        assert stat.S_IMODE(os.stat(journal.path).st_mode) == 0o600
        assert (journal.client, journal.state, journal.restored) == ("client 1", "changed", False)
        assert journal.reach["url"] == client.driver.base_url
        assert journal.readings["application"]["heartbeat_interval"] == 5
        assert one.password not in journal.path.read_text()
    testbed.close()
    assert one.settings["heartbeat_interval"] == 5
    assert not journal.path.parent.exists()


def test_a_state_folder_that_cannot_be_used_forbids_changes(
    fake: Fake, declare: Declare, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    one = fake()
    with (
        declare(one).lease(Need()) as client,
        pytest.raises(Unavailable, match=r"cannot be written to .*, so nothing is changed"),
    ):
        client.ask("PATCH", "/v1/settings/application", json={"heartbeat_interval": 9})
    assert one.settings["heartbeat_interval"] == 5


def test_without_a_backup_there_is_no_restore(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.scripted["POST /v1/settings/backup"] = [(500, {}, {})] * 3
    with declare(one).lease(Need()) as client:
        with pytest.raises(Unavailable, match="no safety backup of client 1 could be taken"):
            client.restore("a", "b")
        assert "POST /v1/settings/restore" not in one.seen


def test_the_last_words_name_the_way_back_and_hold_no_secret(
    fake: Fake, declare: Declare, state_home: Path
) -> None:
    with declare(fake()).lease(Need()) as client:
        client.ask("PATCH", "/v1/settings/application", json={"heartbeat_interval": 9})
        journal = one_journal(state_home)
        words = "\n".join(last_words(journal, "no answer"))
    assert f"wa-settings recover {journal.path}" in words
    assert journal.password not in words
    assert journal.data not in words
    assert journal.path.with_suffix(".txt").read_text() == words + "\n"


def test_clients_that_share_a_name_and_a_number_have_journals_of_their_own(state_home: Path) -> None:
    paths = []
    for place in ("wa.example:1", "wa.example:2", "wa.example:2"):
        journal = new_journal("client", Identity(place, "15550001111"), {}, {})
        journal.write()
        paths.append(journal.path)
    assert len(set(paths)) == 3


def test_what_only_a_restore_can_unset_is_restored(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.settings.pop("sent_status", None)
    one.after_restore = "blinks"
    before = dict(one.settings)
    testbed = declare(one)
    with testbed.lease(Need()) as client:
        client.ask("PATCH", "/v1/settings/application", json={"sent_status": True})
    assert "could not" not in "\n".join(testbed.close())
    assert one.settings == before
    assert len(one.restored) == 1


@pytest.mark.parametrize(("status", "restores"), [("disconnected", 1), (None, 0)])
def test_a_number_that_went_to_another_machine_is_given_back_where_nothing_else_was_changed(
    fake: Fake, declare: Declare, command: Command, state_home: Path, status: str | None, restores: int
) -> None:
    app, machine = fake(), fake(registered=False)
    app.after_restore = "blinks"
    new = {"state": "unregistered", "may_restore": True, "reset": command(machine.reset)}
    testbed = declare(app, (machine, new), ready_timeout=1.0)
    with testbed.lease(Need()) as old:
        data = old.backup("a password").data
    with testbed.lease(Need("unregistered", consumes=True)) as client:
        client.restore("a password", data)
        assert one_journal(state_home).moved
        client.come_back()
    app.status = status
    testbed.close()
    assert (app.status, len(app.restored)) == (None, restores)
    assert not list(state_home.rglob("*.json"))


def test_what_somebody_else_changed_meanwhile_is_not_overwritten_by_a_reset_either(
    fake: Fake, declare: Declare, command: Command
) -> None:
    one = fake()
    resets: list[int] = []
    testbed = declare((one, {"reset": command(lambda: resets.append(1))}))
    with testbed.lease(Need()) as client:
        client.ask("PATCH", "/v1/settings/application", json={"heartbeat_interval": 9})
        client.calls.application()
    one.settings["heartbeat_interval"] = 77
    assert "somebody else changed it meanwhile" in "\n".join(testbed.close())
    assert (one.settings["heartbeat_interval"], resets) == (77, [])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is no journal"),
        ("{}", "no journal of this version"),
        (f'{{"format": "{FORMAT}"}}', "is damaged"),
    ],
)
def test_a_file_that_is_no_journal_is_passed_over(state_home: Path, content: str, problem: str) -> None:
    path = state_home / "wa-settings" / "other.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert list(journals()) == []
    with pytest.raises(JournalError, match=problem):
        read_journal(path)


def test_an_entry_that_could_not_be_written_is_written_before_the_next_change(
    fake: Fake, declare: Declare, state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = fake()
    written, full = journal_module._write, [False]

    def write(path: Path, content: bytes) -> None:
        if full[0]:
            raise OSError(28, "No space left on device")
        written(path, content)

    monkeypatch.setattr(journal_module, "_write", write)
    testbed = declare(one)
    with testbed.lease(Need()) as client:
        testbed._slots[0].guard(restoring=False)
        full[0] = True
        with pytest.raises(Unavailable, match="so nothing is changed"):
            client.ask("PATCH", "/v1/settings/application", json={"heartbeat_interval": 9})
        full[0] = False
        client.ask("PATCH", "/v1/settings/application", json={"heartbeat_interval": 9})
        assert one_journal(state_home).state == "changed"


def test_first_changes_through_a_driver_and_its_clone_do_not_wait_for_each_other(
    fake: Fake, declare: Declare
) -> None:
    one = fake()
    with declare(one).lease(Need()) as client:
        twin = client.driver.clone()
        drivers = [client.driver, twin]
        with ThreadPoolExecutor(2) as pool:
            path, body = "/v1/settings/application", {"heartbeat_interval": 9}
            sent = [pool.submit(one.request, "PATCH", path, json=body) for one in drivers]
            assert [one.result(timeout=20).status for one in sent] == [200, 200]
        twin.close()


def test_a_client_whose_number_stands_in_support_alone_is_not_restored_for_nothing(
    fake: Fake, declare: Declare, command: Command
) -> None:
    app, machine = fake(), fake(registered=False)
    app.number, app.debug_info = None, "phone 15550001111"
    new = {"state": "unregistered", "may_restore": True, "reset": command(machine.reset)}
    testbed = declare(app, (machine, new))
    with testbed.lease(Need()) as old:
        data = old.backup("a password").data
    with testbed.lease(Need("unregistered", consumes=True)) as client:
        client.restore("a password", data)
    testbed.close()
    assert app.restored == []


@pytest.mark.parametrize("target", ["unregistered", "registered"])
def test_a_number_that_was_lost_where_nothing_may_be_restored_is_told(
    fake: Fake, declare: Declare, target: str
) -> None:
    app, machine = fake(), fake(registered=target == "registered")
    machine.after_restore = "stays"
    testbed = declare((app, {"may_restore": False}), (machine, {"state": target}), ready_timeout=0.5)
    data = testbed._slots[0].client.backup("a password").data
    testbed._slots[1].client.driver.restore("a password", data)
    app.status = "disconnected"
    assert "client 1 has lost its number to a client" in "\n".join(testbed.close())


def test_a_client_that_gives_no_backup_keeps_nobody_from_restoring_elsewhere(
    fake: Fake, declare: Declare
) -> None:
    broken, other = fake(), fake()
    other.after_restore = "stays"
    broken.scripted["POST /v1/settings/backup"] = [(400, {}, {})] * 9
    testbed = declare(broken, other)
    testbed._slots[0].client.backup("a password")
    client = testbed._slots[1].client
    assert client.restore("a password", client.backup("a password").data).ok


def test_restores_at_once_are_sent_anew_where_each_is_not_now(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.after_restore = "stays"
    testbed = declare(one)
    client = testbed._slots[0].client
    data = client.backup("a password").data
    one.scripted["POST /v1/settings/restore"] = busy(429, 2)
    answers = client.restore_at_once([("a password", data), ("a password", data)])
    assert [answer.status for answer in answers] == [200, 200]


def test_restores_at_once_are_not_sent_anew_where_one_was_accepted(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.after_restore = "stays"
    testbed = declare(one)
    client = testbed._slots[0].client
    data = client.backup("a password").data
    one.scripted["POST /v1/settings/restore"] = busy(429, 1)
    answers = client.restore_at_once([("a password", data), ("a password", data)])
    assert sorted(answer.status or 0 for answer in answers) == [200, 429]
    assert len(one.restored) == 1
