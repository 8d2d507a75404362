"""What can be read of a client: its documented settings and profile, its health, its registration."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import partial

from pytest_wa_settings.api.health import UP, registered_by, says_nothing, statuses
from pytest_wa_settings.api.resources import (
    BY_NAME,
    PHOTO,
    PROVIDERS,
    RESOURCES,
    TEXTS,
    Resource,
    content,
)
from pytest_wa_settings.conformance.fields import FIELDS, PHOTO_DIGEST, Leaf
from pytest_wa_settings.testbed import Client
from pytest_wa_settings.wire import Answer

Values = dict[Leaf, object]

_TEXTS = tuple(resource.name for resource in TEXTS)
"""What every client shows: a reason is noted where it cannot be read."""
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
        path = BY_NAME[leaf.split(":")[0]].path if leaf else None
        return tuple(answer for answer in self.answers if answer.path == path)[:1]


def read(client: Client) -> Snapshot:
    """A reading of all that is documented and that this client shows."""
    began = time.monotonic()
    found = shown(client, *(resource.name for resource in RESOURCES))
    health = client.calls.health()
    return replace(
        found,
        serving=_is_serving(client, health, found),
        registered=registered_by(health),
        number=client.number(),
        answers=(*found.answers, light(health)),
        seconds=time.monotonic() - began,
    )


def _is_serving(client: Client, health: Answer, found: Snapshot) -> bool:
    """Whether health says that it works; where health says nothing, whether anything else answers."""
    if says_nothing(health) or (client.habits.health_fails and health.answered):
        return any(answer.answered for answer in found.answers)
    return health.ok and bool(set(statuses(health)) & {*UP, "unregistered"})


def look(client: Client, last: Snapshot, *resources: str) -> Snapshot:
    """A reading of some of RESOURCES; the rest is as in `last`."""
    values = {leaf: value for leaf, value in last.found.items() if leaf.split(":")[0] not in resources}
    unread = {name: why for name, why in last.unread.items() if name not in resources}
    answers = []
    skipped = client.unreadable
    for resource in resources:
        if resource in skipped:
            continue
        path = BY_NAME[resource].path
        answer = client.ask("GET", path)
        answers.append(light(answer))
        read_values = _READERS[resource](answer) if answer.ok else None
        if read_values is not None:
            values.update(read_values)
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


def light(answer: Answer) -> Answer:
    """The answer as evidence: its exchange tells it, so that a long body need not be kept."""
    return replace(answer, content=b"") if len(answer.content) > _LONG else answer


def _leaves(resource: Resource, answer: Answer) -> Values | None:
    found = content(resource, answer)
    if found is None:
        return None
    values: Values = {}
    for one in FIELDS:
        if one.resource != resource.name:
            continue
        value: object = found
        for name in one.path:
            value = value.get(name, _ABSENT) if isinstance(value, dict) else _ABSENT
        if value is not _ABSENT:
            values[one.leaf] = value
    return values


_ABSENT = object()


def _providers(answer: Answer) -> Values | None:
    providers = (content(PROVIDERS, answer) or {}).get("providers")
    if not isinstance(providers, list):
        return None
    named = {
        one["name"]: one for one in providers if isinstance(one, dict) and isinstance(one.get("name"), str)
    }
    return {f"providers:{name}": one.get("type") for name, one in sorted(named.items())}


def _photo(answer: Answer) -> Values | None:
    return {PHOTO_DIGEST: hashlib.sha256(answer.content).hexdigest()} if answer.content else None


_READERS: Mapping[str, Callable[[Answer], Values | None]] = {
    **{resource.name: partial(_leaves, resource) for resource in TEXTS},
    PROVIDERS.name: _providers,
    PHOTO.name: _photo,
}
