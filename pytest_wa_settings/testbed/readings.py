"""What can be read and set of a declared client before the run changes it, so that it can be set again."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_wa_settings.api.resources import (
    PHOTO,
    PROVIDERS,
    READ_ONLY,
    TEXTS,
    WEBHOOK_CA,
    Resource,
    content,
    documented,
)
from pytest_wa_settings.testbed.errors import Unavailable
from pytest_wa_settings.wire import Answer

if TYPE_CHECKING:
    from pytest_wa_settings.testbed.client import Client

Readings = dict[str, Any]
"""By the resource's name: an object of fields, the names of media providers, a file as base64, or None where
there is none. A resource that cannot be read is not in it, and is left alone."""

_PEM = "text/plain"
_ROUNDS = 3
"""How often a call is made that a client left without an answer, as it may have been started just then."""
OWN_PROVIDER = "wa-settings-"
"""What the names of media providers begin with that the suite makes."""


def take_readings(client: Client) -> Readings:
    """The client's readings now; raises Unavailable where it does not serve."""
    readings = {}
    for resource in (*TEXTS, PROVIDERS, PHOTO, WEBHOOK_CA):
        found = _reading(resource, _answering(client, resource.path))
        if found is not _UNREADABLE:
            readings[resource.name] = found
    return readings


def set_again(client: Client, before: Readings) -> list[str]:
    """Sets again what reads otherwise now; returns the titles of what still does, or cannot be read any more.

    A member that no documentation lists may be a counter or a time, so it is set again and not told of.
    """
    left = []
    for resource in TEXTS:
        if resource.name in before:
            left += _set_texts_again(client, resource, before[resource.name])
    for resource in (PHOTO, WEBHOOK_CA):
        if resource.name in before:
            left += _set_file_again(client, resource, before[resource.name])
    if PROVIDERS.name in before:
        left += _drop_own_providers(client, before[PROVIDERS.name])
    return left


def _set_texts_again(client: Client, resource: Resource, before: dict[str, Any]) -> list[str]:
    """Sets what reads otherwise: at once, then the whole object, then member by member.

    A client may replace the object by what it is sent, or refuse all of it for one member.
    """
    now = _asked_content(client, resource)
    for bodies in (_at_once, _whole, _one_by_one):
        wanted = differing(before, now) if now is not None else {}
        if not wanted:
            break
        now = _sent_and_read(client, resource, before, bodies(before, wanted))
    if now is None:
        return [f"{resource.title} (cannot be read)"]
    still = _otherwise(resource, before, now)
    return [f"{resource.title} ({', '.join(still)})"] if still else []


def _at_once(_: Mapping[str, Any], wanted: dict[str, Any]) -> list[dict[str, Any]]:
    return [wanted]


def _whole(before: Mapping[str, Any], wanted: dict[str, Any]) -> list[dict[str, Any]]:
    return [_merged({key: value for key, value in before.items() if key not in READ_ONLY}, wanted)]


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Both objects as one, with the other's values where both have one."""
    merged = {**one, **other}
    for key in one.keys() & other.keys():
        if isinstance(one[key], dict) and isinstance(other[key], dict):
            merged[key] = _merged(one[key], other[key])
    return merged


def _one_by_one(_: Mapping[str, Any], wanted: dict[str, Any]) -> list[dict[str, Any]]:
    return [{key: value} for key, value in wanted.items()]


