"""Mutants that odd requests, or several at once, bring out of step (ROBUST-1 to ROBUST-3)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

from pytest_wa_settings.reference.backups import Backups
from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.deviations import mutant, wrap
from pytest_wa_settings.reference.errors import not_ready
from pytest_wa_settings.reference.http import Call, Reply
from pytest_wa_settings.reference.mutants.tools import BACKUP, RESTORE, Handle
from pytest_wa_settings.reference.vault import Opened
from pytest_wa_settings.reference.webapp import Endpoint

PATHS = (BACKUP, RESTORE)
LONG = 24 * 60 * 60


class Fault(Exception):
    """What a client does not expect."""


def _faulty(is_odd: Callable[[Call], bool]) -> None:
    """Fail on some requests to backup and restore."""

    def read(clean: Any, call: Call) -> Any:
        if call.path in PATHS and is_odd(call):
            raise Fault
        return clean(call)

    wrap(Call, "object", read)


@mutant("ROBUST-1")
def deep_json_answers_500() -> None:
    """JSON that is nested deep exhausts the stack."""
    _faulty(lambda call: b"[" * 500 in call.body)


@mutant("ROBUST-1")
def long_number_answers_500() -> None:
    """A number of thousands of digits cannot be read."""
    _faulty(lambda call: b"9" * 4300 in call.body)


@mutant("ROBUST-1")
def list_body_answers_500() -> None:
    """A body that is a list has no members to look for."""
    _faulty(lambda call: call.body.lstrip()[:1] == b"[")


@mutant("ROBUST-1")
def huge_password_ends_the_process() -> None:
    """A password of a million characters exhausts the memory, and the process ends."""

    async def answer(clean: Any, endpoint: Endpoint, scope: Any, receive: Any) -> Reply:
        if int(dict(scope["headers"]).get(b"content-length", b"0")) > 500_000 and endpoint.path == BACKUP:
            endpoint.webapp.coreapp.leave()
        reply: Reply = await clean(endpoint, scope, receive)
        return reply

    wrap(Endpoint, "answer", answer)


@mutant("ROBUST-1")
def many_members_answer_500() -> None:
    """A body of more members than a table has columns ends in an exception, and so in 500."""
    _faulty(lambda call: call.body.count(b"member_") > 100)


@mutant("ROBUST-1")
def nan_hangs() -> None:
    """A body with NaN is never answered."""

    async def backup(clean: Handle, backups: Backups, call: Call) -> Reply:
        if b"NaN" in call.body:
            await asyncio.sleep(LONG)
        return await clean(backups, call)

    wrap(Backups, "backup", backup)


# Several at once.


@mutant("ROBUST-2")
def backups_share_their_password() -> None:
    """Backups at the same time share one variable for the password: all are sealed under the last one's."""
    shared: dict[str, str] = {}

    async def backup(clean: Any, coreapp: Coreapp, password: str) -> str:
        shared["password"] = password
        await asyncio.sleep(0.02)
        data: str = await clean(coreapp, shared["password"])
        return data

    wrap(Coreapp, "backup", backup)


@mutant("ROBUST-2")
def backup_refused_during_another() -> None:
    """A backup is refused while another one is made."""
    busy: list[bool] = []

    async def backup(clean: Any, coreapp: Coreapp, password: str) -> str:
        if busy:
            raise not_ready("Another backup is being made.", 409)
        busy.append(True)
        try:
            await asyncio.sleep(0.02)
            data: str = await clean(coreapp, password)
            return data
        finally:
            busy.clear()

    wrap(Coreapp, "backup", backup)


@mutant("ROBUST-3")
def restores_at_once_mix() -> None:
    """Restores at the same time fill one draft, setting by setting, and the draft is written: a mixture."""
    draft: dict[str, Any] = {}

    async def restore(clean: Any, coreapp: Coreapp, password: str, data: str) -> None:
        coreapp.assert_running()
        opened = await coreapp.unseal(password, data)
        coreapp.assert_fits(opened.setup)
        for name in random.sample(sorted(opened.state["application"]), len(opened.state["application"])):
            draft[name] = opened.state["application"][name]
            await asyncio.sleep(0.001)
        await clean(coreapp, password, data)

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        clean(coreapp, Opened(opened.setup, {**opened.state, "application": dict(draft)}))
        draft.clear()

    wrap(Coreapp, "restore", restore)
    wrap(Coreapp, "commit", commit)


def _faulty_restore(is_odd: Callable[[str, str], bool]) -> None:
    """Fail on some passwords and data of a restore."""

    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        if is_odd(password, data):
            raise Fault
        opened: Opened = await clean(coreapp, password, data)
        return opened

    wrap(Coreapp, "unseal", unseal)


@mutant("ROBUST-1")
def empty_data_answers_500() -> None:
    """Of data that is empty the first character cannot be looked at."""
    _faulty_restore(lambda password, data: data == "")


@mutant("ROBUST-1")
def data_beyond_ascii_answers_500() -> None:
    """Data with a character beyond ASCII cannot be decoded, and nobody catches that."""
    _faulty_restore(lambda password, data: not data.isascii())


@mutant("ROBUST-1")
def huge_password_at_a_restore_answers_500() -> None:
    """A password of a million characters does not fit into its column, at a restore only."""
    _faulty_restore(lambda password, data: len(password) > 65_535)
