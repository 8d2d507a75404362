"""The certificate that a client makes itself, and the one that its operator uploads."""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path

import trustme

NAMES = ("localhost", "127.0.0.1", "::1")


class Authority:
    """An own CA with one server certificate (ECDSA), kept as PEM files in a folder."""

    def __init__(self, folder: Path, names: tuple[str, ...] = NAMES) -> None:
        self.ca_file = folder / "ca.pem"
        self.chain_file = folder / "server.pem"
        if not (self.ca_file.exists() and self.chain_file.exists()):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._make(names)

    def _make(self, names: tuple[str, ...]) -> None:
        ca = trustme.CA(organization_name="pytest-wa-settings reference", key_type=trustme.KeyType.ECDSA)
        leaf = ca.issue_cert(*names, key_type=trustme.KeyType.ECDSA)
        self.chain_file.unlink(missing_ok=True)  # half of a pair, or a link laid in its place
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(self.chain_file, flags, 0o600), "wb") as file:
            file.write(leaf.private_key_and_cert_chain_pem.bytes())
        ca.cert_pem.write_to_path(str(self.ca_file))

    def context(self) -> ssl.SSLContext:
        """A server context that shows the certificate."""
        context = server_context()
        context.load_cert_chain(self.chain_file)
        return context


def server_context() -> ssl.SSLContext:
    """A server context without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.num_tickets = 0  # nothing resumes a session, and each ticket costs a handshake's tenth
    return context


def uploaded_context(pem: str) -> ssl.SSLContext:
    """A server context for an uploaded key with its certificates; an ssl.SSLError where they do not fit."""
    context = server_context()
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # created with mode 0600
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name, password=lambda: b"")
    return context
