"""What is known about each client of a testbed before a test asks for it: the ground for a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_wa_settings.testbed.base import Policy, Setup, State
from pytest_wa_settings.testbed.entry import Entry

if TYPE_CHECKING:
    from pytest_wa_settings.testbed.slot import Slot


@dataclass(frozen=True)
class Offer:
    """One client as declared, or as found once it was looked at.

    Attributes:
        version: None where it is neither declared nor found out yet.
        restart, reset: whether something starts it again, or brings it back to its declared state.
        user: an account without administrator's rights is declared.
        consumer: what its contacts see can be watched.
        max_restores: at most so many restores on it, the one that puts it back among them.
        managed: the testbed starts such clients itself, as many as are asked for.
    """

    name: str
    state: State = "registered"
    setup: Setup = (1, False)
    version: str | None = None
    may_restore: bool = False
    may_change: bool = False
    restart: bool = False
    restart_policy: Policy | None = None
    reset: bool = False
    user: bool = False
    consumer: bool = False
    max_restores: int = 0
    managed: bool = False


def offer_of(entry: Entry, slot: Slot | None, profile: str) -> Offer:
    """The offer of a declared client; `slot` has what was found out, once the testbed is open."""
    return Offer(
        name=entry.name,
        state=(slot.entry if slot else entry).state or "registered",
        setup=slot.client.setup if slot else setup_of(entry, multi=False),
        version=slot.client.version if slot else entry.version,
        may_restore=entry.may_restore and profile != "backup",
        may_change=entry.may_change,
        restart=entry.restart is not None,
        restart_policy=entry.restart_policy,
        reset=entry.reset is not None,
        user=entry.user is not None,
        consumer=(slot.entry if slot else entry).consumer is not None,
        max_restores=entry.max_restores,
    )


def setup_of(entry: Entry, *, multi: bool) -> Setup:
    """The setup as it was declared, and as health shows it (`multi`) where it was not."""
    multiconnect = multi if entry.multiconnect is None else entry.multiconnect
    return (entry.shards or 1, multiconnect)
