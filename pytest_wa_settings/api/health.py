"""What a health answer says about a client's state (api 3), read without trusting its shape.

Letter case does not count, and a status that no documentation lists says nothing: only one reader of health
exists, so that no two judges of one answer can disagree.
"""

from __future__ import annotations

from collections.abc import Iterator

from pytest_wa_settings.api.codes import is_rate_limit
from pytest_wa_settings.wire import Answer

UP = frozenset({"connected", "connecting"})
NEW = frozenset({"unregistered", "uninitialized"})
KNOWN = UP | NEW | {"disconnected"}
_NO_SUCH_PATH = (401, 403, 404, 405, 501)


def statuses(health: Answer) -> list[str]:
    """Every known `gateway_status` of a health answer: one for a single instance, one a node else (api 3)."""
    return [status for _, status in _nodes(health)]


def says_nothing(health: Answer) -> bool:
    """Whether no health can be read: no such path or right, too many requests, or a body without a status."""
    if health.ok:
        return not statuses(health)
    return health.failure is None and (health.status in _NO_SUCH_PATH or is_rate_limit(health))


def registered_by(health: Answer) -> bool | None:
    """What a health answer says of the registration; None where it says nothing."""
    found = statuses(health)
    return "unregistered" not in found if found else None


def is_multi(health: Answer) -> bool:
    """Whether the health answer has the multiconnect shape: an entry a node."""
    return any(name is not None for name, _ in _nodes(health))


def _nodes(health: Answer) -> Iterator[tuple[str | None, str]]:
    body = health.body if health.ok and isinstance(health.body, dict) else {}
    content = body.get("health", body if "gateway_status" in body else None)
    if isinstance(content, str):  # a component of the public OpenAPI has the status itself there
        content = {"gateway_status": content}
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
        return None if says_nothing(health) else False
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
