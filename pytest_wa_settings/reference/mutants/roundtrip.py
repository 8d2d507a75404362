"""Mutants that lose or bend what comes back (RESTORE-2, -3, -4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pytest_wa_settings.reference import settings
from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.deviations import mutant, mutant_of, replace, wrap
from pytest_wa_settings.reference.mutants.tools import (
    State,
    alter_collected,
    alter_restored,
    alter_setting,
    at_the_starts_of_a_moved_machine,
)
from pytest_wa_settings.reference.options import parse_version
from pytest_wa_settings.reference.vault import Opened

_SETTINGS: tuple[tuple[str, str, str, Callable[[Any], Any]], ...] = (
    ("pager-lost", "The setting on_call_pager does not come back.", "on_call_pager", lambda value: None),
    (
        "webhook-without-its-query",
        "The setting webhooks.url comes back without the query.",
        "webhooks.url",
        lambda value: value.partition("?")[0],
    ),
    (
        "heartbeat-comes-back-as-text",
        "The setting heartbeat_interval comes back as a string.",
        "heartbeat_interval",
        str,
    ),
    (
        "longest-backoff-in-16-bits",
        "The setting max_callback_backoff_delay_ms comes back modulo 65536.",
        "max_callback_backoff_delay_ms",
        lambda value: max(1, value & 0xFFFF),
    ),
    (
        "last-media-kind-lost",
        "The list media.auto_download comes back without its last, by a loop that ends too early.",
        "media.auto_download",
        lambda value: value[:-1],
    ),
    (
        "empty-media-list-defaulted",
        "An empty list media.auto_download comes back as the default list.",
        "media.auto_download",
        lambda value: value or None,
    ),
    (
        "false-comes-back-as-default",
        "The setting callback_persist comes back as true where it was false.",
        "callback_persist",
        lambda value: value or None,
    ),
)

for _name, _summary, _path, _change in _SETTINGS:
    mutant_of(f"setting-{_name}", "RESTORE-2", _summary, partial(alter_setting, _path, _change))


def _without_nested(settings: State) -> State:
    return {name: value for name, value in settings.items() if not isinstance(value, dict)}


@mutant("RESTORE-2")
def nested_settings_lost() -> None:
    """Settings that are nested in others (webhooks, media, garbagecollector_enable) do not come back."""
    alter_restored(lambda state: {**state, "application": _without_nested(state["application"])})


@mutant("RESTORE-2")
def new_machine_keeps_its_settings() -> None:
    """On a new machine only the registration comes back."""
    alter_restored(
        lambda state: {name: value for name, value in state.items() if name != "application"},
        new_machine_only=True,
    )


@mutant("RESTORE-2")
def new_machine_calls_nobody_back() -> None:
    """On a new machine the address of the webhook does not come back: nobody is there yet to be called."""

    def without(state: State) -> State:
        application = state["application"]
        webhooks = {name: value for name, value in application["webhooks"].items() if name != "url"}
        return {**state, "application": {**application, "webhooks": webhooks}}

    alter_restored(without, new_machine_only=True)


@mutant("RESTORE-2")
def new_machine_keeps_the_settings_in_memory() -> None:
    """A new machine serves the restored settings, and has lost them when it is started again."""
    at_the_starts_of_a_moved_machine(lambda coreapp: coreapp.store.drop("application"))


@mutant("RESTORE-2")
def only_settings_that_differ_from_defaults_come_back() -> None:
    """A setting that had its default at the backup keeps the value that it has at the restore."""

    def collect(coreapp: Coreapp, state: State) -> State:
        defaults = {
            path: coreapp.application.default(one) for path, one in coreapp.application.fields.items()
        }
        kept = {
            name: value
            for name, value in state["application"].items()
            if isinstance(value, dict) or defaults[name] != value
        }
        return {**state, "application": kept}

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        merged = {**coreapp.application.effective(), **opened.state["application"]}
        clean(coreapp, Opened(opened.setup, {**opened.state, "application": merged}))

    alter_collected(collect)
    wrap(Coreapp, "commit", commit)


@mutant("RESTORE-2")
def webhook_stays_where_there_was_none() -> None:
    """The address of a webhook, an empty text where there is none, is restored only if it is not empty."""
    replace(settings, "UNSET", None)  # so that the settings show it

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        state = dict(opened.state)
        webhooks = state["application"]["webhooks"]
        url = webhooks["url"] or coreapp.application.effective()["webhooks"]["url"]
        state["application"] = {**state["application"], "webhooks": {**webhooks, "url": url}}
        clean(coreapp, Opened(opened.setup, state))

    wrap(Coreapp, "commit", commit)


# Registration.


@mutant("RESTORE-3")
def registration_not_restored() -> None:
    """On a new machine the settings come back, and the client stays unregistered."""

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        new_machine = coreapp.registration.number is None
        clean(coreapp, opened)
        if new_machine:
            coreapp.store.drop("registration")
            coreapp.store.drop("session")

    wrap(Coreapp, "commit", commit)


@mutant("RESTORE-3")
def number_restored_without_its_first_digit() -> None:
    """On a new machine the number comes back without its first digit, which is taken for a trunk prefix."""

    def change(state: State) -> State:
        kept = state["registration"]
        return {**state, "registration": {**kept, "number": kept["number"][1:]}}

    alter_restored(change, new_machine_only=True)


# Profile.


@mutant("RESTORE-4")
def profile_not_in_the_backup() -> None:
    """The profile is left out of the backup."""
    alter_restored(_without_profile)


def _without_profile(state: State) -> State:
    return {
        name: value for name, value in state.items() if name not in ("about", "business_profile", "photo")
    }


@mutant("RESTORE-4")
def new_machine_keeps_its_profile() -> None:
    """On a new machine the profile does not come back."""
    alter_restored(_without_profile, new_machine_only=True)


@mutant("RESTORE-4")
def new_machine_keeps_the_profile_in_memory() -> None:
    """A new machine serves the restored profile, and has lost it when it is started again."""
    at_the_starts_of_a_moved_machine(lambda coreapp: coreapp.store.drop("business_profile"))


@mutant("RESTORE-4")
def photo_not_in_the_backup() -> None:
    """The photo is left out of the backup."""
    alter_restored(lambda state: {name: value for name, value in state.items() if name != "photo"})


def _alter_business(name: str, change: Callable[[Any], Any]) -> None:
    def changed(state: State) -> State:
        profile = dict(state.get("business_profile", {}))
        if name in profile:
            profile[name] = change(profile[name])
        return {**state, "business_profile": profile}

    alter_restored(changed)


_PROFILE: tuple[tuple[str, str, str, Callable[[Any], Any]], ...] = (
    (
        "first-website-only",
        "Of the websites only the first comes back.",
        "websites",
        lambda value: value[:1],
    ),
    (
        "description-mangled",
        "The description comes back as UTF-8 read as Latin-1.",
        "description",
        lambda value: value.encode("utf-8").decode("latin-1"),
    ),
)

for _name, _summary, _path, _change in _PROFILE:
    mutant_of(f"profile-{_name}", "RESTORE-4", _summary, partial(_alter_business, _path, _change))


@mutant("RESTORE-4")
def profile_stays_where_there_was_none() -> None:
    """A text of the business profile is restored only if it is not empty."""

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        current = coreapp.store.get("business_profile", {})
        restored = {name: value for name, value in opened.state.get("business_profile", {}).items() if value}
        clean(coreapp, Opened(opened.setup, {**opened.state, "business_profile": {**current, **restored}}))

    wrap(Coreapp, "commit", commit)


@mutant("RESTORE-4")
def profile_of_multiconnect_lost() -> None:
    """In a multiconnect set-up the profile is left out of the backup."""

    def collect(coreapp: Coreapp, state: State) -> State:
        if not coreapp.options.multiconnect:
            return state
        return _without_profile(state)

    alter_collected(collect)


@mutant("RESTORE-4")
def emoji_of_the_profile_lost() -> None:
    """Characters beyond the basic plane come back as question marks: the table is in an older Unicode."""

    def changed(state: State) -> State:
        text = state.get("about")
        return {**state, "about": "".join("?" if c > "\uffff" else c for c in text)} if text else state

    alter_restored(changed)


@mutant("RESTORE-4")
def profile_of_older_versions_lost() -> None:
    """From a backup of an older version the profile does not come back."""

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        if parse_version(opened.setup.version) < coreapp.options.release:
            opened = Opened(opened.setup, _without_profile(opened.state))
        clean(coreapp, opened)

    wrap(Coreapp, "commit", commit)
