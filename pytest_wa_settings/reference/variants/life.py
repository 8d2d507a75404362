"""Variants of what a client does around starts and restores, and of which backups it takes."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from pytest_wa_settings.reference.backups import Backups
from pytest_wa_settings.reference.configuration import Configuration
from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.deviations import variant, variant_of, wrap
from pytest_wa_settings.reference.errors import Refusal, not_found, not_ready
from pytest_wa_settings.reference.http import Call, Reply
from pytest_wa_settings.reference.options import parse_version
from pytest_wa_settings.reference.settings import ApplicationSettings, Field
from pytest_wa_settings.reference.store import Store
from pytest_wa_settings.reference.vault import Opened, Setup

OTHER_SETUP = "The backup is from another type of setup."


def _late_after_a_restore(seconds: float) -> None:
    """Come up late at the start that follows a restore on an existing app."""

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        existing = coreapp.registration.number is not None
        clean(coreapp, opened)
        coreapp.store.put("restored", existing)

    async def start(clean: Any, coreapp: Coreapp) -> None:
        if coreapp.store.get("restored"):
            coreapp.store.drop("restored")
            await asyncio.sleep(seconds)
        await clean(coreapp)

    wrap(Coreapp, "commit", commit)
    wrap(Coreapp, "start", start)


for _name, _said, _seconds in (("50-ms", "50 ms", 0.05), ("2-s", "2 s", 2.0)):
    variant_of(
        f"restarts-in-{_name}",
        f"After a restore the client comes back by itself, in {_said}.",
        partial(_late_after_a_restore, _seconds),
        options={"restart_policy": "always"},
    )


@variant()
def new_machine_shuts_down() -> None:
    """A new machine shuts down after the import, too, and is to be started again."""
    wrap(Coreapp, "stops_after_restore", lambda clean, coreapp, was_registered: True)


@variant()
def restore_answer_lost() -> None:
    """An existing app ends before the answer to the restore is out."""

    async def restore(clean: Any, backups: Backups, call: Call) -> Reply:
        reply: Reply = await clean(backups, call)
        if backups.coreapp.stopped:
            backups.coreapp.store.close()
            os._exit(0)
        return reply

    wrap(Backups, "restore", restore)


@variant()
def stops_half_a_second_later() -> None:
    """After a restore an existing app answers 503 for half a second, and stops then."""

    def leave(clean: Any, coreapp: Coreapp) -> None:
        asyncio.get_running_loop().call_later(0.5 if coreapp.stopped else 0, lambda: clean(coreapp))

    wrap(Coreapp, "leave", leave)


@variant()
def connecting_for_a_while() -> None:
    """Health says `connecting` for 300 ms after a start and after a restore on a new machine."""
    since: list[float] = []

    async def connect(clean: Any, coreapp: Coreapp) -> None:
        since[:] = [time.monotonic()]
        await clean(coreapp)

    def status(clean: Any, coreapp: Coreapp) -> str:
        found = str(clean(coreapp))
        fresh = bool(since) and time.monotonic() - since[0] < 0.3
        return "connecting" if found == "connected" and fresh else found

    wrap(Coreapp, "connect", connect)
    wrap(Coreapp, "status", status)


@variant()
def uninitialized_for_a_while() -> None:
    """For 200 ms after a start health says `uninitialized` and all else answers 503."""
    since = [0.0]

    async def start(clean: Any, coreapp: Coreapp) -> None:
        await clean(coreapp)
        since[0] = time.monotonic()

    def status(clean: Any, coreapp: Coreapp) -> str:
        return "uninitialized" if time.monotonic() - since[0] < 0.2 else str(clean(coreapp))

    def keep_out(clean: Any, *given: Any) -> Any:
        if time.monotonic() - since[0] < 0.2:
            raise not_ready("The application is starting.")
        return clean(*given)

    wrap(Coreapp, "start", start)
    wrap(Coreapp, "status", status)
    for name in ("read", "change"):
        wrap(Configuration, name, keep_out)
    for name in ("backup", "restore"):
        wrap(Backups, name, keep_out)


@variant()
def tokens_dropped_by_a_restore() -> None:
    """A restore ends all sessions of API users."""

    def replace(clean: Any, store: Store, state: dict[str, Any]) -> None:
        clean(store, state)
        store.db.execute("DELETE FROM tokens")

    wrap(Store, "replace", replace)


@variant()
def users_dropped_by_a_restore() -> None:
    """A restore leaves of the accounts only the admin's, and ends all sessions."""

    def replace(clean: Any, store: Store, state: dict[str, Any]) -> None:
        clean(store, state)
        store.db.execute("DELETE FROM tokens")
        store.db.execute("DELETE FROM users WHERE role != 'ROLE_ADMIN'")

    wrap(Store, "replace", replace)


@variant()
def tokens_dropped_at_a_start() -> None:
    """Tokens are kept in memory: a start ends all sessions."""

    async def start(clean: Any, coreapp: Coreapp) -> None:
        coreapp.store.db.execute("DELETE FROM tokens")
        await clean(coreapp)

    wrap(Coreapp, "start", start)


# Settings.

