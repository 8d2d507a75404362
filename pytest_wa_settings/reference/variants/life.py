"""Variants of what a client does around starts and restores, and on its connections."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from contextvars import ContextVar
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from starlette.types import Scope

from pytest_wa_settings.reference import intake
from pytest_wa_settings.reference.backups import Backups
from pytest_wa_settings.reference.client import HttpServer
from pytest_wa_settings.reference.configuration import Configuration
from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.deviations import replace, variant, variant_of, wrap
from pytest_wa_settings.reference.errors import not_ready
from pytest_wa_settings.reference.http import Call, Reply
from pytest_wa_settings.reference.network import Network
from pytest_wa_settings.reference.store import Store
from pytest_wa_settings.reference.users import Users
from pytest_wa_settings.reference.vault import Opened
from pytest_wa_settings.reference.webapp import Endpoint, Webapp
from pytest_wa_settings.reference.webhook import Webhook


def _late_after_a_restore(seconds: float) -> None:
    """Come up late at the start that follows a restore on an existing app."""

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        existing = coreapp.registration.number is not None
        clean(coreapp, opened)
        coreapp.store.put("restored", existing)

    async def start(clean: Any, coreapp: Coreapp) -> None:
        if coreapp.store.get("restored"):
            coreapp.store.drop("restored")
            await asyncio.sleep(seconds)
        await clean(coreapp)

    wrap(Coreapp, "commit", commit)
    wrap(Coreapp, "start", start)


for _name, _said, _seconds in (("50-ms", "50 ms", 0.05), ("2-s", "2 s", 2.0)):
    variant_of(
        f"restarts-in-{_name}",
        f"After a restore the client comes back by itself, in {_said}.",
        partial(_late_after_a_restore, _seconds),
        options={"restart_policy": "always"},
    )


@variant()
def new_machine_shuts_down() -> None:
    """A new machine shuts down after the import, too, and is to be started again."""
    wrap(Coreapp, "stops_after_restore", lambda clean, coreapp, was_registered: True)


@variant()
def restore_answer_lost() -> None:
    """An existing app ends before the answer to the restore is out."""

    async def restore(clean: Any, backups: Backups, call: Call) -> Reply:
        reply: Reply = await clean(backups, call)
        if backups.coreapp.stopped:
            backups.coreapp.store.close()
            os._exit(0)
        return reply

    wrap(Backups, "restore", restore)


@variant()
def stops_half_a_second_later() -> None:
    """After a restore an existing app answers 503 for half a second, and stops then."""

    def leave(clean: Any, coreapp: Coreapp) -> None:
        asyncio.get_running_loop().call_later(0.5 if coreapp.stopped else 0, lambda: clean(coreapp))

    wrap(Coreapp, "leave", leave)


def _web_stays_up() -> None:
    """Have the process go on when the app has stopped, as a web container does beside a stopped coreapp."""

    def leave(clean: Any, coreapp: Coreapp) -> None:
        if not coreapp.stopped:
            clean(coreapp)

    wrap(Coreapp, "leave", leave)


@variant()
def web_stays_up() -> None:
    """After a restore the API goes on and answers 503, while the app behind it is stopped."""
    _web_stays_up()


@variant()
def web_stays_up_and_says_disconnected() -> None:
    """After a restore the API goes on: health says `disconnected`, all else but a login answers 503."""
    path: ContextVar[str] = ContextVar("path", default="")

    async def answer(clean: Any, endpoint: Endpoint, scope: Any, receive: Any) -> Reply:
        path.set(endpoint.path)
        reply: Reply = await clean(endpoint, scope, receive)
        return reply

    def assert_running(clean: Any, coreapp: Coreapp) -> None:
        if path.get() not in ("/v1/health", "/v1/users/login"):
            clean(coreapp)

    def status(clean: Any, coreapp: Coreapp) -> str:
        return "disconnected" if coreapp.stopped else str(clean(coreapp))

    _web_stays_up()
    wrap(Endpoint, "answer", answer)
    wrap(Coreapp, "assert_running", assert_running)
    wrap(Coreapp, "status", status)


@variant()
def connecting_for_a_while() -> None:
    """Health says `connecting` for 300 ms after a start and after a restore on a new machine."""
    since: list[float] = []

    async def connect(clean: Any, coreapp: Coreapp) -> None:
        since[:] = [time.monotonic()]
        await clean(coreapp)

    def status(clean: Any, coreapp: Coreapp) -> str:
        found = str(clean(coreapp))
        fresh = bool(since) and time.monotonic() - since[0] < 0.3
        return "connecting" if found == "connected" and fresh else found

    wrap(Coreapp, "connect", connect)
    wrap(Coreapp, "status", status)


@variant()
def uninitialized_for_a_while() -> None:
    """For 200 ms after a start health says `uninitialized` and all else answers 503."""
    since = [0.0]

    async def start(clean: Any, coreapp: Coreapp) -> None:
        await clean(coreapp)
        since[0] = time.monotonic()

    def status(clean: Any, coreapp: Coreapp) -> str:
        return "uninitialized" if time.monotonic() - since[0] < 0.2 else str(clean(coreapp))

    def keep_out(clean: Any, *given: Any) -> Any:
        if time.monotonic() - since[0] < 0.2:
            raise not_ready("The application is starting.")
        return clean(*given)

    wrap(Coreapp, "start", start)
    wrap(Coreapp, "status", status)
    for name in ("read", "change"):
        wrap(Configuration, name, keep_out)
    for name in ("backup", "restore"):
        wrap(Backups, name, keep_out)


@variant()
def tokens_dropped_by_a_restore() -> None:
    """A restore ends all sessions of API users."""

    def replace(clean: Any, store: Store, state: dict[str, Any]) -> None:
        clean(store, state)
        store.db.execute("DELETE FROM tokens")

    wrap(Store, "replace", replace)


@variant()
def users_dropped_by_a_restore() -> None:
    """A restore leaves of the accounts only the admin's, and ends all sessions."""

    def replace(clean: Any, store: Store, state: dict[str, Any]) -> None:
        clean(store, state)
        store.db.execute("DELETE FROM tokens")
        store.db.execute("DELETE FROM users WHERE role != 'ROLE_ADMIN'")

    wrap(Store, "replace", replace)


