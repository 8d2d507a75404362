"""`web` and `coreapp`: one role of a client in pieces, in the foreground, as the environment says."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from pytest_wa_settings.reference.errors import ReferenceFault
from pytest_wa_settings.reference.onprem.core import CoreNode
from pytest_wa_settings.reference.onprem.environment import (
    CORE_PORTS,
    NETWORK_PORT,
    WEB_PORT,
    Environment,
    is_web,
    read,
)
from pytest_wa_settings.reference.onprem.postgres import PostgresStore
from pytest_wa_settings.reference.onprem.web import serve_web
from pytest_wa_settings.reference.workers import run


def serve(arguments: argparse.Namespace) -> int:
    """Run a role; `launch` is the one that the environment names."""
    environment = read(os.environ)
    role = arguments.command
    if role == "launch":
        role = "web" if is_web(os.environ) else "coreapp"
    if environment.upgrade:
        PostgresStore(environment.database, Path("/"), lasting=False).close()
    elif role == "web":
        run(serve_web(environment, arguments.port or WEB_PORT, arguments.network_port or NETWORK_PORT))
    else:
        run(CoreNode(environment, _ports(environment, arguments.port)).serve())
    return 0


def _ports(environment: Environment, first: int | None) -> tuple[int, ...]:
    """The four ports to listen on; those outside may be others."""
    ports = tuple(range(first, first + len(CORE_PORTS))) if first else CORE_PORTS
    if ports[-1] > 65535:
        raise ReferenceFault("There are no four ports from there on.", "Give a smaller --port.")
    return ports
