"""Mutants of what restore answers, asks for, and takes when (RESTORE-1, -7, -8, -12, -13, -15)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from pytest_wa_settings.reference.backups import Backups
from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.deviations import mutant, mutant_of, wrap
from pytest_wa_settings.reference.errors import Refusal
from pytest_wa_settings.reference.http import NOTHING, Call, Reply
from pytest_wa_settings.reference.mutants.tools import (
    Handle,
    State,
    alter_collected,
    alter_password,
    alter_reply,
)
from pytest_wa_settings.reference.options import parse_version
from pytest_wa_settings.reference.vault import Opened, Vault

# What it answers.

_ANSWERS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("with-201", "A restore answers 201.", {"status": 201}),
    ("with-204", "A restore answers 204, without a body.", {"status": 204, "content": b""}),
    ("with-an-empty-body", "A restore answers 200 without a body.", {"content": b""}),
    ("with-an-empty-list", "A restore answers `[]`.", {"content": b"[]"}),
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


@mutant("RESTORE-15")
def restore_takes_lists_of_one() -> None:
    """A list of one string is taken for the string, as form parsers give it."""

    def act(backups: Backups, body: dict[str, Any]) -> dict[str, Any] | None:
        if not any(isinstance(value, list) for value in body.values()):
            return None
        taken = {
            name: value[0] if isinstance(value, list) and len(value) == 1 else value
            for name, value in body.items()
        }
        good = all(isinstance(taken.get(name), str) for name in ("password", "data"))
        return taken if good else None

    _instead(act)


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


# Which backups it takes.


def _only_if(good: Callable[[Coreapp, str, str], bool]) -> None:
    """Refuse a restore, as one that does not open, unless something holds."""

    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        opened: Opened = await clean(coreapp, password, data)
        if not good(coreapp, password, data):
            raise Refusal(400, 1009, "The backup does not open with this password and data.")
        return opened

    wrap(Coreapp, "unseal", unseal)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


@mutant("RESTORE-8")
def only_the_newest_password_restores() -> None:
    """A client knows the password of its last backup only, and refuses a backup under an earlier one."""

    async def backup(clean: Any, coreapp: Coreapp, password: str) -> str:
        data: str = await clean(coreapp, password)
        coreapp.store.put("newest", _digest(password))
        return data

    wrap(Coreapp, "backup", backup)
    _only_if(
        lambda coreapp, password, data: coreapp.store.get("newest", _digest(password)) == _digest(password)
    )


@mutant("RESTORE-8", run=("--wa-examples", "150"))
def escapes_in_a_password_are_undone_at_the_restore() -> None:
    """A backslash or a tab in the password is dropped on the way to a restore, and kept at the backup."""
    alter_password(lambda password: re.sub(r"[\\\t]", "", password), at_restore_only=True)


@mutant("RESTORE-8")
def an_older_backup_is_refused_after_a_newer_one() -> None:
    """A client refuses a backup that is older than the one it restored last: a guard against going back."""

    async def backup(clean: Any, coreapp: Coreapp, password: str) -> str:
        data: str = await clean(coreapp, password)
        coreapp.store.put("taken", [*coreapp.store.get("taken", []), _digest(data)])
        return data

    async def restore(clean: Any, coreapp: Coreapp, password: str, data: str) -> None:
        await clean(coreapp, password, data)
        coreapp.store.put("newest", max(_age(coreapp, data), coreapp.store.get("newest", -1)))

    wrap(Coreapp, "backup", backup)
    wrap(Coreapp, "restore", restore)
    _only_if(lambda coreapp, password, data: _age(coreapp, data) >= coreapp.store.get("newest", -1))


def _age(coreapp: Coreapp, data: str) -> int:
    """The place of a backup among those taken by this client; one of another client is the newest."""
    taken: list[str] = coreapp.store.get("taken", [])
    return taken.index(_digest(data)) if _digest(data) in taken else len(taken)


@mutant("RESTORE-8")
def restore_reads_the_password_as_latin_1() -> None:
    """Backup takes a password as UTF-8, restore as Latin-1: one with an accent never opens."""
    alter_password(lambda password: password.encode("utf-8").decode("latin-1"), at_restore_only=True)


@mutant("RESTORE-8")
def restore_refuses_long_passwords() -> None:
    """Backup takes a password of any length, restore one of 64 characters at most."""
    _only_if(lambda coreapp, password, data: len(password) <= 64)


@mutant("RESTORE-8", also={"RESTORE-5": "the right password with a blank beside it opens, too"})
def restore_strips_the_password() -> None:
    """Backup takes a password with its blanks, restore strips it: one with a blank at an end never opens."""
    alter_password(str.strip, at_restore_only=True)


@mutant("RESTORE-12")
def only_backups_of_its_own_version_restore() -> None:
    """A client refuses a backup of another version than its own."""

    def fits(clean: Any, coreapp: Coreapp, setup: Any) -> None:
        clean(coreapp, setup)
        if setup.version != coreapp.options.version:
            raise Refusal(400, 1025, "The backup is from another version.")

    wrap(Coreapp, "assert_fits", fits)


@mutant("RESTORE-12")
def backups_of_one_older_version_are_refused() -> None:
    """A client refuses a backup of v2.31.3, whose number it takes for a broken one."""

    def fits(clean: Any, coreapp: Coreapp, setup: Any) -> None:
        clean(coreapp, setup)
        if parse_version(setup.version) == (2, 31, 3) < coreapp.options.release:
            raise Refusal(400, 1025, "The backup is from a version that cannot be read.")

    wrap(Coreapp, "assert_fits", fits)


@mutant("RESTORE-12")
def registration_of_older_versions_not_read() -> None:
    """A backup of an older version restores, but for the registration, whose record looked otherwise then."""

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        clean(coreapp, opened)
        if parse_version(opened.setup.version) < parse_version(coreapp.options.version):
            coreapp.store.drop("registration")

    wrap(Coreapp, "commit", commit)


@mutant("RESTORE-12")
def settings_of_older_versions_are_left_out() -> None:
    """From a backup of an older version the registration is restored, and no setting."""

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        if parse_version(opened.setup.version) < coreapp.options.release:
            others = {name: value for name, value in opened.state.items() if name != "application"}
            opened = Opened(opened.setup, others)
        clean(coreapp, opened)

    wrap(Coreapp, "commit", commit)


def _used(coreapp: Coreapp) -> list[str]:
    used: list[str] = coreapp.store.get("used", [])
    return used


@mutant("RESTORE-13")
def a_backup_restores_once() -> None:
    """A client remembers which backups it has restored, and refuses them a second time."""

    async def restore(clean: Any, coreapp: Coreapp, password: str, data: str) -> None:
        await clean(coreapp, password, data)
        coreapp.store.put("used", [*_used(coreapp), _digest(data)])

    wrap(Coreapp, "restore", restore)
    _only_if(lambda coreapp, password, data: _digest(data) not in _used(coreapp))


@mutant("RESTORE-13")
def a_third_restore_is_refused() -> None:
    """A client restores a backup twice, and refuses it from then on."""

    async def restore(clean: Any, coreapp: Coreapp, password: str, data: str) -> None:
        await clean(coreapp, password, data)
        coreapp.store.put("used", [*_used(coreapp), _digest(data)])

    wrap(Coreapp, "restore", restore)
    _only_if(lambda coreapp, password, data: _used(coreapp).count(_digest(data)) < 2)


@mutant("RESTORE-13", also={"CODE-1": "a restore that does nothing gives no new code"})
def a_second_restore_of_a_backup_does_nothing() -> None:
    """A backup that was restored before is not restored again: the call succeeds, and nothing happens."""

    async def restore(clean: Any, coreapp: Coreapp, password: str, data: str) -> None:
        await coreapp.unseal(password, data)
        if _digest(data) in _used(coreapp):
            return
        await clean(coreapp, password, data)
        coreapp.store.put("used", [*_used(coreapp), _digest(data)])

    wrap(Coreapp, "restore", restore)


_KEPT = 5


@mutant("RESTORE-8")
def only_the_last_five_backups_restore() -> None:
    """A client keeps what opens its last five backups, and refuses earlier ones."""

    async def backup(clean: Any, coreapp: Coreapp, password: str) -> str:
        data = str(await clean(coreapp, password))
        coreapp.store.put("taken", [*coreapp.store.get("taken", []), _digest(data)])
        return data

    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        opened: Opened = await clean(coreapp, password, data)
        if _digest(data) in coreapp.store.get("taken", [])[:-_KEPT]:
            raise Refusal(400, 1025, "The backup is too old.")
        return opened

    wrap(Coreapp, "backup", backup)
    wrap(Coreapp, "unseal", unseal)


@mutant("RESTORE-8")
def a_moved_machine_takes_no_backup_that_restores() -> None:
    """A machine that was new at its restore marks its backups as copies, and no client takes a copy."""

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        new = coreapp.registration.number is None
        clean(coreapp, opened)
        if new:
            coreapp.store.put("moved", True)

    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        opened: Opened = await clean(coreapp, password, data)
        if opened.state.get("copy"):
            raise Refusal(400, 1025, "The backup is of a copy.")
        return opened

    alter_collected(lambda coreapp, state: {**state, "copy": bool(coreapp.store.get("moved"))})
    wrap(Coreapp, "commit", commit)
    wrap(Coreapp, "unseal", unseal)


@mutant("RESTORE-8")
def a_dollar_and_its_name_are_left_out_at_the_restore() -> None:
    """On the way to a restore a shell replaces `$NAME` in the password by nothing."""
    alter_password(lambda password: re.sub(r"\$\w+", "", password), at_restore_only=True)
