"""Puts the parts of one client together and serves it until it leaves."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from pytest_wa_settings.reference.account import Account
from pytest_wa_settings.reference.backups import Backups
from pytest_wa_settings.reference.certificates import Certificates
from pytest_wa_settings.reference.configuration import Configuration
from pytest_wa_settings.reference.connections import BoundedProtocol
from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.errors import ReferenceFault
from pytest_wa_settings.reference.http import Operation, Responder
from pytest_wa_settings.reference.link import Link
from pytest_wa_settings.reference.logs import Log, quiet_server
from pytest_wa_settings.reference.messages import Messages
from pytest_wa_settings.reference.operations import Operations
from pytest_wa_settings.reference.options import Options
from pytest_wa_settings.reference.profiles import Profiles
from pytest_wa_settings.reference.settings import ApplicationSettings
from pytest_wa_settings.reference.store import Store
from pytest_wa_settings.reference.tls import uploaded_context
from pytest_wa_settings.reference.traffic import Traffic
from pytest_wa_settings.reference.users import Passwords, Users
from pytest_wa_settings.reference.vault import COSTS, Vault
from pytest_wa_settings.reference.webapp import Guard, Webapp
from pytest_wa_settings.reference.webhook import Webhook

BACKLOG = 512
FLUSH_SECONDS = 2.0
KEEP_ALIVE_SECONDS = 75


class Parts:
    """All objects of one client, made once; deviations may replace some before it serves."""

    coreapp_class = Coreapp

    def __init__(self, options: Options, log: Log, store: Store | None = None) -> None:
        if options.state_dir is None or options.network is None:
            raise ReferenceFault(
                "A client needs a state directory and a network.", "Start it with serve or pool."
            )
        self.options = options
        self.log = log
        self.store = Store(Path(options.state_dir), synced=options.synced) if store is None else store
        self.vault = Vault(COSTS[options.kdf])
        self.link = Link(options.network)
        self.webhook = Webhook(self.store)
        self.settings = ApplicationSettings(self.store, options.release)
        self.traffic = Traffic(self.store, self.link, self.settings, self.webhook, log)
        self.coreapp = self.coreapp_class(options, self.store, self.vault, self.link, self.traffic, log)
        self.users = Users(self.coreapp, Passwords(options.kdf))
        self.responder = Responder(options.version, options.success_body)
        self.guard = Guard(self.coreapp)

    def operations(self) -> list[Operation]:
        """Everything that the API answers."""
        rooms = (
            self.users,
            Account(self.coreapp),
            Operations(self.coreapp),
            Configuration(self.coreapp),
            Profiles(self.coreapp),
            Certificates(self.coreapp),
            Messages(self.coreapp),
            Backups(self.coreapp),
        )
        return [operation for room in rooms for operation in room.operations()]

    def webapp(self) -> Webapp:
        """The API of these parts."""
        return Webapp(self.coreapp, self.responder, self.guard, self.operations(), self.log)

    def tls(self, own: ssl.SSLContext | None) -> ssl.SSLContext | None:
        """The TLS context: with the uploaded certificate where there is one, else the one given."""
        uploaded = self.store.get("certificates", {}).get("external")
        if own is None or uploaded is None:
            return own
        try:
            return uploaded_context(uploaded)
        except (ssl.SSLError, ValueError):
            self.log.error("the uploaded certificate cannot be used")
            return own

    async def close(self) -> None:
        """End the background work and close the store."""
        await self.coreapp.close()
        await self.webhook.close()
        self.store.close()


class HttpServer(uvicorn.Server):
    """The ASGI server, without its waiting times: it leaves as soon as its last answer is out."""

    def __init__(self, app: ASGIApp, tls: ssl.SSLContext | None, patience: float = FLUSH_SECONDS) -> None:
        self.patience = patience
        config = uvicorn.Config(
            app,
            http=BoundedProtocol,
            loop="none",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
        config.load()
        config.ssl = tls
        super().__init__(config)
        self.lifespan = config.lifespan_class(config)

    async def run_until(
        self, listener: socket.socket, left: asyncio.Event, ready: Callable[[], None]
    ) -> None:
        """Serve on a bound socket until `left` is set."""
        self.tick()
        await self.startup(sockets=[listener])
        ready()
        while not left.is_set():
            try:
                await asyncio.wait_for(left.wait(), 1.0)
            except asyncio.TimeoutError:
                self.tick()
        await self.finish(listener)

    def tick(self) -> None:
        """Keep the Date header right."""
        self.server_state.default_headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]

    async def finish(self, listener: socket.socket) -> None:
        """Take no more connections, let answers under way get out, close what is idle."""
        for server in self.servers:
            server.close()
        listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        # A closed TLS connection stays until its peer says goodbye too: wait only while it has data to send.
        deadline = time.monotonic() + self.patience
        while (self.server_state.tasks or self.unsent()) and time.monotonic() < deadline:
            await asyncio.sleep(0.001)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0.001)

    def unsent(self) -> bool:
        """Whether bytes of an answer still wait to be sent."""
        return any(
            connection.transport.get_write_buffer_size() > 0 for connection in self.server_state.connections
        )


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to an address, for a client to listen on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as problem:
        listener.close()
        why = getattr(problem, "strerror", None) or "there is no such port"
        raise ReferenceFault(
            f"Nothing can listen on {host}, port {port}: {why}.",
            "Give another --host or --port.",
        ) from None
    listener.setblocking(False)
    return listener


async def serve_client(options: Options, tls: ssl.SSLContext | None, ready: Callable[[], None]) -> None:
    """Run one client; returns when it has stopped by itself or was asked to end."""
    log = Log(options.log_level, client=options.port)
    quiet_server(log)
    parts = Parts(options, log)
    await parts.users.prepare()
    await parts.coreapp.start()
    server = HttpServer(parts.webapp(), parts.tls(tls))
    listener = listen(options.host, options.port)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, parts.coreapp.leave)
    log.info("serving", status=parts.coreapp.status(), pid=os.getpid())
    await server.run_until(listener, parts.coreapp.left, ready)
    await parts.close()
    log.info("ended", stopped=parts.coreapp.stopped)
