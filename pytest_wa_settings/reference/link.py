"""The client's line to WhatsApp: what a registration can ask of the network."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

import httpx

ANSWER_SECONDS = 5.0
POLL_SECONDS = 25.0
# Never used on plain HTTP, but httpx makes one for each of its clients when it is given none: 10 ms a start.
UNUSED_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


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
    """Speaks to one network over plain HTTP on loopback."""

    def __init__(self, url: str) -> None:
        self.http = httpx.AsyncClient(
            base_url=url, trust_env=False, verify=UNUSED_TLS, timeout=httpx.Timeout(ANSWER_SECONDS)
        )

    async def close(self) -> None:
        """Hang up."""
        await self.http.aclose()

    async def ask(self, method: str, path: str, **kwargs: Any) -> dict[str, Any]:
        """The network's answer to one request."""
        try:
            answer = await self.http.request(method, path, **kwargs)
            if answer.status_code == 403:
                raise LinkRefused
            answer.raise_for_status()
            body = answer.json()
        except (httpx.HTTPError, ValueError) as problem:
            raise LinkDown(type(problem).__name__) from None
        if not isinstance(body, dict):
            raise LinkDown("answer")
        return body

    async def request_code(self, number: str, pin: str | None) -> None:
        """Have a registration code sent to the number's phone."""
        await self.ask("POST", "/wa/codes", json={"number": number, "pin": pin})

    async def verify(self, number: str, code: str) -> None:
        """Prove with the code that the number is ours."""
        await self.ask("POST", "/wa/verify", json={"number": number, "code": code})

    async def register(self, seat: Seat) -> bool:
        """Take the number over to this session."""
        body = {"number": seat.number, "session": seat.session, "identity": seat.identity, "pin": seat.pin}
        return bool((await self.ask("POST", "/wa/register", json=body)).get("live"))

    async def attach(self, seat: Seat) -> bool:
        """Whether this session still holds the number."""
        body = {"number": seat.number, "session": seat.session, "identity": seat.identity}
        return bool((await self.ask("POST", "/wa/attach", json=body)).get("live"))

    async def set_pin(self, seat: Seat, pin: str | None) -> bool:
        """Switch two-step verification; False when the number was lost."""
        body = {"number": seat.number, "session": seat.session, "pin": pin}
        return bool((await self.ask("PUT", "/wa/pin", json=body)).get("live"))

    async def deliver(self, seat: Seat, item: dict[str, Any]) -> bool:
        """Hand over a message or a read receipt; False when the number was lost."""
        path = "/wa/receipts" if item["kind"] == "receipt" else "/wa/messages"
        body = {**item, "number": seat.number, "session": seat.session}
        return bool((await self.ask("POST", path, json=body)).get("live"))

    async def events(self, seat: Seat, after: int) -> list[dict[str, Any]] | None:
        """What happened after `after`, waiting for something to happen; None when the number was lost."""
        asked = {"number": seat.number, "session": seat.session, "after": after, "wait": POLL_SECONDS}
        body = await self.ask("GET", "/wa/events", params=asked, timeout=POLL_SECONDS + ANSWER_SECONDS)
        return body["events"] if body.get("live") else None
