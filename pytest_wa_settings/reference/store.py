"""What one client keeps: SQLite in WAL mode, one transaction a change, safe against SIGKILL.

Its statements are such as PostgreSQL takes too: `postgres.py` keeps the state of several containers there.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_wa_settings.reference.errors import ReferenceFault

# What a backup holds. Users, tokens, contacts, messages and callbacks live in tables outside it.
BACKED_UP = (
    "registration",
    "application",
    "media_providers",
    "about",
    "business_profile",
    "photo",
    "two_step",
    "certificates",
)

SCHEMA = """
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS users (
    name TEXT PRIMARY KEY, password TEXT NOT NULL, role TEXT NOT NULL, must_change INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tokens (
    digest BLOB PRIMARY KEY, "user" TEXT NOT NULL, expires REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS contacts (wa_id TEXT PRIMARY KEY, seen REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY, direction TEXT NOT NULL, peer TEXT NOT NULL, body TEXT NOT NULL, status TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, payload TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS callbacks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, payload TEXT NOT NULL, attempts INTEGER NOT NULL, due REAL NOT NULL
);
"""


class Store:
    """One client's state on disk. Used from one thread; no method waits.

    `synced`: it waits for the disk, so that a power cut leaves it whole too, as a kill does in any case.
    """

    engine = "SQLITE"
    begin = "BEGIN IMMEDIATE"
    db: Any
    folder: Path

    def __init__(self, folder: Path, *, synced: bool = True) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = self._hold(folder / "lock")
        self.db = sqlite3.connect(folder / "client.sqlite", isolation_level=None, timeout=5)
        os.chmod(folder / "client.sqlite", 0o600)
        # Only this process reads it (see _hold): its locks need not be taken anew for every statement.
        self.db.execute("PRAGMA locking_mode=EXCLUSIVE")
        # In WAL mode NORMAL loses nothing when the process is killed; a power cut may undo the last changes.
        self.db.execute(f"PRAGMA synchronous={'NORMAL' if synced else 'OFF'}")
        if self.db.execute("PRAGMA user_version").fetchone()[0] == 0:
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.executescript(f"BEGIN;{SCHEMA}PRAGMA user_version=1;COMMIT;")

    @staticmethod
    def _hold(path: Path) -> int:
        """Take the folder for this process; a second client on one state would corrupt both."""
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + 2
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return handle
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(handle)
                    raise ReferenceFault(
                        "Another client runs on this state directory.", "Give another --state-dir."
                    ) from None
                time.sleep(0.005)

    def server(self) -> str:
        """Name and version of the database."""
        return f"sqlite-{sqlite3.sqlite_version}"

    def close(self) -> None:
        """Write everything to the database file and let the folder go."""
        self.db.close()
        os.close(self._lock)

    @contextmanager
    def change(self) -> Iterator[None]:
        """One transaction: all that happens inside is kept, or nothing."""
        self.db.execute(self.begin)
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    @contextmanager
    def change_for_good(self) -> Iterator[None]:
        """As change, and on the disk before it ends: what is answered then outlives a power cut, too."""
        before = self.db.execute("PRAGMA synchronous").fetchone()[0]
        if before:
            self.db.execute("PRAGMA synchronous=FULL")
        try:
            with self.change():
                yield
        finally:
            if before:
                self.db.execute(f"PRAGMA synchronous={before}")

    # Named values: registration, settings, profile and what else is one document each.

    def get(self, name: str, default: Any = None) -> Any:
        """The value kept under `name`."""
        row = self.db.execute("SELECT value FROM state WHERE name=?", (name,)).fetchone()
        return default if row is None else json.loads(row[0])

    def put(self, name: str, value: Any) -> None:
        """Keep a value under `name`."""
        self.db.execute(
            "INSERT INTO state VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value=excluded.value",
            (name, json.dumps(value)),
        )

    def drop(self, name: str) -> None:
        """Forget the value under `name`."""
        self.db.execute("DELETE FROM state WHERE name=?", (name,))

    def snapshot(self) -> dict[str, Any]:
        """All that a backup holds, read in one statement and so at one moment."""
        marks = ",".join("?" * len(BACKED_UP))
        rows = self.db.execute(f"SELECT name, value FROM state WHERE name IN ({marks})", BACKED_UP)
        return {name: json.loads(value) for name, value in rows}

    def replace(self, state: dict[str, Any]) -> None:
        """Put a snapshot in the place of all that a backup holds; call it inside `change`.

        Messages, callbacks and contacts belong to the state that goes; users and tokens to the machine.
        """
        for name in BACKED_UP:
            if name in state:
                self.put(name, state[name])
            else:
                self.drop(name)
        self.forget_traffic()

    def forget_traffic(self) -> None:
        """Delete messages, callbacks and contacts."""
        for table in ("messages", "outbox", "callbacks", "contacts"):
            self.db.execute(f"DELETE FROM {table}")

    # Users and their tokens.

    def user(self, name: str) -> tuple[str, str, bool] | None:
        """A user's password hash, role and whether the password must be changed."""
        row = self.db.execute(
            "SELECT password, role, must_change FROM users WHERE name=?", (name,)
        ).fetchone()
        return None if row is None else (row[0], row[1], bool(row[2]))

    def put_user(self, name: str, password: str, role: str, must_change: bool = False) -> None:
        """Create or change a user; `password` is its hash."""
        self.db.execute(
            "INSERT INTO users VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE"
            " SET password=excluded.password, role=excluded.role, must_change=excluded.must_change",
            (name, password, role, int(must_change)),
        )

    def drop_user(self, name: str) -> None:
        """Delete a user with its tokens."""
        with self.change():
            self.db.execute("DELETE FROM users WHERE name=?", (name,))
            self.db.execute('DELETE FROM tokens WHERE "user"=?', (name,))

    def put_token(self, digest: bytes, user: str, expires: float) -> None:
        """Keep a token's digest, and forget the tokens that have expired."""
        with self.change():
            self.db.execute("DELETE FROM tokens WHERE expires<?", (time.time(),))
            self.db.execute("INSERT INTO tokens VALUES (?, ?, ?)", (digest, user, expires))

    def token(self, digest: bytes) -> tuple[str, str] | None:
        """Name and role of the user to whom an unexpired token belongs."""
        row: tuple[str, str] | None = self.db.execute(
            'SELECT name, role FROM tokens JOIN users ON name="user" WHERE digest=? AND expires>?',
            (digest, time.time()),
        ).fetchone()
        return row

    def drop_token(self, digest: bytes) -> None:
        """Revoke one token."""
        self.db.execute("DELETE FROM tokens WHERE digest=?", (digest,))

    # Contacts and messages.

    def see_contacts(self, wa_ids: list[str]) -> None:
        """Remember that contacts were looked up."""
        with self.change():
            for wa_id in wa_ids:
                self.db.execute(
                    "INSERT INTO contacts VALUES (?, ?) ON CONFLICT (wa_id) DO UPDATE SET seen=excluded.seen",
                    (wa_id, time.time()),
                )

    def put_message(self, key: str, direction: str, peer: str, body: dict[str, Any], status: str) -> None:
        """Keep a message; `direction` is `in` or `out`."""
        self.db.execute(
            "INSERT INTO messages VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET direction="
            "excluded.direction, peer=excluded.peer, body=excluded.body, status=excluded.status",
            (key, direction, peer, json.dumps(body), status),
        )

    def message(self, key: str) -> tuple[str, str, str] | None:
        """A message's direction, peer and status."""
        row: tuple[str, str, str] | None = self.db.execute(
            "SELECT direction, peer, status FROM messages WHERE id=?", (key,)
        ).fetchone()
        return row

    def mark_message(self, key: str, status: str) -> None:
        """Change a message's status."""
        self.db.execute("UPDATE messages SET status=? WHERE id=?", (status, key))

    def push_outbox(self, payload: dict[str, Any]) -> None:
        """Queue something for the network."""
        self.db.execute("INSERT INTO outbox (payload) VALUES (?)", (json.dumps(payload),))

    def next_outbox(self) -> tuple[int, dict[str, Any]] | None:
        """The oldest thing queued for the network."""
        row = self.db.execute("SELECT seq, payload FROM outbox ORDER BY seq LIMIT 1").fetchone()
        return None if row is None else (row[0], json.loads(row[1]))

    def drop_outbox(self, seq: int) -> None:
        """Forget what the network has taken."""
        self.db.execute("DELETE FROM outbox WHERE seq=?", (seq,))

    # Callbacks to the webhook.

    def push_callback(self, payload: dict[str, Any]) -> None:
        """Queue a callback, due at once."""
        self.db.execute(
            "INSERT INTO callbacks (payload, attempts, due) VALUES (?, 0, 0)", (json.dumps(payload),)
        )

    def due_callbacks(self, now: float, limit: int, busy: set[int]) -> list[tuple[int, dict[str, Any], int]]:
        """Up to `limit` callbacks to send now, oldest first: sequence number, payload, attempts so far."""
        rows = self.db.execute(
            "SELECT seq, payload, attempts FROM callbacks WHERE due<=? ORDER BY seq LIMIT ?",
            (now, limit + len(busy)),
        )
        return [(seq, json.loads(payload), tries) for seq, payload, tries in rows if seq not in busy][:limit]

    def next_due(self, busy: set[int]) -> float | None:
        """When the next callback that is not under way is due, as epoch seconds."""
        rows = self.db.execute("SELECT seq, due FROM callbacks ORDER BY due LIMIT ?", (len(busy) + 1,))
        return next((due for seq, due in rows if seq not in busy), None)

    def delay_callback(self, seq: int, attempts: int, due: float) -> None:
        """Put a callback that was not taken back for later."""
        self.db.execute("UPDATE callbacks SET attempts=?, due=? WHERE seq=?", (attempts, due, seq))

    def hasten_callbacks(self) -> None:
        """Make all callbacks due at once: the webhook has changed."""
        self.db.execute("UPDATE callbacks SET due=0")

    def drop_callback(self, seq: int) -> None:
        """Forget a callback that was delivered."""
        self.db.execute("DELETE FROM callbacks WHERE seq=?", (seq,))

    def drop_callbacks(self) -> None:
        """Forget all callbacks."""
        self.db.execute("DELETE FROM callbacks")
