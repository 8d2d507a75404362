"""Media providers: the settings that hold a secret of their own (api 5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_wa_settings.api.resources import PROVIDERS

if TYPE_CHECKING:
    from pytest_wa_settings.testbed import Client

PATH = PROVIDERS.path


def make_provider(client: Client, name: str, token: str) -> bool:
    """Whether the client took a media provider with a bearer token."""
    wanted = [{"name": name, "type": "www", "config": {"bearer": token}}]
    return client.change(lambda: client.ask("POST", PATH, json=wanted), lambda: _is_there(client, name)).made


def drop_provider(client: Client, name: str) -> bool:
    """Whether the client deleted a media provider."""

    def is_gone() -> bool | None:
        there = _is_there(client, name)
        return None if there is None else not there

    return client.change(lambda: client.ask("DELETE", f"{PATH}/{name}"), is_gone).made


def _is_there(client: Client, name: str) -> bool | None:
    answer = client.ask("GET", PATH)
    return name in answer.content.decode("utf-8", "replace") if answer.ok else None
