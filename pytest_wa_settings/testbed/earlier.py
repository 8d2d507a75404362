"""What other runs left on a client, or do on it now: their journals, and whose they are."""

from __future__ import annotations

import os
import secrets
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_wa_settings.api import Driver
from pytest_wa_settings.api.resources import APPLICATION
from pytest_wa_settings.testbed.entry import is_loopback
from pytest_wa_settings.testbed.errors import TestbedError
from pytest_wa_settings.testbed.identity import Identity, identity_of, place_of
from pytest_wa_settings.testbed.journal import Journal, journals
from pytest_wa_settings.testbed.putback import last_words
from pytest_wa_settings.wire import Recorder, WireError

if TYPE_CHECKING:
    from pytest_wa_settings.testbed.client import Client

_PROBE_SECONDS, _PROBE_WAIT, _PROBE_PAUSE = 5.0, 15.0, 0.25
_REFUSED = (401, 403)


def left_changed(client: Client) -> Journal | None:
    """The journal of a run that is over, and that changed this client and did not put it back.

    Raises:
        TestbedError: a run that goes on has the client, or may have it.
    """
    for journal, same in _perhaps_of(client):
        lives = journal.owner_lives()
        if journal.state == "opened" and lives is False:
            journal.close()  # its run ended before it changed anything
            continue
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
                f"{client.name} at {client.driver.base_url}",
                f"put it back first: {journal.command()}; or, where that client is gone for good, delete "
                f"{journal.path}",
            )
        return journal
    return None


def left_by_workers() -> list[str]:
    """The last words for clients that a process of this run left changed, as it was killed; lines to show."""
    lines = []
    for journal in journals():
        if journal.is_given_up:  # its last words were said already
            continue
        of_ours = journal.run.get("parent") == os.getpid() and journal.owner_lives() is False
        if of_ours and journal.state != "opened":
            lines += last_words(journal, "the process that used it has died")
    return lines


def was_stopped_by(journal: Journal, client: Client) -> bool:
    """Whether a run that is over may have left the client stopped: a restore stops it (doc 3.2)."""
    there = journal.identity.place == place_of(client.driver.base_url)
    return there and journal.restored and journal.owner_lives() is False


def used_by_another(client: Client) -> str | None:
    """Who else is changing this client now, in words; None where nobody is."""
    for journal, _ in _perhaps_of(client):
        if journal.owner_lives() is not False:
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
        if same is False and journal.restored and journal.identity.place == identity.place:
            same = None  # with another number than before: the restore may have brought it
        elif same is None:
            same = _takes_its_token(client, journal)
        if same is not False:
            found.append((journal, bool(same)))
    return sorted(found, key=lambda one: not one[1])


def _takes_its_token(client: Client, journal: Journal) -> bool | None:
    """Whether what answers at a journal's address takes this client's token, and none that is made up.

    None where nothing shows it: nobody answers there, also not after a while where its run goes on, or
    whatever token is taken. The token goes nowhere but to this client's own host, and never unencrypted where
    it is encrypted now; what a gateway asks for besides is not sent.
    """
    token, url = client.driver.session_token(), str(journal.reach.get("url"))
    if token is None or not _as_safe(url, client.driver.base_url):
        return None
    deadline = time.monotonic() + min(client.testbed.ready_timeout, _PROBE_WAIT)
    try:
        with Driver(url, name="other", recorder=Recorder(), tls=client.driver.tls, token=token) as other:
            while True:
                own = other.request("GET", APPLICATION.path, timeout=_PROBE_SECONDS)
                if own.answered or not journal.owner_lives() or time.monotonic() > deadline:
                    break
                time.sleep(_PROBE_PAUSE)
            if not own.answered or own.status in _REFUSED:
                return False if own.answered and client.driver.sends_nothing_else else None
            made_up = other.request(
                "GET", APPLICATION.path, token=secrets.token_urlsafe(32), timeout=_PROBE_SECONDS
            )
    except WireError:
        return None
    return True if own.ok and made_up.answered and made_up.status in _REFUSED else None


def _as_safe(url: str, own: str) -> bool:
    there, here = urlsplit(url), urlsplit(own)
    if here.scheme == "https" and there.scheme != "https":
        return False
    return there.hostname == here.hostname or (is_loopback(url) and is_loopback(own))
