"""What makes a client the holder of a number: its registration and its session with the network."""

from __future__ import annotations

import secrets
import time
from typing import Any

from pytest_wa_settings.reference.link import Seat
from pytest_wa_settings.reference.store import Store


def new_identity() -> dict[str, Any]:
    """A new identity key with the time at which it was made."""
    return {"identity": secrets.token_hex(32), "identity_timestamp": f"{time.time():.6f}"}


def new_registration(number: str, vname: str) -> dict[str, Any]:
    """The registration of a number that has just been verified."""
    return {
        "number": number,
        "vname": vname,
        "registration_id": secrets.randbelow(2**31),
        **new_identity(),
    }


class Registration:
    """Reads and writes the registration of one client in its store.

    `registration` goes into backups; `session` does not: it says under which session this machine holds
    the number, whether the network has been told, and which of the network's events were taken.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    @property
    def number(self) -> str | None:
        """The number as digits, or None while unregistered."""
        kept = self.store.get("registration")
        return None if kept is None else kept["number"]

    def details(self) -> dict[str, Any] | None:
        """The whole registration, or None."""
        kept: dict[str, Any] | None = self.store.get("registration")
        return kept

    def keep(self, registration: dict[str, Any]) -> None:
        """Write a registration and a session of which the network is to be told; call inside `change`."""
        self.store.put("registration", registration)
        self.open_session()

    def open_session(self) -> None:
        """Begin a session of which the network does not know yet; call inside `change`."""
        self.store.put("session", {"id": secrets.token_hex(16), "told": False, "after": 0})

    def seat(self) -> Seat | None:
        """What the network needs to know the client by, or None while unregistered."""
        kept, session = self.store.get("registration"), self.store.get("session")
        if kept is None or session is None:
            return None
        return Seat(kept["number"], session["id"], kept["identity"], self.store.get("two_step"))

    def told(self) -> bool:
        """Whether the network knows of the session."""
        session = self.store.get("session")
        return bool(session and session["told"])

    def mark_told(self, seat: Seat) -> None:
        """Note that the network knows of the session, unless it has changed meanwhile."""
        self._change(seat, told=True)

    def after(self) -> int:
        """The number of the last event that was taken."""
        session = self.store.get("session")
        return 0 if session is None else int(session["after"])

    def mark_taken(self, seat: Seat, sequence: int) -> None:
        """Note the last event that was taken; call inside the `change` that keeps what it brought."""
        self._change(seat, after=sequence)

    def _change(self, seat: Seat, **members: Any) -> None:
        session = self.store.get("session")
        if session is not None and session["id"] == seat.session:
            self.store.put("session", {**session, **members})
