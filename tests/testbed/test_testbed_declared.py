"""Declared clients are leased as they are, used as sparingly as they must be, and put back at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_client import NUMBER, FakeClient, Reply

from pytest_wa_settings.testbed import (
    Client,
    GivenUp,
    Need,
    NotBack,
    Settings,
    TestbedError,
    Unavailable,
    open_testbed,
)
from pytest_wa_settings.testbed.declared import DeclaredTestbed

Fake = Callable[..., FakeClient]
Declare = Callable[..., DeclaredTestbed]
Command = Callable[[Callable[[], None]], str]
PASSWORD = "backup-password"
NEW = {"state": "unregistered"}


def restore(client: Client, data: str | None = None) -> None:
    assert client.restore(PASSWORD, data or client.backup(PASSWORD).data).ok
    client.come_back()


def safety_files(home: Path) -> list[Path]:
    return list(home.glob("wa-settings/*.json"))


# what is offered


def test_a_lease_hands_out_the_same_client_shared_and_exclusive(fake: Fake, declare: Declare) -> None:
    testbed = declare(fake())
    with testbed.lease(Need()) as shared:
        pass
    with testbed.lease(Need(exclusive=True)) as exclusive:
        assert exclusive is shared


def test_leases_that_overlap_are_of_different_clients(fake: Fake, declare: Declare) -> None:
    testbed = declare(fake(), fake())
    with testbed.lease(Need()) as one, testbed.lease(Need()) as other:
        assert one is not other
        with (
            pytest.raises(Unavailable, match="one more registered client at the same time"),
            testbed.lease(Need()),
        ):
            pass


@pytest.mark.parametrize(
    ("need", "why"),
    [
        (Need(), None),
        (Need("unregistered"), "no unregistered client is declared; add one to a clients.toml and give it"),
        (Need(shards=2), "no registered client with 2 shards is declared"),
        (Need(version="2.31.3"), "no registered client of version 2.31.3 is declared"),
        (Need(shards=1, multiconnect=False), None),
        (Need(version="v2.57.2"), None),
    ],
)
def test_what_is_not_declared_is_told_with_what_to_add(
    fake: Fake, declare: Declare, need: Need, why: str | None
) -> None:
    testbed = declare(fake())
    testbed.preflight()
    told = testbed.why_not(need)
    assert (told is None) if why is None else told is not None and told.startswith(why)


def test_the_default_client_is_the_first_registered_one(fake: Fake, declare: Declare) -> None:
    cluster = (fake(), {"shards": 4, "multiconnect": True})
    testbed = declare((fake(registered=False), NEW), cluster, fake())
    with testbed.lease(Need()) as client:
        assert (client.name, client.setup) == ("client 2", (4, True))
    assert testbed.shard_setups == ((1, False), (4, True))


@pytest.mark.parametrize(
    ("keys", "profile"),
    [({}, "full"), ({"may_restore": False}, "backup"), ({"profile": "restore"}, "restore")],
)
def test_the_profile_is_full_where_restores_are_allowed(
    fake: Fake, declare: Declare, keys: dict[str, Any], profile: str
) -> None:
    assert declare(fake(), **keys).profile == profile


def test_in_profile_backup_nothing_is_restored_even_where_it_may_be(fake: Fake, declare: Declare) -> None:
    with declare(fake(), profile="backup").lease(Need()) as client:
        assert not client.may_restore


def test_one_restore_is_kept_for_putting_the_client_back(fake: Fake, declare: Declare) -> None:
    testbed = declare(fake(), max_restores=20)
    testbed.preflight()
    assert testbed.restores_left == 19


def test_two_runs_do_not_use_one_client_at_once(fake: Fake, declare: Declare) -> None:
    one = fake()
    testbed = declare(one)
    with pytest.raises(TestbedError, match="another run is using"):
        declare(one)
    testbed.close()
    assert declare(one).preflight()


def test_a_testbed_that_cannot_open_lets_go_of_what_it_held(
    fake: Fake, declare: Declare, tmp_path: Path
) -> None:
    one = fake()
    with pytest.raises(TestbedError):
        declare(one, (fake(), {"url": "https://127.0.0.1:1", "ca": tmp_path / "none.pem"}))
    assert declare(one).preflight()


def test_an_address_alone_is_a_testbed(fake: Fake) -> None:
    one = fake()
    testbed = open_testbed(Settings(url=one.url, admin_password=one.password, allow_restore=True))
    testbed.open()
    try:
        testbed.preflight()
        assert (testbed.name, testbed.managed, testbed.profile) == (one.url.partition("//")[2], False, "full")
        assert testbed.clients_info()[0]["version"] == "2.57.2"
    finally:
        testbed.close()


# unregistered clients


def test_an_unregistered_client_without_reset_is_used_once(fake: Fake, declare: Declare) -> None:
    testbed = declare(fake(), (fake(registered=False), NEW))
    with testbed.lease(Need()) as old:
        data = old.backup(PASSWORD).data
    with testbed.lease(Need("unregistered")) as new:
        assert new.restore("wrong", data).status == 400
    with testbed.lease(Need("unregistered", consumes=True)) as new:
        restore(new, data)
    why = testbed.why_not(Need("unregistered"))
    assert why == (
        "the unregistered client client 2 was restored on already, and cannot be reset; "
        "add `reset` to its entry in clients.toml"
    )
    with pytest.raises(Unavailable, match="cannot be reset"), testbed.lease(Need("unregistered")):
        pass
    assert "client 2 is registered now" in "\n".join(testbed.close())


def test_an_unregistered_client_with_reset_is_used_again(
    fake: Fake, declare: Declare, command: Command
) -> None:
    machine = fake(registered=False)
    testbed = declare(fake(), (machine, {**NEW, "reset": command(machine.reset)}))
    with testbed.lease(Need()) as old:
        data = old.backup(PASSWORD).data
    for _ in range(2):
        with testbed.lease(Need("unregistered", consumes=True)) as new:
            restore(new, data)
            assert new.state == "registered"
    testbed.close()
    assert not machine.registered


def test_a_client_that_lost_its_number_is_reset_before_its_next_use(
    fake: Fake, declare: Declare, command: Command
) -> None:
    one = fake()
    testbed = declare((one, {"reset": command(one.reset)}))
    testbed.preflight()
    one.status = "disconnected"
    with testbed.lease(Need()) as client:
        assert client.serves(registered=True)


def test_where_health_says_nothing_a_number_that_is_no_longer_shown_is_lost(
    fake: Fake, declare: Declare, command: Command
) -> None:
    one = fake()
    resets: list[int] = []
    one.status = "all right"

    def reset() -> None:
        resets.append(1)
        one.reset()
        one.status, one.number = "all right", NUMBER

    testbed = declare((one, {"reset": command(reset)}))
    with testbed.lease(Need()):
        one.number = None
    with testbed.lease(Need()) as client:
        assert client.number() == NUMBER
    assert resets == [1]


def test_where_health_says_nothing_a_client_is_no_new_one_once_it_may_have_been_restored(
    fake: Fake, declare: Declare, command: Command
) -> None:
    one = fake(registered=False)
    resets: list[int] = []
    one.status = "all right"
    testbed = declare((one, {**NEW, "reset": command(lambda: resets.append(1))}))
    need = Need("unregistered", consumes=True)
    with testbed.lease(need) as client:
        client.touched = True
    with testbed.lease(need):
        assert resets == [1]


def test_without_a_reset_the_safety_backup_gets_a_lost_number_back(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.after_restore = "blinks"
    testbed = declare(one, ready_timeout=0.5)
    with testbed.lease(Need(exclusive=True)) as client:
        restore(client)
    one.status = "disconnected"
    with testbed.lease(Need()) as client:
        assert client.serves(registered=True)
    assert len(one.restored) == 2


def test_a_reset_that_takes_long_is_waited_for_though_the_number_was_lost(
    fake: Fake, declare: Declare, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_wa_settings.testbed.slot._A_MOMENT", 0.05)
    one = fake()

    def reset() -> None:
        one.status = "connecting"
        threading.Timer(0.5, one.reset).start()

    starts: list[int] = []
    keys = {"reset": command(reset), "restart": command(lambda: starts.append(1))}
    testbed = declare((one, keys), ready_timeout=20)
    testbed.preflight()
    one.status = "disconnected"
    with testbed.lease(Need()) as client:
        assert client.serves(registered=True)
    assert starts == []


def test_a_start_that_brings_no_lost_number_back_is_not_waited_for_as_long_as_a_slow_one(
    fake: Fake, declare: Declare, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_wa_settings.testbed.slot._A_MOMENT", 0.1)
    one = fake()
    one.after_restore = "blinks"
    starts: list[float] = []
    testbed = declare((one, {"restart": command(lambda: starts.append(time.monotonic()))}), ready_timeout=20)
    with testbed.lease(Need(exclusive=True)) as client:
        restore(client)
        client.come_back()
    began = len(starts)
    one.status = "disconnected"
    seen: list[float | None] = []
    really = Client.wait_serving

    def wait_serving(self: Client, limit: float | None = None, registered: bool | None = None) -> bool:
        seen.append(limit)
        return really(self, limit, registered)

    monkeypatch.setattr(Client, "wait_serving", wait_serving)
    with testbed.lease(Need()) as client:
        assert client.serves(registered=True)
    assert len(starts) > began
    assert seen[0] == 0.1


# clients that are gone


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made."""
    pauses: list[float] = []
    really = time.sleep

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        really(seconds)

    monkeypatch.setattr(time, "sleep", sleep)
    return pauses


