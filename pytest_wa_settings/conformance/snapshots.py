"""What can be read of a client: its documented settings and profile, its health, its registration."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from pytest_wa_settings.conformance.fields import FIELDS, Leaf
from pytest_wa_settings.testbed import Client
from pytest_wa_settings.wire import Answer

_RESOURCES = {
    "application": ("/v1/settings/application", ("settings", "application")),
    "about": ("/v1/settings/profile/about", ("settings", "profile", "about")),
    "business": ("/v1/settings/business/profile", ("settings", "business", "profile")),
}
_PROVIDERS = "/v1/settings/application/media/providers"
_LONG = 65_536
_NO_SUCH_PATH = (404, 405, 501)
_PHOTO = "/v1/settings/profile/photo"


@dataclass(frozen=True)
class Snapshot:
    """One reading of a client.

    Attributes:
        values: every documented field that could be read, by leaf.
        unread: why a resource could not be read, by resource.
        serving: whether health answered and said that it works (or is unregistered, where it is).
        registered: what health says of the registration; None if it says nothing.
        answers: the answers behind it.
        seconds: how long it took, with all waiting.
    """

    values: Mapping[Leaf, object]
    unread: Mapping[str, str] = field(default_factory=dict)
    serving: bool = True
    registered: bool | None = None
    number: str | None = None
    answers: tuple[Answer, ...] = ()
    seconds: float = 0.0

    def of(self, *resources: str) -> dict[Leaf, object]:
        """The values of some resources only."""
        return {leaf: value for leaf, value in self.values.items() if leaf.split(":")[0] in resources}


def read(client: Client) -> Snapshot:
    """A reading of all that is documented and that this client shows."""
    began = time.monotonic()
    values, unread, answers = _read_settings(client, *_RESOURCES)
    skipped = client.unreadable
    for resource, reader in (("providers", _read_providers), ("photo", _read_photo)):
        if resource not in skipped:
            answer, found = reader(client)
            answers.append(_light(answer))
            values.update(found)
            if not found and answer.status in _NO_SUCH_PATH and resource == "providers":
                skipped.add(resource)
    health = client.driver.health()
    statuses = set(gateway_statuses(health))
    registered = None if not statuses else "unregistered" not in statuses
    serving = health.ok and (not statuses or bool(statuses & {"connected", "connecting", "unregistered"}))
    answers.append(_light(health))
    number, seconds = client.number(), time.monotonic() - began
    return Snapshot(values, unread, serving, registered, number, tuple(answers), seconds)


def look(client: Client, last: Snapshot, *resources: str) -> Snapshot:
    """A reading of some of `application`, `about` and `business`; the rest is as in `last`."""
    asked = [name for name in _RESOURCES if name in resources]
    found, unread, answers = _read_settings(client, *asked)
    kept = {leaf: value for leaf, value in last.values.items() if leaf.split(":")[0] not in asked}
    missing = {name: why for name, why in last.unread.items() if name not in asked}
    return replace(last, values={**kept, **found}, unread={**missing, **unread}, answers=tuple(answers))


def shown(client: Client, *resources: str) -> Snapshot:
    """A reading of some resources alone."""
    return look(client, Snapshot({}), *resources)


def _read_settings(
    client: Client, *resources: str
) -> tuple[dict[Leaf, object], dict[str, str], list[Answer]]:
    values: dict[Leaf, object] = {}
    unread: dict[str, str] = {}
    answers = []
    skipped = client.unreadable
    for resource in resources:
        if resource in skipped:
            continue
        path, members = _RESOURCES[resource]
        answer = client.ask("GET", path)
        answers.append(_light(answer))
        content = _member(answer.body, members)
        if not answer.ok or content is None:
            unread[resource] = answer.failure or f"{path} answered {answer.status}"
            if answer.status in _NO_SUCH_PATH:
                skipped.add(resource)
            continue
        values.update(_leaves(resource, content))
    return values, unread, answers


def _light(answer: Answer) -> Answer:
    """The answer as evidence: its exchange tells it, so that a long body need not be kept."""
    return replace(answer, content=b"") if len(answer.content) > _LONG else answer


def gateway_statuses(health: Answer) -> Iterator[str]:
    """Every `gateway_status` of a health answer, single or with an entry a node."""
    content = _member(health.body, ("health",))
    if not isinstance(content, dict):
        return
    nodes = [content] if "gateway_status" in content else list(content.values())
    for node in nodes:
        if isinstance(node, dict) and isinstance(node.get("gateway_status"), str):
            yield node["gateway_status"]


def _member(body: object, names: tuple[str, ...]) -> object:
    """What stands under the names; some clients answer a business profile as a list of one."""
    for name in names:
        if isinstance(body, list) and len(body) == 1:
            body = body[0]
        if not isinstance(body, dict):
            return None
        body = body.get(name)
    return body[0] if isinstance(body, list) and len(body) == 1 else body


def _leaves(resource: str, content: object) -> Iterator[tuple[Leaf, object]]:
    for one in FIELDS:
        if one.resource != resource:
            continue
        found = content
        for name in one.path:
            found = found.get(name, _ABSENT) if isinstance(found, dict) else _ABSENT
        if found is not _ABSENT:
            yield one.leaf, found


_ABSENT = object()


def _read_providers(client: Client) -> tuple[Answer, dict[Leaf, object]]:
    answer = client.ask("GET", _PROVIDERS)
    found = _member(answer.body, ("settings", "application", "media"))
    providers = found.get("providers") if isinstance(found, dict) else None
    if not answer.ok or not isinstance(providers, list):
        return answer, {}
    named = {
        one["name"]: one for one in providers if isinstance(one, dict) and isinstance(one.get("name"), str)
    }
    return answer, {f"providers:{name}": one.get("type") for name, one in sorted(named.items())}


def _read_photo(client: Client) -> tuple[Answer, dict[Leaf, object]]:
    answer = client.ask("GET", _PHOTO)
    if not answer.ok or not answer.content:
        return answer, {}
    return answer, {"photo:digest": hashlib.sha256(answer.content).hexdigest()}
