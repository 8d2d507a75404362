"""What the real images are told by their environment, and the few names that the reference adds."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_wa_settings.reference.errors import ReferenceFault
from pytest_wa_settings.reference.options import NEWEST, Options

WEB_PORT, NETWORK_PORT = 443, 9900
CORE_PORTS = (6250, 6251, 6252, 6253)
"""A coreapp's ports: messaging, contacts, control, health check."""
MEDIA = "/usr/local/wamedia"
KEY_LENGTH = range(12, 129)
MASTER, COREAPP, SINGLE = "master", "coreapp", "single"


@dataclass(frozen=True)
class DatabaseAddress:
    """Where the database is."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Environment:
    """One container's environment.

    Attributes:
        hostname: the name under which other containers reach this one. name: as health shows it.
        ports: a coreapp's ports as others reach them. wacore: a single setup's coreapp, for its web.
        upgrade: only to bring the database's schema up to date.
    """

    database: DatabaseAddress
    multiconnect: bool
    master: bool
    hostname: str
    container: str
    ports: tuple[int, ...]
    wacore: str | None
    upgrade: bool
    shards: int
    options: Options

    @property
    def name(self) -> str:
        """Hostname and container id, as health shows a node."""
        return f"{self.hostname}:{self.container}"

    @property
    def role(self) -> str:
        """What this container does, if it is no web."""
        if not self.multiconnect:
            return SINGLE
        return MASTER if self.master else COREAPP


def is_web(environment: Mapping[str, str]) -> bool:
    """Whether a container is a web: the published files name it, or its coreapp, only there."""
    return bool(environment.get("WEBAPP_HOSTNAME") or environment.get("WACORE_HOSTNAME"))


def read(environment: Mapping[str, str]) -> Environment:
    """The environment as values; raises ReferenceFault for what the reference cannot do."""
    container = environment.get("HOSTNAME") or socket.gethostname()
    multiconnect = _flag(environment, "WA_APP_MULTICONNECT")
    named = environment.get("WEBAPP_HOSTNAME") if is_web(environment) else environment.get("COREAPP_HOSTNAME")
    shards = _number(environment, "WA_REFERENCE_SHARDS", 1)
    key = environment.get("WA_API_KEY") or None
    if key is not None and len(key) not in KEY_LENGTH:
        raise ReferenceFault("WA_API_KEY is too short or too long.", "Give 12 to 128 characters.")
    options = Options(
        shards=shards if multiconnect else 1,
        multiconnect=multiconnect,
        version=environment.get("WA_REFERENCE_VERSION") or NEWEST,
        success_body=environment.get("WA_REFERENCE_SUCCESS_BODY") or "null",
        kdf=environment.get("WA_REFERENCE_KDF") or "strong",
        network=environment.get("WA_REFERENCE_NETWORK") or None,
        state_dir=environment.get("WA_REFERENCE_STATE_DIR") or MEDIA,
        log_level=environment.get("WA_REFERENCE_LOG_LEVEL") or "info",
        api_key=key,
        host=environment.get("WA_REFERENCE_HOST") or "0.0.0.0",
    )
    return Environment(
        database=_database(environment),
        multiconnect=multiconnect,
        master=_flag(environment, "WA_MASTER_NODE"),
        hostname=named or container,
        container=container,
        ports=_ports(environment.get("COREAPP_EXTERNAL_PORTS")),
        wacore=environment.get("WACORE_HOSTNAME") or None,
        upgrade=_flag(environment, "WA_DB_UPGRADE"),
        shards=shards,
        options=options,
    )


def _database(environment: Mapping[str, str]) -> DatabaseAddress:
    engine = environment.get("WA_DB_ENGINE", "")
    if engine != "PGSQL":
        raise ReferenceFault(
            f"The reference client keeps its state in PostgreSQL, not in {engine or 'a database unnamed'}.",
            "Set WA_DB_ENGINE=PGSQL, with a PostgreSQL server at WA_DB_HOSTNAME.",
        )
    return DatabaseAddress(
        environment.get("WA_DB_HOSTNAME") or "db",
        _number(environment, "WA_DB_PORT", 5432),
        environment.get("WA_DB_USERNAME") or "root",
        environment.get("WA_DB_PASSWORD") or "",
    )


def _flag(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "").strip().lower() in ("1", "true", "yes")


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise ReferenceFault(f"{name} is no number.", "Give digits only.")
    return int(text)


def _ports(text: str | None) -> tuple[int, ...]:
    if not text:
        return CORE_PORTS
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != len(CORE_PORTS) or not all(part.isascii() and part.isdigit() for part in parts):
        raise ReferenceFault(
            "COREAPP_EXTERNAL_PORTS is not four ports.", 'Give such as "6250,6251,6252,6253".'
        )
    return tuple(map(int, parts))
