"""Clients whose TLS is broken in one way each."""

from __future__ import annotations

import socket
import ssl
import warnings
from datetime import datetime, timedelta, timezone
from typing import Any

import trustme

from .core import Core
from .stage import Stage, hostile, plain, reset, server_context

LONG_AGO = datetime(2001, 1, 1, tzinfo=timezone.utc)


def secure(stage: Stage, context: ssl.SSLContext) -> str:
    """The address of a client that would do everything right behind this context."""
    return stage.port(Core(), context).url


@hostile(r"expired")
def certificate_expired(stage: Stage) -> str:
    """It ran out years ago."""
    return secure(
        stage, server_context(stage.authority(), not_before=LONG_AGO, not_after=LONG_AGO + timedelta(9))
    )


@hostile(r"not yet valid|not valid yet")
def certificate_not_yet_valid(stage: Stage) -> str:
    """It begins in some years (or the clock of this machine is behind)."""
    soon = datetime.now(timezone.utc) + timedelta(days=3000)
    return secure(stage, server_context(stage.authority(), not_before=soon, not_after=soon + timedelta(9)))


@hostile(r"certificate.*(name|host|for|127\.0\.0\.1)")
def certificate_of_another_host(stage: Stage) -> str:
    """It names another host."""
    return secure(stage, server_context(stage.authority(), "wa.example.org"))


@hostile(r"--wa-ca|--wa-insecure")
def certificate_self_signed(stage: Stage) -> str:
    """No authority that the run knows has signed it, and none was given."""
    return secure(stage, server_context(trustme.CA()))


@hostile(r"--wa-ca|authority|not signed|unknown")
def certificate_of_another_authority(stage: Stage) -> str:
    """An authority was given, but another one has signed it."""
    stage.authority()
    return secure(stage, server_context(trustme.CA()))


@hostile(r"TLS|protocol|version", "--wa-insecure")
def tls_of_old(stage: Stage) -> str:
    """TLS 1.1 and nothing newer."""
    context = server_context(stage.authority())
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return secure(stage, context)


@hostile(r"TLS|client certificate", "--wa-insecure")
def wants_a_client_certificate(stage: Stage) -> str:
    """Asks for a certificate of the caller's, and hangs up without one."""
    authority = trustme.CA()
    context = server_context(authority)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return secure(stage, context)


@hostile(r"TLS|http://|plain", "--wa-insecure")
def plain_http_on_the_tls_port(stage: Stage) -> str:
    """No TLS at all, though the address says https."""

    def handler(connection: Any) -> None:
        connection.recv(65536)
        connection.sendall(plain(b"", "400 Bad Request"))

    return stage.raw(handler).replace("http:", "https:")


@hostile(r"TLS|https://|broken|closed")
def tls_on_the_plain_port(stage: Stage) -> str:
    """TLS, though the address says http."""
    return secure(stage, server_context(trustme.CA())).replace("https:", "http:")


@hostile(r"does not answer within", "--wa-insecure")
def handshake_that_never_ends(stage: Stage) -> str:
    """The greeting of TLS is taken, and never returned."""
    return f"https://127.0.0.1:{stage.listen(lambda connection: stage.over.wait())}"


@hostile(r"TLS|closed|handshake", "--wa-insecure")
def handshake_cut_off(stage: Stage) -> str:
    """The connection is reset in the middle of the handshake."""

    def handler(connection: Any) -> None:
        connection.recv(65536)
        reset(connection)

    return f"https://127.0.0.1:{stage.listen(handler)}"


@hostile(r"TLS|handshake|broken", "--wa-insecure")
def handshake_of_noise(stage: Stage) -> str:
    """Noise where TLS should be."""

    def handler(connection: Any) -> None:
        connection.recv(65536)
        connection.sendall(b"\x16\x03\x03\x40\x00" + b"\xa5" * 5000)
        connection.shutdown(socket.SHUT_WR)
        stage.over.wait(0.5)

    return f"https://127.0.0.1:{stage.listen(handler)}"
