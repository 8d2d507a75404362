"""The role `coreapp`: a master, a shard's owner, or both in one."""

from __future__ import annotations

import asyncio
import json
import signal
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_wa_settings.reference.account import Account
from pytest_wa_settings.reference.backups import Backups
from pytest_wa_settings.reference.certificates import Certificates
from pytest_wa_settings.reference.client import HttpServer, Parts, listen
from pytest_wa_settings.reference.configuration import Configuration
from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.errors import ReferenceFault, Refusal
from pytest_wa_settings.reference.http import Call, Handler, Operation, Reply
from pytest_wa_settings.reference.logs import Log, quiet_server
from pytest_wa_settings.reference.messages import Messages
from pytest_wa_settings.reference.onprem.cluster import Cluster
from pytest_wa_settings.reference.onprem.environment import Environment
from pytest_wa_settings.reference.onprem.postgres import DatabaseDown, PostgresStore
from pytest_wa_settings.reference.profiles import Profiles
from pytest_wa_settings.reference.webapp import Webapp

TURN_SECONDS = 0.1
NETWORK_SECONDS = 60.0
RESTARTS = "restarts"


def shard_of(recipient: str, shards: int) -> int:
    """The shard that writes to a recipient (the same on every node)."""
    return zlib.crc32(recipient.encode()) % shards


class NodeCoreapp(Coreapp):
    """A coreapp among others: the primary master holds the line to WhatsApp, for all of them."""

    store: PostgresStore
    cluster: Cluster | None = None

    async def start(self) -> None:
        """Only to lead; a node that does not lead has no life of its own."""
        await super().start()
        self.tell()

    def tell(self) -> None:
        """Let all nodes know what is known of the line."""
        if self.cluster is not None and self.cluster.primary:
            self.cluster.tell(self.live)

    async def connect(self) -> None:
        """Tell the network who we are, and the other nodes how that went."""
        await super().connect()
        self.tell()

    def assert_leads(self) -> None:
        """Refuse what only the primary master may do."""
        if self.cluster is None or not self.cluster.primary:
            raise Refusal(503, 1017, "This node is not the primary master.", headers=(("retry-after", "1"),))

    def stops_after_restore(self, was_registered: bool) -> bool:
        """Whether the app stops; then each of its nodes does, at its next turn."""
        stops = super().stops_after_restore(was_registered)
        if stops:
            self.store.put(RESTARTS, self.store.get(RESTARTS, 0) + 1)
        return stops


class ShardMessages(Messages):
    """Queues messages of the own shard; the primary master's line carries them."""

    coreapp: NodeCoreapp

    def queue(self, to: str, words: str) -> str:
        """Keep a message for sending, if its recipient belongs to this node's shard."""
        cluster = self.coreapp.cluster
        if cluster is None or cluster.shard != shard_of(to, self.coreapp.shards):
            raise Refusal(
                503, 1018, "Another node owns the recipient's shard.", headers=(("retry-after", "1"),)
            )
        return super().queue(to, words)


class NodeParts(Parts):
    """All objects of one node."""

    coreapp_class = NodeCoreapp
    coreapp: NodeCoreapp
    store: PostgresStore

    def control(self) -> list[Operation]:
        """What the primary master does, and no other node."""
        rooms = (Account, Configuration, Profiles, Certificates, Backups)
        operations = [operation for room in rooms for operation in room(self.coreapp).operations()]
        return [replace(operation, handler=self.led(operation.handler)) for operation in operations]

    def led(self, handler: Handler) -> Handler:
        """A handler that only the primary master runs."""

        async def handle(call: Call) -> Reply:
            self.coreapp.assert_leads()
            return await handler(call)

        return handle

    def webapps(self) -> list[Webapp]:
        """What listens on the four ports: messaging, contacts, control, health check."""
        traffic = ShardMessages(self.coreapp).operations()
        contacts = [operation for operation in traffic if operation.path == "/v1/contacts"]
        messages = [operation for operation in traffic if operation.path != "/v1/contacts"]
        check = [Operation("GET", "/health", "open", self.check)]
        return [
            Webapp(self.coreapp, self.responder, self.guard, operations, self.log)
            for operations in (messages, contacts, self.control(), check)
        ]

    async def check(self, call: Call) -> Reply:
        """This node's own state, for whatever starts containers again."""
        cluster = self.coreapp.cluster
        if cluster is None:
            raise ReferenceFault("A node without its cluster.", "Report it.")
        view = cluster.view()
        own = next(node for node in view.nodes if node.key == cluster.key)
        return Reply({"health": {"gateway_status": view.status(own), "role": view.role(own)}})


