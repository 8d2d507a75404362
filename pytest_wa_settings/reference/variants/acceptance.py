"""Variants of which backups a client takes, and how it refuses wrong passwords."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.deviations import variant, wrap
from pytest_wa_settings.reference.errors import Refusal, not_ready
from pytest_wa_settings.reference.options import parse_version
from pytest_wa_settings.reference.vault import Opened, Setup

OTHER_SETUP = "The backup is from another type of setup."


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


@variant(run=("--wa-budget", "60"))
def wrong_passwords_slowed() -> None:
    """A restore that does not open is refused after 200 ms, against guessing."""

    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        try:
            opened: Opened = await clean(coreapp, password, data)
        except Refusal:
            await asyncio.sleep(0.2)
            raise
        return opened

    wrap(Coreapp, "unseal", unseal)


@variant()
def wrong_passwords_limited() -> None:
    """After 50 restores that do not open the next one is answered 429, with a Retry-After of one second."""
    wrong: list[float] = []

    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        if len(wrong) >= 50 and time.monotonic() - wrong[-1] < 1:
            raise Refusal(429, 1015, "Too many restores.", headers=(("retry-after", "1"),))
        if len(wrong) >= 50:
            wrong.clear()
        try:
            opened: Opened = await clean(coreapp, password, data)
        except Refusal:
            wrong.append(time.monotonic())
            raise
        return opened

    wrap(Coreapp, "unseal", unseal)


@variant()
def one_backup_at_a_time() -> None:
    """While a backup is being made, another one is answered by 503 and System overloaded: ask again."""
    busy: list[bool] = []

    async def backup(clean: Any, coreapp: Coreapp, password: str) -> str:
        if busy:
            raise Refusal(503, 1016, "Another backup is being made.")
        busy.append(True)
        try:
            await asyncio.sleep(0.02)
            data: str = await clean(coreapp, password)
            return data
        finally:
            busy.clear()

    wrap(Coreapp, "backup", backup)
