"""The certificates endpoints: the client's own for its API, and the authority of the webhook's."""

from __future__ import annotations

import re
import ssl
from typing import Any

from cryptography import x509

from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.errors import invalid, missing
from pytest_wa_settings.reference.http import NOTHING, Call, Operation, Reply
from pytest_wa_settings.reference.tls import uploaded_context

MAX_PEM = 256 * 1024
CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
WEBHOOK_CA = "/v1/certificates/webhooks/ca"


class Certificates:
    """Keeps certificates; the API's own takes effect when the client starts again."""

    def __init__(self, coreapp: Coreapp) -> None:
        self.coreapp = coreapp
        self.store = coreapp.store

    def operations(self) -> list[Operation]:
        """What this room answers."""
        return [
            Operation("POST", "/v1/certificates/external", "admin", self.set_external),
            Operation("GET", "/v1/certificates/external/ca", "admin", self.read_external_ca),
            Operation("POST", WEBHOOK_CA, "admin", self.set_webhook_ca),
            Operation("GET", WEBHOOK_CA, "admin", self.read_webhook_ca),
            Operation("DELETE", WEBHOOK_CA, "admin", self.drop_webhook_ca),
        ]

    def keep(self, **members: Any) -> None:
        """Change the certificates; None takes one away."""
        kept = {**self.store.get("certificates", {}), **members}
        self.store.put("certificates", {name: value for name, value in kept.items() if value is not None})

    def pem(self, call: Call) -> str:
        """The body as PEM text with certificates that can be read."""
        if not call.body.strip():
            raise missing("certificate")
        if len(call.body) > MAX_PEM:
            raise invalid("certificate", f"must have {MAX_PEM} bytes at most")
        try:
            text = call.body.decode("ascii")
            x509.load_pem_x509_certificates(call.body)
        except ValueError:
            raise invalid("certificate", "cannot be read as PEM") from None
        return text

    def shown(self, pem: str | None) -> Reply:
        """A certificate, or 404 without a body where there is none."""
        if pem is None:
            return Reply(content=b"", status=404, media_type="text/plain")
        return Reply(content=pem.encode("ascii"), media_type="text/plain")

    async def set_external(self, call: Call) -> Reply:
        """Keep the API's own key, certificate and intermediates."""
        text = self.pem(call)
        chain = CERTIFICATE.findall(text)
        if len(chain) < 2:
            raise invalid("certificate", "needs an intermediate certificate too")
        try:
            uploaded_context(text)
        except (ssl.SSLError, ValueError):
            raise invalid("certificate", "does not fit its key") from None
        self.keep(external=text, external_ca=f"{chain[-1]}\n")
        return Reply(NOTHING)

    async def read_external_ca(self, call: Call) -> Reply:
        """The last certificate of the chain."""
        return self.shown(self.store.get("certificates", {}).get("external_ca"))

    async def set_webhook_ca(self, call: Call) -> Reply:
        """Trust an authority for webhooks."""
        self.keep(webhooks_ca=self.pem(call))
        self.coreapp.traffic.webhook_changed()
        return Reply(NOTHING)

    async def read_webhook_ca(self, call: Call) -> Reply:
        """The authority that is trusted for webhooks."""
        return self.shown(self.store.get("certificates", {}).get("webhooks_ca"))

    async def drop_webhook_ca(self, call: Call) -> Reply:
        """Trust the system's authorities only."""
        self.keep(webhooks_ca=None)
        return Reply(NOTHING)
