"""What several mutants share: ways to alter passwords, states and replies."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from pytest_wa_settings.reference.backups import Backups
from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.deviations import wrap
from pytest_wa_settings.reference.errors import Refusal
from pytest_wa_settings.reference.http import Call, Reply
from pytest_wa_settings.reference.vault import NONCE_BYTES, PREFIX, SALT_BYTES, Opened, Setup, Vault
from pytest_wa_settings.reference.vault import password_bytes as clean_bytes

BACKUP, RESTORE = "/v1/settings/backup", "/v1/settings/restore"
State = dict[str, Any]
Handle = Callable[[Backups, Call], Awaitable[Reply]]


def alter_password(change: Callable[[str], str], *, at_restore_only: bool = False) -> None:
    """Have the vault see a changed password."""

    def seal(clean: Any, vault: Vault, state: State, setup: Setup, password: str) -> str:
        return str(clean(vault, state, setup, change(password)))

    def opened(clean: Any, vault: Vault, data: str, password: str) -> Opened:
        found: Opened = clean(vault, data, change(password))
        return found

    if not at_restore_only:
        wrap(Vault, "seal", seal)
    wrap(Vault, "open", opened)


def alter_key(change: Callable[[bytes], bytes]) -> None:
    """Have key derivation see changed bytes of the password."""
    wrap(
        Vault, "derive", lambda clean, vault, password, salt, cost: clean(vault, change(password), salt, cost)
    )


def alter_restored(change: Callable[[State], State], *, new_machine_only: bool = False) -> None:
    """Restore a changed state."""

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        if coreapp.registration.number is None or not new_machine_only:
            opened = replace(opened, state=change(dict(opened.state)))
        clean(coreapp, opened)

    wrap(Coreapp, "commit", commit)


def alter_setting(path: str, change: Callable[[Any], Any]) -> None:
    """Restore one application setting changed; None leaves it out, so that it has its default."""

    def changed(state: State) -> State:
        settings = json.loads(json.dumps(state.get("application", {})))
        *parents, last = path.split(".")
        inner = settings
        for parent in parents:
            inner = inner.get(parent, {})
        if last in inner:
            value = change(inner.pop(last))
            if value is not None:
                inner[last] = value
        return {**state, "application": settings}

    alter_restored(changed)


def alter_collected(change: Callable[[Coreapp, State], State]) -> None:
    """Back up a changed state."""
    wrap(Coreapp, "collect", lambda clean, coreapp: change(coreapp, clean(coreapp)))


def alter_reply(method: str, change: Callable[[Reply], Reply], *, multiconnect_only: bool = False) -> None:
    """Change what a success of `backup` or `restore` answers."""

    async def handle(clean: Handle, backups: Backups, call: Call) -> Reply:
        reply = await clean(backups, call)
        return change(reply) if backups.coreapp.options.multiconnect or not multiconnect_only else reply

    wrap(Backups, method, handle)


def refused_with_200(refusal: Refusal) -> Reply:
    """A success with an error inside."""
    error = {"code": refusal.code, "title": refusal.title, "details": refusal.details}
    return Reply({"errors": [error]})


def extended(head: bytes, members: dict[str, Any]) -> bytes:
    """A backup's head with more members in its header."""
    magic, version, length = PREFIX.unpack_from(head)
    header = json.loads(head[PREFIX.size : PREFIX.size + length])
    text = json.dumps({**header, **members}, separators=(",", ":")).encode("ascii")
    return PREFIX.pack(magic, version, len(text)) + text


def sealed_with_header(
    vault: Vault, state: State, setup: Setup, password: str, members: dict[str, Any]
) -> str:
    """A backup that tells more in its header; opening it needs nothing else."""
    salt, nonce = vault.fresh(SALT_BYTES), vault.fresh(NONCE_BYTES)
    head = extended(vault.head(setup, vault.cost, salt, nonce), members)
    key = vault.derive(clean_bytes(password), salt, vault.cost)
    return vault.encode(head + vault.encrypt(key, nonce, vault.pack(state), head))


def add_to_header(members: Callable[[State, Setup, str], dict[str, Any]]) -> None:
    """Tell more in the header of every backup."""

    def seal(clean: Any, vault: Vault, state: State, setup: Setup, password: str) -> str:
        return sealed_with_header(vault, state, setup, password, members(state, setup, password))

    wrap(Vault, "seal", seal)


def leave_for_the_next_start(coreapp: Coreapp, state: State | None) -> None:
    """Keep a state that is not ours for `take_up_at_the_start`; none leaves what is kept."""
    if state is not None:
        coreapp.store.put("left", state)


def take_up_at_the_start() -> None:
    """Import at a start, and once, what a refused restore has left; the registration stays."""

    async def start(clean: Any, coreapp: Coreapp) -> None:
        left = coreapp.store.get("left")
        if left is not None and coreapp.registration.number is not None:
            with coreapp.store.change():
                coreapp.store.replace({**left, "registration": coreapp.registration.details()})
                coreapp.store.drop("left")
        await clean(coreapp)

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        clean(coreapp, opened)
        coreapp.store.drop("left")

    wrap(Coreapp, "start", start)
    wrap(Coreapp, "commit", commit)


def at_the_starts_of_a_moved_machine(act: Callable[[Coreapp], None]) -> None:
    """Act at every start of a client that was a new machine at its last restore."""

    async def start(clean: Any, coreapp: Coreapp) -> None:
        if coreapp.store.get("moved"):
            act(coreapp)
        await clean(coreapp)

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        new_machine = coreapp.registration.number is None
        clean(coreapp, opened)
        coreapp.store.put("moved", new_machine)

    wrap(Coreapp, "start", start)
    wrap(Coreapp, "commit", commit)


def after_a_restore(*, existing: bool) -> Callable[[Coreapp], bool]:
    """Whether a client was restored as an existing app, or as a new machine."""

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        was_registered = coreapp.registration.number is not None
        clean(coreapp, opened)
        coreapp.store.put("restored as existing", was_registered)

    wrap(Coreapp, "commit", commit)
    return lambda coreapp: coreapp.store.get("restored as existing") is existing
