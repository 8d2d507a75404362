"""Takes requests' bodies in: within a size, a time and a room for all of them together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.types import Message, Receive

from pytest_wa_settings.reference.errors import Refusal

MAX_BODY = 8 * 1024 * 1024
STRANGERS_BODY = 64 * 1024
"""Bytes of a body that are taken from a caller who has shown no token: a login's, say."""
DRAINED = 64 * 1024 * 1024
"""How much of a body over the limit is still read, so that the caller gets to read the answer."""
DRAINED_FOR_STRANGERS = 256 * 1024
BODY_SECONDS = 60.0
MOST_BYTES = 96 * 1024 * 1024
"""Bytes of all bodies that are held at a time, unfinished or being worked on."""
MOST_UNFINISHED = 32
"""Bodies that may be on their way at a time."""
_CLOSE = (("connection", "close"),)


@dataclass
class _Body:
    """One body on its way; `taken` is how much of it is held."""

    most: int
    drained: int
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    taken: int = 0


class Intake:
    """The bodies of one client's requests."""

    def __init__(self) -> None:
        self.held = 0
        self.unfinished = 0
        self.seconds = BODY_SECONDS

    @asynccontextmanager
    async def body(self, receive: Receive, most: int, drained: int) -> AsyncIterator[bytes]:
        """A request's body, held until the caller is done with it.

        Refuses with 413 what has more than `most` bytes (after reading no more than `drained`), with 408 what
        does not come in time, and with 503 what there is no room for now.
        """
        body = _Body(most, drained)
        try:
            message = await receive()
            self._take(body, message)
            if message.get("more_body", False):
                await self._rest(body, receive)
            if body.size > most:
                raise Refusal(413, 1025, f"The body has more than {most} bytes.", headers=_CLOSE)
            yield b"".join(body.parts)
        finally:
            self.held -= body.taken

    async def _rest(self, body: _Body, receive: Receive) -> None:
        if self.unfinished >= MOST_UNFINISHED:
            raise _busy()
        self.unfinished += 1
        try:
            await asyncio.wait_for(self._read(body, receive), self.seconds)
        except asyncio.TimeoutError:
            raise Refusal(408, 1025, "The body did not come in time.", headers=_CLOSE) from None
        finally:
            self.unfinished -= 1

    async def _read(self, body: _Body, receive: Receive) -> None:
        more = True
        while more and body.size <= max(body.most, body.drained):
            message = await receive()
            self._take(body, message)
            more = message.get("more_body", False)

    def _take(self, body: _Body, message: Message) -> None:
        part = _bytes_of(message)
        body.size += len(part)
        if body.size > body.most:
            return
        if self.held + len(part) > MOST_BYTES:
            raise _busy()
        self.held += len(part)
        body.taken += len(part)
        body.parts.append(part)


def _bytes_of(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise ConnectionResetError
    found: bytes = message.get("body", b"")
    return found


def _busy() -> Refusal:
    headers = (("retry-after", "1"), *_CLOSE)
    return Refusal(503, 1016, "Too many bodies are on their way.", headers=headers)