def _sent_and_read(
    client: Client, resource: Resource, before: Mapping[str, Any], bodies: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """The reading after these changes; they are sent again where the client left some without an answer."""
    for _ in range(_ROUNDS):
        answers = [client.ask(resource.method, resource.path, json=body) for body in bodies]
        now = _asked_content(client, resource)
        if all(answer.answered for answer in answers) or (now is not None and not differing(before, now)):
            break
    return now


def _otherwise(resource: Resource, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The documented members that read otherwise now."""
    return sorted(key for key in differing(before, now) if key in documented(resource.name))


def reads_as_before(client: Client, before: Readings) -> bool:
    """Whether all that was read then reads the same now, as far as it is documented; raises Unavailable."""
    now = take_readings(client)
    for resource in (*TEXTS, PROVIDERS, PHOTO, WEBHOOK_CA):
        if resource.name not in before:
            continue
        if resource.name not in now:
            return False
        old, new = before[resource.name], now[resource.name]
        if _otherwise(resource, old, new) if resource in TEXTS else old != new:
            return False
    return True


def _set_file_again(client: Client, resource: Resource, before: str | None) -> list[str]:
    """A photo or a certificate: as its bytes were, or as the client stores them, which may convert them."""
    wanted = None if before is None else base64.b64decode(before)
    stored: list[str | None] = []
    for _ in range(_ROUNDS):
        now = _reading(resource, _asked(client, resource.path))
        if now is _UNREADABLE:
            return [f"{resource.title} (cannot be read)"]
        if now == before or (len(stored) > 1 and stored[-1] == stored[-2] and before is not None):
            return []
        if wanted is None:
            answer = client.ask("DELETE", resource.path)
        else:
            kind = {"Content-Type": _kind_of(wanted)}
            answer = client.ask(resource.method, resource.path, content=wanted, headers=kind)
        if answer.answered and not answer.ok:
            return [resource.title]
        if wanted is not None:
            stored.append(_reading(resource, _asked(client, resource.path)))
    now = _reading(resource, _asked(client, resource.path))
    settled = len(stored) > 1 and stored[-1] == stored[-2] == now and before is not None
    return [] if now == before or settled else [resource.title]


def _kind_of(picture: bytes) -> str:
    if picture.startswith(b"-----BEGIN"):
        return _PEM
    return "image/jpeg" if picture.startswith(b"\xff\xd8") else "image/png"


def _drop_own_providers(client: Client, before: list[str]) -> list[str]:
    now = _reading(PROVIDERS, _asked(client, PROVIDERS.path))
    if now is _UNREADABLE:
        return [f"{PROVIDERS.title} (cannot be read)"]
    for name in now:
        if name not in before and name.startswith(OWN_PROVIDER):
            client.ask("DELETE", f"{PROVIDERS.path}/{name}")
    now = _reading(PROVIDERS, _asked(client, PROVIDERS.path))
    return [] if now is not _UNREADABLE and sorted(now) == sorted(before) else [PROVIDERS.title]


def differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """What must be set so that `now` reads as `before` did.

    A text or list that has come since (a webhook's address, say) is emptied; what else is new stays.
    """
    changed: dict[str, Any] = {}
    for key in (*before, *(key for key in now if key not in before)):
        old, new = before.get(key), now.get(key)
        if key in READ_ONLY or old == new:
            continue
        if isinstance(new, dict) and (isinstance(old, dict) or key not in before):
            inner = differing(old or {}, new)
            if inner:
                changed[key] = inner
        elif key in before:
            changed[key] = old
        elif isinstance(new, (str, list)) and new:
            changed[key] = "" if isinstance(new, str) else []
    return changed


def come_since(client: Client, before: Readings) -> list[str]:
    """The documented members that are there now and were not before: setting could not unset them."""
    return [
        f"{resource.title} ({name})"
        for resource in TEXTS
        if resource.name in before
        for name in _come_since(before[resource.name], _asked_content(client, resource) or {})
        if name.split(".")[0] in documented(resource.name)
    ]


def _come_since(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    names: list[str] = []
    for name, value in now.items():
        if name in READ_ONLY:
            continue
        if isinstance(value, dict):
            older = before.get(name)
            inner = _come_since(older if isinstance(older, dict) else {}, value)
            names += [f"{name}.{one}" for one in inner]
        elif name not in before:
            names.append(name)
    return names


def _asked(client: Client, path: str) -> Answer:
    """The answer to a GET, asked again where none came and the client serves after all."""
    answer = client.ask("GET", path)
    for _ in range(_ROUNDS - 1):
        if answer.answered or answer.failure_kind == "timeout" or not client.wait_serving():
            break
        answer = client.ask("GET", path)
    return answer


def _answering(client: Client, path: str) -> Answer:
    """The answer to a GET, or none of a client that serves all the same; else raises Unavailable."""
    answer = _asked(client, path)
    if not answer.answered and not client.serves():
        raise Unavailable(
            f"{client.name} stopped answering while its state before the run was read, so nothing is changed",
            "see that it stays up",
        )
    return answer


def _asked_content(client: Client, resource: Resource) -> dict[str, Any] | None:
    found = _reading(resource, _asked(client, resource.path))
    return found if isinstance(found, dict) else None


_UNREADABLE: Any = object()


def _reading(resource: Resource, answer: Answer) -> Any:
    """What an answer shows of a resource; _UNREADABLE where it shows nothing."""
    if resource in (PHOTO, WEBHOOK_CA):
        if answer.ok and answer.content:
            return base64.b64encode(answer.content).decode("ascii")
        return None if answer.status == 404 or (answer.ok and not answer.content) else _UNREADABLE
    found = content(resource, answer)
    if found is None:
        return _UNREADABLE
    if resource is PROVIDERS:
        listed = found.get("providers")
        if not isinstance(listed, list):
            return _UNREADABLE
        named = [one.get("name") for one in listed if isinstance(one, dict)]
        return sorted(name for name in named if isinstance(name, str))
    # where nothing stands around it, what stands beside it is not the client's state
    return {name: value for name, value in found.items() if name != "meta"}
