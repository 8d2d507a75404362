"""Media providers: the settings that hold a secret of their own (api 5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_wa_settings.testbed import Client

PATH = "/v1/settings/application/media/providers"


def make_provider(client: Client, name: str, token: str) -> bool:
    """Whether the client took a media provider with a bearer token."""
    return client.ask("POST", PATH, json=[{"name": name, "type": "www", "config": {"bearer": token}}]).ok


def drop_provider(client: Client, name: str) -> bool:
    """Whether the client deleted a media provider."""
    return client.ask("DELETE", f"{PATH}/{name}").ok
