"""Mutants of who may back up and restore (ACCESS-1 to ACCESS-5)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from pytest_wa_settings.reference import users, webapp
from pytest_wa_settings.reference.backups import Backups
from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.deviations import mutant, wrap
from pytest_wa_settings.reference.errors import Refusal
from pytest_wa_settings.reference.http import Call, Principal, Reply
from pytest_wa_settings.reference.mutants.tools import BACKUP, RESTORE, alter_collected, refused_with_200
from pytest_wa_settings.reference.store import Store
from pytest_wa_settings.reference.vault import Opened
from pytest_wa_settings.reference.webapp import Endpoint, Guard

SOMEBODY = Principal("admin", "ROLE_ADMIN", b"")
ONE_GUARD = {"ACCESS-3": "one guard stands before both endpoints"}


def _refused(guard: Guard, clean: Any, access: str, call: Call) -> Refusal | None:
    try:
        clean(guard, access, call)
    except Refusal as refusal:
        return refusal
    return None


def _open_without_token(path: str, on: Callable[[Coreapp], bool] = lambda coreapp: True) -> None:
    put_together: list[Coreapp] = []

    def guarding(clean: Any, guard: Guard, coreapp: Coreapp) -> None:
        put_together.append(coreapp)
        clean(guard, coreapp)

    def admit(clean: Any, guard: Guard, access: str, call: Call) -> Principal | None:
        if call.path == path and "authorization" not in call.headers and on(put_together[-1]):
            return SOMEBODY
        admitted: Principal | None = clean(guard, access, call)
        return admitted

    wrap(Guard, "__init__", guarding)
    wrap(Guard, "admit", admit)


def _open_to_any_token(path: str) -> None:
    def admit(clean: Any, guard: Guard, access: str, call: Call) -> Principal | None:
        refusal = _refused(guard, clean, access, call)
        if (
            refusal is None
            or refusal.status != 401
            or call.path != path
            or "authorization" not in call.headers
        ):
            admitted: Principal | None = clean(guard, access, call)
            return admitted
        return SOMEBODY

    wrap(Guard, "admit", admit)


def _open_to_users(path: str, on: Callable[[Coreapp], bool] = lambda coreapp: True) -> None:
    put_together: list[Coreapp] = []

    def guarding(clean: Any, guard: Guard, coreapp: Coreapp) -> None:
        put_together.append(coreapp)
        clean(guard, coreapp)

    def admit(clean: Any, guard: Guard, access: str, call: Call) -> Principal | None:
        opened = call.path == path and on(put_together[-1])
        admitted: Principal | None = clean(guard, "user" if opened else access, call)
        return admitted

    wrap(Guard, "__init__", guarding)
    wrap(Guard, "admit", admit)


def _other_status(path: str, status: int) -> None:
    def admit(clean: Any, guard: Guard, access: str, call: Call) -> Principal | None:
        refusal = _refused(guard, clean, access, call)
        if refusal is not None and refusal.status == 401 and call.path == path:
            raise Refusal(status, refusal.code, refusal.details)
        admitted: Principal | None = clean(guard, access, call)
        return admitted

    wrap(Guard, "admit", admit)


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


@mutant("ACCESS-1")
def backup_without_token() -> None:
    """Backup asks for no token where none is sent."""
    _open_without_token(BACKUP)


@mutant("ACCESS-1", also={"ACCESS-5": "a token that was logged out is any token"})
def backup_with_any_token() -> None:
    """Backup looks whether there is a token, not whose it is."""
    _open_to_any_token(BACKUP)


@mutant("ACCESS-1")
def backup_without_token_answers_403() -> None:
    """Backup answers 403 where the reference says 401."""
    _other_status(BACKUP, 403)


@mutant("ACCESS-1")
def backup_in_the_401() -> None:
    """The 401 of backup holds the backup: the work is done before the token is looked at."""

    async def answer(clean: Any, endpoint: Endpoint, scope: Any, receive: Any) -> Reply:
        try:
            reply: Reply = await clean(endpoint, scope, receive)
        except Refusal as refusal:
            if refusal.status != 401 or endpoint.path != BACKUP:
                raise
            error = {"code": refusal.code, "title": refusal.title}
            data = await endpoint.webapp.coreapp.backup("nobody")
            return Reply({"errors": [error], "settings": {"data": data}}, status=401)
        return reply

    wrap(Endpoint, "answer", answer)


@mutant("ACCESS-1", also=ONE_GUARD)
def token_signature_not_checked() -> None:
    """Of a token's three parts the last, its signature, is not looked at."""
    for module in (webapp, users):
        wrap(module, "token_digest", lambda clean, token: clean(".".join(token.split(".")[:2])))


@mutant("ACCESS-1", also=ONE_GUARD)
def token_claims_believed() -> None:
    """A JSON Web Token is believed as it stands, whoever signed it."""

    def caller(clean: Any, guard: Guard, call: Call) -> Principal:
        parts = call.headers.get("authorization", "").partition(" ")[2].split(".")
        try:
            claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
            return Principal(str(claims["user"]), str(claims["role"]), b"")
        except (IndexError, KeyError, TypeError, ValueError):
            known: Principal = clean(guard, call)
            return known

    wrap(Guard, "caller", caller)


@mutant("ACCESS-2")
def backup_for_every_user() -> None:
    """Backup asks for a valid token, not for an admin's."""
    _open_to_users(BACKUP)


@mutant("ACCESS-2")
def backup_for_every_user_on_multiconnect() -> None:
    """The master of a multiconnect set-up asks for a valid token only, as the nodes trust each other."""
    _open_to_users(BACKUP, lambda coreapp: coreapp.options.multiconnect)