def gone(testbed: DeclaredTestbed) -> None:
    """A test that restores, after which the client never comes back."""
    with testbed.lease(Need(exclusive=True)) as client, pytest.raises(NotBack):
        restore(client)


def test_a_client_that_is_gone_costs_its_limit_once_only(
    fake: Fake, declare: Declare, slept: list[float]
) -> None:
    one = fake()
    testbed = declare(one, ready_timeout=0.4)
    testbed.preflight()
    one.down = True
    for _ in range(2):
        slept.clear()
        with (
            pytest.raises(Unavailable, match=r"is not connected \(.*\), and nothing made it so"),
            testbed.lease(Need()),
        ):
            pass
    assert slept == []
    one.start()
    with testbed.lease(Need()) as client:
        assert client.serves(True)


def test_a_client_that_did_not_come_back_is_given_up_at_once(
    fake: Fake, declare: Declare, slept: list[float]
) -> None:
    one = fake()
    testbed = declare(one, ready_timeout=0.4)
    gone(testbed)
    slept.clear()
    for _ in range(2):
        with (
            pytest.raises(Unavailable, match=r"was given up: .* 0.4 s after the restore"),
            testbed.lease(Need()),
        ):
            pass
    assert slept == []


@pytest.mark.parametrize(
    ("restart", "told"), [("true", GivenUp), ("false", Unavailable), (None, Unavailable)]
)
def test_only_a_client_that_was_started_again_in_vain_is_to_blame(
    fake: Fake, declare: Declare, restart: str | None, told: type
) -> None:
    testbed = declare((fake(), {"restart": restart}), ready_timeout=0.4)
    gone(testbed)
    with pytest.raises(Unavailable, match="was given up") as stopped, testbed.lease(Need()):
        pass
    assert type(stopped.value) is told


