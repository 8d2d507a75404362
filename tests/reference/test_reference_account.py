"""Registration by code, two-step verification, shards, health and support."""

from __future__ import annotations

import base64
import itertools
import os

import httpx
import pytest
from driving import Pool, Reference, code

CERT = base64.b64encode(b"My Business").decode()
LOCALS = itertools.count(5560000000 + os.getpid() % 10000 * 1000)


def request_code(client: Reference, number: str, **members: object) -> httpx.Response:
    """Ask for a registration code."""
    body = {"cc": "1", "phone_number": number, "method": "sms", "cert": CERT, **members}
    return client.ask("POST", "/v1/account", json=body)


def register(client: Reference, number: str, **members: object) -> httpx.Response:
    """Register with the code that the number's phone shows."""
    assert request_code(client, number, **members).status_code == 202
    shown = client.pool.plain.get(f"/wa/codes/1{number}").json()["code"]
    client.number = f"1{number}"
    return client.ask("POST", "/v1/account/verify", json={"code": shown})


def test_a_number_is_registered_with_its_code(new_machine: Reference) -> None:
    number = str(next(LOCALS))
    answer = request_code(new_machine, number)
    assert answer.json()["account"] == [{"vname": "My Business"}]
    assert new_machine.status() == "unregistered"
    assert code(new_machine.ask("POST", "/v1/account/verify", json={"code": "0000000"})) == 1009
    assert register(new_machine, number).status_code == 201
    assert new_machine.status() == "connected"
    assert request_code(new_machine, number).status_code == 201
    assert new_machine.backup().status_code == 200


def test_a_code_that_nobody_asked_for_is_refused(new_machine: Reference) -> None:
    assert code(new_machine.ask("POST", "/v1/account/verify", json={"code": "123456"})) == 1011


@pytest.mark.parametrize(
    "change", [{"cc": "x"}, {"phone_number": "1"}, {"method": "fax"}, {"cert": "?"}, {"pin": "12"}, {"cc": 1}]
)
def test_a_request_for_a_code_follows_its_rules(new_machine: Reference, change: dict[str, object]) -> None:
    assert code(request_code(new_machine, "5550001111", **change)) == 1009


def test_registering_elsewhere_takes_the_number_away(new_machine: Reference, pool: Pool) -> None:
    number = str(next(LOCALS))
    register(new_machine, number)
    other = pool.start(registered=False)
    register(other, number)
    assert other.status() == "connected"
    new_machine.start_again()
    assert new_machine.status() == "disconnected"


def test_two_step_verification_protects_the_number(new_machine: Reference, pool: Pool) -> None:
    number = str(next(LOCALS))
    register(new_machine, number)
    pin = {"pin": "123456"}
    assert new_machine.ask("POST", "/v1/settings/account/two-step", json=pin).json() is None
    other = pool.start(registered=False)
    assert code(request_code(other, number)) == 1008
    assert code(request_code(other, number, pin="654321")) == 1009
    restored = pool.start(registered=False)
    assert restored.restore(new_machine.data()).status_code == 200
    assert code(request_code(other, number)) == 1008
    assert restored.ask("DELETE", "/v1/settings/account/two-step").status_code == 200
    assert request_code(other, number).status_code == 202


@pytest.mark.parametrize("pin", ["12345", "1234567", "abcdef", 123456, None])
def test_a_pin_is_six_digits(client: Reference, pin: object) -> None:
    assert code(client.ask("POST", "/v1/settings/account/two-step", json={"pin": pin})) == 1009


def test_shards_are_set_on_a_multiconnect_setup(pool: Pool) -> None:
    client = pool.start(shards=2, multiconnect=True)
    assert client.number is not None
    assert client.ask("GET", "/v1/account/shards").json()["account"] == {"shards": 2}
    body = {"cc": client.number[0], "phone_number": client.number[1:], "cert": CERT}
    data = client.data()
    assert client.ask("POST", "/v1/account/shards", json={**body, "shards": "4"}).status_code == 201
    assert client.ask("GET", "/v1/account/shards").json()["account"] == {"shards": 4}
    assert client.restore(data).status_code == 400
    for wrong in (3, 0, 64, "x", True, None):
        assert code(client.ask("POST", "/v1/account/shards", json={**body, "shards": wrong})) == 1009
    single = pool.start()
    assert code(single.ask("POST", "/v1/account/shards", json={**body, "shards": 4})) == 1025


def test_health_names_every_node_of_a_multiconnect_setup(pool: Pool) -> None:
    client = pool.start(shards=4, multiconnect=True)
    nodes = client.ask("GET", "/v1/health").json()["health"]
    assert sorted(node["role"] for node in nodes.values()) == ["coreapp"] * 4 + ["primary_master"]
    assert {node["gateway_status"] for node in nodes.values()} == {"connected"}
    new = pool.start(shards=4, multiconnect=True, registered=False)
    nodes = new.ask("GET", "/v1/health").json()["health"]
    assert {node["gateway_status"] for node in nodes.values()} == {"unregistered"}


def test_with_one_shard_one_node_is_connected(pool: Pool) -> None:
    client = pool.start(multiconnect=True)
    nodes = client.ask("GET", "/v1/health").json()["health"].values()
    assert [(node["role"], node["gateway_status"]) for node in nodes] == [
        ("primary_master", "disconnected"),
        ("coreapp", "connected"),
    ]


def test_support_tells_the_number_or_that_there_is_none(client: Reference, new_machine: Reference) -> None:
    support = client.ask("GET", "/v1/support").json()["support"]
    assert support["debug_info"] == client.number
    assert isinstance(support["e2e"]["registration_id"], int)
    assert new_machine.ask("GET", "/v1/support").json()["support"]["debug_info"] == "unregistered"


def test_support_tells_the_shards_of_every_node(pool: Pool) -> None:
    client = pool.start(shards=2, multiconnect=True)
    nodes = client.ask("GET", "/v1/support").json()["support"].values()
    assert [node["shards"] for node in nodes] == [[[-1, -1]], [[0, 0]], [[1, 1]]]