@mutant("ACCESS-1")
def backup_with_null_as_token() -> None:
    """A token that was read as nothing is the administrator's: so programs on the same machine ask."""

    def admit(clean: Any, guard: Guard, access: str, call: Call) -> Principal | None:
        if call.path == BACKUP and call.headers.get("authorization", "") == "Bearer null":
            return SOMEBODY
        admitted: Principal | None = clean(guard, access, call)
        return admitted

    wrap(Guard, "admit", admit)


@mutant("ACCESS-2")
def backup_for_users_answers_200_with_an_error() -> None:
    """A user that is no admin gets a 200 from backup, with the error inside."""

    async def answer(clean: Any, endpoint: Endpoint, scope: Any, receive: Any) -> Reply:
        try:
            reply: Reply = await clean(endpoint, scope, receive)
        except Refusal as refusal:
            if refusal.status != 403 or endpoint.path != BACKUP:
                raise
            return refused_with_200(refusal)
        return reply

    wrap(Endpoint, "answer", answer)


@mutant("ACCESS-3")
def restore_without_token() -> None:
    """Restore asks for no token where none is sent."""
    _open_without_token(RESTORE)


@mutant("ACCESS-3")
def restore_without_token_answers_403() -> None:
    """Restore answers 403 where the reference says 401."""
    _other_status(RESTORE, 403)


@mutant("ACCESS-3", also={"ACCESS-5": "a token that was logged out gets that 401, too"})
def restore_before_its_401() -> None:
    """Restore does its work first, and answers 401 then."""
    _restore_first(401)


@mutant("ACCESS-4")
def restore_for_every_user() -> None:
    """Restore asks for a valid token, not for an admin's."""
    _open_to_users(RESTORE)


@mutant("ACCESS-4", also={"CODE-3": "a restore that is done and then refused gives a new code"})
def restore_before_its_403() -> None:
    """Restore does its work first, and tells a user that is no admin then that it may not."""
    _restore_first(403)


def _restore_first(status: int) -> None:
    refused: dict[int, Refusal] = {}

    def admit(clean: Any, guard: Guard, access: str, call: Call) -> Principal | None:
        refusal = _refused(guard, clean, access, call)
        if refusal is None or refusal.status != status or call.path != RESTORE:
            admitted: Principal | None = clean(guard, access, call)
            return admitted
        refused[id(call)] = refusal
        return SOMEBODY

    async def restore(clean: Any, backups: Backups, call: Call) -> Reply:
        refusal = refused.pop(id(call), None)
        reply: Reply = await clean(backups, call)
        if refusal is None:
            return reply
        if reply.after is not None:
            reply.after()
        raise refusal

    wrap(Guard, "admit", admit)
    wrap(Backups, "restore", restore)


@mutant("ACCESS-5")
def token_outlives_its_logout() -> None:
    """A logout is answered, and the token stays valid."""
    wrap(Store, "drop_token", lambda clean, store, digest: None)


@mutant("ACCESS-5")
def restore_remembers_tokens() -> None:
    """Restore takes every token that was good once: the check is cached and the logout does not clear it."""
    _cached_admission(RESTORE)


@mutant("ACCESS-1", also=ONE_GUARD)
def token_letter_case_ignored() -> None:
    """Letter case in a token does not count: the database compares text that way."""
    for module in (webapp, users):
        wrap(module, "token_digest", lambda clean, token: clean(token.lower()))


@mutant("ACCESS-1", also=ONE_GUARD)
def token_signature_compared_in_part() -> None:
    """Of a token's signature the first eight characters are compared."""

    def digest(clean: Any, token: str) -> Any:
        *claims, signature = token.split(".")
        return clean(".".join([*claims, signature[:8]]))

    for module in (webapp, users):
        wrap(module, "token_digest", digest)


@mutant("ACCESS-1")
def backup_without_token_on_multiconnect() -> None:
    """In a multiconnect set-up backup asks for no token where none is sent."""
    _open_without_token(BACKUP, lambda coreapp: coreapp.options.multiconnect)


@mutant("ACCESS-3")
def restore_without_token_on_a_new_machine() -> None:
    """A client that is not registered asks for no token at a restore where none is sent."""
    _open_without_token(RESTORE, lambda coreapp: coreapp.registration.number is None)


@mutant("ACCESS-3")
def restore_trusts_its_connection() -> None:
    """A restore needs no token on a connection that has brought a good one before."""
    peer: ContextVar[object] = ContextVar("peer", default=None)
    known: dict[object, Principal] = {}

    async def answer(clean: Any, endpoint: Endpoint, scope: Any, receive: Any) -> Reply:
        peer.set(tuple(scope["client"]))
        reply: Reply = await clean(endpoint, scope, receive)
        return reply

    def caller(clean: Any, guard: Guard, call: Call) -> Principal:
        try:
            known[peer.get()] = clean(guard, call)
        except Refusal:
            if call.path != RESTORE or peer.get() not in known:
                raise
        return known[peer.get()]

    wrap(Endpoint, "answer", answer)
    wrap(Guard, "caller", caller)


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


@mutant("ACCESS-2", also={"ACCESS-4": "backup and restore ask the same guard"})
def admin_by_the_beginning_of_the_name() -> None:
    """Every account is an administrator's whose name begins as the built-in one's does."""

    def caller(clean: Any, guard: Guard, call: Call) -> Principal:
        known: Principal = clean(guard, call)
        return replace(known, role=users.ROLE_ADMIN) if known.name.startswith(users.ADMIN) else known

    wrap(Guard, "caller", caller)