def test_a_client_that_was_given_up_is_used_again_once_it_serves(fake: Fake, declare: Declare) -> None:
    one = fake()
    testbed = declare(one, ready_timeout=0.4)
    gone(testbed)
    one.start()
    one.after_restore = "blinks"
    with testbed.lease(Need(exclusive=True)) as client:
        restore(client)


def test_a_client_that_was_given_up_is_reset_where_that_is_declared(
    fake: Fake, declare: Declare, command: Command
) -> None:
    one = fake()
    testbed = declare((one, {"reset": command(one.reset)}), ready_timeout=0.4)
    gone(testbed)
    with testbed.lease(Need()) as client:
        assert client.serves(True)


def test_a_reset_that_fails_is_tried_once_only(fake: Fake, declare: Declare, tmp_path: Path) -> None:
    count = tmp_path / "count"
    new = (fake(registered=False), {**NEW, "reset": f"echo >> {count}; exit 3"})
    testbed = declare(fake(), new)
    with testbed.lease(Need()) as old, testbed.lease(Need("unregistered", consumes=True)) as machine:
        restore(machine, old.backup(PASSWORD).data)
    for _ in range(2):
        with pytest.raises(Unavailable, match="status 3"), testbed.lease(Need("unregistered")):
            pass
    assert "client 2 could not be reset" in "\n".join(testbed.close())
    assert count.read_text() == "\n"


