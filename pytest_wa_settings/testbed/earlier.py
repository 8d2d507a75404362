"""What other runs left on a client, or do on it now: their journals, and whose they are."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

from pytest_wa_settings.api.resources import APPLICATION
from pytest_wa_settings.testbed.errors import TestbedError
from pytest_wa_settings.testbed.identity import Identity, identity_of, place_of
from pytest_wa_settings.testbed.journal import Journal, journals
from pytest_wa_settings.testbed.putback import last_words
from pytest_wa_settings.wire import WireError

if TYPE_CHECKING:
    from pytest_wa_settings.testbed.client import Client

_PROBE_SECONDS = 5.0
_REFUSED = (401, 403)


def left_changed(client: Client) -> Journal | None:
    """The journal of a run that is over, and that changed this client and did not put it back.

    Raises:
        TestbedError: a run that goes on has the client, or may have it.
    """
    for journal, same in _perhaps_of(client):
        lives = journal.owner_lives()
        if lives:
            raise TestbedError(
                f"another run is using {client.name} (process {journal.run.get('pid')}, at "
                f"{journal.reach.get('url')})",
                "wait until it has ended, then run again",
            )
        if lives is None:
            raise TestbedError(
                f"{journal.summary()}; that was on another machine, where it may go on still",
                f"see that it has ended, then put the client back: {journal.command()}",
            )
        if not same:
            raise TestbedError(
                f"{journal.summary()}, at {journal.reach.get('url')}, and nothing shows whether that is "
                f"{client.name} at {client.driver.base_url}, which has the same number",
                f"put it back first: {journal.command()}; or, where that client is gone for good, delete "
                f"{journal.path}",
            )
        return journal
    return None


def left_by_workers() -> list[str]:
    """The last words for clients that a process of this run left changed, as it was killed; lines to show."""
    lines = []
    for journal in journals():
        of_ours = journal.run.get("parent") == os.getpid() and journal.owner_lives() is False
        if of_ours and journal.state != "opened":
            lines += last_words(journal, "the process that used it has died")
    return lines


def was_stopped_by(journal: Journal, client: Client) -> bool:
    """Whether a run that is over may have left the client stopped: a restore stops it (doc 3.2)."""
    there = journal.identity.place == place_of(client.driver.base_url)
    return there and journal.restored and journal.owner_lives() is not True


def used_by_another(client: Client) -> str | None:
    """Who else is changing this client now, in words; None where nobody is."""
    for journal, _ in _perhaps_of(client):
        if journal.owner_lives():
            return f"process {journal.run.get('pid')}, at {journal.reach.get('url')}"
    return None


def _perhaps_of(client: Client) -> list[tuple[Journal, bool]]:
    """Other runs' journals that are of this client (True), or may be (False): those that are come first."""
    identity: Identity | None = None
    found: list[tuple[Journal, bool]] = []
    for journal in journals():
        if journal.is_ours:
            continue
        identity = identity or identity_of(client)
        same = journal.identity.is_of(identity)
        if same is None:
            same = _takes_its_token(client, str(journal.reach.get("url")))
        if same is not False:
            found.append((journal, bool(same)))
    return sorted(found, key=lambda one: not one[1])


def _takes_its_token(client: Client, url: str) -> bool | None:
    """Whether what answers at an address takes this client's token, and none that is made up.

    None where nothing shows it: nobody answers there, or whatever token is taken.
    """
    token = client.driver.session_token()
    if token is None:
        return None
    twin = client.driver.clone()
    twin.after_answer = None  # what is read there is not known to be the client's
    try:
        twin.move(url)
        with contextlib.closing(twin):
            answers = [
                twin.request("GET", APPLICATION.path, token=one, timeout=_PROBE_SECONDS)
                for one in (token, secrets.token_urlsafe(32))
            ]
    except WireError:
        return None
    own, made_up = (answer.status if answer.answered else None for answer in answers)
    if own in _REFUSED:
        return False
    return True if own == 200 and made_up in _REFUSED else None
