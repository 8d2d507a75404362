"""The real client's topology in containers, on the reference's image: what its nodes do to one another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from suite import run, until

from pytest_wa_settings.testbed import Client, Need, Settings, Testbed, open_testbed
from pytest_wa_settings.testbed.box import Box
from pytest_wa_settings.testbed.onprem import OnpremTestbed, StackLife

PASSWORD = "backup-password-1A"
WHOLE = [
    ("coreapp", "connected"),
    ("coreapp", "connected"),
    ("coreapp", "disconnected"),
    ("primary_master", "connected"),
    ("secondary_master", "disconnected"),
]


CODES = """
import os

import docker
import httpx


def pytest_wa_settings_registration_code(number):
    engine = docker.from_env()
    webs = engine.containers.list(filters={"name": "waweb", "label": "pytest-wa-settings.owner"})
    mine = [one for one in webs if f" {os.getpid()} " in one.labels["pytest-wa-settings.owner"]]
    (network,) = mine[0].attrs["NetworkSettings"]["Networks"].values()
    engine.close()
    address = f"http://{network['IPAddress']}:9900/wa/codes/{number}"
    return httpx.get(address, trust_env=False).json()["code"]
"""


@pytest.fixture(scope="module")
def testbed(engine: Any) -> Iterator[OnpremTestbed]:
    opened = open_testbed(Settings(url="onprem:images=reference,shards=2"))
    assert isinstance(opened, OnpremTestbed)
    opened.open()
    yield opened
    assert opened.close() == []


@pytest.fixture
def client(testbed: Testbed) -> Iterator[Client]:
    """A registered client of two shards, whole."""
    with testbed.lease(Need(exclusive=True)) as leased:
        until(lambda: nodes(leased) == WHOLE)
        yield leased
        # whatever the test has done to it
        leased.restart()
        until(lambda: nodes(leased) == WHOLE)


def entries(client: Client) -> dict[str, dict[str, str]]:
    """Health, an entry a node."""
    body = client.driver.health().body
    found: dict[str, dict[str, str]] = body["health"]
    return found


def nodes(client: Client) -> list[tuple[str, str]]:
    """Each node's role and status."""
    return sorted((node["role"], node["gateway_status"]) for node in entries(client).values())


def box_of(client: Client, node: str) -> Box:
    """The container of a node of health's."""
    assert isinstance(client.life, StackLife)
    return next(box for box in client.life.cores if box.id.startswith(node.partition(":")[2]))


def named(client: Client, role: str, status: str = "connected") -> str:
    """The first node of a role and status."""
    found = entries(client).items()
    return next(name for name, node in found if (node["role"], node["gateway_status"]) == (role, status))


def test_health_names_each_container_with_its_role(client: Client) -> None:
    assert isinstance(client.life, StackLife)
    assert {box_of(client, node).id for node in entries(client)} == {box.id for box in client.life.cores}


def test_the_log_of_a_client_is_that_of_all_its_nodes(testbed: Testbed, client: Client) -> None:
    log = testbed.log_of(client.name)
    assert log is not None
    assert log.count('"event": "serving"') >= 6


def test_the_image_finds_each_of_its_roles_healthy(client: Client, engine: Any) -> None:
    assert isinstance(client.life, StackLife)
    for box in (client.life.web, *client.life.cores):
        check = engine.api.inspect_container(box.id)["Config"]["Healthcheck"]["Test"][1:]
        running = engine.api.exec_create(box.id, check)["Id"]
        engine.api.exec_start(running)
        assert engine.api.exec_inspect(running)["ExitCode"] == 0


def test_the_coreapp_to_spare_steps_in_and_without_one_the_service_is_not_ready(client: Client) -> None:
    box_of(client, named(client, "coreapp")).kill()
    until(lambda: nodes(client) == WHOLE)
    box_of(client, named(client, "coreapp")).kill()
    until(lambda: nodes(client).count(("coreapp", "connected")) == 1)
    answer = client.driver.backup(PASSWORD)
    assert (answer.status, answer.codes) == (503, [1011])


def test_the_second_master_takes_over_from_a_killed_one(client: Client) -> None:
    first = named(client, "primary_master")
    box_of(client, first).kill()
    until(lambda: nodes(client) == WHOLE)
    assert named(client, "primary_master") != first
    assert client.backup(PASSWORD).ok


def test_a_restore_restarts_every_core_node_and_no_other_container(client: Client) -> None:
    life = client.life
    assert isinstance(life, StackLife)
    before = {box.name: box.look().started for box in life.boxes}
    backup = client.backup(PASSWORD)
    assert client.restore(PASSWORD, backup.data).status == 200
    client.come_back()
    after = {box.name: box.look().started for box in life.boxes}
    moved = {name for name in after if after[name] > before[name]}
    assert moved == {box.name for box in life.cores}


def test_an_image_that_cannot_be_had_is_an_error_in_one_line(engine: Any, tmp_path: Path) -> None:
    outcome = run(tmp_path, "onprem:registry=registry.invalid,version=2.57.2")
    assert outcome.status == 1
    assert "the image registry.invalid/web:v2.57.2 is not there and cannot be pulled" in outcome.terminal
    assert outcome.verdicts()["BACKUP-2"] == "error"
    assert "fail" not in outcome.verdicts().values()


def test_images_of_somebody_else_come_unregistered_and_the_rest_is_told(
    testbed: OnpremTestbed, tmp_path: Path
) -> None:
    outcome = run(tmp_path, f"onprem:images={testbed.image}", "--wa-allow-not-tested")
    assert outcome.status == 0, outcome.terminal
    assert outcome.verdicts()["BACKUP-2"] == "pass"
    assert outcome.verdicts()["BACKUP-1"] == "not tested"
    assert "name its number and certificate as WA_CC" in outcome.clause("BACKUP-1")["reason"]


def test_a_named_number_is_registered_with_the_code_that_a_plugin_brings(
    testbed: OnpremTestbed, tmp_path: Path
) -> None:
    (tmp_path / "codes.py").write_text(CODES)
    outcome = run(
        tmp_path / "run",
        f"onprem:images={testbed.image}",
        *("-p", "codes", "-k", "answers_401", "--wa-allow-not-tested"),
        PYTHONPATH=os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
        WA_CC="1",
        WA_PHONE_NUMBER="5550003333",
        WA_CERT="UmVmZXJlbmNl",
    )
    assert outcome.status == 0, outcome.terminal
    assert outcome.verdicts()["ACCESS-1"] == outcome.verdicts()["ACCESS-3"] == "pass"
