"""`mock:` starts reference clients of any kind, brings them back, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_client import until

from pytest_wa_settings.testbed import Need, Settings, Testbed, TestbedError, Unavailable, open_testbed
from pytest_wa_settings.testbed.pool import PoolError
from pytest_wa_settings.testbed.process import ProcessTestbed

PASSWORD = "backup-password-1A"


def opened(address: str, **options: object) -> ProcessTestbed:
    testbed = open_testbed(Settings(url=address, **options))  # type: ignore[arg-type]
    assert isinstance(testbed, ProcessTestbed)
    testbed.open()
    return testbed


@pytest.fixture(scope="module")
def mock() -> Iterator[ProcessTestbed]:
    testbed = opened("mock:")
    yield testbed
    testbed.close()


def test_the_preflight_tells_what_was_started(mock: Testbed) -> None:
    (line,) = mock.preflight()
    assert "version 2.57.2, connected, a single instance" in line
    assert mock.latency > 0
    assert (mock.managed, mock.profile, mock.pinned_version) == (True, "full", None)


def test_shared_leases_get_the_same_client_one_after_the_other(mock: Testbed) -> None:
    with mock.lease(Need()) as first:
        pass
    with mock.lease(Need()) as second:
        assert second is first


def test_overlapping_leases_get_different_clients_with_numbers_of_their_own(mock: Testbed) -> None:
    with mock.lease(Need()) as one, mock.lease(Need()) as other:
        assert one is not other
        assert one.number() != other.number()


def test_an_exclusive_lease_is_of_a_fresh_client_that_is_gone_after_it(mock: Testbed) -> None:
    with mock.lease(Need()) as shared, mock.lease(Need(exclusive=True)) as client:
        assert client is not shared
    assert not client.driver.health().answered
    with pytest.raises(PoolError):
        client.life.running()


def test_a_shared_client_that_a_test_failed_on_is_not_used_again(mock: Testbed) -> None:
    with pytest.raises(RuntimeError), mock.lease(Need()) as first:
        raise RuntimeError
    with mock.lease(Need()) as second:
        assert second is not first


def test_any_state_setup_and_version_can_be_had(mock: Testbed) -> None:
    for need in (
        Need("unregistered"),
        Need(shards=2),
        Need(shards=1, multiconnect=True),
        Need(version="2.29.1"),
    ):
        with mock.lease(need) as client:
            assert client.serves(registered=need.state == "registered")
            assert client.version == (need.version or "2.57.2")
    assert (32, True) in mock.shard_setups
    assert mock.versions == ("2.29.1", "2.31.3", "2.31.4", "2.57.2")


def test_what_the_reference_is_not_is_told(mock: Testbed) -> None:
    assert "does not come as 3 shards" in str(mock.why_not(Need(shards=3)))
    assert "no version 9.9" in str(mock.why_not(Need(version="9.9")))
    with pytest.raises(Unavailable), mock.lease(Need(shards=3)):
        pass


def test_a_client_comes_back_after_a_restore(mock: Testbed) -> None:
    with mock.lease(Need(exclusive=True)) as client:
        data = client.backup(PASSWORD).data
        assert client.restore(PASSWORD, data).ok
        client.come_back()
        assert client.serves(registered=True)
        assert client.wait_down(0.05) is False


def test_a_new_machine_takes_the_number(mock: Testbed) -> None:
    with mock.lease(Need(exclusive=True)) as old, mock.lease(Need("unregistered", consumes=True)) as new:
        number = old.number()
        assert new.restore(PASSWORD, old.backup(PASSWORD).data).ok
        new.come_back()
        assert (new.number(), new.state) == (number, "registered")


def test_a_kill_is_a_kill_and_a_start_a_start(mock: Testbed) -> None:
    with mock.lease(Need(exclusive=True)) as client:
        client.kill()
        assert client.is_down()
        client.come_back()
        client.restart()
        client.kill()
        client.start()
        assert client.serves(registered=True)


def test_a_user_a_consumer_and_a_webhook_are_there(mock: Testbed) -> None:
    with mock.lease(Need()) as client:
        assert client.user_token()
        assert mock.consumer is not None
        assert mock.consumer.contact("15550100001", client.number()) is not None
    assert mock.webhook is not None


def test_clients_are_listed_by_kind(mock: Testbed) -> None:
    with mock.lease(Need("unregistered")):
        pass
    names = [info["name"] for info in mock.clients_info()]
    assert names[0] == "mock"
    assert "mock, unregistered" in names


def test_a_policy_of_always_needs_no_start() -> None:
    testbed = opened("mock:restart-policy=always")
    try:
        with testbed.lease(Need(exclusive=True)) as client:
            assert client.restart_policy == "always"
            assert client.restore(PASSWORD, client.backup(PASSWORD).data).ok
            client.come_back()
            client.kill()
            client.come_back()
    finally:
        testbed.close()


def test_a_pinned_version_pins_every_client_but_the_peer() -> None:
    testbed = open_testbed(Settings(url="mock:version=2.29.1,shards=2"))
    assert testbed.pinned_version == "2.29.1"
    assert testbed.why_not(Need()) is None
    assert testbed.why_not(Need(version="2.29.1")) is None
    assert "take version= out" in str(testbed.why_not(Need(version="2.57.2")))
    assert testbed.why_not(Need(version="2.57.2", peer=True)) is None
    assert testbed.why_not(Need(shards=1, multiconnect=False)) is None


def test_in_profile_backup_clients_are_neither_changed_nor_restored_on() -> None:
    testbed = opened("mock:", profile="backup")
    try:
        with testbed.lease(Need()) as client:
            assert not client.may_change
            with pytest.raises(Unavailable):
                client.restore(PASSWORD, "data")
            assert client.user_token()
    finally:
        testbed.close()


def test_closing_twice_and_before_opening_does_no_harm() -> None:
    testbed = open_testbed(Settings(url="mock:"))
    assert testbed.close() == []
    testbed.open()
    assert testbed.close() == []
    assert testbed.close() == []


def test_a_mutant_that_does_not_exist_is_told() -> None:
    testbed = open_testbed(Settings(url="mock:mutant=no-such"))
    with pytest.raises(TestbedError) as caught:
        testbed.open()
    assert "no mutant 'no-such'" in caught.value.problem
    assert "wa-settings mutants" in caught.value.remedy
    assert testbed.close() == []


def test_a_pool_that_ended_is_told_and_closes_quietly() -> None:
    testbed = opened("mock:")
    assert testbed._pool is not None
    assert testbed._pool._process is not None
    testbed._pool._process.kill()
    testbed._pool._process.wait()
    with pytest.raises(PoolError, match="has ended"), testbed.lease(Need()):
        pass
    assert testbed.close() == []


def test_a_suite_that_is_killed_leaves_no_process() -> None:
    program = (
        "from pytest_wa_settings.testbed import *; import os, sys;"
        "testbed = open_testbed(Settings(url='mock:')); testbed.open(); lease = testbed.lease(Need());"
        "lease.__enter__(); print(testbed._pool._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    out = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=False)
    group = int(out.stdout)
    assert until(lambda: not _group_lives(group), 10.0)


def test_nothing_is_left_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    testbed = opened("mock:")
    with testbed.lease(Need()):
        assert list(tmp_path.iterdir())
    testbed.close()
    assert list(tmp_path.iterdir()) == []


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return True
