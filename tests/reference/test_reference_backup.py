"""Backup: who gets one, when, and what is in it."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from driving import Pool, Reference, code


def test_a_registered_client_gives_a_backup(client: Reference) -> None:
    answer = client.backup()
    assert answer.status_code == 200
    assert answer.json()["settings"]["data"]
    assert answer.headers["content-type"] == "application/json"


def test_an_unregistered_client_gives_none(new_machine: Reference) -> None:
    answer = new_machine.backup()
    assert (answer.status_code, code(answer)) == (409, 1011)
    assert "settings" not in answer.json()


@pytest.mark.parametrize("password", ["", "\0", "pw", "💾" * 40, "a" * 5000, " blank ", "é"])
def test_any_string_is_a_password(pool: Pool, client: Reference, password: str) -> None:
    data = client.backup(password).json()["settings"]["data"]
    new = pool.start(registered=False)
    assert new.restore(data, password + "x").status_code == 400
    assert new.restore(data, password).status_code == 200


@pytest.mark.parametrize("password", [None, 1, 1.5, True, [], {}, ["pw"]])
def test_a_password_of_another_type_is_refused(client: Reference, password: object) -> None:
    answer = client.backup(password)
    assert (answer.status_code, code(answer)) == (400, 1009)


def test_a_missing_password_is_named(client: Reference) -> None:
    for body in ("{}", ""):
        answer = client.ask("POST", "/v1/settings/backup", content=body)
        assert (answer.status_code, code(answer)) == (400, 1008)


def test_half_of_a_surrogate_pair_is_refused(client: Reference) -> None:
    answer = client.ask("POST", "/v1/settings/backup", content=b'{"password": "\\ud800"}')
    assert (answer.status_code, code(answer)) == (400, 1009)


def test_what_is_planted_cannot_be_read_out_of_the_data(client: Reference) -> None:
    client.ask("PATCH", "/v1/settings/profile/about", json={"text": "planted words 12345"})
    raw = base64.b64decode(client.data("a password to look for"))
    assert client.number is not None
    for planted in (b"planted words", b"a password to look for", client.number.encode()):
        assert planted not in raw


def test_a_backup_changes_nothing_and_no_two_are_the_same(client: Reference) -> None:
    before = client.application()
    assert client.data() != client.data()
    assert client.application() == before
    assert client.status() == "connected"


def test_backups_at_the_same_time_are_all_whole(pool: Pool, client: Reference) -> None:
    _ = client.application()
    with ThreadPoolExecutor(8) as threads:
        backups = list(threads.map(lambda n: client.data(f"pw {n}"), range(16)))
    new = pool.start(registered=False)
    for n, data in enumerate(backups[:-1]):
        assert new.restore(data, f"pw {n + 1}").status_code == 400
    assert new.restore(backups[5], "pw 5").status_code == 200


def test_a_strong_derivation_does_not_hold_the_others_up(pool: Pool) -> None:
    strong = pool.start(kdf="strong")
    token = strong.login().json()["users"][0]["token"]
    with ThreadPoolExecutor(2) as threads, httpx.Client(verify=pool.tls, trust_env=False) as second:
        url, headers = f"{strong.url}/v1/health", {"Authorization": f"Bearer {token}"}
        second.get(url, headers=headers)
        slow = threads.submit(strong.backup, "pw")
        answered = 0
        while not slow.done():
            assert second.get(url, headers=headers).status_code == 200
            answered += 1
    assert slow.result().status_code == 200
    assert answered > 3
