"""Variants of the shape in which resources are read, as public descriptions of this API have it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_wa_settings.reference.deviations import variant, wrap
from pytest_wa_settings.reference.http import Reply
from pytest_wa_settings.reference.webapp import Endpoint

Shape = Callable[[dict[str, Any]], Any]
SETTINGS, ABOUT = "/v1/settings/application", "/v1/settings/profile/about"
BUSINESS, SUPPORT = "/v1/settings/business/profile", "/v1/support"


def _read_as(shapes: dict[str, Shape]) -> None:
    """Answer a reading of these paths with what their shape makes of its payload, and with nothing beside it.

    What hides a part of the payload is not bothered: it has done so before.
    """

    async def answer(clean: Any, endpoint: Endpoint, scope: Any, receive: Any) -> Reply:
        reply: Reply = await clean(endpoint, scope, receive)
        shape = shapes.get(endpoint.path)
        if shape is not None and scope["method"] in ("GET", "HEAD") and reply.content is None:
            reply.content = endpoint.webapp.responder.encode(shape(reply.payload))
        return reply

    wrap(Endpoint, "answer", answer)


def _application(payload: dict[str, Any]) -> Any:
    return payload["settings"]["application"]


@variant()
def flat_settings() -> None:
    """The application settings are read without `settings.application` around them, and without `meta`.

    One public OpenAPI of this API has it so.
    """
    _read_as({SETTINGS: _application})


@variant()
def flat_settings_and_profile() -> None:
    """Settings, about and business profile are read without `settings` and all else that is around them.

    One public mock of this API has it so.
    """
    _read_as(
        {
            SETTINGS: _application,
            ABOUT: lambda payload: payload["settings"]["profile"]["about"],
            BUSINESS: lambda payload: payload["settings"]["business"]["profile"],
        }
    )


@variant()
def flat_support() -> None:
    """What /v1/support shows is read without `support` around it."""
    _read_as({SUPPORT: lambda payload: payload["support"]})


@variant()
def business_profile_in_a_list() -> None:
    """The business profile is read as a list of one."""

    def shape(payload: dict[str, Any]) -> Any:
        return {"settings": {"business": {"profile": [payload["settings"]["business"]["profile"]]}}}

    _read_as({BUSINESS: shape})
