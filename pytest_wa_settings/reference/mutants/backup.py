"""Mutants of what backup answers, when, and of which state (BACKUP-1, -2, -3, -5, -6, -9, -10, -11)."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from pytest_wa_settings.reference.backups import Backups
from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.deviations import mutant, wrap
from pytest_wa_settings.reference.http import Call, Reply
from pytest_wa_settings.reference.mutants.tools import (
    BACKUP,
    Handle,
    State,
    alter_collected,
    alter_reply,
)
from pytest_wa_settings.reference.vault import Opened, Vault
from pytest_wa_settings.reference.webapp import Endpoint

DEFAULT_PASSWORD = "whatsapp"


def _data(reply: Reply) -> str:
    return str(reply.payload["settings"]["data"])


# What it answers.


@mutant("BACKUP-1")
def backup_data_at_the_top() -> None:
    """Backup answers `{"data": ...}`, without `settings` around it."""
    alter_reply("backup", lambda reply: Reply({"data": _data(reply)}))


@mutant("BACKUP-1")
def backup_settings_is_a_string() -> None:
    """Backup answers `{"settings": "..."}`, as the parameter table's slip has it."""
    alter_reply("backup", lambda reply: Reply({"settings": _data(reply)}))


@mutant("BACKUP-1")
def backup_answers_201() -> None:
    """Backup answers 201: it has created something."""
    alter_reply("backup", lambda reply: Reply(reply.payload, status=201))


@mutant("BACKUP-1")
def backup_of_multiconnect_answers_202() -> None:
    """In a multiconnect set-up backup answers 202: the master has taken the request."""
    alter_reply("backup", lambda reply: Reply(reply.payload, status=202), multiconnect_only=True)


@mutant("BACKUP-1")
def backup_of_a_long_password_is_empty() -> None:
    """With a password of more than 128 characters backup answers 200, and `data` is an empty string."""

    async def backup(clean: Handle, backups: Backups, call: Call) -> Reply:
        reply = await clean(backups, call)
        if len(call.object()["password"]) > 128:
            reply.payload["settings"]["data"] = ""
        return reply

    wrap(Backups, "backup", backup)


# When it answers.


@mutant("BACKUP-2")
def backup_of_an_unregistered_client() -> None:
    """A client that is not registered gives a backup of its settings."""

    async def backup(clean: Any, coreapp: Coreapp, password: str) -> str:
        coreapp.assert_running()
        data: str = await coreapp.work(coreapp.vault.seal, coreapp.collect(), coreapp.setup(), password)
        return data

    wrap(Coreapp, "backup", backup)


@mutant("BACKUP-2")
def backup_of_unregistered_multiconnect() -> None:
    """In a multiconnect set-up the master gives a backup before there is a registration."""

    async def backup(clean: Any, coreapp: Coreapp, password: str) -> str:
        if not coreapp.options.multiconnect:
            return str(await clean(coreapp, password))
        coreapp.assert_running()
        return str(await coreapp.work(coreapp.vault.seal, coreapp.collect(), coreapp.setup(), password))

    wrap(Coreapp, "backup", backup)


@mutant("BACKUP-3")
def backup_of_a_stopped_app() -> None:
    """After a restore the API stays up while the app is stopped, and still gives backups."""
    _backup_while_stopped(lambda coreapp: True)


@mutant("BACKUP-3")
def backup_of_a_stopped_app_on_multiconnect() -> None:
    """In a multiconnect set-up the web nodes stay up while the app is stopped, and still give backups."""
    _backup_while_stopped(lambda coreapp: coreapp.options.multiconnect)


def _backup_while_stopped(where: Callable[[Coreapp], bool]) -> None:
    path: ContextVar[str] = ContextVar("path", default="")

    async def answer(clean: Any, endpoint: Endpoint, scope: Any, receive: Any) -> Reply:
        path.set(endpoint.path)
        reply: Reply = await clean(endpoint, scope, receive)
        return reply

    def assert_running(clean: Any, coreapp: Coreapp) -> None:
        if path.get() != BACKUP or not where(coreapp):
            clean(coreapp)

    def leave(clean: Any, coreapp: Coreapp) -> None:
        if not (coreapp.stopped and where(coreapp)):
            clean(coreapp)

    wrap(Endpoint, "answer", answer)
    wrap(Coreapp, "assert_running", assert_running)
    wrap(Coreapp, "leave", leave)


# With which password.


def _without_password(password: Callable[[dict[str, Any]], str | None]) -> None:
    async def backup(clean: Handle, backups: Backups, call: Call) -> Reply:
        body = call.object()
        found = password(body) if body and "password" not in body else None
        if call.body.strip() == b"{}":
            found = password({})
        if found is None:
            return await clean(backups, call)
        return Reply({"settings": {"data": await backups.coreapp.backup(found)}})

    wrap(Backups, "backup", backup)


