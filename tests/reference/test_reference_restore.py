"""Restore: what comes back, what is refused, and what happens to the app."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from driving import Pool, Reference, code

from pytest_wa_settings.reference.store import Store

PICTURE = b"\x89PNG\r\n\x1a\n picture"


def plant(client: Reference) -> None:
    """Change one thing of every kind that a backup holds."""
    assert client.patch(heartbeat_interval=11, webhooks={"url": "https://x.invalid/p"}).status_code == 200
    client.ask("PATCH", "/v1/settings/profile/about", json={"text": "about us"})
    client.ask("POST", "/v1/settings/business/profile", json={"address": "Street 1", "vertical": "Other"})
    picture = client.ask(
        "POST", "/v1/settings/profile/photo", content=PICTURE, headers={"Content-Type": "image/png"}
    )
    assert picture.status_code == 200
    providers = [{"name": "p", "type": "www", "config": {"bearer": "b"}}]
    assert client.ask("POST", "/v1/settings/application/media/providers", json=providers).status_code == 200


def reads(client: Reference) -> list[bytes]:
    """Everything that can be read of what a backup holds."""
    paths = (
        "application",
        "application/media/providers",
        "profile/about",
        "profile/photo",
        "business/profile",
    )
    return [client.ask("GET", f"/v1/settings/{path}").content for path in paths]


def test_a_new_machine_takes_everything_over_and_serves_at_once(
    client: Reference, new_machine: Reference
) -> None:
    plant(client)
    before = reads(client)
    answer = new_machine.restore(client.data())
    assert (answer.status_code, answer.content) == (200, b"null")
    assert new_machine.status() == "connected"
    assert reads(new_machine) == before
    assert new_machine.backup().status_code == 200


def test_the_old_machine_has_lost_its_number_for_good(client: Reference, new_machine: Reference) -> None:
    new_machine.restore(client.data())
    limit = time.monotonic() + 3
    while client.status() == "connected" and time.monotonic() < limit:
        time.sleep(0.01)
    assert client.status() == "disconnected"
    client.start_again()
    assert client.status() == "disconnected"


def test_an_existing_app_stops_and_serves_the_restored_state_after_a_start(client: Reference) -> None:
    plant(client)
    before, data = reads(client), client.data()
    client.ask("DELETE", "/v1/settings/application")
    client.ask("PATCH", "/v1/settings/profile/about", json={"text": "later"})
    answer = client.restore(data)
    assert (answer.status_code, answer.json()) == (200, None)
    assert answer.headers["connection"] == "close"
    wait_until_down(client)
    client.start_again()
    assert client.status() == "connected"
    assert reads(client) == before


def wait_until_down(client: Reference) -> None:
    """Wait until nothing listens any more."""
    limit = time.monotonic() + 3
    while client.pool.ask("status", client=client.key)["running"]:
        assert time.monotonic() < limit
        time.sleep(0.002)
    with pytest.raises(httpx.ConnectError):
        client.http.get("/v1/health")


def test_a_restart_policy_brings_the_app_back_by_itself(pool: Pool) -> None:
    client = pool.start(restart_policy="always")
    data = client.data()
    assert client.restore(data).status_code == 200
    answer = pool.ask("wait", client=client.key, generation=2, seconds=5)
    assert answer == {"running": True, "generation": 2}
    assert client.status() == "connected"


@pytest.mark.parametrize(("body", "shown"), [("null", None), ("object", {}), ("meta", None)])
def test_the_success_body_is_as_asked_for(pool: Pool, client: Reference, body: str, shown: object) -> None:
    new = pool.start(registered=False, success_body=body)
    answer = new.restore(client.data())
    assert answer.status_code == 200
    assert answer.json() == shown or list(answer.json()) == ["meta"]


def test_a_refused_restore_changes_nothing(client: Reference) -> None:
    plant(client)
    before, data = reads(client), client.data("right")
    refused = [
        client.restore(data, "wrong"),
        client.restore(data[:-4], "right"),
        client.restore(f"{data} ", "right"),
        client.restore("", "right"),
        client.restore("made up", "right"),
    ]
    assert [answer.status_code for answer in refused] == [400] * 5
    assert [code(answer) for answer in refused] == [1009] * 5
    assert reads(client) == before
    assert client.status() == "connected"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, 1008),
        ({"password": "pw"}, 1008),
        ({"data": "x"}, 1008),
        ({"password": 1, "data": "x"}, 1009),
        ({"password": "pw", "data": ["x"]}, 1009),
        ({"password": None, "data": "x"}, 1009),
    ],
)
def test_what_is_missing_or_of_the_wrong_type_is_refused(
    client: Reference, body: dict[str, object], expected: int
) -> None:
    answer = client.ask("POST", "/v1/settings/restore", json=body)
    assert (answer.status_code, code(answer)) == (400, expected)


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ((2, True), (2, True), 200),
        ((2, True), (4, True), 400),
        ((4, True), (2, True), 400),
        ((2, True), (1, False), 400),
        ((1, False), (2, True), 400),
        ((1, True), (1, True), 200),
        ((1, False), (1, True), 400),
    ],
)
def test_only_the_same_type_of_setup_takes_a_backup(
    pool: Pool, source: tuple[int, bool], target: tuple[int, bool], expected: int
) -> None:
    old = pool.start(shards=source[0], multiconnect=source[1])
    new = pool.start(registered=False, shards=target[0], multiconnect=target[1])
    assert new.restore(old.data()).status_code == expected


def test_users_tokens_and_contacts_are_not_in_a_backup(client: Reference, new_machine: Reference) -> None:
    agent = client.user("agent")
    client.ask("POST", "/v1/contacts", json={"contacts": ["+1 555 000 1111"]})
    new_machine.restore(client.data())
    assert new_machine.ask("GET", "/v1/users/agent").status_code == 404
    assert new_machine.ask("GET", "/v1/health", token=agent).status_code == 401


def test_the_admin_of_the_target_stays(pool: Pool, client: Reference) -> None:
    new = pool.start(registered=False, admin_password="Another-456")
    new.restore(client.data())
    assert new.login().status_code == 200
    assert new.login(password="Secret-123").status_code == 401


def test_every_backup_restores_with_its_own_password_and_more_than_once(client: Reference) -> None:
    backups = []
    for n in (7, 8, 9):
        client.patch(heartbeat_interval=n)
        backups.append((n, client.data(f"pw {n}")))
    for n, data in [backups[1], backups[0], backups[2], backups[1]]:
        assert client.restore(data, f"pw {n}").status_code == 200
        client.start_again()
        assert client.application()["heartbeat_interval"] == n


def test_the_backup_of_another_number_is_a_migration(pool: Pool, client: Reference) -> None:
    other = pool.start()
    assert other.restore(client.data()).status_code == 200
    other.start_again()
    assert other.application()["wa_id"] == client.number


def test_a_newer_version_takes_the_backup_of_an_older_one(pool: Pool) -> None:
    old, new = pool.start(version="2.29.1"), pool.start(version="2.57.2", registered=False)
    old.patch(db_garbagecollector_enable=True)
    before = old.application()
    assert new.restore(old.data()).status_code == 200
    after = new.application()
    assert {name: after[name] for name in before if name != "webhooks"} == {
        name: value for name, value in before.items() if name != "webhooks"
    }


def test_of_two_restores_at_once_one_wins_whole(pool: Pool) -> None:
    client, helper = pool.start(), httpx.Client(verify=pool.tls, trust_env=False)
    backups = []
    for n in (1, 2):
        client.patch(heartbeat_interval=n, unhealthy_interval=n)
        backups.append(client.data())
    headers = {"Authorization": f"Bearer {client.token}"}

    def restore(data: str) -> int | None:
        body = {"password": "backup password", "data": data}
        try:
            answer = httpx.post(
                f"{client.url}/v1/settings/restore", json=body, headers=headers, verify=pool.tls
            )
        except httpx.HTTPError:
            return None
        return answer.status_code

    with ThreadPoolExecutor(2) as threads:
        statuses = list(threads.map(restore, backups))
    helper.close()
    assert 200 in statuses
    assert statuses.count(200) == 1
    client.start_again()
    settings = client.application()
    assert settings["heartbeat_interval"] == settings["unhealthy_interval"]


@pytest.mark.parametrize("milliseconds", [0, 1, 2, 4, 8])
def test_a_kill_leaves_the_old_state_or_the_new_one(client: Reference, milliseconds: int) -> None:
    plant(client)
    new, data = reads(client), client.data()
    client.patch(heartbeat_interval=77)
    client.ask("PATCH", "/v1/settings/profile/about", json={"text": "old"})
    old = reads(client)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(client.restore, data)
        time.sleep(milliseconds / 1000)
        client.pool.ask("kill", client=client.key)
        assert answer.exception() is None or isinstance(answer.exception(), httpx.HTTPError)
    client.start_again()
    assert reads(client) in (old, new)
    assert client.status() == "connected"
    assert client.backup().status_code == 200


KILLS = 20


def test_what_a_restore_answered_outlives_a_kill_right_after_it(pool: Pool, tmp_path: Path) -> None:
    client = pool.start(state_dir=str(tmp_path / "state"))
    plant(client)
    new, data = reads(client), client.data()
    for number in range(KILLS):
        client.patch(heartbeat_interval=50 + number)
        client.ask("PATCH", "/v1/settings/profile/about", json={"text": f"old {number}"})
        assert reads(client) != new
        assert client.restore(data).status_code == 200
        client.pool.ask("kill", client=client.key)
        client.start_again()
        assert reads(client) == new


def test_a_kill_before_the_answer_leaves_one_of_the_two_states_whole(pool: Pool, tmp_path: Path) -> None:
    client = pool.start(state_dir=str(tmp_path / "state"))
    plant(client)
    new, data = reads(client), client.data()
    killed = 0
    for number in range(KILLS):
        client.patch(heartbeat_interval=50 + number)
        old = reads(client)
        sent = threading.Event()
        with ThreadPoolExecutor(1) as threads:
            answer = threads.submit(_restore_when, sent, client, data)
            sent.wait()
            time.sleep(number / 4000)
            client.pool.ask("kill", client=client.key)
            killed += answer.exception() is not None
        client.start_again()
        assert reads(client) in (old, new)
    assert killed, "no kill came before its answer"


def _restore_when(sent: threading.Event, client: Reference, data: str) -> object:
    sent.set()
    return client.restore(data)


def test_a_restore_is_on_the_disk_before_it_is_answered(tmp_path: Path) -> None:
    store = Store(tmp_path)
    levels: list[int] = []
    with store.change_for_good():
        levels.append(store.db.execute("PRAGMA synchronous").fetchone()[0])
    levels.append(store.db.execute("PRAGMA synchronous").fetchone()[0])
    store.close()
    assert levels == [2, 1]
