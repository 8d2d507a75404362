"""Starts, kills and restarts clients in milliseconds, by order of JSON lines on stdin."""

from __future__ import annotations

import json
import pickle
import random
import secrets
import shutil
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pytest_wa_settings.reference.client import HttpServer, Parts, listen
from pytest_wa_settings.reference.deviations import chosen, taken_from
from pytest_wa_settings.reference.errors import ReferenceFault
from pytest_wa_settings.reference.logs import Log
from pytest_wa_settings.reference.loop import END_SECONDS, Loop
from pytest_wa_settings.reference.options import Options
from pytest_wa_settings.reference.processes import Child, Ready, fork, fork_ahead, freeze
from pytest_wa_settings.reference.temporary import Temporary
from pytest_wa_settings.reference.tls import Authority
from pytest_wa_settings.reference.workers import run_client, run_network

# Below the ports that the system gives out by itself, so that a client finds its port free after a restart.
PORTS = range(12000, 32000)
# Processes forked ahead: as many clients as are started at one time, mostly.
SPARES = 2
MOST_SPARES = 4
# What a client that is not needed any more gets to end in order, which leaves its process to the next one.
DISCARD_SECONDS = 0.5


@dataclass
class Managed:
    """One client of the pool, over all its processes."""

    key: str
    options: Options
    url: str
    reserve: socket.socket
    temporary: bool
    deviations: dict[str, str | None]
    child: Child | None = None
    ready: bool = False
    generation: int = 0
    stopped_by_us: bool = False

    @property
    def running(self) -> bool:
        """Whether it serves."""
        return self.child is not None and self.ready


