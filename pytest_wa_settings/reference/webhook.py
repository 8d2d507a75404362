"""Delivers callbacks to the business's webhook over verified TLS."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Any

import httpx

from pytest_wa_settings.reference.store import Store

ANSWER_SECONDS = 10.0


def reason(problem: BaseException) -> str:
    """Why a callback was not delivered, in words that hold nothing of what it or its address carries."""
    for cause in causes(problem):
        if isinstance(cause, ssl.SSLCertVerificationError):
            said = getattr(cause, "verify_message", "unknown reason").partition(",")[0]
            return f"its certificate is not trusted: {said.lower()}"
        if isinstance(cause, ssl.SSLError):
            said = getattr(cause, "reason", None) or "unknown reason"
            return f"no TLS connection: {said.replace('_', ' ').lower()}"
        if isinstance(cause, httpx.TimeoutException | TimeoutError):
            return f"no answer within {ANSWER_SECONDS:g} s"
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        if isinstance(cause, socket.gaierror):
            return "there is no host of that name"
    return f"no connection ({type(problem).__name__})"


def causes(problem: BaseException) -> Iterator[BaseException]:
    """A problem and all that it came from, the inmost last."""
    yield problem
    for inner in (problem.__cause__ or problem.__context__, *getattr(problem, "exceptions", ())):
        if inner is not None:
            yield from causes(inner)


class Webhook:
    """Posts callbacks; trusts the system's authorities and the one uploaded for webhooks."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.http: httpx.AsyncClient | None = None
        self.trusted: str | None = None

    async def send(self, url: str, payload: dict[str, Any]) -> str | None:
        """None where the webhook took a callback (any 2xx), else why it did not."""
        try:
            answer = await (await self.client()).post(url, json=payload)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as problem:
            return reason(problem)
        return None if answer.is_success else f"it answers {answer.status_code}"

    async def client(self) -> httpx.AsyncClient:
        """The HTTP client, made anew when another authority was uploaded."""
        ca = self.store.get("certificates", {}).get("webhooks_ca")
        if self.http is None or ca != self.trusted:
            await self.close()
            self.http = httpx.AsyncClient(
                verify=self.trust(ca), trust_env=False, timeout=ANSWER_SECONDS, follow_redirects=False
            )
            self.trusted = ca
        return self.http

    def trust(self, ca: str | None) -> ssl.SSLContext:
        """A context that verifies against the system's authorities and `ca` (PEM)."""
        # not Python's default one, which cannot be made where SSLKEYLOGFILE names what cannot be written
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_default_certs()
        if ca is not None:
            context.load_verify_locations(cadata=ca)
        return context

    async def close(self) -> None:
        """Let the connections go."""
        if self.http is not None:
            await self.http.aclose()
            self.http = None
