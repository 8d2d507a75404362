"""What can be read and changed of a client beside its backups: paths, methods, where the content stands.

Sources: onprem-facts 5.1 and 5.2. Every reader of these resources goes through `content`, so that all of them
accept the same shapes: with the members around it, as the vendor's pages show it, without them, as the public
OpenAPI of this API has it, and with a list of one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_wa_settings import schemas
from pytest_wa_settings.wire import Answer

BACKUP = "/v1/settings/backup"
RESTORE = "/v1/settings/restore"
LOGIN = "/v1/users/login"
LOGOUT = "/v1/users/logout"
CONTACTS = "/v1/contacts"
SUPPORT = "/v1/support"

_NUMBER = re.compile(r"(?<![0-9])[0-9]{8,15}(?![0-9])")
_LONGEST_NUMBER = 64
"""Characters that a number may be written in."""


@dataclass(frozen=True)
class Resource:
    """One resource of a client.

    Attributes:
        name: what the fields of it begin with. title: what a person calls it.
        path: where it is read. method: how it is changed there.
        members: the members around its content in an answer, outermost first.
    """

    name: str
    title: str
    path: str
    method: str
    members: tuple[str, ...] = ()


APPLICATION = Resource(
    "application", "settings", "/v1/settings/application", "PATCH", ("settings", "application")
)
ABOUT = Resource(
    "about", "about text", "/v1/settings/profile/about", "PATCH", ("settings", "profile", "about")
)
BUSINESS = Resource(
    "business",
    "business profile",
    "/v1/settings/business/profile",
    "POST",
    ("settings", "business", "profile"),
)
PROVIDERS = Resource(
    "providers",
    "media providers",
    "/v1/settings/application/media/providers",
    "POST",
    ("settings", "application", "media"),
)
PHOTO = Resource("photo", "photo", "/v1/settings/profile/photo", "POST")
WEBHOOK_CA = Resource("webhook certificate", "webhook certificate", "/v1/certificates/webhooks/ca", "POST")

TEXTS = (APPLICATION, ABOUT, BUSINESS)
"""The resources that are JSON objects of documented fields."""
RESOURCES = (*TEXTS, PROVIDERS, PHOTO)
"""What a reading of a client holds, beside its health."""
BY_NAME = {one.name: one for one in (*RESOURCES, WEBHOOK_CA)}

READ_ONLY = frozenset({"wa_id"})
"""Settings that a client shows and does not take (api 5.1)."""
_PROFILE = {
    "about": frozenset({"text"}),
    "business": frozenset({"address", "description", "email", "vertical", "websites"}),
    "providers": frozenset({"providers"}),
}


@functools.cache
def documented(name: str) -> frozenset[str]:
    """The members that the documentation lists for the content of a resource."""
    if name == APPLICATION.name:
        return frozenset(schemas.load("application-settings")["$defs"]["application"]["properties"])
    return _PROFILE.get(name, frozenset())


def content(resource: Resource, answer: Answer) -> dict[str, object] | None:
    """The content of a resource in an answer to a GET; None where there is none of that kind.

    Where members around it are missing, an object is taken for the content if it has a documented member.
    """
    found: object = answer.body if answer.ok else None
    whole = True
    for name in resource.members:
        found = _only(found)
        if not isinstance(found, dict):
            return None
        if name in found:
            found = found[name]
        else:
            whole = False
    found = _only(found)
    if not isinstance(found, dict):
        return None
    return found if whole or documented(resource.name) & found.keys() else None


def _only(value: object) -> object:
    """The one member of a list of one; anything else as it is."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def number_of(answer: Answer) -> str | None:
    """The business number, as digits, that an answer of settings/application or support holds (api 5)."""
    number = (content(APPLICATION, answer) or {}).get("wa_id")
    if number is None and answer.ok and isinstance(answer.body, dict):
        number = next(_debug_infos(answer.body.get("support", answer.body)), None)
    if not isinstance(number, str) or len(number) > _LONGEST_NUMBER:
        return None
    digits = "".join(char for char in number if char in "0123456789")
    return digits if 6 <= len(digits) <= 15 else None


def _debug_infos(support: object, depth: int = 0) -> Iterator[str]:
    """The numbers that stand in `debug_info`, on the first levels (one entry a node in multiconnect)."""
    if not isinstance(support, dict) or depth > 2:
        return
    found = support.get("debug_info")
    if isinstance(found, str):
        number = _NUMBER.search(found)
        if number:
            yield number[0]
        return
    for value in support.values():
        yield from _debug_infos(value, depth + 1)


def is_web_page(answer: Answer) -> bool:
    """Whether the body is HTML or the like, by what it begins with, whatever Content-Type says."""
    return answer.content.lstrip()[:1] == b"<"


def is_repeatable(method: str, path: str) -> bool:
    """Whether a call only reads, so that sending it twice does no harm: a GET, a backup, a login."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return True
    return method == "POST" and path.partition("?")[0] in (BACKUP, LOGIN, CONTACTS)


def is_restore(method: str, path: str) -> bool:
    """Whether a call is a restore, of whatever shape."""
    return method == "POST" and path.partition("?")[0] == RESTORE
