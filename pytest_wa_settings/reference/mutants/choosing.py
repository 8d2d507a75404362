"""Mutants of which backups restore takes, by password, age and version (RESTORE-8, -12, -13)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.deviations import mutant, wrap
from pytest_wa_settings.reference.errors import Refusal
from pytest_wa_settings.reference.mutants.tools import alter_collected, alter_password
from pytest_wa_settings.reference.options import parse_version
from pytest_wa_settings.reference.vault import Opened


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
