"""What a client's answers say about its state, read without trusting their shape."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_wa_settings.wire import Answer

UP = frozenset({"connected", "connecting"})
NEW = frozenset({"unregistered", "uninitialized"})
_NUMBER = re.compile(r"(?<![0-9])[0-9]{8,15}(?![0-9])")
_LONGEST = 64
"""Characters that a number may be written in."""
KNOWN = UP | NEW | {"disconnected"}


def statuses(health: Answer) -> list[str]:
    """Every known `gateway_status` of a health answer: one for a single instance, one a node else (api 3)."""
    return [status for _, status in _nodes(health)]


def is_multi(health: Answer) -> bool:
    """Whether the health answer has the multiconnect shape: an entry a node."""
    return any(name is not None for name, _ in _nodes(health))


def _nodes(health: Answer) -> Iterator[tuple[str | None, str]]:
    content = health.body.get("health") if health.ok and isinstance(health.body, dict) else None
    if not isinstance(content, dict):
        return
    if isinstance(content.get("gateway_status"), str):
        entries: list[tuple[str | None, object]] = [(None, content)]
    else:
        entries = list(content.items())
    for name, node in entries:
        status = node.get("gateway_status") if isinstance(node, dict) else None
        if isinstance(status, str) and status.lower() in KNOWN:
            yield name, status.lower()


def serves(health: Answer, *, registered: bool | None, shards: int) -> bool | None:
    """Whether this answer shows a serving client; None where it does not tell.

    `registered` True: connected, on as many nodes as there are shards (on any node where fewer are listed).
    False: unregistered. None: any 2xx that names no node that is still starting.
    """
    if not health.ok:
        return False if health.status not in (401, 403, 404, 405, 501) else None
    found = statuses(health)
    if not found:
        return None
    connected = found.count("connected")
    if registered is True:
        return connected >= (shards if len(found) >= shards else 1)
    if registered is False:
        return "unregistered" in found
    return any(status not in ("connecting", "uninitialized") for status in found)


def is_up(health: Answer, *, new_machine: bool) -> bool:
    """Whether this answer comes from a client that runs: connected or connecting, or not yet registered."""
    if health.failure_kind == "login":
        return True
    if not health.ok:
        return health.status is not None and health.failure is None and health.status < 500
    found = set(statuses(health))
    return not found or bool(found & (UP | NEW if new_machine else UP))


def version_of(*answers: Answer) -> str | None:
    """The client's version as `meta.version` says, without a leading v (api 2.1)."""
    for answer in answers:
        meta = answer.body.get("meta") if isinstance(answer.body, dict) else None
        version = meta.get("version") if isinstance(meta, dict) else None
        if isinstance(version, str) and 0 < len(version) <= 40 and version.isprintable():
            return version.strip().removeprefix("v") or None
    return None


def number_of(answer: Answer) -> str | None:
    """The business number, as digits, that an answer of settings/application or support holds (api 5)."""
    body = answer.body if answer.ok and isinstance(answer.body, dict) else {}
    settings = body.get("settings")
    application = settings.get("application") if isinstance(settings, dict) else None
    number = application.get("wa_id") if isinstance(application, dict) else None
    if number is None:
        number = next(_debug_infos(body.get("support", body)), None)
    if not isinstance(number, str) or len(number) > _LONGEST:
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
