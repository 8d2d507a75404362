"""What can be read and set of a declared client before the run changes it, so that it can be set again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_wa_settings import schemas
from pytest_wa_settings.testbed.errors import Unavailable
from pytest_wa_settings.wire import Answer

if TYPE_CHECKING:
    from pytest_wa_settings.testbed.client import Client

_RESOURCES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "settings": ("/v1/settings/application", "PATCH", ("settings", "application")),
    "about text": ("/v1/settings/profile/about", "PATCH", ("settings", "profile", "about")),
    "business profile": ("/v1/settings/business/profile", "POST", ("settings", "business", "profile")),
}
_WEBHOOK_CA = "/v1/certificates/webhooks/ca"
_PEM = {"Content-Type": "text/plain"}
_READ_ONLY = frozenset({"wa_id"})
_PROFILE = frozenset({"text", "address", "description", "email", "vertical", "websites"})
_ROUNDS = 3
"""How often a call is made that a client left without an answer, as it may have been started just then."""


@dataclass(frozen=True)
class Keepsake:
    """The readings of one moment; what could not be read then is not in it, and is left alone."""

    readings: Mapping[str, dict[str, Any]] = field(repr=False)
    webhook_ca: bytes | None = field(default=None, repr=False)
    has_webhook_ca: bool | None = None

    def put_back(self, client: Client) -> list[str]:
        """Sets again what reads differently now; returns the names of what still does.

        A member that no documentation lists may be a counter or a time, so it is set again and not told of.
        """
        left = [
            told for name in _RESOURCES if name in self.readings for told in self._set_again(client, name)
        ]
        return left + self._put_back_ca(client)

    def _set_again(self, client: Client, name: str) -> list[str]:
        path, method, members = _RESOURCES[name]
        before, now = self.readings[name], _read(client, path, members)
        for _ in range(_ROUNDS):
            wanted = differing(before, now) if now is not None else {}
            if not wanted:
                break
            answers = [client.driver.request(method, path, json={key: wanted[key]}) for key in wanted]
            now = _read(client, path, members)
            if all(answer.answered for answer in answers):
                break
        if now is None:
            return [name]
        still = sorted(key for key in differing(before, now) if key in _documented(name))
        return [f"{name} ({', '.join(still)})"] if still else []

    def _put_back_ca(self, client: Client) -> list[str]:
        if self.has_webhook_ca is None:
            return []
        now = _asked(client, _WEBHOOK_CA)
        if self.has_webhook_ca and now.content != self.webhook_ca:
            answer = client.driver.request("POST", _WEBHOOK_CA, content=self.webhook_ca, headers=_PEM)
        elif not self.has_webhook_ca and now.ok and now.content:
            answer = client.driver.request("DELETE", _WEBHOOK_CA)
        else:
            return []
        return [] if answer.ok else ["webhook certificate"]


def _documented(resource: str) -> frozenset[str]:
    if resource == "settings":
        return frozenset(schemas.load("application-settings")["$defs"]["application"]["properties"])
    return _PROFILE


def take_keepsake(client: Client) -> Keepsake:
    """The client's readings now; raises Unavailable where it does not serve."""
    found = {}
    for name, (path, _, members) in _RESOURCES.items():
        answer = _answering(client, path)
        found[name] = _content(answer, members)
    answer = _answering(client, _WEBHOOK_CA)
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
        if key in _READ_ONLY or old == new:
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


def _read(client: Client, path: str, members: tuple[str, ...]) -> dict[str, Any] | None:
    return _content(_asked(client, path), members)


def _content(answer: Answer, members: tuple[str, ...]) -> dict[str, Any] | None:
    found = answer.body if answer.ok else None
    for name in members:
        # Some clients answer a profile as a list of one.
        if isinstance(found, list) and len(found) == 1:
            found = found[0]
        found = found.get(name) if isinstance(found, dict) else None
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    return found if isinstance(found, dict) else None
