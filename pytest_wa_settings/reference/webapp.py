"""The HTTP API of one client: routes, access, and an answer to everything."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterable

from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from pytest_wa_settings.reference import intake
from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.errors import Refusal
from pytest_wa_settings.reference.http import (
    Call,
    Operation,
    Principal,
    Reply,
    Responder,
    read_headers,
    read_query,
    read_target,
)
from pytest_wa_settings.reference.logs import Log


def token_digest(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("latin-1", "replace")).digest()


class Guard:
    """Decides who may call what. Access is `open`, `user`, `admin` or `monitor` (a user or the API key)."""

    def __init__(self, coreapp: Coreapp) -> None:
        self.store = coreapp.store
        self.api_key = coreapp.options.api_key

    def admit(self, access: str, call: Call) -> Principal | None:
        """The caller, where the operation asks for one; a refusal where it must not pass."""
        if access == "open" or (access == "monitor" and self.has_api_key(call)):
            return None
        user = self.caller(call)
        if access == "admin" and not user.is_admin:
            raise self.not_admin()
        return user

    def caller(self, call: Call) -> Principal:
        """The user to whom the request's token belongs."""
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise self.unauthorized("A bearer token is needed.")
        digest = token_digest(token.strip())
        found = self.store.token(digest)
        if found is None:
            raise self.unauthorized("The token is not valid.")
        return Principal(*found, digest)

    def has_api_key(self, call: Call) -> bool:
        """Whether the request carries the key for monitoring."""
        scheme, _, key = call.headers.get("authorization", "").partition(" ")
        given = key.strip().encode("latin-1", "replace")
        return (
            self.api_key is not None
            and scheme.lower() == "apikey"
            and hmac.compare_digest(given, self.api_key.encode("utf-8"))
        )

    def unauthorized(self, details: str) -> Refusal:
        """The refusal of a caller who is not known."""
        return Refusal(401, 1005, details, headers=(("www-authenticate", "Bearer"),))

    def not_admin(self) -> Refusal:
        """The refusal of a user who is no admin."""
        return Refusal(403, 1005, "Only an admin may do this.")


class Endpoint:
    """One path: takes a request to the operation for its method, and answers whatever happens."""

    def __init__(self, webapp: Webapp, path: str, operations: dict[str, Operation]) -> None:
        self.webapp = webapp
        self.path = path
        self.operations = operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        webapp, status, after = self.webapp, 0, None
        try:
            try:
                reply = await self.answer(scope, receive)
            except Refusal as refusal:
                status = refusal.status
                await webapp.responder.refuse(send, refusal)
            else:
                status, after = reply.status, reply.after
                await webapp.responder.reply(send, reply)
        except ConnectionResetError:
            status = 499
        except Exception as problem:  # noqa: BLE001 - the last line of defence: no traceback reaches the wire
            status = 500
            webapp.log.error("fault", exception=type(problem).__name__, path=self.path)
            await webapp.responder.refuse(send, Refusal(500, 1000, "The reference client has a fault."))
        finally:
            if after is not None:
                after()
            seconds = round(time.perf_counter() - started, 6)
            webapp.log.debug(
                "request", method=scope["method"], path=self.path, status=status, seconds=seconds
            )

    async def answer(self, scope: Scope, receive: Receive) -> Reply:
        """The reply to one request, or a refusal; who may not pass has no body read."""
        webapp = self.webapp
        parameters = scope.get("path_params", {})
        call = Call(scope["method"], self.path, parameters, read_query(scope), read_headers(scope))
        call.target = read_target(scope)
        operation = self.operation(call.method)
        webapp.coreapp.assert_running()
        call.user = webapp.guard.admit(operation.access, call)
        most, drained = webapp.max_body, intake.DRAINED
        if call.user is None:
            most = min(most, intake.STRANGERS_BODY)
            drained = min(drained, intake.DRAINED_FOR_STRANGERS)
        async with webapp.intake.body(receive, most, drained) as call.body:
            webapp.coreapp.assert_running()
            return await operation.handler(call)

    def operation(self, method: str) -> Operation:
        """The operation for a method; HEAD is answered as GET, without the content."""
        found = self.operations.get("GET" if method == "HEAD" else method)
        if found is None:
            allow = ", ".join(sorted(self.operations))
            raise Refusal(405, 1014, "The endpoint has no such method.", headers=(("allow", allow),))
        return found


class Nowhere(Endpoint):
    """All paths that do not exist."""

    def operation(self, method: str) -> Operation:
        """No operation."""
        raise Refusal(404, 1014, "There is no such endpoint.")


class Webapp:
    """The API as an ASGI application."""

    def __init__(
        self, coreapp: Coreapp, responder: Responder, guard: Guard, operations: Iterable[Operation], log: Log
    ) -> None:
        self.coreapp = coreapp
        self.responder = responder
        self.guard = guard
        self.log = log
        self.max_body = intake.MAX_BODY
        self.intake = intake.Intake()
        paths: dict[str, dict[str, Operation]] = {}
        for operation in operations:
            paths.setdefault(operation.path, {})[operation.method] = operation
        endpoints = {path: self.endpoint(path, methods) for path, methods in paths.items()}
        # Most paths are plain: looked up, not matched against one pattern after the other.
        self.plain = {path: endpoint for path, endpoint in endpoints.items() if "{" not in path}
        self.router = Router(
            [Route(path, endpoint) for path, endpoint in endpoints.items()],
            redirect_slashes=False,
            default=Nowhere(self, "-", {}),
        )

    def endpoint(self, path: str, operations: dict[str, Operation]) -> Endpoint:
        """What answers on one path."""
        return Endpoint(self, path, operations)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            # the vendor's collection writes some paths with a slash at their end
            endpoint = self.plain.get(path) or self.plain.get(path.removesuffix("/"))
            await (endpoint or self.router)(scope, receive, send)
