"""Application settings and media providers."""

from __future__ import annotations

import pytest
from driving import Pool, Reference, code

PROVIDERS = "/v1/settings/application/media/providers"


def test_the_defaults_are_the_documented_ones(client: Reference) -> None:
    settings = client.application()
    assert settings["callback_persist"] is True
    assert settings["callback_backoff_delay_ms"] == 3000
    assert settings["max_callback_backoff_delay_ms"] == 900000
    assert settings["webhooks"] == {
        "max_concurrent_requests": 6,
        "message": {"sent": True, "delivered": True, "read": False},
    }
    assert len(settings["media"]["auto_download"]) == 6
    assert (settings["heartbeat_interval"], settings["unhealthy_interval"]) == (5, 30)
    assert settings["wa_id"] == client.number


def test_an_unregistered_client_shows_no_wa_id(new_machine: Reference) -> None:
    assert "wa_id" not in new_machine.application()


def test_a_patch_changes_what_it_names_and_nothing_else(client: Reference) -> None:
    before = client.application()
    answer = client.patch(webhooks={"message": {"read": True}}, callback_backoff_delay_ms="4000")
    assert (answer.status_code, answer.json()) == (200, None)
    after = client.application()
    assert after["webhooks"]["message"] == {**before["webhooks"]["message"], "read": True}
    assert after["callback_backoff_delay_ms"] == 4000
    assert {k: v for k, v in after.items() if k not in ("webhooks", "callback_backoff_delay_ms")} == {
        k: v for k, v in before.items() if k not in ("webhooks", "callback_backoff_delay_ms")
    }


def test_a_delete_brings_the_defaults_back(client: Reference) -> None:
    before = client.application()
    client.patch(heartbeat_interval=9, webhooks={"url": "https://hook.invalid/x"})
    assert client.application()["webhooks"]["url"] == "https://hook.invalid/x"
    assert client.ask("DELETE", "/v1/settings/application").status_code == 200
    assert client.application() == before


def test_what_was_read_can_be_sent_back(client: Reference) -> None:
    client.patch(webhooks={"url": "https://hook.invalid/x"}, on_call_pager="15550001111")
    settings = client.application()
    assert client.patch(**settings).status_code == 200
    assert client.application() == settings


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"callback_persist": 1}, 1009),
        ({"callback_backoff_delay_ms": True}, 1009),
        ({"callback_backoff_delay_ms": -1}, 1009),
        ({"callback_backoff_delay_ms": 1e400}, 1025),
        ({"webhooks": {"url": "http://hook.invalid/"}}, 1009),
        ({"webhooks": {"url": "https://"}}, 1009),
        ({"webhooks": {"url": "https://[x"}}, 1009),
        ({"webhooks": "https://hook.invalid/"}, 1009),
        ({"webhooks": {"max_concurrent_requests": 7}}, 1009),
        ({"webhooks": {"max_concurrent_requests": 6.0}}, 1009),
        ({"media": {"auto_download": ["audio", "audio"]}}, 1009),
        ({"media": {"auto_download": [[]]}}, 1009),
        ({"wa_id": "15550009999"}, 1009),
        ({"pass_through": True}, 1009),
        ({"unknown": 1}, 1010),
        ({"webhooks": {"unknown": 1}}, 1010),
        ({"webhooks.url": "https://hook.invalid/"}, 1010),
    ],
)
def test_a_setting_that_breaks_its_rule_is_refused_and_nothing_changes(
    client: Reference, change: dict[str, object], expected: int
) -> None:
    before = client.application()
    answer = (
        client.ask("PATCH", "/v1/settings/application", content=b'{"heartbeat_interval": NaN}')
        if expected == 1025
        else client.patch(heartbeat_interval=8, **change)
    )
    assert (answer.status_code, code(answer)) == (400, expected)
    assert client.application() == before


def test_older_versions_have_the_settings_of_their_time(pool: Pool) -> None:
    old = pool.start(version="2.29.1")
    settings = old.application()
    assert settings["pass_through"] is True
    assert "message" not in settings["webhooks"]
    assert "garbagecollector_enable" not in settings
    assert code(old.patch(webhooks={"message": {"read": True}})) == 1010
    assert old.patch(pass_through=False).status_code == 200
    assert old.patch(pass_through=True).status_code == 200


def test_settings_survive_a_kill(client: Reference) -> None:
    for n in range(10, 20):
        client.patch(heartbeat_interval=n)
    client.pool.ask("kill", client=client.key)
    client.start_again()
    assert client.application()["heartbeat_interval"] == 19


def test_media_providers_are_added_changed_and_deleted(client: Reference) -> None:
    basic = {"name": "a/b", "type": "www", "config": {"basic": {"username": "u", "password": "p"}}}
    bearer = {"name": "b", "type": "www", "config": {"bearer": "t"}}
    assert client.ask("POST", PROVIDERS, json=[basic, bearer]).status_code == 200
    changed = {**bearer, "config": {"bearer": "other"}}
    assert client.ask("POST", PROVIDERS, json=[changed]).status_code == 200
    shown = client.ask("GET", PROVIDERS).json()["settings"]["application"]["media"]["providers"]
    assert shown == [basic, changed]
    assert client.ask("DELETE", f"{PROVIDERS}/b").status_code == 200
    assert client.ask("DELETE", f"{PROVIDERS}/b").status_code == 404


@pytest.mark.parametrize(
    "body", [{}, [1], [{"name": "a"}], [{"name": "a", "type": "ftp"}], [{"name": "", "type": "www"}], None]
)
def test_what_is_no_list_of_providers_is_refused(client: Reference, body: object) -> None:
    assert client.ask("POST", PROVIDERS, json=body).status_code == 400
