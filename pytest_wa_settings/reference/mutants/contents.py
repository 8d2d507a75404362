"""Mutants that put into a backup what does not belong there (BACKUP-7, -8, -13)."""

from __future__ import annotations

import json
from typing import Any

from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.deviations import mutant, wrap
from pytest_wa_settings.reference.mutants.tools import State, alter_collected
from pytest_wa_settings.reference.store import Store
from pytest_wa_settings.reference.vault import Opened


def _rows(coreapp: Coreapp, query: str) -> list[list[Any]]:
    return [list(row) for row in coreapp.store.db.execute(query)]


def _carry(name: str, query: str, take: Any) -> None:
    """Put the rows of a query into backups, and hand them to `take` with the store when one is restored."""
    alter_collected(lambda coreapp, state: {**state, name: _rows(coreapp, query)})

    def replace(clean: Any, store: Store, state: State) -> None:
        clean(store, state)
        for row in state.get(name, []):
            take(store, *row)

    wrap(Store, "replace", replace)


_SENT = "SELECT id, peer, body FROM messages WHERE direction='out'"


def _send_again(store: Store, key: str, peer: str, body: str) -> None:
    text = json.loads(body)
    text = text.get("text", text)
    text = text.get("body", "") if isinstance(text, dict) else text
    store.push_outbox({"kind": "message", "id": key, "to": peer, "text": text})


@mutant("BACKUP-7")
def messages_sent_again() -> None:
    """The messages sent are in the backup, and a restore sends them again."""
    _carry("sent", _SENT, _send_again)


@mutant("BACKUP-7")
def messages_sent_again_on_the_same_machine() -> None:
    """Up to where messages were sent is in the backup: after a restore an existing app sends them again."""

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        sent = _rows(coreapp, _SENT) if coreapp.registration.number is not None else []
        clean(coreapp, opened)
        for key, peer, body in sent:
            _send_again(coreapp.store, key, peer, body)

    wrap(Coreapp, "commit", commit)


@mutant("BACKUP-7")
def messages_delivered_again() -> None:
    """The messages received are in the backup, and a restore delivers them to the webhook again."""

    def deliver(store: Store, key: str, peer: str, body: str) -> None:
        text = json.loads(body).get("body", "")
        message = {"from": peer, "id": key, "text": {"body": text}, "timestamp": "0", "type": "text"}
        store.push_callback({"messages": [message]})

    _carry("received", "SELECT id, peer, body FROM messages WHERE direction='in'", deliver)


@mutant("BACKUP-8")
def callbacks_in_the_backup() -> None:
    """The callbacks that wait are in the backup, and a restore delivers them."""
    _carry(
        "callbacks",
        "SELECT payload FROM callbacks",
        lambda store, payload: store.push_callback(json.loads(payload)),
    )


def _put_user(store: Store, name: str, password: str, role: str) -> None:
    if role != "ROLE_ADMIN":
        store.put_user(name, password, role)


@mutant("BACKUP-13")
def users_in_the_backup() -> None:
    """The accounts of API users are in the backup."""
    _carry("users", "SELECT name, password, role FROM users", _put_user)


@mutant("BACKUP-13")
def tokens_in_the_backup() -> None:
    """Accounts without their passwords and the tokens of API users are in the backup."""

    def put(store: Store, digest: str, user: str, expires: float, role: str) -> None:
        if role != "ROLE_ADMIN":
            if store.user(user) is None:
                store.put_user(user, f"{'0' * 32}:{'0' * 64}", role)
            store.db.execute(
                "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?)", (bytes.fromhex(digest), user, expires)
            )

    _carry("tokens", "SELECT hex(digest), user, expires, role FROM tokens JOIN users ON name=user", put)
