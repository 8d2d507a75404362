"""What can be read and set of a declared client before the run changes it, so that it can be set again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_wa_settings.api.resources import (
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

_PEM = {"Content-Type": "text/plain"}
_ROUNDS = 3
"""How often a call is made that a client left without an answer, as it may have been started just then."""


@dataclass(frozen=True)
class Keepsake:
    """The readings of one moment; what could not be read then is not in it, and is left alone."""

    readings: Mapping[str, dict[str, Any]] = field(repr=False)
    webhook_ca: bytes | None = field(default=None, repr=False)
    has_webhook_ca: bool | None = None

    def put_back(self, client: Client) -> list[str]:
        """Sets again what reads differently now; returns the titles of what still does.

        A member that no documentation lists may be a counter or a time, so it is set again and not told of.
        """
        read = [resource for resource in TEXTS if resource.name in self.readings]
        left = [title for resource in read for title in self._set_again(client, resource)]
        return left + self._put_back_ca(client)

    def reads_as_before(self, client: Client) -> bool:
        """Whether all documented fields that were read then read the same now."""
        read = [resource for resource in TEXTS if resource.name in self.readings]
        return not any(self._otherwise(resource, _read(client, resource)) for resource in read)

    def _otherwise(self, resource: Resource, now: dict[str, Any] | None) -> list[str]:
        """The title of a resource that reads otherwise now, with its documented members that do."""
        if now is None:
            return [resource.title]
        before = self.readings[resource.name]
        still = sorted(key for key in differing(before, now) if key in documented(resource.name))
        return [f"{resource.title} ({', '.join(still)})"] if still else []

    def _set_again(self, client: Client, resource: Resource) -> list[str]:
        before, now = self.readings[resource.name], _read(client, resource)
        for _ in range(_ROUNDS):
            wanted = differing(before, now) if now is not None else {}
            if not wanted:
                break
            answers = [client.ask(resource.method, resource.path, json={key: wanted[key]}) for key in wanted]
            now = _read(client, resource)
            if all(answer.answered for answer in answers):
                break
        return self._otherwise(resource, now)

    def _put_back_ca(self, client: Client) -> list[str]:
        if self.has_webhook_ca is None:
            return []
        path = WEBHOOK_CA.path
        for _ in range(_ROUNDS):
            now = _asked(client, path)
            if self.has_webhook_ca and now.content != self.webhook_ca:
                answer = client.ask("POST", path, content=self.webhook_ca, headers=_PEM)
            elif not self.has_webhook_ca and now.ok and now.content:
                answer = client.ask("DELETE", path)
            else:
                return []
            if answer.answered:
                return [] if answer.ok else [WEBHOOK_CA.title]
        return [WEBHOOK_CA.title]


def take_keepsake(client: Client) -> Keepsake:
    """The client's readings now; raises Unavailable where it does not serve."""
    found = {resource.name: _content(resource, _answering(client, resource.path)) for resource in TEXTS}
    answer = _answering(client, WEBHOOK_CA.path)
    has = True if answer.ok and answer.content else False if answer.status == 404 else None
    readings = {name: reading for name, reading in found.items() if reading is not None}
    return Keepsake(readings, answer.content if has else None, has)


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


def _read(client: Client, resource: Resource) -> dict[str, Any] | None:
    return _content(resource, _asked(client, resource.path))


def _content(resource: Resource, answer: Answer) -> dict[str, Any] | None:
    found = content(resource, answer)
    # where nothing stands around it, what stands beside it is not the client's state
    return None if found is None else {name: value for name, value in found.items() if name != "meta"}