@mutant("BACKUP-5")
def backup_without_password_takes_a_default() -> None:
    """Without a password backup takes one that is built in."""
    _without_password(lambda body: DEFAULT_PASSWORD)


@mutant("BACKUP-5")
def backup_takes_any_member_as_password() -> None:
    """Whatever the only member is called, it is the password."""
    _without_password(lambda body: next((v for v in body.values() if isinstance(v, str)), None))


def _coerced(change: Callable[[object], str | None]) -> None:
    async def backup(clean: Handle, backups: Backups, call: Call) -> Reply:
        body = call.object()
        given = body.get("password", "")
        found = None if isinstance(given, str) else change(given)
        if found is None:
            return await clean(backups, call)
        return Reply({"settings": {"data": await backups.coreapp.backup(found)}})

    wrap(Backups, "backup", backup)


@mutant("BACKUP-6")
def backup_takes_numbers_as_password() -> None:
    """A number is taken for the text of its digits."""
    _coerced(lambda given: str(given) if isinstance(given, (int, float)) else None)


@mutant("BACKUP-6")
def backup_takes_lists_as_password() -> None:
    """A list is taken for its elements, one after the other."""
    _coerced(lambda given: "".join(map(str, given)) if isinstance(given, list) else None)


# Of which state.


@mutant("BACKUP-9")
def profile_read_again_only_after_a_setting_changed() -> None:
    """A backup takes the profile from the one before, as long as no setting was changed in between."""
    held: list[State] = []

    def collect(coreapp: Coreapp, state: State) -> State:
        if held and held[0].get("application") == state.get("application"):
            for name in ("about", "business_profile"):
                state[name] = held[0].get(name)
        held[:] = [dict(state)]
        return state

    alter_collected(collect)


@mutant(
    "BACKUP-9",
    also={
        "RESTORE-2": "what a client started with is what it has by default, and no state that was planted",
        "RESTORE-4": "the profile that it started with is none",
    },
)
def backup_of_the_last_start() -> None:
    """A backup holds the state as it was when the client started."""
    held: list[State] = []

    def collect(coreapp: Coreapp, state: State) -> State:
        return held[0]

    def hold(coreapp: Coreapp) -> None:
        held[:] = [{**coreapp.store.snapshot(), "application": coreapp.application.effective()}]

    async def start(clean: Any, coreapp: Coreapp) -> None:
        await clean(coreapp)
        hold(coreapp)

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        clean(coreapp, opened)
        hold(coreapp)  # a new machine goes on with what was restored: it starts with that

    wrap(Coreapp, "start", start)
    wrap(Coreapp, "commit", commit)
    alter_collected(collect)


@mutant("BACKUP-9")
def backup_state_cached_by_password() -> None:
    """A second backup under one password holds the state of the first: it is cached by the password."""
    held: dict[str, State] = {}

    def seal(clean: Any, vault: Vault, state: State, setup: Any, password: str) -> str:
        return str(clean(vault, held.setdefault(password, state), setup, password))

    wrap(Vault, "seal", seal)


@mutant("BACKUP-9")
def backup_state_cached_for_ten_seconds() -> None:
    """A backup holds a state that is up to ten seconds old: it is collected by a timer."""
    held: list[tuple[float, State]] = []

    def collect(coreapp: Coreapp, state: State) -> State:
        now = time.monotonic()
        if not held or now - held[0][0] > 10:
            held[:] = [(now, state)]
        return held[0][1]

    alter_collected(collect)


@mutant("BACKUP-9")
def backup_after_a_restore_is_the_restored_one() -> None:
    """A backup taken after a restore holds the state that was restored, whatever has changed since."""
    _backup_of_the_restored_state(lambda coreapp: True)


@mutant("BACKUP-9")
def backup_of_a_moved_machine_is_the_restored_one() -> None:
    """On a machine that was new at its restore, a backup holds the state that was restored there."""
    _backup_of_the_restored_state(lambda coreapp: coreapp.registration.number is None)


@mutant("BACKUP-9")
def backup_of_multiconnect_is_the_first_one() -> None:
    """In a multiconnect set-up every backup holds the settings of the first: the master keeps them."""

    def collect(coreapp: Coreapp, state: State) -> State:
        if not coreapp.options.multiconnect:
            return state
        kept = coreapp.store.get("first_backup")
        if kept is None:
            coreapp.store.put("first_backup", state["application"])
        return state if kept is None else {**state, "application": kept}

    alter_collected(collect)


