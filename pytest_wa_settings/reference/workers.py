"""What the forked processes do: serve a network, or serve a client."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from pytest_wa_settings.reference.client import HttpServer, serve_client
from pytest_wa_settings.reference.logs import Log, quiet_server
from pytest_wa_settings.reference.network import Network
from pytest_wa_settings.reference.networkapp import NetworkApp
from pytest_wa_settings.reference.options import Options
from pytest_wa_settings.reference.processes import Ready


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on the fastest event loop there is."""
    try:
        import uvloop
    except ImportError:  # no CPython
        asyncio.run(work)
    else:
        uvloop.run(work)


def run_network(listener: socket.socket, path: Path | None, ready: Ready) -> None:
    """Serve a network on a bound socket until the process is told to end."""

    async def serve() -> None:
        left = asyncio.Event()
        quiet_server(Log("error"))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, left.set)
        # Clients ask again for the events that they were waiting for.
        server = HttpServer(NetworkApp(Network(path)), None, patience=0)
        await server.run_until(listener, left, lambda: ready("listening"))

    run(serve())


def run_client(options: Options, tls: ssl.SSLContext | None, ready: Ready) -> None:
    """Serve a client until it stops or the process is told to end."""
    run(serve_client(options, tls, lambda: ready("listening")))