@variant()
def tokens_dropped_at_a_start() -> None:
    """Tokens are kept in memory: a start ends all sessions."""

    async def start(clean: Any, coreapp: Coreapp) -> None:
        coreapp.store.db.execute("DELETE FROM tokens")
        await clean(coreapp)

    wrap(Coreapp, "start", start)


@variant()
def tokens_live_for_two_seconds() -> None:
    """A token expires two seconds after its login."""
    wrap(Users, "token_seconds", lambda clean, users: 2.0)


@variant()
def idle_connections_dropped() -> None:
    """A connection that is idle for 20 ms is closed, and no header says so before."""

    def made(clean: Any, server: HttpServer, *given: Any, **named: Any) -> None:
        clean(server, *given, **named)
        server.config.timeout_keep_alive = 0.02  # type: ignore[assignment]

    wrap(HttpServer, "__init__", made)


@variant()
def bodies_of_16_kilobytes_at_most() -> None:
    """A larger body is answered 413 before it has come whole, and its connection is closed."""
    replace(intake, "DRAINED", 0)

    def made(clean: Any, app: Webapp, *given: Any) -> None:
        clean(app, *given)
        app.max_body = 16 * 1024

    wrap(Webapp, "__init__", made)


@variant()
def a_proxy_answers_504_where_an_answer_is_lost() -> None:
    """An existing app ends before the answer to the restore is out, and a proxy before it says so."""

    async def restore(clean: Any, backups: Backups, call: Call) -> Reply:
        reply: Reply = await clean(backups, call)
        if not backups.coreapp.stopped:
            return reply
        return Reply(
            status=504, content=b"<h1>504 Gateway Time-out</h1>", media_type="text/html", after=reply.after
        )

    wrap(Backups, "restore", restore)


@variant()
def users_change_their_password_first() -> None:
    """An account that was made must bring a new password at its first login."""

    async def create(clean: Any, rooms: Users, call: Call) -> Reply:
        reply: Reply = await clean(rooms, call)
        name = call.object()["username"]
        made = rooms.store.user(name)
        if made is not None:
            rooms.store.put_user(name, made[0], made[1], must_change=True)
        return reply

    wrap(Users, "create", create)


@variant(place="network")
def strangers_see_no_code() -> None:
    """A contact sees no security code of a business before a message went between them."""

    def view(clean: Any, network: Network, wa_id: str, business: str | None) -> dict[str, Any]:
        shown: dict[str, Any] = clean(network, wa_id, business)
        return shown if shown["messages"] else {**shown, "security_code": None}

    wrap(Network, "view", view)


@variant()
def restores_dropped_on_kept_connections() -> None:
    """A connection that was used before is closed when a restore comes on it, as if it had just expired."""
    used: WeakSet[Any] = WeakSet()

    async def answer(clean: Any, endpoint: Endpoint, scope: Scope, receive: Any) -> Reply:
        cycle = (
            receive.__self__
        )  # the server's own, not in ASGI: a request, and by its callback the connection
        connection = cycle.on_response.__self__
        if endpoint.path == "/v1/settings/restore" and connection in used:
            cycle.transport.abort()
            raise ConnectionResetError
        used.add(connection)
        reply: Reply = await clean(endpoint, scope, receive)
        return reply

    wrap(Endpoint, "answer", answer)


@variant()
def webhooks_authority_trusted_from_the_next_start_on() -> None:
    """The authority of a webhook's certificate takes effect when the client is started again (api 5.2)."""

    def made(clean: Any, webhook: Webhook, store: Store) -> None:
        clean(webhook, store)
        authorities[webhook] = store.get("certificates", {}).get("webhooks_ca")

    def trust(clean: Any, webhook: Webhook, ca: str | None) -> ssl.SSLContext:
        context: ssl.SSLContext = clean(webhook, authorities[webhook])
        return context

    authorities: WeakKeyDictionary[Webhook, str | None] = WeakKeyDictionary()
    wrap(Webhook, "__init__", made)
    wrap(Webhook, "trust", trust)
