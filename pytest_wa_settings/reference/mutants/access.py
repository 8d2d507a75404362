"""Mutants of who may back up and restore (ACCESS-1 to ACCESS-4)."""

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
from pytest_wa_settings.reference.mutants.tools import BACKUP, RESTORE, after_a_restore, refused_with_200
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


def _open_where(path: str, opens: Callable[[str], bool]) -> None:
    """Let pass whoever sends an authorization that `opens`."""

    def admit(clean: Any, guard: Guard, access: str, call: Call) -> Principal | None:
        given = call.headers.get("authorization")
        if call.path == path and given is not None and opens(given):
            return SOMEBODY
        admitted: Principal | None = clean(guard, access, call)
        return admitted

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
    _open_where(BACKUP, lambda given: given == "Bearer null")


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


@mutant("ACCESS-1")
def backup_without_token_on_a_moved_machine() -> None:
    """On a machine that was new at its restore backup asks for no token where none is sent."""
    _open_without_token(BACKUP, after_a_restore(existing=False))


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


@mutant("ACCESS-2", also={"ACCESS-4": "backup and restore ask the same guard"})
def admin_by_the_beginning_of_the_name() -> None:
    """Every account is an administrator's whose name begins as the built-in one's does."""

    def caller(clean: Any, guard: Guard, call: Call) -> Principal:
        known: Principal = clean(guard, call)
        return replace(known, role=users.ROLE_ADMIN) if known.name.startswith(users.ADMIN) else known

    wrap(Guard, "caller", caller)


@mutant("ACCESS-1")
def backup_looks_at_bearer_tokens_only() -> None:
    """Backup checks a bearer token; what comes under another scheme was checked elsewhere, it trusts."""
    _open_where(BACKUP, lambda given: not given.lower().startswith("bearer"))


@mutant("ACCESS-3")
def restore_with_an_empty_token() -> None:
    """An empty token is found in the list of those that were given out, which begins with an empty line."""
    _open_where(RESTORE, lambda given: given.strip().lower() == "bearer")


@mutant("ACCESS-1", also=ONE_GUARD)
def token_compared_by_its_own_length() -> None:
    """A token is compared over the length of the one that was given out; what follows is not looked at."""
    given_out: list[str] = []

    def grant(clean: Any, rooms: users.Users, name: str) -> dict[str, str]:
        granted: dict[str, str] = clean(rooms, name)
        given_out.append(granted["token"])
        return granted

    def digest(clean: Any, token: str) -> Any:
        return clean(next((one for one in given_out if token.startswith(one)), token))

    wrap(users.Users, "grant", grant)
    wrap(webapp, "token_digest", digest)
