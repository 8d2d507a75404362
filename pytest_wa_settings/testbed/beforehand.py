"""What is noted of a client before its first change: its readings, how it is reached, a backup of it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_wa_settings.testbed.entry import Entry
from pytest_wa_settings.testbed.errors import Unavailable
from pytest_wa_settings.testbed.identity import identity_of
from pytest_wa_settings.testbed.journal import Journal, new_journal
from pytest_wa_settings.testbed.readings import take_readings

if TYPE_CHECKING:
    from pytest_wa_settings.testbed.client import Client


def journal_of(client: Client, entry: Entry) -> tuple[Journal, Unavailable | None]:
    """A journal of the client as it is now, not written yet; and why nothing may be restored on it.

    The backup is taken wherever restores are permitted, not only before one: it must hold the state before
    the first change.
    """
    journal = new_journal(client.name, identity_of(client), take_readings(client), _reach(entry))
    if client.may_restore:
        try:
            journal.password, journal.data = _safety_backup(client)
        except Unavailable as error:
            return journal, error
    return journal, None


def _safety_backup(client: Client) -> tuple[str, str]:
    """Password and data of a backup of the client as it is; raises Unavailable."""
    password = "aA1!" + secrets.token_urlsafe(24)
    client.driver.recorder.add_secret(password)
    answer = client.backup(password)
    for _ in range(2):
        # One that has just gone down and come back, or broke once, gets another chance.
        if answer.ok or (answer.answered and (answer.status or 0) < 500) or not client.wait_serving():
            break
        answer = client.backup(password)
    data = answer.data
    if not answer.ok or not data:
        why = answer.failure or f"status {answer.status}"
        raise Unavailable(
            f"no safety backup of {client.name} could be taken ({why}), so nothing is restored on it",
            "see that backup works on it",
        )
    client.driver.recorder.add_secret_of_client(data)
    return password, data


def _reach(entry: Entry) -> Mapping[str, Any]:
    """How a client is reached, without a secret: what `wa-settings recover` needs beside the password."""
    return {
        "url": entry.url,
        "admin": entry.admin,
        "ca": None if entry.ca is None else str(entry.ca.absolute()),
        "verify": entry.verify,
        "config": None if entry.config is None else str(entry.config.absolute()),
        "name": entry.name,
    }
