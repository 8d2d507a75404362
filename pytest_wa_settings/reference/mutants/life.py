"""Mutants of what becomes of an existing app at a restore (RESTORE-10, -11, -14)."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

from pytest_wa_settings.reference.configuration import Configuration
from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.deviations import mutant, wrap
from pytest_wa_settings.reference.errors import ReferenceFault, not_ready
from pytest_wa_settings.reference.http import Call, Reply
from pytest_wa_settings.reference.messages import Messages
from pytest_wa_settings.reference.mutants.tools import (
    RESTORE,
    after_a_restore,
)
from pytest_wa_settings.reference.vault import Opened
from pytest_wa_settings.reference.webapp import Endpoint

OLD_STATE = {
    "RESTORE-2": "the settings that were backed up are not those that come back",
    "RESTORE-4": "the profile that was backed up is not the one that comes back",
}


@mutant("RESTORE-10")
def app_does_not_stop() -> None:
    """An existing app takes the restored state on while it runs, and does not stop."""
    wrap(Coreapp, "stops_after_restore", lambda clean, coreapp, was_registered: False)


def _old_state_back(at_start: int) -> None:
    """Have the state from before a restore come back at a start after it, the first or the second."""

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        old = coreapp.store.snapshot() if coreapp.registration.number is not None else None
        clean(coreapp, opened)
        coreapp.store.put("old", {"state": old, "starts": 0})

    async def start(clean: Any, coreapp: Coreapp) -> None:
        old = coreapp.store.get("old")
        if old is not None and old["state"] is not None:
            if old["starts"] + 1 == at_start:
                with coreapp.store.change():
                    coreapp.store.replace({**old["state"], "registration": coreapp.registration.details()})
                    coreapp.store.drop("old")
            else:
                coreapp.store.put("old", {**old, "starts": old["starts"] + 1})
        await clean(coreapp)

    wrap(Coreapp, "commit", commit)
    wrap(Coreapp, "start", start)


@mutant("RESTORE-10")
def multiconnect_goes_on_after_a_restore() -> None:
    """In a multiconnect set-up the app takes the restored state up while it runs, and does not stop."""

    def stops(clean: Any, coreapp: Coreapp, was_registered: bool) -> bool:
        return bool(clean(coreapp, was_registered)) and not coreapp.options.multiconnect

    wrap(Coreapp, "stops_after_restore", stops)


def _is_multiconnect_app(coreapp: Coreapp) -> bool:
    return coreapp.options.multiconnect and coreapp.registration.number is not None


@mutant("RESTORE-10")
def multiconnect_app_keeps_its_settings() -> None:
    """An existing multiconnect app that is started again after a restore has the settings from before it."""

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        kept = coreapp.store.get("application", {}) if _is_multiconnect_app(coreapp) else None
        clean(coreapp, opened)
        if kept is not None:
            coreapp.store.put("application", kept)

    wrap(Coreapp, "commit", commit)


@mutant("RESTORE-11")
def multiconnect_app_comes_back_unregistered() -> None:
    """An existing multiconnect app that is started again after a restore is no longer registered."""

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        existing = _is_multiconnect_app(coreapp)
        clean(coreapp, opened)
        if existing:
            coreapp.store.drop("registration")

    wrap(Coreapp, "commit", commit)


@mutant("RESTORE-10", also=OLD_STATE)
def old_state_back_after_the_start() -> None:
    """A restore is kept in memory: the app that is started again serves the state from before it."""
    _old_state_back(1)


@mutant("RESTORE-10")
def old_state_back_at_the_second_start() -> None:
    """The app serves the restored state once, and at its second start the state from before the restore."""
    _old_state_back(2)


@mutant("RESTORE-10", run=("--wa-examples", "100"))
def restored_again_at_every_start() -> None:
    """The app imports its last restore at every start: what was changed since then is lost."""

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        clean(coreapp, opened)
        coreapp.store.put("imported", coreapp.store.snapshot())

    async def start(clean: Any, coreapp: Coreapp) -> None:
        imported = coreapp.store.get("imported")
        if imported is not None:
            with coreapp.store.change():
                coreapp.store.replace(imported)
        await clean(coreapp)

    wrap(Coreapp, "commit", commit)
    wrap(Coreapp, "start", start)


@mutant("RESTORE-11")
def unregistered_after_the_start() -> None:
    """An existing app that is started again after a restore is no longer registered."""

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        existing = coreapp.registration.number is not None
        clean(coreapp, opened)
        if existing:
            coreapp.store.drop("registration")
            coreapp.store.drop("session")

    wrap(Coreapp, "commit", commit)


@mutant("RESTORE-11")
def disconnected_after_the_start() -> None:
    """An existing app that is started again after a restore claims a session that nobody knows of."""

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        existing = coreapp.registration.number is not None
        clean(coreapp, opened)
        if existing:
            coreapp.store.put("session", {**coreapp.store.get("session"), "told": True})

    wrap(Coreapp, "commit", commit)


@mutant("RESTORE-11")
def does_not_start_after_a_restore() -> None:
    """An existing app cannot read what it restored, and ends at every start."""

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        existing = coreapp.registration.number is not None
        clean(coreapp, opened)
        coreapp.store.put("unreadable", existing)

    async def start(clean: Any, coreapp: Coreapp) -> None:
        if coreapp.store.get("unreadable"):
            raise ReferenceFault("The state cannot be read.", "Register again.")
        await clean(coreapp)

    wrap(Coreapp, "commit", commit)
    wrap(Coreapp, "start", start)


# Restores that are cut off.


def _pieces(coreapp: Coreapp, opened: Opened) -> list[tuple[str, Any]]:
    """What a restore writes, piece by piece: the settings one by one, then the rest."""
    state = opened.state
    present = coreapp.application.effective()
    pieces: list[tuple[str, Any]] = []
    for name, value in state["application"].items():
        present = {**present, name: value}
        pieces.append(("application", present))
    return [*pieces, *((name, state.get(name)) for name in ("about", "business_profile"))]


@mutant("RESTORE-14")
def restore_written_piece_by_piece() -> None:
    """A restore writes setting after setting, each for good: a kill in between leaves a mixture."""

    async def restore(clean: Any, coreapp: Coreapp, password: str, data: str) -> None:
        opened = await coreapp.unseal(password, data)
        coreapp.assert_fits(opened.setup)
        async with coreapp.lock:  # two restores at once are not mixed: that is ROBUST-3
            coreapp.assert_running()
            for name, value in _pieces(coreapp, opened):
                coreapp.store.put(name, value)
                await asyncio.sleep(0.002)
        await clean(coreapp, password, data)

    wrap(Coreapp, "restore", restore)


@mutant("RESTORE-14")
def restore_ends_with_its_connection() -> None:
    """A restore writes setting after setting, and gives up halfway when the caller hangs up."""
    receiving: ContextVar[Any] = ContextVar("receiving", default=None)

    async def answer(clean: Any, endpoint: Endpoint, scope: Any, receive: Any) -> Any:
        if endpoint.path == RESTORE:
            receiving.set(receive)
        return await clean(endpoint, scope, receive)

    async def restore(clean: Any, coreapp: Coreapp, password: str, data: str) -> None:
        coreapp.assert_running()
        opened = await coreapp.unseal(password, data)
        coreapp.assert_fits(opened.setup)
        pieces = _pieces(coreapp, opened)
        for name, value in pieces[: len(pieces) // 2]:
            coreapp.store.put(name, value)
        try:
            await asyncio.wait_for(receiving.get()(), 0.05)
            raise ConnectionResetError
        except asyncio.TimeoutError:
            await clean(coreapp, password, data)

    wrap(Endpoint, "answer", answer)
    wrap(Coreapp, "restore", restore)


@mutant("RESTORE-10")
def app_goes_on_where_nothing_changes() -> None:
    """An existing app that restores the settings that it has goes on, as there is nothing to take up."""
    same: list[bool] = []

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        before = coreapp.application.effective()
        clean(coreapp, opened)
        same.append(before == coreapp.application.effective())

    def stops(clean: Any, coreapp: Coreapp, was_registered: bool) -> bool:
        return bool(clean(coreapp, was_registered)) and not same[-1]

    wrap(Coreapp, "commit", commit)
    wrap(Coreapp, "stops_after_restore", stops)


@mutant("RESTORE-11")
def messages_refused_after_a_restore() -> None:
    """An existing app that was restored and started again is connected, and refuses to send messages."""
    restored = after_a_restore(existing=True)

    async def send(clean: Any, messages: Messages, call: Call) -> Reply:
        if restored(messages.coreapp):
            raise not_ready("The client is not ready to send.")
        reply: Reply = await clean(messages, call)
        return reply

    wrap(Messages, "send", send)


@mutant("RESTORE-11")
def app_takes_no_changes_after_a_restore() -> None:
    """An existing app that was restored and started again refuses every change of a setting."""
    restored = after_a_restore(existing=True)

    async def change(clean: Any, configuration: Configuration, call: Call) -> Reply:
        if restored(configuration.coreapp):
            raise not_ready("The settings are locked.")
        reply: Reply = await clean(configuration, call)
        return reply

    wrap(Configuration, "change", change)
