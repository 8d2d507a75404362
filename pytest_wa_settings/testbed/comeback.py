"""The way back of a client after a restore: how to tell that it stopped, and when to start it again.

The document says two things (doc, restore): an existing app stops and is started again by hand, unless the
deployment does it; a new machine initializes itself. A client may be back before anyone saw it down, and the
answer may come long before the stop. So nobody waits for ever to see it down, and nobody takes the first sign
of life for the end of it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pytest_wa_settings.api import health as states
from pytest_wa_settings.api.codes import not_now
from pytest_wa_settings.api.resources import APPLICATION
from pytest_wa_settings.testbed.errors import NotBack
from pytest_wa_settings.testbed.remedies import remedy_for
from pytest_wa_settings.wire import Answer

if TYPE_CHECKING:
    from pytest_wa_settings.testbed.client import Client

_SEES_TO_ITSELF = ("always", "unless-stopped")
_LOGIN_REMEDY = "see that it has the account and password that are declared, also after a reset"
_SELF_START = 3.0
"""Seconds that a new machine may refuse connections while it initializes, before it counts as shut down."""


def bring_back(client: Client, *, registered: bool) -> None:
    """Makes the client serve again; raises NotBack after its limits."""
    after = "the restore" if client.pending else "the stop"
    wanted = True if registered else None
    new_machine = client.state == "unregistered"
    if client.killed and client.life.running() is False:
        client.start_again()
    elif client.pending and not new_machine:
        _existing_app_stops(client)
    if not _serve(client, wanted, settle=_settling(client, new_machine)):
        raise NotBack(*why_not_serving(client, after, wanted))


def _existing_app_stops(client: Client) -> None:
    """Waits a while for an existing app to stop, and starts it again where that is for the testbed to do."""
    limit = stop_grace(client)
    began = time.monotonic()
    down = client.down_at is not None or _stopped(client, limit)
    if down and client.pending == "accepted":
        went_down = time.monotonic() if client.down_at is None else client.down_at
        client.habits.went_down(max(0.001, went_down - client.pending_since))
    elif client.pending == "accepted":
        client.habits.stayed_up += 1
    if not client.can_restart or _came_back(client):
        return
    if client.restart_policy in _SEES_TO_ITSELF:
        left = max(0.0, client.testbed.ready_timeout - (time.monotonic() - began))
        left = min(left, client.life.policy_within or left)
        if not down or _returns(client, left):
            return
    client.start_again()


def stop_grace(client: Client) -> float:
    """Seconds to look for the stop. Where the answer was lost, nothing may have happened at all."""
    if client.managed and client.pending == "accepted":
        return client.habits.grace(3.0)
    if client.managed:
        return min(0.15, 8 * client.habits.down_after or 0.15)
    ready = client.testbed.ready_timeout
    if client.pending == "unknown":
        return min(2.0, ready)
    if client.restart_policy in _SEES_TO_ITSELF:
        return client.habits.grace(min(5.0, ready))
    return client.habits.grace(min(10.0, ready))


def _stopped(client: Client, limit: float) -> bool:
    """Whether it was seen down, or was counted as started again, within `limit` seconds."""
    if client.known_generation is None:
        return client.wait_down(limit)
    deadline = time.monotonic() + limit
    while not (client.life.running() is False or _came_back(client)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def _came_back(client: Client) -> bool:
    """Whether its process was counted as started since the last time that it was looked at."""
    known, now = client.known_generation, client.life.generation()
    return known is not None and now is not None and now > known


def _returns(client: Client, limit: float) -> bool:
    """Whether it comes back by itself within `limit` seconds."""
    if client.known_generation is None:
        return client.wait_serving(limit)
    deadline = time.monotonic() + limit
    while not _came_back(client):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def _settling(client: Client, new_machine: bool) -> float:
    """Seconds that a client must go on serving before it is trusted to stay.

    A new machine may say `connected` and shut down just after; one whose process is counted is seen to.
    """
    if not new_machine or client.pending is None:
        return 0.0
    return 0.03 if client.managed else 1.0


def _serve(client: Client, registered: bool | None, *, settle: float) -> bool:
    """Whether it serves, and goes on for `settle` seconds; one that is down for good is started once."""
    ready = client.testbed.ready_timeout
    began = time.monotonic()
    deadline = began + client.habits.allowed(ready, ready)
    serving_since: float | None = None
    down_since: float | None = None
    started = False
    pause = 0.002 if client.managed else 0.02
    while True:
        now = time.monotonic()
        if client.serves(registered):
            serving_since = serving_since or now
            down_since = None
            if now - serving_since >= settle:
                return True
        else:
            serving_since = None
            patience = _patience_with_silence(client)
            down_since = None if patience is None else down_since or now
            if (
                patience is not None
                and down_since is not None
                and now - down_since >= patience
                and not started
            ):
                client.start_again()
                client.habits.needs_start = True
                started, down_since = True, None
                client.habits.waited_in_vain += now - began
                began = now
                deadline = began + client.habits.allowed(ready, ready)
        if now > deadline and serving_since is None:
            client.habits.waited_in_vain += now - began
            return False
        time.sleep(pause)
        pause = min(2 * pause, 0.03 if client.managed else 0.25)


def _patience_with_silence(client: Client) -> float | None:
    """Seconds that it may stay as it is before it is started again; None while it answers or cannot be."""
    if not client.can_restart:
        return None
    running = client.life.running()
    if running is not None:
        return None if running else 0.5 if client.restart_policy in _SEES_TO_ITSELF else 0.0
    health = client.probe()
    half = client.testbed.ready_timeout / 2
    if not_now(health) in ("gateway", "503"):
        return half
    if health.answered or health.failure_kind == "login":
        return None
    if client.restart_policy in _SEES_TO_ITSELF:
        return half
    return min(_SELF_START / 3 if client.habits.needs_start else _SELF_START, half)


def why_not_serving(client: Client, after: str, registered: bool | None) -> tuple[str, str]:
    """Problem and remedy of a client that does not serve."""
    limit = client.testbed.ready_timeout
    wanted = "connected" if registered else "unregistered" if registered is False else "serving"
    last, remedy = last_answer(client)
    problem = f"the client is not {wanted} {limit:g} s after {after} ({last})"
    if remedy is not None:
        return problem, remedy
    if client.can_restart:
        return problem, "look at its log, or give it more time with --wa-ready-timeout"
    return problem, "add a way to start it again: --wa-restart-command, or `restart` in clients.toml"


def last_answer(client: Client) -> tuple[str, str | None]:
    """What one look at the client shows, in words, and what would change it where the answer itself tells."""
    health = client.probe()
    if health.failure is not None:
        return health.explanation or health.failure, _remedy(client, health)
    if health.from_gateway:
        return f"a gateway answers {health.status}, and no client behind it", "start the client behind it"
    if not health.ok and not states.says_nothing(health):
        return f"health answers {health.status}", None
    found = sorted(set(states.statuses(health)))
    told = ", ".join(f"`{status}`" for status in found)
    says = f"health says {told}" if found else "health names no status"
    settings = client.driver.application()
    if settings.ok or not found:
        return says if settings.ok else f"{says}, {_of_settings(settings)}", None
    return f"{says}, {_of_settings(settings)}", _remedy(client, settings)


def _remedy(client: Client, answer: Answer) -> str | None:
    """What would change a failure; None where the client is merely not there."""
    if answer.failure_kind == "login":
        return _LOGIN_REMEDY
    if answer.failure_kind in ("refused", "timeout", "closed"):
        return None
    return remedy_for(answer, client.driver.base_url) if answer.failure is not None else None


def _of_settings(answer: Answer) -> str:
    told = answer.explanation or answer.failure or f"answers {answer.status}"
    return f"and GET {APPLICATION.path}: {told}"