def test_the_end_of_a_run_does_not_wait_for_a_client_that_was_given_up(
    fake: Fake, declare: Declare, slept: list[float]
) -> None:
    one = fake()
    testbed = declare(one, ready_timeout=0.4)
    with testbed.lease(Need(exclusive=True)) as client:
        client.user_token()
    gone(testbed)
    slept.clear()
    told = "\n".join(testbed.close())
    assert slept == []
    assert "client 1 could not be put back as it was before the run: the client is not" in told
    assert "the accounts that the suite made are deleted by that, too: adminwa" in told


# putting back


def test_the_state_before_the_run_is_put_back(fake: Fake, declare: Declare, state_home: Path) -> None:
    one, told = fake(), []
    one.after_restore = "blinks"
    before = dict(one.settings)
    testbed = declare(one, settings=Settings(url="http://x", say=told.append))
    with testbed.lease(Need(exclusive=True)) as client:
        client.ask("PATCH", "/v1/settings/application", json={"heartbeat_interval": 9})
        (file,) = safety_files(state_home)
        restore(client)
    assert testbed.close() == ["client 1 was put back as it was before the run"]
    assert one.settings == before
    assert len(one.restored) == 2
    assert safety_files(state_home) == []
    assert told == [f"the state of client 1 before the run, and its password, are in {file}"]


APPLICATION = "/v1/settings/application"


def test_a_reading_lost_before_the_first_change_is_taken_again(fake: Fake, declare: Declare) -> None:
    one = fake()
    before = dict(one.settings)
    testbed = declare(one, may_restore=False)
    with testbed.lease(Need(exclusive=True)) as client:
        one.scripted[f"GET {APPLICATION}"] = [None, None]
        client.ask("PATCH", APPLICATION, json={"heartbeat_interval": 9})
        assert one.settings["heartbeat_interval"] == 9
    assert testbed.close() == []
    assert one.settings == before


def test_nothing_is_changed_on_a_client_that_went_down_before(fake: Fake, declare: Declare) -> None:
    one = fake()
    testbed = declare(one, ready_timeout=0.2)
    with testbed.lease(Need(exclusive=True)) as client:
        one.down = True
        with pytest.raises(Unavailable, match="so nothing is changed"):
            client.ask("PATCH", APPLICATION, json={"heartbeat_interval": 9})
        one.start()
    assert f"PATCH {APPLICATION}" not in one.seen


