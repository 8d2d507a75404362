"""Variants whose resources read in another shape, as public descriptions of this API have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from driving import Pool

SETTINGS, ABOUT = "/v1/settings/application", "/v1/settings/profile/about"
BUSINESS, SUPPORT = "/v1/settings/business/profile", "/v1/support"


@pytest.mark.parametrize(
    ("variant", "path", "read"),
    [
        ("flat-settings", SETTINGS, lambda body: body["settings"]["application"]),
        ("flat-settings-and-profile", SETTINGS, lambda body: body["settings"]["application"]),
        ("flat-settings-and-profile", ABOUT, lambda body: body["settings"]["profile"]["about"]),
        ("flat-settings-and-profile", BUSINESS, lambda body: body["settings"]["business"]["profile"]),
        (
            "business-profile-in-a-list",
            BUSINESS,
            lambda body: {"settings": {"business": {"profile": [body["settings"]["business"]["profile"]]}}},
        ),
    ],
)
def test_a_resource_reads_in_another_shape(
    pool: Pool, variant: str, path: str, read: Callable[[dict[str, Any]], object]
) -> None:
    clean, other = pool.start(), pool.start(variant=variant)
    for client in (clean, other):
        assert client.ask("PATCH", ABOUT, json={"text": "about"}).status_code == 200
        assert client.ask("POST", BUSINESS, json={"email": "a@example.com"}).status_code == 200
    expected, found = read(clean.ask("GET", path).json()), other.ask("GET", path).json()
    if path == SETTINGS:
        assert isinstance(expected, dict)
        assert (expected.pop("wa_id"), found.pop("wa_id")) == (clean.number, other.number)
    assert found == expected


def test_support_reads_flat(pool: Pool) -> None:
    client = pool.start(variant="flat-support")
    assert client.ask("GET", SUPPORT).json()["debug_info"] == client.number


def test_a_flat_client_takes_changes_as_others_do(pool: Pool) -> None:
    client = pool.start(variant="flat-settings")
    assert client.patch(heartbeat_interval=17).status_code == 200
    assert client.ask("GET", SETTINGS).json()["heartbeat_interval"] == 17
    assert client.patch(heartbeat_interval="x").status_code == 400
