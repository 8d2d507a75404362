"""Sparse clients that lack resources: their paths, or the methods that read them, are not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_wa_settings.reference.client import Parts
from pytest_wa_settings.reference.deviations import sparse, wrap
from pytest_wa_settings.reference.http import Operation

SETTINGS = ("/v1/settings/application",)
PROFILE = ("/v1/settings/profile/", "/v1/settings/business/")
SUPPORT = ("/v1/support",)
HEALTH = ("/v1/health",)


def keep_only(wanted: Callable[[Operation], bool]) -> None:
    """Have no other operations than those wanted: a path without any answers 404, one with others 405."""

    def operations(clean: Any, parts: Parts) -> list[Operation]:
        return [operation for operation in clean(parts) if wanted(operation)]

    wrap(Parts, "operations", operations)


def lack(*prefixes: str) -> None:
    """Have no paths that begin like this."""
    keep_only(lambda operation: not operation.path.startswith(prefixes))


def show_not(*prefixes: str) -> None:
    """Have no GET on paths that begin like this."""
    keep_only(lambda operation: operation.method != "GET" or not operation.path.startswith(prefixes))


@sparse()
def profile_not_found() -> None:
    """The client has no profile: about, photo and business profile are 404."""
    lack(*PROFILE)


@sparse()
def settings_not_found() -> None:
    """The client has no application settings: to read and to change them is 404."""
    lack(*SETTINGS)


@sparse()
def settings_write_only() -> None:
    """The application settings can be changed and not be read: GET is 405."""
    show_not(*SETTINGS)


@sparse()
def health_not_found() -> None:
    """The client has no health: it is 404."""
    lack(*HEALTH)


@sparse()
def users_not_found() -> None:
    """The client has no accounts but the admin's: all of /v1/users but login and logout is 404."""
    access = ("/v1/users/login", "/v1/users/logout")
    keep_only(lambda operation: operation.path in access or not operation.path.startswith("/v1/users"))


@sparse()
def messages_not_found() -> None:
    """The client cannot be asked to send: messages and contacts are 404."""
    lack("/v1/messages", "/v1/contacts")
