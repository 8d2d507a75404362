"""Which client it is, however it is reached: its number, its certificate's key."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import httpx

from pytest_wa_settings.wire.addresses import host_of

if TYPE_CHECKING:
    from pytest_wa_settings.testbed.client import Client

_THIS_MACHINE = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::")


@dataclass(frozen=True)
class Identity:
    """What tells a client from others; None where it is not known.

    Attributes:
        place: host, port and path prefix of its address. number: its business number, as digits.
        key: "sha256:..." of the public key in its certificate.
    """

    place: str
    number: str | None = None
    key: str | None = None

    def is_of(self, other: Identity) -> bool | None:
        """Whether both are one client; None where that cannot be told.

        Emulators may share a sample number: then the certificate's key decides, and without one, as over
        plain HTTP, nothing does but the address.
        """
        if self.number and other.number and self.number != other.number:
            return False
        if self.place == other.place:
            return True
        if self.key and other.key:
            return self.key == other.key
        return None if self.number and other.number else False

    def as_plain(self) -> dict[str, Any]:
        """The identity as JSON can carry it."""
        return asdict(self)


def identity_of(client: Client) -> Identity:
    """The identity of a client that can be asked for its number."""
    return Identity(place_of(client.driver.base_url), client.number(), _key(client.driver.peer_certificate))


def place_of(url: str) -> str:
    """Host, port and path: where a client is, however its address is written."""
    parts = httpx.URL(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = host_of(parts).rstrip(".").lower()
    return f"{'127.0.0.1' if host in _THIS_MACHINE else host}:{port}{parts.path.rstrip('/')}"


def _key(certificate: bytes | None) -> str | None:
    if certificate is None:
        return None
    from cryptography import x509  # slow to import: only where a client is changed or looked at
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
        content = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except ValueError:
        content = certificate
    return "sha256:" + hashlib.sha256(content).hexdigest()
