"""The state of a client in PostgreSQL, shared by its containers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from pytest_wa_settings.reference.errors import ReferenceFault, Refusal
from pytest_wa_settings.reference.onprem.environment import DatabaseAddress
from pytest_wa_settings.reference.store import SCHEMA, Store

START_SECONDS = 60.0
CONNECT_SECONDS = 5
PAUSE_SECONDS = 0.1
# One namespace of advisory locks, away from those of others who may use the database.
SCHEMA_LOCK = (7240, 0)
DIALECT = (
    ("WITHOUT ROWID", ""),
    ("BLOB", "BYTEA"),
    ("REAL", "DOUBLE PRECISION"),
    ("INTEGER PRIMARY KEY AUTOINCREMENT", "BIGSERIAL PRIMARY KEY"),
)
NODES = """
CREATE TABLE IF NOT EXISTS nodes (
    id SERIAL PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, host TEXT NOT NULL, ports TEXT NOT NULL,
    live BOOLEAN, UNIQUE (host, ports)
);
"""


class DatabaseDown(Refusal):
    """The database does not answer, or has forgotten this session with all its locks."""

    def __init__(self) -> None:
        super().__init__(503, 1023, "The database does not answer.")


class Postgres:
    """One session with the database, which takes statements as SQLite does.

    `lasting`: it is opened again when it was lost. A session that holds locks must not be.
    """

    def __init__(self, address: DatabaseAddress, *, lasting: bool) -> None:
        self.address = address
        self.lasting = lasting
        self.session = self._first()

    def _open(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=self.address.host,
            port=self.address.port,
            user=self.address.user,
            password=self.address.password,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            client_encoding="utf-8",
            # The locks of a machine that has vanished are to go soon.
            options="-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3",
        )

    def _first(self) -> psycopg.Connection[Any]:
        """A session, as soon as the database takes one; raises ReferenceFault."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return self._open()
            except psycopg.Error:
                if time.monotonic() > deadline:
                    where = f"{self.address.host}, port {self.address.port}"
                    raise ReferenceFault(
                        f"No session with the database at {where} within {START_SECONDS:.0f} s.",
                        "Check WA_DB_HOSTNAME, WA_DB_PORT, WA_DB_USERNAME and WA_DB_PASSWORD.",
                    ) from None
                time.sleep(PAUSE_SECONDS)

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> psycopg.Cursor[Any]:
        """Run one statement with `?` for parameters; raises DatabaseDown."""
        # PostgreSQL's text has no NUL.
        given = [one.replace("\0", "\ufffd") if isinstance(one, str) else one for one in parameters]
        try:
            return self._run(statement, given)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise DatabaseDown from None

    def _run(self, statement: str, given: list[Any]) -> psycopg.Cursor[Any]:
        translated = statement.replace("?", "%s")
        try:
            return self.session.execute(translated, given)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            if not (self.lasting and self.session.closed):
                raise
        self.session = self._open()
        return self.session.execute(translated, given)

    def close(self) -> None:
        """End the session."""
        with contextlib.suppress(psycopg.Error):
            self.session.close()


def schema() -> str:
    """The store's tables in PostgreSQL's words, and the table of nodes."""
    made = SCHEMA
    for theirs, ours in DIALECT:
        made = made.replace(theirs, ours)
    return made + NODES


class PostgresStore(Store):
    """The state of one client, as all of its containers see it; they come and go, it stays."""

    engine = "PGSQL"
    begin = "BEGIN"
    change_for_good = Store.change  # PostgreSQL answers a COMMIT when it is on the disk

    def __init__(self, address: DatabaseAddress, folder: Path, *, lasting: bool) -> None:
        self.folder = folder
        self.db = Postgres(address, lasting=lasting)
        with self.change():
            self.db.execute("SELECT pg_advisory_xact_lock(?, ?)", SCHEMA_LOCK)
            for statement in schema().split(";"):
                if statement.strip():
                    self.db.execute(statement)

    def server(self) -> str:
        """Name and version of the database."""
        return f"postgresql-{self.db.session.info.server_version // 10000}"

    def put_once(self, name: str, value: str) -> None:
        """Keep a JSON text under `name`, unless something is kept there already."""
        self.db.execute("INSERT INTO state VALUES (?, ?) ON CONFLICT (name) DO NOTHING", (name, value))

    def close(self) -> None:
        """End the session, and with it what it holds."""
        self.db.close()
