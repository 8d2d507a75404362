"""Mutants of what becomes of a new machine at a restore (RESTORE-9)."""

from __future__ import annotations

import asyncio
from typing import Any

from pytest_wa_settings.reference.configuration import Configuration
from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.deviations import mutant, wrap
from pytest_wa_settings.reference.errors import Refusal, not_ready
from pytest_wa_settings.reference.http import Call, Reply
from pytest_wa_settings.reference.mutants.tools import (
    State,
    after_a_restore,
    alter_collected,
    at_the_starts_of_a_moved_machine,
)
from pytest_wa_settings.reference.store import BACKED_UP
from pytest_wa_settings.reference.traffic import Traffic
from pytest_wa_settings.reference.vault import Opened

NO_NEW_MACHINE = {"RESTORE-12": "a new version is set up on a new machine"}


@mutant("RESTORE-9", also=NO_NEW_MACHINE)
def restore_needs_a_registration() -> None:
    """A restore is refused on a client that is not registered."""

    async def restore(clean: Any, coreapp: Coreapp, password: str, data: str) -> None:
        if coreapp.registration.number is None:
            raise not_ready("The client is not registered.", 409)
        await clean(coreapp, password, data)

    wrap(Coreapp, "restore", restore)


@mutant("RESTORE-9")
def new_machine_waits_for_a_start() -> None:
    """A new machine goes on answering after a restore, and connects only when it is started again."""
    _idle_after_restore(registered=False)


@mutant("RESTORE-9", also=NO_NEW_MACHINE)
def backup_bound_to_its_machine() -> None:
    """A backup restores on the machine that it was taken on, and nowhere else."""

    def collect(coreapp: Coreapp, state: State) -> State:
        return {**state, "machine": _machine(coreapp)}

    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        opened: Opened = await clean(coreapp, password, data)
        if opened.state.get("machine") != _machine(coreapp):
            raise Refusal(400, 1009, "The backup does not open with this password and data.")
        return opened

    alter_collected(collect)
    wrap(Coreapp, "unseal", unseal)


def _machine(coreapp: Coreapp) -> str:
    return str(coreapp.options.state_dir)


@mutant("RESTORE-9")
def new_machine_asks_the_old_one() -> None:
    """A new machine takes a backup only while the machine that it was taken on still answers."""

    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        opened: Opened = await clean(coreapp, password, data)
        try:
            _, writer = await asyncio.open_connection(coreapp.options.host, opened.state["port"])
            writer.close()
        except OSError:
            raise Refusal(400, 1025, "The machine of the backup does not answer.") from None
        return opened

    alter_collected(lambda coreapp, state: {**state, "port": coreapp.options.port})
    wrap(Coreapp, "unseal", unseal)


@mutant("RESTORE-9")
def new_machine_keeps_the_restore_in_memory() -> None:
    """A new machine serves the restored state, and has lost it when it is started again."""

    def lose(coreapp: Coreapp) -> None:
        for name in (*BACKED_UP, "session"):
            coreapp.store.drop(name)

    at_the_starts_of_a_moved_machine(lose)


def _idle_after_restore(*, registered: bool) -> None:
    idle: list[Coreapp] = []

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        if (coreapp.registration.number is not None) == registered:
            idle.append(coreapp)
        clean(coreapp, opened)

    async def connect(clean: Any, coreapp: Coreapp) -> None:
        if coreapp not in idle:
            await clean(coreapp)

    wrap(Coreapp, "commit", commit)
    wrap(Coreapp, "connect", connect)


def _restored_while_new() -> list[Coreapp]:
    """The process's client, from the moment on that a restore made it no new machine any more."""
    restored: list[Coreapp] = []

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        if coreapp.registration.number is None:
            restored.append(coreapp)
        clean(coreapp, opened)

    wrap(Coreapp, "commit", commit)
    return restored


@mutant("RESTORE-9")
def new_machine_backs_up_after_a_start() -> None:
    """A new machine gives no backup after a restore before it is started again."""
    restored = _restored_while_new()

    async def backup(clean: Any, coreapp: Coreapp, password: str) -> str:
        if coreapp in restored:
            raise not_ready("The restored state is not in use yet.")
        return str(await clean(coreapp, password))

    wrap(Coreapp, "backup", backup)


@mutant("RESTORE-9")
def new_machine_takes_changes_after_a_start() -> None:
    """A new machine refuses every change of a setting after a restore before it is started again."""
    restored = _restored_while_new()

    async def change(clean: Any, configuration: Configuration, call: Call) -> Reply:
        if configuration.coreapp in restored:
            raise not_ready("The restored state is not in use yet.")
        reply: Reply = await clean(configuration, call)
        return reply

    wrap(Configuration, "change", change)


@mutant("RESTORE-9")
def new_machine_sends_after_a_start() -> None:
    """A new machine takes messages after a restore, and sends them when it is started again."""
    restored = _restored_while_new()

    def begin(clean: Any, traffic: Traffic, registration: Any) -> None:
        if not any(coreapp.traffic is traffic for coreapp in restored):
            clean(traffic, registration)

    wrap(Traffic, "start", begin)


@mutant("RESTORE-9")
def new_machine_never_backs_up() -> None:
    """A new machine gives no backup after a restore, however often it is started."""
    restored = after_a_restore(existing=False)

    async def backup(clean: Any, coreapp: Coreapp, password: str) -> str:
        if restored(coreapp):
            raise not_ready("A copy is not backed up.")
        return str(await clean(coreapp, password))

    wrap(Coreapp, "backup", backup)