class Pool:
    """The clients and networks of one test bed."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.loop.on_turn = self.children_ended
        self.folder = Temporary().path
        self.networks: list[Child] = []
        self.clients: dict[str, Managed] = {}
        self.authority: Authority | None = None
        self.tls: ssl.SSLContext | None = None
        self.spares: list[Child] = []
        self.orders: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "network": self.network,
            "start": self.start,
            "ca": self.ca,
            "kill": self.kill,
            "term": self.term,
            "start_again": self.start_again,
            "status": self.status,
            "wait": self.wait,
            "discard": self.discard,
        }

    def run(self) -> None:
        """Obey until stdin ends, then leave nothing behind."""
        try:
            self.rehearse()
            freeze()
            self.loop.watch_stdin()
            while True:
                while self.loop.lines:
                    self.obey(self.loop.lines.pop(0))
                if self.loop.ended:
                    return
                if self.clients and len(self.spares) < SPARES:
                    self.fork_spare()
                    self.loop.turn(0)
                else:
                    self.loop.turn(None)
        finally:
            self.end()

    def rehearse(self) -> None:
        """Put a client together once: what that loads and compiles, the forked ones find done."""
        options = Options(state_dir=str(self.folder / "rehearsal"), network="http://127.0.0.1")
        parts = Parts(options, Log(options.log_level))
        HttpServer(parts.webapp(), None).tick()
        parts.store.close()

    def obey(self, line: bytes) -> None:
        """Carry one order out and answer it."""
        answer: dict[str, Any] = {"id": None}
        try:
            order = json.loads(line)
            answer["id"] = order.get("id")
            answer.update(self.orders[order["op"]](order))
        except ReferenceFault as fault:
            answer["error"] = str(fault)
        except (KeyError, AttributeError, TypeError, ValueError):
            answer["error"] = "The order is not understood."
        except OSError as problem:
            answer["error"] = f"The system refuses: {problem.strerror}."
        try:
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            self.loop.ended = True

    # Waiting.

    def children_ended(self, ended: list[Child]) -> None:
        """Take in what has happened: who serves now, who has ended and is to be started again."""
        self.notice_news()
        for child in ended:
            self.spares = [spare for spare in self.spares if spare is not child]
            for client in self.clients.values():
                if client.child is child:
                    self.client_ended(client)

    def client_ended(self, client: Managed) -> None:
        """A client's process has ended or waits for work: the restart policy decides."""
        came_up = client.ready
        client.child, client.ready = None, False
        if client.options.restart_policy != "no" and not client.stopped_by_us and came_up:
            self.launch(client)

    def notice_news(self) -> None:
        """Note which clients have begun to serve, and which have ended and left a process to spare."""
        for client in self.clients.values():
            child = client.child
            if child is None or b"\n" not in child.told:
                continue
            client.ready = client.ready or child.serves or child.idle
            if child.idle:
                if len(self.spares) < MOST_SPARES:
                    self.spares.append(child)
                else:
                    child.dismiss()
                self.client_ended(client)

    # Orders.

    def network(self, order: dict[str, Any]) -> dict[str, Any]:
        """Start a network."""
        deviations = chosen(order)
        listener = listen("127.0.0.1", 0)
        port = listener.getsockname()[1]

        def work(ready: Ready) -> None:
            deviations.enter("network")
            run_network(listener, None, ready)

        child = fork(work, frozenset({listener.fileno()}))
        listener.close()
        self.loop.add(child)
        self.networks.append(child)
        self.loop.await_child(child)
        return {"url": f"http://127.0.0.1:{port}"}

    def start(self, order: dict[str, Any]) -> dict[str, Any]:
        """Make a client and start it."""
        given = dict(order.get("options") or {})
        deviations = taken_from(given)
        given = {"kdf": "light", **given, **chosen(deviations).options}
        options = Options.of(given)
        reserve = self.reserve_port(options.port)
        port = reserve.getsockname()[1]
        temporary = options.state_dir is None
        key = secrets.token_hex(4)
        state = str(self.folder / key) if temporary else options.state_dir
        options = replace(options, port=port, state_dir=state, synced=not temporary)
        url = f"{'http' if options.http else 'https'}://127.0.0.1:{port}"
        client = Managed(key, options, url, reserve, temporary, deviations)
        self.clients[key] = client
        try:
            self.launch(client)
            self.await_client(client)
        except ReferenceFault:
            self.discard({"client": key})
            raise
        return self.described(client)

    def ca(self, order: dict[str, Any]) -> dict[str, Any]:
        """Where the authority's certificate is."""
        return {"ca": str(self.certified().ca_file)}

    def kill(self, order: dict[str, Any]) -> dict[str, Any]:
        """Kill a client; it stays down."""
        return self.stop(self.clients[order["client"]], signal.SIGKILL)

    def term(self, order: dict[str, Any]) -> dict[str, Any]:
        """Ask a client to end; it stays down."""
        return self.stop(self.clients[order["client"]], signal.SIGTERM)

    def start_again(self, order: dict[str, Any]) -> dict[str, Any]:
        """Start a client again with its port and state; one that runs is ended first, as by a kill."""
        client = self.clients[order["client"]]
        self.stop(client, signal.SIGKILL)
        self.launch(client)
        self.await_client(client)
        return self.described(client)

    def status(self, order: dict[str, Any]) -> dict[str, Any]:
        """Whether a client serves."""
        client = self.clients[order["client"]]
        self.loop.turn(0)
        return {"running": client.running, "generation": client.generation}

    def wait(self, order: dict[str, Any]) -> dict[str, Any]:
        """Wait until a client's generation serves."""
        client, generation = self.clients[order["client"]], int(order["generation"])
        self.loop.until(lambda: client.running and client.generation >= generation, float(order["seconds"]))
        return {"running": client.running, "generation": client.generation}

    def discard(self, order: dict[str, Any]) -> dict[str, Any]:
        """End a client and forget its state."""
        client = self.clients[order["client"]]
        self.stop(client, signal.SIGTERM, DISCARD_SECONDS)
        del self.clients[client.key]
        client.reserve.close()
        if client.temporary and client.options.state_dir is not None:
            shutil.rmtree(client.options.state_dir, ignore_errors=True)
        return {}

    # Parts of orders.

    def described(self, client: Managed) -> dict[str, Any]:
        """What an order that starts a client answers."""
        pid = client.child.pid if client.child is not None else None
        return {
            "client": client.key,
            "url": client.url,
            "pid": pid,
            "generation": client.generation,
            "restart_policy": client.options.restart_policy,
        }

    def launch(self, client: Managed) -> None:
        """Begin a client's next process."""
        client.stopped_by_us, client.ready = False, False
        client.generation += 1
        order = pickle.dumps((client.options, client.deviations))
        if not self.spares:
            self.fork_spare()
        client.child = self.spares.pop()  # the one that worked last has least to load and to copy
        client.child.begin(order)

    def fork_spare(self) -> None:
        """Fork a process for a client to come."""
        tls = self.context()

        def work(order: bytes, ready: Ready) -> None:
            options, names = pickle.loads(order)
            deviations = chosen(names)
            deviations.enter("client")
            run_client(options, None if options.http else tls, ready)
            deviations.leave()

        spare = fork_ahead(work)
        self.loop.add(spare)
        self.spares.insert(0, spare)

    def await_client(self, client: Managed) -> None:
        """Wait until a client serves."""
        child = client.child
        if child is not None:
            self.loop.await_child(child)
            self.notice_news()

    def stop(self, client: Managed, number: int, patience: float = END_SECONDS) -> dict[str, Any]:
        """End a client with a signal and wait until it is gone."""
        client.stopped_by_us = True
        if client.child is not None:
            self.loop.stop(client.child, number, patience)
        return {}

    def certified(self) -> Authority:
        """The authority of all clients, made at first use."""
        if self.authority is None:
            self.authority = Authority(self.folder / "tls")
        return self.authority

    def context(self) -> ssl.SSLContext:
        """The TLS context of all clients."""
        if self.tls is None:
            self.tls = self.certified().context()
        return self.tls

    def reserve_port(self, wanted: int) -> socket.socket:
        """A bound socket that never listens: it keeps a port for one client, and connections are refused."""
        for port in [wanted] if wanted else random.sample(PORTS, 200):
            reserve = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                reserve.bind(("127.0.0.1", port))
            except OSError:
                reserve.close()
                continue
            # Only now: no other pool must be able to reserve the port too, but our own client to bind it.
            reserve.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            return reserve
        raise ReferenceFault("No port is free.", "End what uses them, or give another port.")

    def end(self) -> None:
        """End all children and delete what was written."""
        self.loop.end()
        shutil.rmtree(self.folder, ignore_errors=True)
