"""Sparse clients whose answers leave out what others say in them."""

from __future__ import annotations

from typing import Any

from pytest_wa_settings.reference.configuration import Configuration
from pytest_wa_settings.reference.deviations import sparse, wrap
from pytest_wa_settings.reference.errors import Refusal
from pytest_wa_settings.reference.http import Call, Reply, Responder
from pytest_wa_settings.reference.operations import Operations
from pytest_wa_settings.reference.sparse.resources import SUPPORT, lack
from pytest_wa_settings.reference.variants.answers import without_meta
from pytest_wa_settings.reference.variants.settings import number_not_in_the_settings


def answer_health(content: bytes, media_type: str = "text/plain") -> None:
    """Answer health with these bytes, whatever the status."""

    async def health(clean: Any, operations: Operations, call: Call) -> Reply:
        return Reply(content=content, media_type=media_type)

    wrap(Operations, "health", health)


@sparse()
def health_of_text() -> None:
    """Health is the text `OK`, whatever the status, as one public mock of this API has it."""
    answer_health(b"OK")


@sparse()
def health_empty() -> None:
    """Health is a 200 without a body, whatever the status."""
    answer_health(b"")


@sparse()
def health_without_status() -> None:
    """Health is a JSON object without `gateway_status`, whatever the status."""
    answer_health(b'{"status":"up"}', "application/json")


@sparse()
def settings_forbidden() -> None:
    """The application settings can be changed and not be read: GET is 403."""

    async def read(clean: Any, configuration: Configuration, call: Call) -> Reply:
        raise Refusal(403, 1005, "The settings are not shown.")

    wrap(Configuration, "read", read)
    wrap(Configuration, "read_providers", read)


@sparse()
def settings_empty() -> None:
    """The application settings can be changed, and read as an empty object: `{}`."""

    async def read(clean: Any, configuration: Configuration, call: Call) -> Reply:
        return Reply(content=b"{}")

    wrap(Configuration, "read", read)
    wrap(Configuration, "read_providers", read)


@sparse()
def number_nowhere() -> None:
    """No answer has the phone number: the settings have no `wa_id`, and there is no /v1/support."""
    number_not_in_the_settings()
    lack(*SUPPORT)


@sparse()
def version_nowhere() -> None:
    """No answer has the version: there is no `meta` anywhere, and no /v1/support."""
    without_meta()
    wrap(Responder, "nothing", lambda clean, responder: None if responder.success_body == "null" else {})
    lack(*SUPPORT)
