"""Health and support: what the client says about itself."""

from __future__ import annotations

import platform
import shutil
import socket
import time
import zlib
from dataclasses import dataclass
from typing import Any

from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.http import Call, Operation, Reply

SOCKET_STATES = {"connected": "UP", "connecting": "SC", "disconnected": "DN", "unregistered": "DN"}
YEAR_SECONDS = 365 * 24 * 60 * 60


@dataclass(frozen=True)
class Node:
    """One container of a multiconnect setup: its role, the shards that it owns, its state."""

    name: str
    role: str
    shards: list[list[int]]
    status: str


class Operations:
    """Answers what monitoring asks."""

    def __init__(self, coreapp: Coreapp) -> None:
        self.coreapp = coreapp
        self.host = socket.gethostname()

    def operations(self) -> list[Operation]:
        """What this room answers."""
        return [
            Operation("GET", "/v1/health", "monitor", self.health),
            Operation("GET", "/v1/support", "user", self.support),
        ]

    def nodes(self) -> list[Node]:
        """The containers of a multiconnect setup.

        With one shard (high availability) one coreapp is connected and all else is not; with more, each
        shard has a connected coreapp and the primary master is connected too.
        """
        status, shards = self.coreapp.status(), self.coreapp.shards
        idle = "disconnected" if status == "connected" else status
        available = shards == 1
        nodes = [Node(self.node_name("master"), "primary_master", [[-1, -1]], status)]
        if available:
            nodes = [Node(self.node_name("master"), "primary_master", [], idle)]
        for shard in range(shards):
            owned = [[-1, -1], [0, 0]] if available else [[shard, shard]]
            nodes.append(Node(self.node_name(f"core{shard + 1}"), "coreapp", owned, status))
        return nodes

    def node_name(self, part: str) -> str:
        """Hostname and container id of a node, made up but lasting."""
        return f"{part}.{self.host}:{zlib.crc32(f'{self.host}/{part}'.encode()):08x}"

    async def health(self, call: Call) -> Reply:
        """The gateway's status, a node each in a multiconnect setup."""
        if not self.coreapp.options.multiconnect:
            return Reply({"health": {"gateway_status": self.coreapp.status()}})
        nodes = {node.name: {"gateway_status": node.status, "role": node.role} for node in self.nodes()}
        return Reply({"health": nodes})

    async def support(self, call: Call) -> Reply:
        """What a support team asks for."""
        common = self.facts()
        if not self.coreapp.options.multiconnect:
            return Reply({"support": {**common, "socket_conn": SOCKET_STATES[self.coreapp.status()]}})
        nodes = {
            node.name: {
                **common,
                "role": node.role,
                "shards": node.shards,
                "socket_conn": SOCKET_STATES[node.status],
            }
            for node in self.nodes()
        }
        return Reply({"support": nodes})

    def facts(self) -> dict[str, Any]:
        """What all nodes say alike."""
        details = self.coreapp.registration.details()
        now, free = time.time(), shutil.disk_usage(self.coreapp.store.folder).free
        e2e = {"identity_timestamp": None, "registration_id": None}
        if details is not None:
            e2e = {
                "identity_timestamp": details["identity_timestamp"],
                "registration_id": details["registration_id"],
            }
        return {
            "context": "healthcheck",
            "db_engine": self.coreapp.store.engine,
            "db_info": [self.coreapp.store.server()],
            "debug_info": "unregistered" if details is None else details["number"],
            "description": f"reference-{self.coreapp.options.version}",
            "device_iso8601": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)),
            "e2e": e2e,
            "env": [],
            "expire_timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now + YEAR_SECONDS)),
            "free_space_data": free,
            "free_space_logs": free,
            "free_space_media_incoming": free,
            "free_space_media_outgoing": free,
            "lc": "en",
            "lg": "US",
            "multi_connect": self.coreapp.options.multiconnect,
            "os_name": platform.system().lower(),
            "os_version": platform.release(),
            "schema": {"callback": 1, "config": 1, "contact": 1, "message": 1},
        }
