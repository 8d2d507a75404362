"""The client's line to WhatsApp: what a registration can ask of the network."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import anyio
import h11

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
POLL_SECONDS = 25.0
PIECE = 2**16


class LinkDown(Exception):
    """The network cannot be reached, or does not answer as it should."""


class LinkRefused(Exception):
    """The network says no: a wrong code or pin, most likely."""


@dataclass(frozen=True)
class Seat:
    """A number and the session and identity under which this client holds it."""

    number: str
    session: str
    identity: str
    pin: str | None


class Link:
    """Speaks to one network over plain HTTP, each time over a connection of its own.

    With h11 instead of httpx, which this package has too: a client that has just been forked asks once or
    twice, and would spend half of its start on the first request of an httpx client.
    """

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self.host, self.port, self.netloc = address.hostname or "", address.port or 80, address.netloc

    async def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, seconds: float = ANSWER_SECONDS
    ) -> dict[str, Any]:
        """The network's answer to one request."""
        try:
            # Not wait_for, which forgets that it was cancelled when its answer comes at the same time.
            with anyio.fail_after(seconds):
                status, content = await self.exchange(method, path, body)
            if status == 403:
                raise LinkRefused
            answer = json.loads(content)
        except (OSError, h11.RemoteProtocolError, ValueError) as problem:
            raise LinkDown(type(problem).__name__) from None
        if status != 200 or not isinstance(answer, dict):
            raise LinkDown(f"answer {status}")
        return answer

    async def exchange(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, bytes]:
        """Status and content of the answer to one request."""
        http = h11.Connection(h11.CLIENT)
        content = b"" if body is None else json.dumps(body).encode()
        headers = [
            ("Host", self.netloc),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(content))),
            ("Connection", "close"),
        ]
        parts = (
            h11.Request(method=method, target=path, headers=headers),
            h11.Data(content),
            h11.EndOfMessage(),
        )
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            for part in parts:
                writer.write(http.send(part) or b"")
            status, received = 0, b""
            while not isinstance(event := http.next_event(), h11.EndOfMessage | h11.ConnectionClosed):
                if event is h11.NEED_DATA:
                    http.receive_data(await reader.read(PIECE))
                elif isinstance(event, h11.Response):
                    status = event.status_code
                elif isinstance(event, h11.Data):
                    received += event.data
            return status, received
        finally:
            writer.close()

    async def request_code(self, number: str, pin: str | None) -> None:
        """Have a registration code sent to the number's phone."""
        await self.ask("POST", "/wa/codes", {"number": number, "pin": pin})

    async def verify(self, number: str, code: str) -> None:
        """Prove with the code that the number is ours."""
        await self.ask("POST", "/wa/verify", {"number": number, "code": code})

    async def register(self, seat: Seat) -> bool:
        """Take the number over to this session."""
        body = {"number": seat.number, "session": seat.session, "identity": seat.identity, "pin": seat.pin}
        return bool((await self.ask("POST", "/wa/register", body, CONNECT_SECONDS)).get("live"))

    async def attach(self, seat: Seat) -> bool:
        """Whether this session still holds the number."""
        body = {"number": seat.number, "session": seat.session, "identity": seat.identity}
        return bool((await self.ask("POST", "/wa/attach", body, CONNECT_SECONDS)).get("live"))

    async def set_pin(self, seat: Seat, pin: str | None) -> bool:
        """Switch two-step verification; False when the number was lost."""
        body = {"number": seat.number, "session": seat.session, "pin": pin}
        return bool((await self.ask("PUT", "/wa/pin", body)).get("live"))

    async def deliver(self, seat: Seat, item: dict[str, Any]) -> bool:
        """Hand over a message or a read receipt; False when the number was lost."""
        path = "/wa/receipts" if item["kind"] == "receipt" else "/wa/messages"
        body = {**item, "number": seat.number, "session": seat.session}
        return bool((await self.ask("POST", path, body)).get("live"))

    async def events(self, seat: Seat, after: int) -> list[dict[str, Any]] | None:
        """What happened after `after`, waiting for something to happen; None when the number was lost."""
        asked = {"number": seat.number, "session": seat.session, "after": after, "wait": POLL_SECONDS}
        body = await self.ask("GET", f"/wa/events?{urlencode(asked)}", seconds=POLL_SECONDS + ANSWER_SECONDS)
        return body["events"] if body.get("live") else None
