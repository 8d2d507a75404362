"""Mutants of what restore answers and asks for (RESTORE-1, -7, -15)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from pytest_wa_settings.reference.backups import Backups
from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.deviations import mutant, mutant_of, wrap
from pytest_wa_settings.reference.http import NOTHING, Call, Reply
from pytest_wa_settings.reference.mutants.tools import (
    Handle,
    State,
    alter_reply,
)
from pytest_wa_settings.reference.vault import Vault

# What it answers.

_ANSWERS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("with-201", "A restore answers 201.", {"status": 201}),
    ("with-204", "A restore answers 204, without a body.", {"status": 204, "content": b""}),
    ("with-an-empty-body", "A restore answers 200 without a body.", {"content": b""}),
    ("with-an-empty-list", "A restore answers `[]`.", {"content": b"[]"}),
    ("with-500", "A restore is carried out, and answers 500.", {"status": 500, "content": b"{}"}),
    ("with-success-true", 'A restore answers `{"success": true}`.', {"content": b'{"success": true}'}),
)


def _answer(members: dict[str, Any], *, multiconnect_only: bool = False) -> None:
    def changed(reply: Reply) -> Reply:
        return Reply(headers=reply.headers, after=reply.after, **members)

    alter_reply("restore", changed, multiconnect_only=multiconnect_only)


for _name, _summary, _members in _ANSWERS:
    mutant_of(f"restore-answers-{_name}", "RESTORE-1", _summary, partial(_answer, _members))


@mutant("RESTORE-1")
def restore_of_multiconnect_answers_202() -> None:
    """In a multiconnect set-up a restore answers 202: the coreapps are still to hear of it."""
    _answer({"status": 202}, multiconnect_only=True)


@mutant("RESTORE-1")
def restore_answers_with_the_settings() -> None:
    """A restore answers the settings that it has restored."""

    async def restore(clean: Handle, backups: Backups, call: Call) -> Reply:
        reply = await clean(backups, call)
        settings = backups.coreapp.application.effective()
        return Reply({"settings": {"application": settings}}, headers=reply.headers, after=reply.after)

    wrap(Backups, "restore", restore)


# What it asks for.


def _instead(act: Callable[[Backups, dict[str, Any]], dict[str, Any] | None]) -> None:
    """Complete a restore's body: a success when nothing is left to do (`{}`), the clean way on None."""

    async def restore(clean: Handle, backups: Backups, call: Call) -> Reply:
        body = call.object() if call.body.strip() else None
        found = act(backups, body) if body is not None else None
        if found is None:
            return await clean(backups, call)
        if not found:
            return Reply(NOTHING)
        await backups.coreapp.restore(found["password"], found["data"])
        return Reply(NOTHING, headers=(("connection", "close"),), after=backups.coreapp.leave)

    wrap(Backups, "restore", restore)


def _last_backup() -> dict[str, str]:
    """The password and the data of the last backup, kept by the process."""
    last: dict[str, str] = {}

    def seal(clean: Any, vault: Vault, state: State, setup: Any, password: str) -> str:
        data = str(clean(vault, state, setup, password))
        last.update(password=password, data=data)
        return data

    wrap(Vault, "seal", seal)
    return last


@mutant("RESTORE-7")
def restore_without_password_takes_the_last_one() -> None:
    """Without a password a restore takes the one of the last backup."""
    last = _last_backup()

    def act(backups: Backups, body: dict[str, Any]) -> dict[str, Any] | None:
        good = last and set(body) == {"data"} and isinstance(body["data"], str)
        return {**last, **body} if good else None

    _instead(act)


@mutant("RESTORE-7")
def restore_without_data_takes_the_last_one() -> None:
    """Without data a restore takes that of the last restore."""

    async def restore(clean: Handle, backups: Backups, call: Call) -> Reply:
        body, store = call.object(), backups.coreapp.store
        last = store.get("last_data")
        if "data" not in body and last is not None:
            body = {**body, "data": last}
            call = replace(call, body=json.dumps(body).encode())
        reply = await clean(backups, call)
        store.put("last_data", body["data"])
        return reply

    wrap(Backups, "restore", restore)


@mutant("RESTORE-7")
def restore_without_data_is_nothing_to_do() -> None:
    """A restore without data has nothing to do, and so succeeds."""
    _instead(lambda backups, body: {} if "password" in body and "data" not in body else None)


@mutant("RESTORE-7")
def restore_of_nothing_succeeds() -> None:
    """A restore of an empty object has nothing to do, and so succeeds."""
    _instead(lambda backups, body: {} if not body else None)


@mutant("RESTORE-7")
def restore_takes_the_answer_of_backup() -> None:
    """A restore takes `settings.data` too, so that the answer of backup can be sent as it is."""

    def act(backups: Backups, body: dict[str, Any]) -> dict[str, Any] | None:
        settings = body.get("settings")
        if "data" in body or not isinstance(settings, dict) or "password" not in body:
            return None
        return {"password": body["password"], "data": settings["data"]}

    _instead(act)


def _lists_of_one(takes: Callable[[Coreapp], bool]) -> None:
    def act(backups: Backups, body: dict[str, Any]) -> dict[str, Any] | None:
        if not takes(backups.coreapp) or not any(isinstance(value, list) for value in body.values()):
            return None
        taken = {
            name: value[0] if isinstance(value, list) and len(value) == 1 else value
            for name, value in body.items()
        }
        good = all(isinstance(taken.get(name), str) for name in ("password", "data"))
        return taken if good else None

    _instead(act)


@mutant("RESTORE-15")
def restore_takes_lists_of_one() -> None:
    """A list of one string is taken for the string, as form parsers give it."""
    _lists_of_one(lambda coreapp: True)


@mutant("RESTORE-15")
def new_machine_takes_lists_of_one() -> None:
    """A client that is not registered takes a list of one string for the string."""
    _lists_of_one(lambda coreapp: coreapp.registration.number is None)


@mutant("RESTORE-15")
def restore_takes_a_number_for_its_digits() -> None:
    """A password of digits may come as a number, as a loosely typed language has it."""

    def act(backups: Backups, body: dict[str, Any]) -> dict[str, Any] | None:
        password, data = body.get("password"), body.get("data")
        if isinstance(password, bool) or not isinstance(password, int) or not isinstance(data, str):
            return None
        return {**body, "password": str(password)} if password.bit_length() <= 64 else None

    _instead(act)


@mutant("RESTORE-15")
def restore_takes_the_object_around_data() -> None:
    """Data may be the `settings` object that backup answers."""

    def act(backups: Backups, body: dict[str, Any]) -> dict[str, Any] | None:
        data = body.get("data")
        inner = data.get("data") if isinstance(data, dict) else None
        good = isinstance(inner, str) and isinstance(body.get("password"), str)
        return {**body, "data": inner} if good else None

    _instead(act)


@mutant("RESTORE-15")
def restore_of_null_is_nothing_to_do() -> None:
    """Data of `null` is nothing to restore, and so a success."""
    _instead(lambda backups, body: {} if "data" in body and body["data"] is None else None)


@mutant("RESTORE-15")
def restore_with_null_as_password_takes_the_last_one() -> None:
    """A password of `null` is taken for the one of the last backup."""
    last = _last_backup()

    def act(backups: Backups, body: dict[str, Any]) -> dict[str, Any] | None:
        good = last and body.get("password", "") is None and isinstance(body.get("data"), str)
        return {"password": last["password"], "data": body["data"]} if good else None

    _instead(act)
