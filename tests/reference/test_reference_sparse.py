"""Sparse clients: they show less than the clean reference, and do what it does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from driving import Pool, Reference
from receiving import Webhook, wait_until

from pytest_wa_settings.reference.deviations import SPARSE

SPARSE.load()
SETTINGS, HEALTH = "/v1/settings/application", "/v1/health"
PROFILE = ("/v1/settings/profile/about", "/v1/settings/profile/photo", "/v1/settings/business/profile")
CONTACT = "15557770001"
ACCOUNT = {"username": "agent", "password": "Agent-Pass-1"}
MESSAGE = {"to": CONTACT, "text": {"body": "hello"}}


def status_of(method: str, path: str, **content: object) -> Callable[[Reference], int]:
    """The status with which a client answers a request."""
    return lambda client: client.ask(method, path, **content).status_code


def statuses(client: Reference, *paths: str) -> list[int]:
    """The statuses of readings."""
    return [client.ask("GET", path).status_code for path in paths]


def restored_copy(pool: Pool, client: Reference) -> Reference:
    """A clean client with the state of a sparse one: there it can be read."""
    copy = pool.start(registered=False)
    assert copy.restore(client.data()).status_code == 200
    return copy


def planted(pool: Pool, **options: str) -> Reference:
    """A client of a kind with a heartbeat interval of 17, set where it can be: on a clean one."""
    origin = pool.start()
    origin.patch(heartbeat_interval=17)
    client = pool.start(registered=False, **options)
    assert client.restore(origin.data()).is_success
    return client


@pytest.mark.parametrize("name", list(SPARSE.known))
def test_a_sparse_client_moves_restores_and_starts_again(pool: Pool, name: str) -> None:
    client = planted(pool, sparse=name)
    data = client.data()
    client.patch(heartbeat_interval=18)
    assert client.restore(data).status_code == 200
    client.start_again()
    copy = restored_copy(pool, client)
    assert copy.application()["heartbeat_interval"] == 17
    assert copy.status() == "connected"


@pytest.mark.parametrize("name", list(SPARSE.known))
def test_a_sparse_client_refuses_as_the_clean_one_does(pool: Pool, name: str) -> None:
    client = planted(pool, sparse=name)
    data = client.data()
    assert client.restore(data, "another password").status_code == 400
    assert client.backup(token="").status_code == 401
    assert pool.start(registered=False, sparse=name).backup().status_code == 409
    assert restored_copy(pool, client).application()["heartbeat_interval"] == 17


@pytest.mark.parametrize(
    ("name", "look", "seen"),
    [
        ("profile-not-found", lambda client: statuses(client, *PROFILE), [404, 404, 404]),
        ("settings-not-found", status_of("GET", SETTINGS), 404),
        ("settings-not-found", status_of("PATCH", SETTINGS, json={}), 404),
        ("settings-write-only", status_of("GET", SETTINGS), 405),
        ("settings-write-only", status_of("PATCH", SETTINGS, json={"heartbeat_interval": 9}), 200),
        ("settings-forbidden", status_of("GET", SETTINGS), 403),
        ("settings-forbidden", status_of("PATCH", SETTINGS, json={"heartbeat_interval": 9}), 200),
        ("settings-empty", lambda client: client.ask("GET", SETTINGS).text, "{}"),
        ("health-not-found", status_of("GET", HEALTH), 404),
        ("health-of-text", lambda client: client.ask("GET", HEALTH).text, "OK"),
        ("health-empty", lambda client: client.ask("GET", HEALTH).text, ""),
        ("health-without-status", lambda client: client.ask("GET", HEALTH).json(), {"status": "up"}),
        ("users-not-found", status_of("POST", "/v1/users", json=ACCOUNT), 404),
        ("messages-not-found", status_of("POST", "/v1/messages", json=MESSAGE), 404),
        ("codes-not-shown", lambda client: statuses(client, SETTINGS, HEALTH), [200, 200]),
        (
            "nothing-readable",
            lambda client: statuses(client, SETTINGS, *PROFILE, "/v1/support"),
            [405, *[404] * 4],
        ),
        (
            "nothing-but-backup-and-restore",
            lambda client: statuses(client, SETTINGS, *PROFILE, "/v1/support", HEALTH, "/v1/users/admin"),
            [404] * 7,
        ),
    ],
)
def test_a_sparse_client_does_not_show(
    pool: Pool, name: str, look: Callable[[Reference], object], seen: object
) -> None:
    assert look(pool.start(sparse=name)) == seen


def test_where_the_number_is_nowhere_no_reading_has_it(pool: Pool) -> None:
    client = pool.start(sparse="number-nowhere")
    assert client.number is not None
    shown = [client.ask("GET", path).text for path in (SETTINGS, HEALTH, *PROFILE, "/v1/support")]
    assert [text for text in shown if client.number in text] == []


@pytest.mark.parametrize("body", ["null", "object", "meta"])
def test_where_the_version_is_nowhere_no_answer_has_it(pool: Pool, body: str) -> None:
    client = pool.start(sparse="version-nowhere", version="2.41.2", success_body=body)
    answers = [
        client.login(),
        client.ask("GET", SETTINGS),
        client.ask("GET", "/v1/support"),
        client.patch(heartbeat_interval=9),
        client.patch(heartbeat_interval="nine"),
        client.backup(),
    ]
    assert [answer.text for answer in answers if "2.41.2" in answer.text or "meta" in answer.text] == []


def test_where_callbacks_are_never_sent_a_message_arrives_without_any(pool: Pool) -> None:
    webhook, client = Webhook(), pool.start(sparse="callbacks-never-sent")
    try:
        client.ask("POST", "/v1/certificates/webhooks/ca", content=webhook.ca_pem)
        client.patch(webhooks={"url": webhook.url}, callback_backoff_delay_ms=20)
        client.ask("POST", "/v1/messages", json=MESSAGE)
        assert wait_until(lambda: bool(client.contact(CONTACT)["messages"]))
        client.start_again()
        client.data()
        assert (webhook.calls, webhook.refused) == ([], [])
    finally:
        webhook.close()


def test_where_codes_are_not_shown_messages_and_notices_are(pool: Pool) -> None:
    network = pool.ask("network", sparse="codes-not-shown")["url"]
    client = pool.start(network=network, sparse="codes-not-shown")
    with httpx.Client(base_url=network, trust_env=False) as phones:
        assert phones.put(f"/contacts/{CONTACT}", json={"security_notifications": True}).is_success
        client.ask("POST", "/v1/messages", json=MESSAGE)
        client.restore(client.data())
        client.start_again()

        def view() -> dict[str, list[object]]:
            shown: dict[str, list[object]] = phones.get(
                f"/contacts/{CONTACT}", params={"business": client.number or ""}
            ).json()
            return shown

        assert wait_until(lambda: len(view()["notices"]) == 1)
        assert view()["security_code"] is None


def test_a_mutant_stays_wrong_where_it_is_sparse(pool: Pool) -> None:
    client = pool.start(mutant="backup-without-token", sparse="nothing-readable")
    assert client.backup(token="").status_code == 200
    assert client.ask("GET", SETTINGS).status_code == 405


@pytest.mark.parametrize("name", ["number-nowhere", "settings-empty", "settings-write-only"])
def test_a_sparse_client_may_be_a_variant(pool: Pool, name: str) -> None:
    client = pool.start(variant="flat-settings", sparse=name)
    shown = client.ask("GET", SETTINGS)
    assert "wa_id" not in shown.text
    assert "settings" not in shown.text
    assert shown.status_code in (200, 405)


def test_serve_takes_a_sparse_client_by_name(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest_wa_settings.reference", "serve", "--sparse", "none-such"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "wa-settings: There is no sparse client 'none-such'. List them with wa-settings sparse.\n"
    )