_DEFAULTS = {
    "callback_persist": False,
    "callback_backoff_delay_ms": 5000,
    "max_callback_backoff_delay_ms": 600000,
    "media.auto_download": [],
    "webhooks.max_concurrent_requests": 24,
    "sent_status": True,
    "heartbeat_interval": 10,
    "unhealthy_interval": 45,
    "on_call_pager": "",
    "show_security_notifications": False,
}


@variant()
def other_defaults() -> None:
    """The settings have other defaults."""

    def default(clean: Any, settings: ApplicationSettings, field: Field) -> Any:
        return _DEFAULTS.get(field.path, clean(settings, field))

    wrap(ApplicationSettings, "default", default)


@variant()
def merges_on_restore() -> None:
    """A restore leaves settings alone that the backup does not hold."""

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        merged = _merged(coreapp.application.effective(), opened.state["application"])
        profile = {**coreapp.store.get("business_profile", {}), **opened.state.get("business_profile", {})}
        clean(
            coreapp,
            Opened(opened.setup, {**opened.state, "application": merged, "business_profile": profile}),
        )

    wrap(Coreapp, "commit", commit)


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    merged = {**old, **new}
    for name, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(name), dict):
            merged[name] = {**old[name], **value}
    return merged


@variant()
def few_settings() -> None:
    """The client knows only the settings of early versions."""
    known = {
        "callback_persist",
        "callback_backoff_delay_ms",
        "max_callback_backoff_delay_ms",
        "media.auto_download",
        "webhooks.url",
        "webhooks.max_concurrent_requests",
        "sent_status",
        "heartbeat_interval",
        "unhealthy_interval",
        "on_call_pager",
    }

    def made(clean: Any, settings: ApplicationSettings, *given: Any) -> None:
        clean(settings, *given)
        settings.fields = {path: field for path, field in settings.fields.items() if path in known}

    wrap(ApplicationSettings, "__init__", made)


@variant()
def media_list_sorted() -> None:
    """The list media.auto_download is a set: it reads back sorted."""

    def effective(clean: Any, settings: ApplicationSettings) -> dict[str, Any]:
        found: dict[str, Any] = clean(settings)
        if "auto_download" in found.get("media", {}):
            found["media"]["auto_download"] = sorted(found["media"]["auto_download"])
        return found

    wrap(ApplicationSettings, "effective", effective)


@variant()
def number_not_in_the_settings() -> None:
    """The settings do not show the phone number; /v1/support does."""

    async def read(clean: Any, configuration: Configuration, call: Call) -> Reply:
        reply: Reply = await clean(configuration, call)
        reply.payload["settings"]["application"].pop("wa_id", None)
        return reply

    wrap(Configuration, "read", read)


@variant()
def no_media_providers() -> None:
    """The client has no media providers: their endpoint is not there."""

    async def missing(clean: Any, configuration: Configuration, call: Call) -> Reply:
        raise not_found("The resource")

    wrap(Configuration, "read_providers", missing)


@variant()
def no_profile() -> None:
    """The client has no profile: its endpoints are not there."""
    from pytest_wa_settings.reference.profiles import Profiles

    async def missing(clean: Any, profiles: Profiles, call: Call) -> Reply:
        raise not_found("The resource")

    for name in ("read_about", "set_about", "read_photo", "set_photo", "read_business", "set_business"):
        wrap(Profiles, name, missing)


# Which backups it takes.


def _fits(lets_pass: Callable[[Coreapp, Setup], bool], refuses: Callable[[Coreapp, Setup], bool]) -> None:
    def fits(clean: Any, coreapp: Coreapp, setup: Setup) -> None:
        if refuses(coreapp, setup):
            raise Refusal(400, 1025, OTHER_SETUP)
        if not lets_pass(coreapp, setup):
            clean(coreapp, setup)

    wrap(Coreapp, "assert_fits", fits)


def _never(coreapp: Coreapp, setup: Setup) -> bool:
    return False


@variant()
def one_shard_is_one_shard() -> None:
    """A multiconnect set-up with one shard and a single instance take each other's backups."""
    _fits(lambda coreapp, setup: setup.shards == coreapp.shards == 1, _never)


@variant()
def newer_backups_refused() -> None:
    """A backup of a newer version is refused."""
    _fits(_never, lambda coreapp, setup: parse_version(setup.version) > coreapp.options.release)


@variant()
def backups_of_other_numbers_refused() -> None:
    """A registered client refuses the backup of another number."""

    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        opened: Opened = await clean(coreapp, password, data)
        if coreapp.registration.number not in (None, opened.state["registration"]["number"]):
            raise Refusal(409, 1025, "The backup is of another number.")
        return opened

    wrap(Coreapp, "unseal", unseal)


@variant()
def no_backup_without_a_connection() -> None:
    """A client that has lost its number to another machine gives no backup."""

    async def backup(clean: Any, coreapp: Coreapp, password: str) -> str:
        if coreapp.status() == "disconnected":
            raise not_ready("The client is not connected.", 409)
        data: str = await clean(coreapp, password)
        return data

    wrap(Coreapp, "backup", backup)
