"""What a client that serves gives, beside answers about its health."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_wa_settings.api.resources import APPLICATION
from pytest_wa_settings.conformance.arrange import body_of, changeable, wait_until
from pytest_wa_settings.conformance.fields import Leaf
from pytest_wa_settings.conformance.snapshots import Snapshot, read, shown
from pytest_wa_settings.conformance.traffic import SERVED, Traffic
from pytest_wa_settings.testbed import Client, NotBack

A_BACKUP, A_CHANGE = "a backup", "a change of a setting"
_SERVED_WITHIN = 3.0
"""Seconds that a machine that is connected may go on refusing one of them."""


def once_more(client: Client) -> Snapshot | None:
    """The reading after one more start; None where the testbed cannot start it, or it does not answer."""
    if not client.can_restart:
        return None
    try:
        client.restart()
    except NotBack:
        return None if client.probe().status is None else read(client)
    return read(client)


def takes_a_change(client: Client, changed: Sequence[Leaf]) -> bool:
    """Whether it takes one of the settings that were `changed` before, each with the value that it has now.

    So, too, where it shows none of them, or must not be changed.
    """
    if not client.may_change:
        return True
    now = shown(client, "application")
    wanted = {one.leaf: now.values[one.leaf] for one in changeable(now, "application") if one.leaf in changed}
    if not wanted:
        return True
    bodies = [body_of(wanted), *(body_of({leaf: value}) for leaf, value in wanted.items())]
    # by its answer alone, as what reads as it did shows nothing
    return any(client.ask(APPLICATION.method, APPLICATION.path, json=body).ok for body in bodies)


def not_served(
    client: Client, traffic: Traffic | None, password: str, changed: Sequence[Leaf], asked: Sequence[str]
) -> list[str]:
    """Of what a client is asked for: what it does not give now; `changed` settings it took before."""
    left = []
    for what in asked:
        if traffic and what in SERVED:
            given = traffic.serves(client, what)
        elif what == A_CHANGE:
            given = wait_until(lambda: takes_a_change(client, changed), _SERVED_WITHIN, 0.2)
        else:
            given = wait_until(lambda: client.backup(password).ok, _SERVED_WITHIN, 0.2)
        left += [] if given else [what]
    return left
