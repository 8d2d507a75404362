"""Who runs, who leads and who owns which shard: told by the locks that each node's database session holds.

A lock ends with the session, and a session with its process: nobody has to declare a node dead, and one that
has lost its session can change nothing any more.
"""

from __future__ import annotations

from dataclasses import dataclass

from pytest_wa_settings.reference.onprem.environment import COREAPP, MASTER, SINGLE, Environment
from pytest_wa_settings.reference.onprem.postgres import PostgresStore

ALIVE, LEADS, OWNS = 7241, 7242, 7243
"""Kinds of locks: a node's own, the primary master's, a shard's."""
HELD = """
SELECT classid::bigint, objid::bigint, pid FROM pg_locks WHERE locktype='advisory' AND granted AND objsubid=2
AND classid IN (7241, 7242, 7243) AND database=(SELECT oid FROM pg_database WHERE datname=current_database())
"""


@dataclass(frozen=True)
class Node:
    """One container with a coreapp: `live` is what the primary master knows of its line to WhatsApp."""

    key: int
    name: str
    role: str
    host: str
    ports: tuple[int, ...]
    live: bool | None = None
    alive: bool = False
    primary: bool = False
    shard: int | None = None


@dataclass(frozen=True)
class View:
    """All nodes at one moment, and what decides whether they can serve."""

    nodes: tuple[Node, ...]
    shards: int
    number: str | None

    @property
    def primary(self) -> Node | None:
        """The node that leads."""
        return next((node for node in self.nodes if node.alive and node.primary), None)

    def owner(self, shard: int) -> Node | None:
        """The node that owns a shard."""
        return next((node for node in self.nodes if node.alive and node.shard == shard), None)

    @property
    def ready(self) -> bool:
        """Whether one leads and every shard is owned: with fewer coreapps than shards nothing is served."""
        return self.primary is not None and all(self.owner(shard) for shard in range(self.shards))

    def status(self, node: Node) -> str:
        """A node's gateway status.

        With one shard (high availability) one coreapp is connected and all else is not; with more, each
        shard has a connected coreapp and the primary master is connected too.
        """
        if not node.alive:
            return "disconnected"
        if self.number is None:
            return "unregistered"
        if node.shard is None and not (node.primary and self.shards > 1):
            return "disconnected"
        live = self.primary.live if self.primary is not None else None
        if live is None:
            return "connecting"
        return "connected" if live else "disconnected"

    def role(self, node: Node) -> str:
        """A node's role, as health names it."""
        if node.role == COREAPP:
            return "coreapp"
        return "primary_master" if node.primary else "secondary_master"


class Cluster:
    """One node's place among the others, or a web's look at them."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        self.key = 0
        self.role = ""
        self.told: bool | None = None
        self.primary = False
        self.shard: int | None = None

    def join(self, environment: Environment) -> None:
        """Take a place; one that had the same address before is gone."""
        ports = ",".join(map(str, environment.ports))
        row = self.store.db.execute(
            "INSERT INTO nodes (name, role, host, ports) VALUES (?, ?, ?, ?) ON CONFLICT (host, ports)"
            " DO UPDATE SET name=excluded.name, role=excluded.role, live=NULL RETURNING id",
            (environment.name, environment.role, environment.hostname, ports),
        ).fetchone()
        self.key = row[0]
        self.role = environment.role
        self.store.db.execute("SELECT pg_advisory_lock(?, ?)", (ALIVE, self.key))

    def take_turn(self) -> None:
        """Lead, and own a shard, where it is this node's to do and nobody else does."""
        if self.role in (MASTER, SINGLE) and not self.primary:
            self.primary = self._take(LEADS, 0)
        if self.role in (COREAPP, SINGLE):
            self._own(self.store.get("shards", 1))

    def _own(self, shards: int) -> None:
        if self.shard is not None and self.shard >= shards:
            self.store.db.execute("SELECT pg_advisory_unlock(?, ?)", (OWNS, self.shard))
            self.shard = None
        if self.shard is None:
            self.shard = next((shard for shard in range(shards) if self._take(OWNS, shard)), None)

    def _take(self, kind: int, number: int) -> bool:
        row = self.store.db.execute("SELECT pg_try_advisory_lock(?, ?)", (kind, number)).fetchone()
        return bool(row[0])

    def tell(self, live: bool | None) -> None:
        """Note what is known of the line to WhatsApp."""
        if live is not self.told:
            self.store.db.execute("UPDATE nodes SET live=? WHERE id=?", (live, self.key))
            self.told = live

    def view(self) -> View:
        """All nodes now."""
        held = [tuple(row) for row in self.store.db.execute(HELD)]
        sessions = {number: pid for kind, number, pid in held if kind == ALIVE}
        leads = next((pid for kind, _, pid in held if kind == LEADS), None)
        owns = {pid: number for kind, number, pid in held if kind == OWNS}
        nodes = []
        for key, name, role, host, ports, live in self.store.db.execute(
            "SELECT id, name, role, host, ports, live FROM nodes ORDER BY id"
        ):
            pid = sessions.get(key)
            places = tuple(map(int, ports.split(",")))
            alive, primary = pid is not None, pid is not None and pid == leads
            shard = None if pid is None else owns.get(pid)
            nodes.append(Node(key, name, role, host, places, live, alive, primary, shard))
        registration = self.store.get("registration")
        number = None if registration is None else registration["number"]
        return View(tuple(nodes), int(self.store.get("shards", 1)), number)
