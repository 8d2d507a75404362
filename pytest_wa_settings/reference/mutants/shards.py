"""Mutants of what a client takes from another set-up (SHARD-1 to SHARD-4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pytest_wa_settings.reference.backups import Backups
from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.deviations import mutant, mutant_of, wrap
from pytest_wa_settings.reference.errors import Refusal
from pytest_wa_settings.reference.http import Call, Reply
from pytest_wa_settings.reference.mutants.tools import (
    Handle,
    leave_for_the_next_start,
    refused_with_200,
    take_up_at_the_start,
)
from pytest_wa_settings.reference.vault import Opened, Setup

Tells = Callable[[Coreapp, Setup], bool]


def _counts(coreapp: Coreapp, setup: Setup) -> bool:
    """Whether this is about two multiconnect set-ups."""
    return setup.multiconnect and coreapp.options.multiconnect


def _let_pass(lets: Tells) -> None:
    def fits(clean: Any, coreapp: Coreapp, setup: Setup) -> None:
        if not lets(coreapp, setup):
            clean(coreapp, setup)

    wrap(Coreapp, "assert_fits", fits)


def _number_passes(lets: Callable[[int, int], bool]) -> None:
    """Let a number of shards pass by comparing the backup's with the client's own."""
    _let_pass(lambda coreapp, setup: _counts(coreapp, setup) and lets(setup.shards, coreapp.shards))


_NUMBERS: tuple[tuple[str, str, Callable[[int, int], bool]], ...] = (
    ("not-checked", "The number of shards is not checked.", lambda theirs, ours: True),
    (
        "checked-only-for-too-many",
        "A backup from fewer shards than there are is taken.",
        lambda theirs, ours: theirs < ours,
    ),
    (
        "checked-only-for-too-few",
        "A backup from more shards than there are is taken.",
        lambda theirs, ours: theirs > ours,
    ),
    (
        "checked-by-parity",
        "The number of shards is checked for odd or even only.",
        lambda theirs, ours: theirs % 2 == ours % 2,
    ),
    (
        "not-checked-from-16-on",
        "From 16 shards on, the number of shards is not checked.",
        lambda theirs, ours: min(theirs, ours) >= 16,
    ),
)

for _name, _summary, _lets in _NUMBERS:
    mutant_of(f"shards-{_name}", "SHARD-2", _summary, partial(_number_passes, _lets))


@mutant("SHARD-2")
def shards_not_checked_on_a_new_machine() -> None:
    """On a client that is not registered the number of shards is not checked."""
    _let_pass(lambda coreapp, setup: _counts(coreapp, setup) and coreapp.registration.number is None)


@mutant("SHARD-1")
def multiconnect_app_does_not_restore() -> None:
    """A multiconnect set-up that is registered takes no backup, not even of as many shards."""

    def assert_fits(clean: Any, coreapp: Coreapp, setup: Setup) -> None:
        clean(coreapp, setup)
        if coreapp.options.multiconnect and coreapp.registration.number is not None:
            raise Refusal(409, 1025, "Only a new set-up restores.")

    wrap(Coreapp, "assert_fits", assert_fits)


@mutant("SHARD-2")
def shards_refused_with_200() -> None:
    """Another number of shards is refused inside a 200."""

    async def restore(clean: Handle, backups: Backups, call: Call) -> Reply:
        try:
            return await clean(backups, call)
        except Refusal as refusal:
            if "another number of shards" not in refusal.details:
                raise
            return refused_with_200(refusal)

    wrap(Backups, "restore", restore)


@mutant("SHARD-2")
def shards_refused_after_the_restore() -> None:
    """The number of shards is checked when the state has been replaced."""

    async def restore(clean: Any, coreapp: Coreapp, password: str, data: str) -> None:
        opened = await coreapp.unseal(password, data)
        if _counts(coreapp, opened.setup) and opened.setup.shards != coreapp.shards:
            coreapp.commit(opened)
        await clean(coreapp, password, data)

    wrap(Coreapp, "restore", restore)


@mutant("SHARD-2")
def the_next_start_takes_up_other_shards() -> None:
    """A backup of another number of shards is refused, and imported at the next start."""

    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        opened: Opened = await clean(coreapp, password, data)
        if _counts(coreapp, opened.setup) and opened.setup.shards != coreapp.shards:
            leave_for_the_next_start(coreapp, opened.state)
        return opened

    wrap(Coreapp, "unseal", unseal)
    take_up_at_the_start()


@mutant("SHARD-3")
def single_instance_takes_multiconnect() -> None:
    """A single instance takes a backup of any set-up."""
    _let_pass(lambda coreapp, setup: setup.multiconnect and not coreapp.options.multiconnect)


@mutant("SHARD-3")
def new_single_instance_takes_multiconnect() -> None:
    """A single instance that is not registered takes a backup of any set-up."""
    _let_pass(
        lambda coreapp, setup: (
            setup.multiconnect and not coreapp.options.multiconnect and coreapp.registration.number is None
        )
    )


@mutant("SHARD-3")
def single_instance_takes_many_shards() -> None:
    """A single instance takes a backup of 16 shards and more, whose number is compared as a text."""
    _let_pass(
        lambda coreapp, setup: setup.multiconnect and setup.shards >= 16 and not coreapp.options.multiconnect
    )


@mutant("SHARD-4")
def multiconnect_takes_a_single_instance() -> None:
    """A multiconnect set-up takes a backup of a single instance."""
    _let_pass(lambda coreapp, setup: not setup.multiconnect and coreapp.options.multiconnect)


def _refuse(refuses: Tells) -> None:
    def fits(clean: Any, coreapp: Coreapp, setup: Setup) -> None:
        clean(coreapp, setup)
        if refuses(coreapp, setup):
            raise Refusal(400, 1025, "The backup is from another type of setup.")

    wrap(Coreapp, "assert_fits", fits)


@mutant("SHARD-1")
def multiconnect_does_not_restore() -> None:
    """A backup of several shards is refused everywhere, on as many shards, too."""
    _refuse(lambda coreapp, setup: setup.shards > 1)


@mutant("SHARD-1")
def many_shards_do_not_restore() -> None:
    """A backup of 16 shards and more is refused on as many shards, too."""
    _refuse(lambda coreapp, setup: setup.shards >= 16)


@mutant("SHARD-1", also={"RESTORE-11": "an existing app of several shards comes back without it, too"})
def multiconnect_comes_back_unregistered() -> None:
    """A backup of several shards restores, and the registration is gone."""

    def commit(clean: Any, coreapp: Coreapp, opened: Any) -> None:
        clean(coreapp, opened)
        if coreapp.options.multiconnect:
            coreapp.store.drop("registration")
            coreapp.store.drop("session")

    wrap(Coreapp, "commit", commit)


@mutant("SHARD-2")
def shards_forced_by_a_second_call() -> None:
    """A backup of another number of shards is refused once, and taken when it is sent again."""
    refused: list[Setup] = []

    def fits(clean: Any, coreapp: Coreapp, setup: Setup) -> None:
        if _counts(coreapp, setup) and setup in refused:
            return
        refused.append(setup)
        clean(coreapp, setup)

    wrap(Coreapp, "assert_fits", fits)
