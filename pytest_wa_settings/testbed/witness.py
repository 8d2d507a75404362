"""Which values of a client's fields this run has sent or read, so that somebody else's change shows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_wa_settings.api.resources import READ_ONLY, TEXTS, content, documented, is_restore
from pytest_wa_settings.wire import Answer, parse_json

_BY_PATH = {resource.path: resource for resource in TEXTS}


class Witness:
    """The values that were sent or read so far, by resource and member; documented members alone.

    What a client makes of a change, nobody knows before it is read. So a resource that was not read since the
    last change of it, or since the last restore, tells of nobody else.
    """

    def __init__(self) -> None:
        self._known: dict[str, set[str]] = {}
        self._unread: set[str] = set()

    def sent(self, method: str, path: str, body: bytes) -> None:
        """Takes in a request that may change the client, and the fields of a resource in it."""
        if is_restore(method, path):
            self._unread |= {resource.name for resource in TEXTS}
        resource = _BY_PATH.get(path.partition("?")[0])
        if resource is not None:
            self._unread.add(resource.name)
        value = parse_json(body) if resource is not None else None
        if resource is not None and isinstance(value, dict):
            self._add(resource.name, value)

    def answered(self, answer: Answer) -> None:
        """Takes in the fields of an answer that shows a resource."""
        resource = _BY_PATH.get(answer.path)
        if resource is not None and answer.method == "GET" and answer.ok:
            self._unread.discard(resource.name)
            self._add(resource.name, content(resource, answer) or {})

    def strange(self, name: str, now: Mapping[str, Any]) -> list[str]:
        """The members of a resource that read as nothing that was sent or read so far."""
        if name in self._unread:
            return []
        return [
            member
            for member, value in _members(now)
            if member.split(".")[0] in documented(name) - READ_ONLY
            and value not in self._known.get(f"{name}:{member}", {value})
        ]

    def _add(self, name: str, found: Mapping[str, Any]) -> None:
        for member, value in _members(found):
            self._known.setdefault(f"{name}:{member}", set()).add(value)


def _members(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every member with its value as text; those of objects by dotted names."""
    for name, inner in value.items():
        if isinstance(inner, dict) and not prefix.count("."):
            yield from _members(inner, f"{prefix}{name}.")
        else:
            parts = sorted(map(repr, inner)) if isinstance(inner, list) else inner
            yield f"{prefix}{name}", json.dumps(parts, sort_keys=True, default=str)