class CoreNode:
    """One node from its start until it stops by itself, loses the database or is asked to end."""

    def __init__(self, environment: Environment, ports: tuple[int, ...]) -> None:
        self.environment = environment
        self.ports = ports
        self.log = Log(environment.options.log_level, node=environment.hostname)
        quiet_server(self.log)
        self.store = PostgresStore(
            environment.database, Path(environment.options.state_dir or "/"), lasting=False
        )
        self.restarts = self.store.get(RESTARTS, 0)
        self.cluster = Cluster(self.store)

    async def serve(self) -> None:
        """Run the node."""
        self.store.put_once("shards", json.dumps(self.environment.options.shards))
        options = replace(self.environment.options, network=await self.network())
        parts = NodeParts(options, self.log, self.store)
        self.coreapp = parts.coreapp
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.coreapp.leave)
        self.cluster.join(self.environment)
        self.coreapp.cluster = self.cluster
        listeners = [listen(options.host, port) for port in self.ports]
        servers = [HttpServer(webapp, None) for webapp in parts.webapps()]
        turns = asyncio.create_task(self.turns(parts))
        self.log.info("serving", role=self.environment.role)
        await asyncio.gather(
            *(
                server.run_until(listener, self.coreapp.left, lambda: None)
                for server, listener in zip(servers, listeners, strict=True)
            )
        )
        turns.cancel()
        await asyncio.gather(turns, return_exceptions=True)
        await self.end(parts)

    async def end(self, parts: NodeParts) -> None:
        """Let everything go, the database last: what this node led and owned is free then."""
        try:
            await parts.close()
        except DatabaseDown:
            self.log.error("database lost")
        self.log.info("ended", stopped=self.coreapp.stopped)

    async def network(self) -> str:
        """The network's address: the given one, else the one that the web has set up."""
        given = self.environment.options.network
        if given is not None:
            return given
        for _ in range(int(NETWORK_SECONDS / TURN_SECONDS)):
            found: Any = self.store.get("network")
            if found is not None:
                return str(found)
            await asyncio.sleep(TURN_SECONDS)
        raise ReferenceFault(
            "No web has set up a simulated network.", "Start the web, or set WA_REFERENCE_NETWORK."
        )

    async def turns(self, parts: NodeParts) -> None:
        """See again and again what is this node's to do."""
        while not self.coreapp.left.is_set():
            try:
                await self.turn(parts)
            except DatabaseDown:
                self.log.error("database lost")
                self.coreapp.leave()
            await asyncio.sleep(TURN_SECONDS)

    async def turn(self, parts: NodeParts) -> None:
        """One look: whether all are to restart, whether to lead, which shard to own."""
        if self.store.get(RESTARTS, 0) != self.restarts:
            if not self.coreapp.stopped:
                self.coreapp.leave()
            return
        led, owned = self.cluster.primary, self.cluster.shard
        self.cluster.take_turn()
        if owned != self.cluster.shard:
            self.log.info("shard", number=self.cluster.shard)
        if self.cluster.primary and not led:
            self.log.info("leads")
            await self.coreapp.start()
        if self.cluster.primary:
            self.coreapp.tell()
            if self.store.next_outbox() is not None:
                parts.traffic.posted.set()
