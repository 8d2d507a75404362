"""The network over plain HTTP on loopback: the clients' side under /wa, the consumer view under /contacts."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from pytest_wa_settings.reference.network import Network, NetworkRefusal

MAX_BODY = 1 << 20
LONGEST_WAIT = 60.0
Handler = Callable[[Request, dict[str, Any]], Awaitable[object]]


class NetworkApp:
    """Serves one network as an ASGI application."""

    def __init__(self, network: Network) -> None:
        self.network = network
        wa: list[tuple[str, str, Handler]] = [
            ("POST", "/wa/codes", self.request_code),
            ("GET", "/wa/codes/{number}", self.read_code),
            ("POST", "/wa/verify", self.verify),
            ("POST", "/wa/register", self.register),
            ("POST", "/wa/attach", self.attach),
            ("PUT", "/wa/pin", self.set_pin),
            ("POST", "/wa/messages", self.send),
            ("POST", "/wa/receipts", self.receipt),
            ("GET", "/wa/events", self.events),
            ("GET", "/contacts/{wa_id}", self.view),
            ("PUT", "/contacts/{wa_id}", self.set_contact),
            ("POST", "/contacts/{wa_id}/messages", self.write),
        ]
        routes = [Route(path, self._endpoint(handler), methods=[method]) for method, path, handler in wa]
        self.router = Router(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.router(scope, receive, send)

    def _endpoint(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                answer = await handler(request, await self._body(request))
                if request.method != "GET":
                    self.network.save()
                return JSONResponse(answer)
            except NetworkRefusal as refusal:
                return JSONResponse({"error": refusal.problem}, refusal.status)
            except (KeyError, TypeError, ValueError, RecursionError):
                return JSONResponse({"error": "the request lacks something or has it in a wrong type"}, 400)

        return endpoint

    @staticmethod
    async def _body(request: Request) -> dict[str, Any]:
        raw = b""
        async for part in request.stream():
            raw += part
            if len(raw) > MAX_BODY:
                raise NetworkRefusal(413, "body too large")
        body = json.loads(raw) if raw else {}
        if not isinstance(body, dict):
            raise TypeError
        for value in body.values():
            if isinstance(value, str):
                value.encode("utf-8")
        return body

    async def request_code(self, request: Request, body: dict[str, Any]) -> object:
        """Send a registration code."""
        self.network.request_code(str(body["number"]), body.get("pin"))
        return {}

    async def read_code(self, request: Request, body: dict[str, Any]) -> object:
        """The code that the number's phone has received."""
        return {"code": self.network.code_for(request.path_params["number"])}

    async def verify(self, request: Request, body: dict[str, Any]) -> object:
        """Check a registration code."""
        self.network.verify(body["number"], body["code"])
        return {}

    async def register(self, request: Request, body: dict[str, Any]) -> object:
        """Give a number to a session."""
        self.network.register(
            str(body["number"]), str(body["session"]), str(body["identity"]), body.get("pin")
        )
        return {"live": True}

    async def attach(self, request: Request, body: dict[str, Any]) -> object:
        """Whether a session holds its number."""
        return {"live": self.network.attach(body["number"], body["session"], body["identity"])}

    async def set_pin(self, request: Request, body: dict[str, Any]) -> object:
        """Switch two-step verification."""
        return {"live": self.network.set_pin(body["number"], body["session"], body["pin"])}

    async def send(self, request: Request, body: dict[str, Any]) -> object:
        """Bring a message to a contact."""
        live = self.network.send(body["number"], body["session"], body["id"], body["to"], body["text"])
        return {"live": live}

    async def receipt(self, request: Request, body: dict[str, Any]) -> object:
        """Show a contact that its message was read."""
        return {"live": self.network.receipt(body["number"], body["session"], body["id"], body["to"])}

    async def events(self, request: Request, body: dict[str, Any]) -> object:
        """What happened to a number, by long poll."""
        asked = request.query_params
        seconds = min(float(asked.get("wait", "0")), LONGEST_WAIT)
        events = await self.network.wait(asked["number"], asked["session"], int(asked["after"]), seconds)
        return {"live": events is not None, "events": events or []}

    async def view(self, request: Request, body: dict[str, Any]) -> object:
        """What a contact's phone shows."""
        return self.network.view(request.path_params["wa_id"], request.query_params.get("business"))

    async def set_contact(self, request: Request, body: dict[str, Any]) -> object:
        """Change a contact's preferences."""
        wanted = body["security_notifications"]
        if not isinstance(wanted, bool):
            raise TypeError
        self.network.set_notifications(request.path_params["wa_id"], wanted)
        return {}

    async def write(self, request: Request, body: dict[str, Any]) -> object:
        """Let a contact write to a business."""
        text = body["text"]
        if not isinstance(text, str):
            raise TypeError
        business = request.query_params.get("business")
        return {"id": self.network.write(request.path_params["wa_id"], business, text)}
