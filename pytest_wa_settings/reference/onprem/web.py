"""The role `web`: the HTTP API for users, which takes calls to the coreapps that they are for."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import httpx
from starlette.types import Receive, Scope, Send

from pytest_wa_settings.reference.client import HttpServer, Parts, listen
from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.errors import Refusal, not_ready
from pytest_wa_settings.reference.http import Call, Handler, Operation, Reply
from pytest_wa_settings.reference.logs import Log, quiet_server
from pytest_wa_settings.reference.messages import wa_id
from pytest_wa_settings.reference.network import Network
from pytest_wa_settings.reference.networkapp import NetworkApp
from pytest_wa_settings.reference.onprem.cluster import Cluster, View
from pytest_wa_settings.reference.onprem.cluster import Node as ClusterNode
from pytest_wa_settings.reference.onprem.core import shard_of
from pytest_wa_settings.reference.onprem.environment import Environment
from pytest_wa_settings.reference.onprem.postgres import PostgresStore
from pytest_wa_settings.reference.operations import Node, Operations
from pytest_wa_settings.reference.tls import NAMES, Authority
from pytest_wa_settings.reference.webapp import Endpoint, Webapp

MESSAGING, CONTACTS, CONTROL = range(3)
CONNECT_SECONDS, ANSWER_SECONDS = 2.0, 60.0
PASSED_ON = ("authorization", "content-type", "host")
PASSED_BACK = ("www-authenticate", "retry-after", "allow")
OWN_PATHS = ("/v1/users", "/v1/health", "/v1/support")


class AnswerLost(Exception):
    """A coreapp took a request and went away: what has become of it is not known, so nothing is answered."""


class Front(Coreapp):
    """What a web knows of the app that others run."""

    cluster: Cluster

    def status(self) -> str:
        """The gateway status of a single setup."""
        view = self.cluster.view()
        node = view.primary or next(reversed(view.nodes), None)
        return "disconnected" if node is None else view.status(node)


class FrontOperations(Operations):
    """Health and support with the nodes that there are."""

    coreapp: Front

    def nodes(self) -> list[Node]:
        """All nodes, dead ones too."""
        view = self.coreapp.cluster.view()
        return [
            Node(node.name, view.role(node), self.owned(view, node), view.status(node)) for node in view.nodes
        ]

    def owned(self, view: View, node: ClusterNode) -> list[list[int]]:
        """What a node owns: the account itself (-1) goes with the only shard, or with the primary master."""
        owned = [[node.shard, node.shard]] if node.shard is not None else []
        holder = node.shard == 0 if view.shards == 1 else node.primary
        return [[-1, -1], *owned] if holder else owned


class Forwarder:
    """Takes a call to a coreapp and brings its answer back."""

    def __init__(self, front: Front, wacore: str | None) -> None:
        self.front = front
        self.wacore = wacore
        self.http = httpx.AsyncClient(
            trust_env=False,
            verify=False,
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=None),
        )

    def handler(self, operation: Operation) -> Handler:
        """What a web does for an operation of the coreapps."""

        async def handle(call: Call) -> Reply:
            return await self.forward(call, self.place(operation, call))

        return handle

    def place(self, operation: Operation, call: Call) -> str:
        """Where a call goes; a refusal where nobody could take it."""
        view = self.front.cluster.view()
        if not view.ready:
            raise not_ready("The coreapps are not ready.")
        port, node = CONTROL, view.primary
        if operation.path == "/v1/contacts":
            port, node = CONTACTS, view.owner(0)
        elif operation.path.startswith("/v1/messages"):
            port, node = MESSAGING, view.owner(self.shard(call, view.shards))
        if node is None:
            raise not_ready("The coreapps are not ready.")
        return f"http://{self.wacore or node.host}:{node.ports[port]}"

    def shard(self, call: Call, shards: int) -> int:
        """The shard of a message's recipient; of what names none, the first: its owner refuses it."""
        try:
            recipient = call.object().get("to") if call.method == "POST" else None
        except Refusal:
            recipient = None
        number = wa_id(recipient) if isinstance(recipient, str) else None
        return 0 if number is None else shard_of(number, shards)

    async def forward(self, call: Call, place: str) -> Reply:
        """The answer of the coreapp at a place."""
        method = "GET" if call.method == "HEAD" else call.method
        headers = {name: call.headers[name] for name in PASSED_ON if name in call.headers}
        try:
            answer = await self.http.request(
                method, f"{place}{call.target}", headers=headers, content=call.body
            )
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise not_ready("A coreapp does not answer.") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            if method == "GET":
                raise not_ready("A coreapp did not answer.") from None
            raise AnswerLost from None
        back = tuple((name, answer.headers[name]) for name in PASSED_BACK if name in answer.headers)
        kind = answer.headers.get("content-type", "application/json")
        return Reply(content=answer.content, status=answer.status_code, media_type=kind, headers=back)

    async def close(self) -> None:
        """Let the connections go."""
        await self.http.aclose()


class FrontEndpoint(Endpoint):
    """One path of a web: hangs up where it cannot say what has happened."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # uvicorn's request holds the connection.
        await super().__call__({**scope, "wa.request": getattr(send, "__self__", None)}, receive, send)

    async def answer(self, scope: Scope, receive: Receive) -> Reply:
        """The reply to one request, or a refusal."""
        try:
            return await super().answer(scope, receive)
        except AnswerLost:
            scope["wa.request"].transport.abort()
            raise ConnectionResetError from None


class FrontWebapp(Webapp):
    """The API of a web."""

    def endpoint(self, path: str, operations: dict[str, Operation]) -> Endpoint:
        """What answers on one path."""
        return FrontEndpoint(self, path, operations)


class WebParts(Parts):
    """All objects of one web."""

    coreapp_class = Front
    coreapp: Front

    def answered(self, forwarder: Forwarder) -> Iterable[Operation]:
        """Everything that the API answers: users, health and support here, all else by the coreapps."""
        for operation in self.operations():
            if not operation.path.startswith(OWN_PATHS):
                yield replace(operation, handler=forwarder.handler(operation))
            elif operation.path.startswith("/v1/users"):
                yield operation
        yield from FrontOperations(self.coreapp).operations()


async def serve_web(environment: Environment, port: int, network_port: int) -> None:
    """Run a web until it is asked to end, with a simulated network where the environment names none."""
    log = Log(environment.options.log_level, node=environment.hostname)
    quiet_server(log)
    folder = Path(environment.options.state_dir or ".")
    store = PostgresStore(environment.database, folder, lasting=True)
    own = None
    if environment.options.network is None:
        own = NetworkApp(Network(folder / "network.json"))
        store.put("network", f"http://{environment.hostname}:{network_port}")
    options = replace(environment.options, network=environment.options.network or "http://localhost")
    parts = WebParts(options, log, store)
    parts.coreapp.cluster = Cluster(store)
    await parts.users.prepare()
    forwarder = Forwarder(parts.coreapp, None if environment.multiconnect else environment.wacore)
    webapp = FrontWebapp(parts.coreapp, parts.responder, parts.guard, parts.answered(forwarder), log)
    names = tuple(dict.fromkeys((*NAMES, environment.hostname)))
    server = HttpServer(webapp, parts.tls(Authority(folder / "tls", names).context()))
    left = parts.coreapp.left
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, left.set)
    work = [server.run_until(listen(options.host, port), left, lambda: None)]
    if own is not None:
        network = HttpServer(own, None, patience=0)
        work.append(network.run_until(listen(options.host, network_port), left, lambda: None))
    log.info("serving", role="web")
    await asyncio.gather(*work)
    await forwarder.close()
    await parts.close()
