"""What can be read of a client: its documented settings and profile, its health, its registration."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import partial

from pytest_wa_settings.conformance.fields import FIELDS, Leaf
from pytest_wa_settings.testbed import Client
from pytest_wa_settings.wire import Answer

Values = dict[Leaf, object]

_TEXTS = ("application", "about", "business")
"""What every client shows: a reason is kept where it cannot be read."""
_LONG = 65_536
_NO_SUCH_PATH = (404, 405, 501)


@dataclass(frozen=True)
class Snapshot:
    """One reading of a client.

    Attributes:
        found: every documented field that could be read, by leaf.
        untold: fields that the client takes and shows later, if at all (from its next start on, by api 5.1):
            what is read of them tells nothing of what a backup holds. The set grows as such fields turn up.
        unread: why a resource could not be read, by resource.
        serving: whether health answered and said that it works (or is unregistered, where it is).
        registered: what health says of the registration; None if it says nothing.
        answers: the answers behind it.
        seconds: how long it took, with all waiting.
    """

    found: Mapping[Leaf, object]
    untold: AbstractSet[Leaf] = frozenset()
    unread: Mapping[str, str] = field(default_factory=dict)
    serving: bool = True
    registered: bool | None = None
    number: str | None = None
    answers: tuple[Answer, ...] = ()
    seconds: float = 0.0

    @property
    def values(self) -> Mapping[Leaf, object]:
        """What was read of the fields that tell something."""
        if not self.untold:
            return self.found
        return {leaf: value for leaf, value in self.found.items() if leaf not in self.untold}

    def of(self, *resources: str) -> dict[Leaf, object]:
        """The values of some resources only."""
        return {leaf: value for leaf, value in self.values.items() if leaf.split(":")[0] in resources}

    def reading_of(self, leaf: Leaf | None) -> tuple[Answer, ...]:
        """The answer that shows a field, or would, as evidence; none where it was not asked for."""
        path = _READERS[leaf.split(":")[0]][0] if leaf else None
        return tuple(answer for answer in self.answers if answer.path == path)[:1]


def read(client: Client) -> Snapshot:
    """A reading of all that is documented and that this client shows."""
    began = time.monotonic()
    found = shown(client, *RESOURCES)
    health = client.driver.health()
    statuses = set(gateway_statuses(health))
    return replace(
        found,
        serving=health.ok and (not statuses or bool(statuses & {"connected", "connecting", "unregistered"})),
        registered=None if not statuses else "unregistered" not in statuses,
        number=client.number(),
        answers=(*found.answers, _light(health)),
        seconds=time.monotonic() - began,
    )


def look(client: Client, last: Snapshot, *resources: str) -> Snapshot:
    """A reading of some of RESOURCES; the rest is as in `last`."""
    values = {leaf: value for leaf, value in last.found.items() if leaf.split(":")[0] not in resources}
    unread = {name: why for name, why in last.unread.items() if name not in resources}
    answers = []
    skipped = client.unreadable
    for resource in resources:
        if resource in skipped:
            continue
        path, reader = _READERS[resource]
        answer = client.ask("GET", path)
        answers.append(_light(answer))
        seen = reader(answer) if answer.ok else None
        if seen is not None:
            values.update(seen)
            continue
        if resource in _TEXTS:
            unread[resource] = answer.failure or f"{path} answered {answer.status}"
        if answer.status in _NO_SUCH_PATH and resource != "photo":
            skipped.add(resource)
    untold = client.habits.unshown
    return replace(last, found=values, untold=untold, unread=unread, answers=tuple(answers))


def shown(client: Client, *resources: str) -> Snapshot:
    """A reading of some of RESOURCES alone."""
    return look(client, Snapshot({}), *resources)


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


def _leaves(resource: str, members: tuple[str, ...], answer: Answer) -> Values | None:
    content = _member(answer.body, members)
    if content is None:
        return None
    values: Values = {}
    for one in FIELDS:
        if one.resource != resource:
            continue
        found = content
        for name in one.path:
            found = found.get(name, _ABSENT) if isinstance(found, dict) else _ABSENT
        if found is not _ABSENT:
            values[one.leaf] = found
    return values


_ABSENT = object()


def _providers(answer: Answer) -> Values | None:
    found = _member(answer.body, ("settings", "application", "media"))
    providers = found.get("providers") if isinstance(found, dict) else None
    if not isinstance(providers, list):
        return None
    named = {
        one["name"]: one for one in providers if isinstance(one, dict) and isinstance(one.get("name"), str)
    }
    return {f"providers:{name}": one.get("type") for name, one in sorted(named.items())}


def _photo(answer: Answer) -> Values | None:
    return {"photo:digest": hashlib.sha256(answer.content).hexdigest()} if answer.content else None


_READERS: Mapping[str, tuple[str, Callable[[Answer], Values | None]]] = {
    "application": (
        "/v1/settings/application",
        partial(_leaves, "application", ("settings", "application")),
    ),
    "about": ("/v1/settings/profile/about", partial(_leaves, "about", ("settings", "profile", "about"))),
    "business": (
        "/v1/settings/business/profile",
        partial(_leaves, "business", ("settings", "business", "profile")),
    ),
    "providers": ("/v1/settings/application/media/providers", _providers),
    "photo": ("/v1/settings/profile/photo", _photo),
}
RESOURCES = tuple(_READERS)
"""What can be read of a client, beside its health."""