def _backup_of_the_restored_state(where: Callable[[Coreapp], bool]) -> None:
    def collect(coreapp: Coreapp, state: State) -> State:
        kept = coreapp.store.get("restored")
        return state if kept is None else {**state, "application": kept}

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        held = where(coreapp)
        clean(coreapp, opened)
        if held:
            coreapp.store.put("restored", opened.state["application"])

    alter_collected(collect)
    wrap(Coreapp, "commit", commit)


def _after_backup(act: Callable[[Coreapp], None]) -> None:
    async def backup(clean: Any, coreapp: Coreapp, password: str) -> str:
        data: str = await clean(coreapp, password)
        act(coreapp)
        return data

    wrap(Coreapp, "backup", backup)


@mutant("BACKUP-10")
def backup_switches_a_setting() -> None:
    """A backup leaves verbose logging on, which it switched on for itself."""
    _after_backup(lambda coreapp: _set(coreapp, "verbose_logging", True))


@mutant("BACKUP-10")
def backup_of_multiconnect_switches_a_setting() -> None:
    """In a multiconnect set-up a backup leaves verbose logging on."""
    _after_backup(
        lambda coreapp: _set(coreapp, "verbose_logging", True) if coreapp.options.multiconnect else None
    )


@mutant("BACKUP-10")
def backup_takes_the_media_providers() -> None:
    """A backup takes the media providers with it, and leaves none."""
    _after_backup(lambda coreapp: coreapp.store.drop("media_providers"))


@mutant("BACKUP-10")
def backup_stops_the_messages() -> None:
    """A backup holds the messages back while it is made, and nothing lets them go again before a start."""

    async def backup(clean: Any, coreapp: Coreapp, password: str) -> str:
        data = str(await clean(coreapp, password))
        await coreapp.hold()
        return data

    wrap(Coreapp, "backup", backup)


@mutant("BACKUP-10")
def backup_tidies_the_about_text() -> None:
    """A backup takes the blanks from the ends of the about text."""
    _after_backup(lambda coreapp: coreapp.store.put("about", str(coreapp.store.get("about", "")).strip()))


@mutant("BACKUP-10")
def backup_moves_the_photo() -> None:
    """A backup takes the photo with it, and leaves none."""
    _after_backup(lambda coreapp: coreapp.store.drop("photo"))


@mutant("BACKUP-10")
def backup_logs_users_out() -> None:
    """A backup ends the sessions of all users but the administrator's."""

    def act(coreapp: Coreapp) -> None:
        with coreapp.store.change():
            coreapp.store.db.execute("DELETE FROM tokens WHERE \"user\"<>'admin'")

    _after_backup(act)


@mutant("BACKUP-10", also={"RESTORE-9": "a new machine gives a backup, too, before it is started again"})
def backup_moves_the_registration() -> None:
    """A backup takes the registration with it: the next start has none, unless a restore brought one back."""

    async def start(clean: Any, coreapp: Coreapp) -> None:
        if coreapp.store.get("moved"):
            coreapp.store.drop("registration")
        await clean(coreapp)

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        clean(coreapp, opened)
        coreapp.store.drop("moved")

    _after_backup(lambda coreapp: coreapp.store.put("moved", True))
    wrap(Coreapp, "start", start)
    wrap(Coreapp, "commit", commit)


def _set(coreapp: Coreapp, name: str, value: object) -> None:
    coreapp.store.put("application", {**coreapp.application.effective(), name: value})


@mutant("BACKUP-11")
def backup_with_a_constant_salt() -> None:
    """Salt and nonce are constants."""
    wrap(Vault, "fresh", lambda clean, vault, size: bytes(range(size)))


@mutant("BACKUP-2")
def backup_of_an_unregistered_client_with_settings() -> None:
    """A client that is not registered gives a backup once a setting was changed."""

    async def backup(clean: Any, coreapp: Coreapp, password: str) -> str:
        if coreapp.registration.number is None and coreapp.store.get("application"):
            return str(coreapp.vault.seal(coreapp.collect(), coreapp.setup(), password))
        return str(await clean(coreapp, password))

    wrap(Coreapp, "backup", backup)


@mutant("BACKUP-9")
def backup_misses_changes_of_nested_settings() -> None:
    """A backup is made anew where a setting of the top level has changed; a change below it is not seen."""
    last: list[tuple[State, State]] = []

    def collect(coreapp: Coreapp, state: State) -> State:
        settings = state["application"]
        top = {name: value for name, value in settings.items() if not isinstance(value, dict)}
        if last and last[0][0] == top:
            settings = last[0][1]
        last[:] = [(top, settings)]
        return {**state, "application": settings}

    alter_collected(collect)