def test_nothing_is_changed_on_a_client_that_was_down_for_one_reading_alone(
    fake: Fake, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = fake()
    reply, gone = one.reply, []

    def away_until_the_next_reading(method: str, path: str, body: bytes, headers: Any) -> Reply | None:
        if path == APPLICATION:
            gone.append(path)
        elif path.startswith("/v1/settings/"):
            gone.clear()
        return None if gone else reply(method, path, body, headers)

    testbed = declare(one, ready_timeout=0.2)
    with testbed.lease(Need(exclusive=True)) as client, monkeypatch.context() as patch:
        patch.setattr(one, "reply", away_until_the_next_reading)
        with pytest.raises(Unavailable, match="so nothing is changed"):
            client.ask("PATCH", APPLICATION, json={"heartbeat_interval": 9})
    assert f"PATCH {APPLICATION}" not in one.seen


def test_a_change_lost_while_it_is_put_back_is_made_again(fake: Fake, declare: Declare) -> None:
    one = fake()
    before = dict(one.settings)
    testbed = declare(one, may_restore=False)
    with testbed.lease(Need(exclusive=True)) as client:
        client.ask("PATCH", APPLICATION, json={"heartbeat_interval": 9})
        one.scripted[f"PATCH {APPLICATION}"] = [None]
    assert testbed.close() == []
    assert one.settings == before


def test_a_safety_backup_lost_on_the_way_is_taken_again(
    fake: Fake, declare: Declare, state_home: Path
) -> None:
    one = fake()
    testbed = declare(one)
    with testbed.lease(Need(exclusive=True)) as client:
        one.scripted["POST /v1/settings/backup"] = [None, (500, {}, {})]
        client.ask("PATCH", APPLICATION, json={"heartbeat_interval": 9})
        assert len(safety_files(state_home)) == 1


def test_a_backup_of_what_was_changed_already_is_no_safety_backup(fake: Fake, declare: Declare) -> None:
    one = fake()
    before = dict(one.settings)
    testbed = declare(one)
    with testbed.lease(Need(exclusive=True)) as client:
        one.scripted["POST /v1/settings/backup"] = [(500, {}, {})] * 3
        client.ask("PATCH", APPLICATION, json={"heartbeat_interval": 9})
        assert client.backup("pass").ok
        with pytest.raises(Unavailable, match="so nothing is restored on it"):
            restore(client)
    testbed.close()
    assert (one.restored, one.settings) == ([], before)


def test_settings_that_a_merging_restore_leaves_are_set_back(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.after_restore = "blinks"
    testbed = declare(one)
    with testbed.lease(Need(exclusive=True)) as client:
        restore(client)
        one.settings["on_call_pager"] = "15550002222"  # as if it had outlived the restore
        client.ask("PATCH", "/v1/settings/application", json={"on_call_pager": "15550002222"})
    testbed.close()
    assert one.settings.get("on_call_pager", "") == ""


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(
    fake: Fake, declare: Declare, state_home: Path
) -> None:
    one = fake()
    one.after_restore = "blinks"
    testbed = declare(one)
    with testbed.lease(Need(exclusive=True)) as client:
        restore(client)
    one.settings["heartbeat_interval"] = 9
    restored = len(one.restored)
    lines = testbed.close()
    assert "somebody else changed it meanwhile: settings (heartbeat_interval)" in lines[0]
    assert (one.settings["heartbeat_interval"], len(one.restored)) == (9, restored)
    assert len(safety_files(state_home)) == 1


def test_a_client_that_reads_otherwise_after_it_was_put_back_is_the_last_word(
    fake: Fake, declare: Declare, state_home: Path
) -> None:
    one = fake()
    one.after_restore = "blinks"
    testbed = declare(one)
    with testbed.lease(Need(exclusive=True)) as client:
        restore(client)
        one.stuck = {"heartbeat_interval": 9, "requests": 17}
        client.ask("GET", "/v1/settings/application")
    lines = testbed.close()
    (file,) = safety_files(state_home)
    assert lines[0] == (
        "client 1 could not be put back as it was before the run: "
        "this reads otherwise than before: settings (heartbeat_interval)"
    )
    assert str(file) in lines[1]
    assert lines[3] == f"  wa-settings recover {file}"
    assert not any("was put back" in line for line in lines)


@pytest.mark.parametrize("way", ["before", "after"])
def test_a_gateway_that_answers_once_keeps_no_client_from_being_put_back(
    fake: Fake, declare: Declare, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    one = fake()
    one.after_restore = "blinks"
    before = dict(one.settings)
    testbed = declare(one)
    with testbed.lease(Need(exclusive=True)) as client:
        # a number that was not there before is not set again: only the restore takes it away
        client.ask("PATCH", "/v1/settings/application", json={"heartbeat_interval": 9, "new": 1})
        restore(client)
    restored, carry_out = len(one.restored), one._restore
    page = (502, b"<html>bad gateway</html>", {"Content-Type": "text/html"})

    def swallowed_once(body: dict[str, object]) -> object:
        monkeypatch.setattr(one, "_restore", carry_out)
        if way == "after":
            carry_out(body)
        return page

    monkeypatch.setattr(one, "_restore", swallowed_once)
    assert testbed.close() == ["client 1 was put back as it was before the run"]
    assert (one.settings, len(one.restored)) == (before, restored + 1)


def test_a_member_that_no_documentation_lists_may_read_otherwise(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.after_restore = "blinks"
    one.stuck = {"requests": 1}
    testbed = declare(one)
    with testbed.lease(Need(exclusive=True)) as client:
        restore(client)
    one.stuck = {"requests": 17}
    assert testbed.close() == ["client 1 was put back as it was before the run"]


def test_without_restores_only_settings_are_set_back(fake: Fake, declare: Declare, state_home: Path) -> None:
    one = fake()
    testbed = declare(one, may_restore=False)
    with testbed.lease(Need(exclusive=True)) as client:
        client.ask("PATCH", "/v1/settings/application", json={"heartbeat_interval": 9})
    assert testbed.close() == []
    assert one.settings["heartbeat_interval"] == 5
    assert (one.restored, safety_files(state_home)) == ([], [])


def test_a_client_that_was_only_read_is_left_alone(fake: Fake, declare: Declare) -> None:
    one = fake()
    testbed = declare(one)
    with testbed.lease(Need()) as client:
        client.backup(PASSWORD)
    before = len(one.seen)
    assert testbed.close() == []
    assert len(one.seen) == before


def test_a_client_that_cannot_be_put_back_is_the_last_word(
    fake: Fake, declare: Declare, state_home: Path
) -> None:
    one = fake()
    one.after_restore = "blinks"
    testbed = declare(one)
    with testbed.lease(Need(exclusive=True)) as client:
        restore(client)
    one.refuses_restores = True
    lines = testbed.close()
    (file,) = safety_files(state_home)
    assert "client 1 could not be put back" in lines[0]
    assert "refused its own safety backup (status 400)" in lines[0]
    assert str(file) in lines[1]
    assert lines[3] == f"  wa-settings recover {file}"
    assert testbed.close() == lines


def test_a_client_that_went_away_is_the_last_word(fake: Fake, declare: Declare, state_home: Path) -> None:
    one = fake()
    testbed = declare(one, ready_timeout=0.3)
    with testbed.lease(Need(exclusive=True)) as client:
        client.restore(PASSWORD, client.backup(PASSWORD).data)
    lines = testbed.close()
    assert "client 1 could not be put back" in lines[0]
    assert len(safety_files(state_home)) == 1


def test_a_reset_puts_back_what_a_restore_cannot(fake: Fake, declare: Declare, command: Command) -> None:
    one = fake()
    one.after_restore = "blinks"
    testbed = declare((one, {"reset": command(one.reset)}))
    with testbed.lease(Need(exclusive=True)) as client:
        restore(client)
    one.refuses_restores = True
    (line,) = testbed.close()
    assert "was put back by its reset command" in line


def test_a_run_that_is_broken_off_puts_the_client_back(
    fake: Fake, declare: Declare, state_home: Path
) -> None:
    one = fake()
    one.after_restore = "blinks"
    testbed = declare(one)

    def broken_off() -> None:
        with testbed.lease(Need(exclusive=True)) as client:
            client.restore(PASSWORD, client.backup(PASSWORD).data)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert testbed.close() == ["client 1 was put back as it was before the run"]
    assert safety_files(state_home) == []


def test_a_client_whose_restart_command_is_wrong_may_come_back_by_itself(
    fake: Fake, declare: Declare
) -> None:
    one = fake()
    testbed = declare((one, {"restart": "exit 3"}))
    with testbed.lease(Need(exclusive=True)) as client, pytest.raises(NotBack, match="status 3"):
        restore(client)
    threading.Timer(0.2, one.start).start()
    one.after_restore = "stays"
    testbed.close()
    assert len(one.restored) == 2


def test_an_interrupt_while_it_is_put_back_leaves_the_last_words(
    fake: Fake, declare: Declare, state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = fake(), fake()
    one.after_restore = other.after_restore = "blinks"
    testbed = declare(one, other)
    with testbed.lease(Need()) as first, testbed.lease(Need()) as second:
        restore(first)
        restore(second)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(first.driver, "restore", interrupted)
    lines = testbed.close()
    assert "client 1 could not be put back as it was before the run: the run was ended meanwhile" in lines[0]
    assert any("client 2 was put back" in line for line in lines)
    assert len(safety_files(state_home)) == 1


def test_accounts_that_the_suite_made_are_deleted(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.users["agent"] = "agent-password"
    testbed = declare(one)
    with testbed.lease(Need()) as client:
        client.user_token()
        client.driver.create_user("wa-own", "aA1!aaaaaaa")
    assert len(one.users) == 3
    assert testbed.close() == []
    assert list(one.users) == ["agent"]


def test_an_account_that_stays_is_told(fake: Fake, declare: Declare) -> None:
    one = fake()
    testbed = declare(one)
    with testbed.lease(Need()) as client:
        client.driver.create_user("wa-own", "aA1!aaaaaaa")
    one.scripted["DELETE /v1/users/wa-own"] = [(500, {}, {})]
    one.scripted["GET /v1/users/wa-own"] = [(200, {}, {})]
    assert testbed.close() == ["client 1: delete the accounts wa-own by hand"]


def test_nothing_is_left_running(fake: Fake, declare: Declare) -> None:
    before = set(threading.enumerate())
    testbed = declare(fake())
    assert testbed.webhook is not None
    testbed.webhook.url("/")
    testbed.close()
    ours = [thread for thread in set(threading.enumerate()) - before if thread.name == "wa-webhook"]
    for thread in ours:
        thread.join(2)
    assert not [thread for thread in ours if thread.is_alive()]


def test_secrets_do_not_reach_the_recorder(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.after_restore = "blinks"
    testbed = declare(one)
    with testbed.lease(Need(exclusive=True)) as client:
        client.user_token()
        restore(client)
    testbed.close()
    record = "\n".join(str(exchange) for exchange in testbed.recorder.exchanges)
    secrets = {one.password, PASSWORD, *one.restored, *one.tokens}
    assert [secret for secret in secrets if secret in record] == []


def test_a_restore_that_was_broken_off_counts_as_made(
    fake: Fake, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = fake()
    one.after_restore = "blinks"
    testbed = declare(one)

    def sent_and_broken_off(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with testbed.lease(Need(exclusive=True)) as client:
        client.prepare_restore()
        with monkeypatch.context() as patched:
            patched.setattr(client.driver, "_ask", sent_and_broken_off)
            with pytest.raises(KeyboardInterrupt):
                client.restore(PASSWORD, "data")
    assert testbed.close() == ["client 1 was put back as it was before the run"]


def test_a_client_that_is_not_for_tests_is_never_reset(
    fake: Fake, declare: Declare, command: Command
) -> None:
    one, calls = fake(), []
    keys = {"reset": command(lambda: calls.append(1)), "may_restore": False, "may_change": False}
    testbed = declare((one, keys), ready_timeout=0.3)
    testbed.preflight()
    one.status = "disconnected"
    with pytest.raises(Unavailable), testbed.lease(Need()):
        pass
    testbed.close()
    assert calls == []
