"""TLS towards a client: which certificates are trusted, and what a failed handshake means in plain words."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import certifi

from .errors import WireError


@dataclass(frozen=True)
class Tls:
    """How a client proves who it is (api 7.2: HTTPS only, self-signed by default).

    `verify` False takes any certificate; `ca` is a PEM file of the only authorities to trust; `client_cert`
    is a PEM file with the suite's own certificate and key.
    """

    verify: bool = True
    ca: Path | None = None
    client_cert: Path | None = None

    def curl_options(self) -> tuple[str, ...]:
        """The options that make curl trust what this trusts."""
        options: list[str] = []
        if not self.verify:
            options.append("-k")
        elif self.ca is not None:
            options += ["--cacert", str(self.ca)]
        if self.client_cert is not None:
            options += ["--cert", str(self.client_cert)]
        return tuple(options)


def context_for(tls: Tls) -> ssl.SSLContext:
    """The SSL context for `tls`, shared by all drivers while its files stay as they are; raises WireError."""
    return _context(tls, _stamp(tls.ca), _stamp(tls.client_cert))


def default_context() -> ssl.SSLContext:
    """Python's default context for a client, also where SSLKEYLOGFILE names what cannot be written."""
    try:
        return ssl.create_default_context()
    except OSError:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_default_certs()
        return context


def _stamp(path: Path | None) -> tuple[int, int] | None:
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=32)
def _context(tls: Tls, ca_stamp: object, cert_stamp: object) -> ssl.SSLContext:
    context = default_context()
    # as from Python 3.13, and as curl does: a client's own certificate may be its authority
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # Python 3.13 began to refuse certificates that lack optional extensions: judge alike on every Python.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    context.set_alpn_protocols(["http/1.1"])
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif tls.ca is not None:
        context = _only_this_authority(context, tls.ca)
    else:
        context.load_verify_locations(certifi.where())
    if tls.client_cert is not None:
        _load_client_certificate(context, tls.client_cert)
    return context


def _only_this_authority(default: ssl.SSLContext, ca: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags = default.verify_flags
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_verify_locations(cafile=str(ca))
    except (OSError, ValueError) as error:
        why = "holds no PEM certificate" if isinstance(error, ssl.SSLError) else _reason(error)
        raise WireError(
            f"the CA file {ca} {why}",
            "name a PEM file with the client's certificate authority, or its own certificate",
        ) from None
    return context


def _load_client_certificate(context: ssl.SSLContext, path: Path) -> None:
    try:
        # A password function keeps OpenSSL from asking on the terminal.
        context.load_cert_chain(str(path), password=lambda: "")
    except (OSError, ValueError) as error:
        why = (
            "holds no unencrypted certificate and key" if isinstance(error, ssl.SSLError) else _reason(error)
        )
        raise WireError(
            f"the client certificate {path} {why}",
            "name a PEM file that holds the certificate and its unencrypted key",
        ) from None


def _reason(error: Exception) -> str:
    return f"cannot be read ({getattr(error, 'strerror', None) or type(error).__name__})"


_VERIFY_CODES = {
    9: "the certificate is not valid yet (is a clock wrong?)",
    10: "the certificate has expired",
    18: "the certificate is self-signed and not trusted (name it as CA, or turn verification off)",
    19: "the certificate's authority is not trusted (name its CA, or turn verification off)",
    20: "the certificate's authority is unknown (name its CA, or turn verification off)",
    21: "the certificate's authority is unknown (name its CA, or turn verification off)",
    23: "the certificate was revoked",
    62: "the certificate is for another host name",
    64: "the certificate is for another IP address",
}

_REASONS = (
    ("WRONG_VERSION_NUMBER", "what answers there does not speak TLS (plain HTTP on this port?)"),
    ("HTTP_REQUEST", "what answers there does not speak TLS (plain HTTP on this port?)"),
    ("PACKET_LENGTH_TOO_LONG", "what answers there does not speak TLS (plain HTTP on this port?)"),
    ("RECORD_LAYER_FAILURE", "what answers there does not speak TLS (plain HTTP on this port?)"),
    ("UNKNOWN_PROTOCOL", "what answers there does not speak TLS (plain HTTP on this port?)"),
    ("UNSUPPORTED_PROTOCOL", "the server offers only versions older than TLS 1.2"),
    ("ALERT_PROTOCOL_VERSION", "the server offers no common TLS version (1.2 or newer is needed)"),
    ("NO_APPLICATION_PROTOCOL", "the server does not speak HTTP/1.1 (HTTP/2 only?)"),
    ("CERTIFICATE_REQUIRED", "the server asks for a client certificate"),
    ("ALERT_BAD_CERTIFICATE", "the server refuses the client certificate"),
    ("ALERT_UNKNOWN_CA", "the server does not trust the client certificate"),
    ("HANDSHAKE_FAILURE", "no common cipher, or a client certificate is asked for"),
    ("NO_SHARED_CIPHER", "no common cipher"),
    ("DH_KEY_TOO_SMALL", "the server's key is too weak"),
    ("EE_KEY_TOO_SMALL", "the server's key is too weak"),
    ("CA_MD_TOO_WEAK", "the certificate is signed with a weak digest"),
    ("UNRECOGNIZED_NAME", "the server does not know this host name"),
    ("EOF", "the server closed the connection during the handshake"),
)


def explain(error: ssl.SSLError) -> str:
    """What a failed handshake means, in words that name the cause and no value from the wire."""
    if isinstance(error, ssl.SSLCertVerificationError):
        known = _VERIFY_CODES.get(error.verify_code)
        return known or f"the certificate is not accepted (code {error.verify_code})"
    reason = (error.reason or str(error) or type(error).__name__).upper().replace(" ", "_")
    for part, meaning in _REASONS:
        if part in reason:
            return meaning
    return f"the handshake failed ({reason.lower().replace('_', ' ')[:80]})"
