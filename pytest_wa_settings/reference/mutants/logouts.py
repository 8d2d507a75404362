"""Mutants of tokens that were logged out (ACCESS-5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pytest_wa_settings.reference import users, webapp
from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.deviations import mutant, wrap
from pytest_wa_settings.reference.errors import Refusal
from pytest_wa_settings.reference.http import Call, Principal, Reply
from pytest_wa_settings.reference.mutants.tools import RESTORE, alter_collected
from pytest_wa_settings.reference.store import Store
from pytest_wa_settings.reference.vault import Opened
from pytest_wa_settings.reference.webapp import Guard


def _cached_admission(path: str) -> None:
    admitted: dict[str, Principal] = {}

    def caller(clean: Any, guard: Guard, call: Call) -> Principal:
        given = call.headers.get("authorization", "")
        try:
            admitted[given] = clean(guard, call)
        except Refusal:
            if call.path != path or given not in admitted:
                raise
        return admitted[given]

    wrap(Guard, "caller", caller)


@mutant("ACCESS-5")
def token_outlives_its_logout() -> None:
    """A logout is answered, and the token stays valid."""
    wrap(Store, "drop_token", lambda clean, store, digest: None)


@mutant("ACCESS-5")
def restore_remembers_tokens() -> None:
    """Restore takes every token that was good once: the check is cached and the logout does not clear it."""
    _cached_admission(RESTORE)


@mutant("ACCESS-5")
def logout_ends_the_newest_session() -> None:
    """A logout ends the session that an account began last, whichever token it was sent with."""
    newest: dict[str, bytes] = {}

    def grant(clean: Any, rooms: users.Users, name: str) -> dict[str, str]:
        granted: dict[str, str] = clean(rooms, name)
        newest[name] = webapp.token_digest(granted["token"])
        return granted

    async def logout(clean: Any, rooms: users.Users, call: Call) -> Reply:
        caller = call.caller
        caller = replace(caller, token=newest.get(caller.name, caller.token))
        reply: Reply = await clean(rooms, replace(call, user=caller))
        return reply

    wrap(users.Users, "grant", grant)
    wrap(users.Users, "logout", logout)


@mutant("ACCESS-5")
def logout_forgotten_at_the_next_start() -> None:
    """Tokens that were logged out are remembered in memory, and forgotten at the next start."""
    ended: set[bytes] = set()

    async def logout(clean: Any, rooms: users.Users, call: Call) -> Reply:
        ended.add(call.caller.token)
        return Reply({})

    def caller(clean: Any, guard: Guard, call: Call) -> Principal:
        known: Principal = clean(guard, call)
        if known.token in ended:
            raise guard.unauthorized("The token is not valid.")
        return known

    wrap(users.Users, "logout", logout)
    wrap(Guard, "caller", caller)


@mutant("ACCESS-5")
def logout_undone_by_a_restore() -> None:
    """The list of tokens that were logged out is in the backup: a restore brings an earlier one back."""

    async def logout(clean: Any, rooms: users.Users, call: Call) -> Reply:
        store = rooms.store
        store.put("logged_out", [*store.get("logged_out", []), call.caller.token.hex()])
        return Reply({})

    def caller(clean: Any, guard: Guard, call: Call) -> Principal:
        known: Principal = clean(guard, call)
        if known.token.hex() in guard.store.get("logged_out", []):
            raise guard.unauthorized("The token is not valid.")
        return known

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        clean(coreapp, opened)
        coreapp.store.put("logged_out", opened.state["logged_out"])

    wrap(users.Users, "logout", logout)
    wrap(Guard, "caller", caller)
    alter_collected(lambda coreapp, state: {**state, "logged_out": coreapp.store.get("logged_out", [])})
    wrap(Coreapp, "commit", commit)


@mutant("ACCESS-5")
def logout_lasts_until_the_next_login() -> None:
    """The tokens that were logged out are kept for each account, and its next login empties the list."""
    ended: dict[str, set[bytes]] = {}

    async def logout(clean: Any, rooms: users.Users, call: Call) -> Reply:
        ended.setdefault(call.caller.name, set()).add(call.caller.token)
        return Reply({})

    def grant(clean: Any, rooms: users.Users, name: str) -> dict[str, str]:
        ended.pop(name, None)
        granted: dict[str, str] = clean(rooms, name)
        return granted

    def caller(clean: Any, guard: Guard, call: Call) -> Principal:
        known: Principal = clean(guard, call)
        if known.token in ended.get(known.name, ()):
            raise guard.unauthorized("The token is not valid.")
        return known

    wrap(users.Users, "logout", logout)
    wrap(users.Users, "grant", grant)
    wrap(Guard, "caller", caller)
