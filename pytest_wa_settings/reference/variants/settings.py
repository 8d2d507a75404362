"""Variants of which settings a client has, and how they read."""

from __future__ import annotations

import time
from typing import Any

from pytest_wa_settings.reference import profiles, settings
from pytest_wa_settings.reference.configuration import Configuration
from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.deviations import replace, variant, wrap
from pytest_wa_settings.reference.errors import invalid, not_found, not_ready
from pytest_wa_settings.reference.http import Call, Reply
from pytest_wa_settings.reference.operations import Operations
from pytest_wa_settings.reference.settings import NO_PASS_THROUGH_SINCE, ApplicationSettings, Field
from pytest_wa_settings.reference.vault import Opened

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
def unset_settings_read_as_empty_texts() -> None:
    """A text that is not set is shown as an empty one; elsewhere its member is left out."""
    replace(settings, "UNSET", None)


@variant()
def empty_texts_refused() -> None:
    """Neither a setting nor a text of the profile can be set to an empty text, or to an empty list."""

    def member(clean: Any, body: dict[str, Any], name: str, check: Any) -> Any:
        if body.get(name) in ("", []):
            raise invalid(name, "must not be empty")
        return clean(body, name, check)

    def flatten(clean: Any, members: dict[str, Any], known: dict[str, Field]) -> dict[str, Any]:
        flat: dict[str, Any] = clean(members, known)
        for path, value in flat.items():
            if value in ("", []):
                raise invalid(path, "must not be empty")
        return flat

    wrap(profiles, "required", member)
    wrap(profiles, "optional", member)
    wrap(settings, "flatten", flatten)


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
def numbers_as_text() -> None:
    """Whole numbers in the settings read back as strings of digits, as older documentation writes them."""

    def texts(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: texts(inner) for name, inner in value.items()}
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    async def read(clean: Any, configuration: Configuration, call: Call) -> Reply:
        reply: Reply = await clean(configuration, call)
        return Reply({"settings": {"application": texts(reply.payload["settings"]["application"])}})

    wrap(Configuration, "read", read)


@variant()
def settings_normalized() -> None:
    """A setting is kept in a form of its own: intervals in steps of five, addresses with a last slash."""

    def change(clean: Any, settings: ApplicationSettings, *given: Any) -> dict[str, Any]:
        changed: dict[str, Any] = clean(settings, *given)
        kept = settings.effective()
        kept["unhealthy_interval"] = max(5, kept["unhealthy_interval"] // 5 * 5)
        if kept["webhooks"].get("url"):
            kept["webhooks"]["url"] = kept["webhooks"]["url"].rstrip("/") + "/"
        settings.store.put("application", kept)
        return changed

    wrap(ApplicationSettings, "change", change)


@variant()
def a_setting_that_never_changes() -> None:
    """The setting db_garbagecollector_enable may be sent, and stays as it is."""

    def change(clean: Any, settings: ApplicationSettings, *given: Any) -> dict[str, Any]:
        before = settings.effective().get("db_garbagecollector_enable")
        changed: dict[str, Any] = clean(settings, *given)
        settings.store.put("application", {**settings.effective(), "db_garbagecollector_enable": before})
        return changed

    wrap(ApplicationSettings, "change", change)


@variant()
def a_setting_that_is_read_only() -> None:
    """The setting callback_persist is shown, and a change with it among others is refused whole."""

    def change(clean: Any, settings: ApplicationSettings, members: dict[str, Any], *given: Any) -> Any:
        if "callback_persist" in members:
            raise invalid("callback_persist", "cannot be changed")
        return clean(settings, members, *given)

    wrap(ApplicationSettings, "change", change)


_AT_A_START = ("callback_persist", "db_garbagecollector_enable", "webhooks.max_concurrent_requests")


@variant()
def some_settings_shown_from_the_next_start_on() -> None:
    """The settings that need a restart (api 5.1) are kept at once, and shown as they are in force."""
    in_force: dict[str, Any] = {}

    async def start(clean: Any, coreapp: Coreapp) -> None:
        in_force.update(coreapp.application.effective())
        await clean(coreapp)

    async def read(clean: Any, configuration: Configuration, call: Call) -> Reply:
        reply: Reply = await clean(configuration, call)
        shown = reply.payload["settings"]["application"]
        for path in _AT_A_START:
            parent, _, name = path.rpartition(".")
            if parent:
                shown[parent][name] = in_force[parent][name]
            elif name in in_force:
                shown[name] = in_force[name]
        return reply

    wrap(Coreapp, "start", start)
    wrap(Configuration, "read", read)


@variant()
def no_support() -> None:
    """The client has no /v1/support."""

    async def missing(clean: Any, operations: Operations, call: Call) -> Reply:
        raise not_found("The resource")

    wrap(Operations, "support", missing)


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


@variant()
def old_setting_switched_off() -> None:
    """From v2.35 on, messages are never passed through: a restored `pass_through` is switched off."""

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        settings = opened.state["application"]
        if coreapp.options.release >= NO_PASS_THROUGH_SINCE:
            settings = {**settings, "pass_through": False}
        clean(coreapp, Opened(opened.setup, {**opened.state, "application": settings}))

    wrap(Coreapp, "commit", commit)


@variant()
def changes_shown_later() -> None:
    """A change of the settings is in force, and in backups, at once; it is shown 0.3 s later."""
    before: list[tuple[float, dict[str, Any]]] = []

    async def change(clean: Any, configuration: Configuration, call: Call) -> Reply:
        shown = (await configuration.read(call)).payload["settings"]["application"]
        reply: Reply = await clean(configuration, call)
        before[:] = [(time.monotonic() + 0.3, shown)]
        return reply

    async def read(clean: Any, configuration: Configuration, call: Call) -> Reply:
        reply: Reply = await clean(configuration, call)
        if before and time.monotonic() < before[0][0]:
            reply.payload["settings"]["application"] = before[0][1]
        return reply

    wrap(Configuration, "read", read)
    wrap(Configuration, "change", change)


@variant()
def no_settings_before_a_registration() -> None:
    """A client that is not registered shows and takes no settings."""

    async def refused(clean: Any, configuration: Configuration, call: Call) -> Reply:
        if configuration.coreapp.registration.number is None:
            raise not_ready("The client is not registered.", 400)
        reply: Reply = await clean(configuration, call)
        return reply

    for name in ("read", "change", "read_providers"):
        wrap(Configuration, name, refused)


@variant()
def newer_versions_lack_an_older_setting() -> None:
    """The newest versions do not have db_garbagecollector_enable any more, whatever a backup holds."""

    def init(clean: Any, settings: ApplicationSettings, store: Any, release: Any) -> None:
        clean(settings, store, release)
        if release > NO_PASS_THROUGH_SINCE:
            del settings.fields["db_garbagecollector_enable"]

    wrap(ApplicationSettings, "__init__", init)
