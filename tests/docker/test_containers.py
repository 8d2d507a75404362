"""Clients in containers: Docker's own restarts, ports that change, machines that are copied."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from suite import until

from pytest_wa_settings.api.health import statuses
from pytest_wa_settings.testbed import Client, Need, Settings, Testbed, open_testbed
from pytest_wa_settings.testbed.containers import STATE, BoxLife, ContainerTestbed

PASSWORD = "backup-password-1A"


@pytest.fixture(scope="module")
def testbed(engine: Any) -> Iterator[ContainerTestbed]:
    opened = open_testbed(Settings(url="docker:"))
    assert isinstance(opened, ContainerTestbed)
    opened.open()
    yield opened
    assert opened.close() == []


def inspected(engine: Any, client: Client) -> dict[str, Any]:
    assert isinstance(client.life, BoxLife)
    found: dict[str, Any] = engine.api.inspect_container(client.life.box.id)
    return found


def restored(client: Client) -> None:
    backup = client.backup(PASSWORD)
    assert client.restore(PASSWORD, backup.data).status == 200


def test_without_a_policy_a_restored_app_stays_down_until_it_is_started(
    testbed: Testbed, engine: Any
) -> None:
    with testbed.lease(Need(exclusive=True)) as client:
        restored(client)
        until(lambda: client.life.running() is False)
        assert inspected(engine, client)["State"]["Status"] == "exited"
        client.come_back()
        assert client.driver.health().ok


def test_under_a_policy_docker_brings_a_restored_app_back(engine: Any) -> None:
    testbed = open_testbed(Settings(url="docker:restart-policy=unless-stopped"))
    testbed.open()
    try:
        with testbed.lease(Need(exclusive=True)) as client:
            restored(client)
            client.come_back()
            assert inspected(engine, client)["RestartCount"] >= 1
            assert client.driver.health().ok
    finally:
        testbed.close()


def test_a_client_is_found_at_its_new_port_after_a_restart(testbed: Testbed) -> None:
    with testbed.lease(Need(exclusive=True)) as client:
        before = client.driver.base_url
        client.restart()
        assert client.driver.base_url != before
        assert client.driver.health().ok


def test_a_killed_client_is_down_until_it_comes_back(testbed: Testbed) -> None:
    with testbed.lease(Need(exclusive=True)) as client:
        client.kill()
        assert client.is_down()
        client.come_back()
        assert not client.is_down()


def test_a_client_runs_with_little(testbed: Testbed, engine: Any) -> None:
    with testbed.lease(Need()) as client:
        found = inspected(engine, client)
    assert found["Config"]["User"] == "10001:10001"
    assert found["HostConfig"]["ReadonlyRootfs"] is True
    assert found["HostConfig"]["CapDrop"] == ["ALL"]
    assert found["HostConfig"]["SecurityOpt"] == ["no-new-privileges"]
    assert found["Config"]["Healthcheck"]["Test"]
    assert [mount["Destination"] for mount in found["Mounts"]] == [STATE]
    ports = [port["HostIp"] for outer in found["NetworkSettings"]["Ports"].values() for port in outer or ()]
    assert set(ports) == {"127.0.0.1"}


def test_the_image_adds_little_to_its_base(testbed: Testbed, engine: Any) -> None:
    with testbed.lease(Need()) as client:
        image = engine.images.get(inspected(engine, client)["Image"])
    base = engine.images.get(image.labels["pytest-wa-settings.base"])
    assert image.attrs["Size"] - base.attrs["Size"] < 120 * 10**6


def test_a_migration_disconnects_the_old_machine(testbed: Testbed) -> None:
    consumer = testbed.consumer
    assert consumer is not None
    (contact,) = consumer.test_contacts(1)
    with (
        testbed.lease(Need(exclusive=True)) as old,
        testbed.lease(Need(state="unregistered", exclusive=True)) as new,
    ):
        number = old.number()
        consumer.set_notifications(contact, True)
        before = consumer.contact(contact, number)
        backup = old.backup(PASSWORD)
        assert new.restore(PASSWORD, backup.data).status == 200
        new.come_back()
        assert (new.number(), old.is_down()) == (number, True)
        after = consumer.contact(contact, number)
        assert after.security_code != before.security_code
        assert len(after.notices) - len(before.notices) == 1


def test_a_copied_volume_does_not_connect_and_a_backup_does(testbed: ContainerTestbed, engine: Any) -> None:
    """BACKUP-12: a snapshot of a machine is no backup."""
    with (
        testbed.lease(Need(exclusive=True)) as old,
        testbed.lease(Need(state="unregistered", exclusive=True)) as new,
        a_volume(engine) as snapshot,
    ):
        assert isinstance(old.life, BoxLife)
        backup = old.backup(PASSWORD)
        old.kill()
        copy(engine, old, str(old.life.volume), snapshot)
        assert new.restore(PASSWORD, backup.data).status == 200
        new.come_back()

        copy(engine, old, snapshot, str(old.life.volume))
        old.start_again()
        assert old.wait_serving()
        assert statuses(old.driver.health()) == ["disconnected"]

        assert old.restore(PASSWORD, backup.data).status == 200
        old.come_back()
        assert statuses(old.driver.health()) == ["connected"]


@contextmanager
def a_volume(engine: Any) -> Iterator[str]:
    volume = engine.volumes.create(labels={"wa-test": "snapshot"})
    try:
        yield volume.name
    finally:
        volume.remove(force=True)


def copy(engine: Any, client: Client, source: str, target: str) -> None:
    """Makes the volume `target` what `source` is."""
    engine.containers.run(
        inspected(engine, client)["Image"],
        entrypoint=["sh", "-c", f"rm -rf /target/* && cp -a {STATE}/. /target/"],
        user="0",
        volumes={source: {"bind": STATE, "mode": "ro"}, target: {"bind": "/target", "mode": "rw"}},
        remove=True,
    )
