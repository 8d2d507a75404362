"""Delivers callbacks to the business's webhook over verified TLS."""

from __future__ import annotations

import ssl
from typing import Any

import httpx

from pytest_wa_settings.reference.store import Store

ANSWER_SECONDS = 10.0


class Webhook:
    """Posts callbacks; trusts the system's authorities and the one uploaded for webhooks."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.http: httpx.AsyncClient | None = None
        self.trusted: str | None = None

    async def send(self, url: str, payload: dict[str, Any]) -> bool:
        """Whether the webhook took a callback: any 2xx."""
        try:
            answer = await (await self.client()).post(url, json=payload)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError):
            return False
        return answer.is_success

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
        context = ssl.create_default_context()
        if ca is not None:
            context.load_verify_locations(cadata=ca)
        return context

    async def close(self) -> None:
        """Let the connections go."""
        if self.http is not None:
            await self.http.aclose()
            self.http = None
