"""Opens sockets to a client: past a proxy, into TLS, within the time of the exchange."""

from __future__ import annotations

import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import h11
import httpx

from .addresses import without_zone
from .limits import MAX_HEAD, Budget, Failure, tls_failure
from .tls import explain

_Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]


@dataclass(frozen=True)
class Target:
    """Where a connection goes: host, port, TLS or not, and the proxy in between."""

    host: str
    port: int
    context: ssl.SSLContext | None
    proxy: httpx.URL | None = None


def open_socket(target: Target, budget: Budget) -> socket.socket:
    """A connected socket to `target`, through its proxy and with TLS where asked for; raises Failure."""
    via = target.proxy
    host, port = (via.host, via.port or 80) if via is not None else (target.host, target.port)
    try:
        sock = _connect(host, port, budget)
    except Failure as failure:
        if via is None:
            raise
        # whether the client runs behind it is not known
        raise Failure(
            "connect", "the proxy failed", f"the proxy is not there: {failure.explanation}"
        ) from None
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if via is not None and target.context is not None:
            _tunnel(sock, target, via, budget)
        if target.context is not None:
            sock = _handshake(sock, target, target.context, budget)
    except BaseException:
        sock.close()
        raise
    return sock


def _resolve(host: str, port: int, budget: Budget) -> Sequence[_Address]:
    """The addresses of `host`; raises Failure when there are none in time."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        found: list[Sequence[_Address]] = []
    # A name is looked up in a thread of its own, because the system's resolver takes no time limit.
    looker = threading.Thread(target=_look_up, args=(host, port, found), name="wa-resolver", daemon=True)
    budget.doing = f"the host name {host} was not resolved"
    looker.start()
    looker.join(budget.remaining())
    if looker.is_alive():
        raise budget.over()
    budget.doing = "no connection could be made"
    if not found:
        raise Failure("connect", "host not found", f"no address is known for the host {host}")
    return found[0]


def _look_up(host: str, port: int, found: list[Sequence[_Address]]) -> None:
    # some resolvers know no absolute names of their own machine, such as `localhost.`
    for name in dict.fromkeys((host, host.rstrip("."))):
        with suppress(OSError, UnicodeError):
            found.append(socket.getaddrinfo(name, port, type=socket.SOCK_STREAM))
            return


def _connect(host: str, port: int, budget: Budget) -> socket.socket:
    found = _resolve(host, port, budget)
    refusal: OSError | None = None
    for number, (family, kind, protocol, _, address) in enumerate(found):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(budget.remaining() / (len(found) - number))
            sock.connect(address)
        except OSError as error:
            sock.close()
            refusal = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    if isinstance(refusal, TimeoutError):
        raise budget.over()
    if isinstance(refusal, ConnectionRefusedError):
        where = f"nothing listens at {host} port {port}"
        raise Failure("refused", "connection refused", where)
    why = (refusal.strerror if refusal else None) or "unreachable"
    raise Failure("connect", f"cannot connect: {why}", f"{host} port {port} cannot be reached ({why})")


def _handshake(sock: socket.socket, target: Target, context: ssl.SSLContext, budget: Budget) -> socket.socket:
    budget.doing = "connected, but the TLS handshake did not end"
    try:
        sock.settimeout(budget.remaining())
        # a certificate names neither a zone nor the dot of an absolute name
        name = without_zone(target.host).rstrip(".")
        return context.wrap_socket(sock, server_hostname=name)
    except TimeoutError:
        raise budget.over() from None
    except ssl.SSLError as error:
        why = explain(error)
    except ConnectionError:
        why = "the server closed the connection during the handshake"
    except (OSError, ValueError, UnicodeError) as error:
        why = f"the handshake failed ({type(error).__name__})"
    raise tls_failure(why)


def _tunnel(sock: socket.socket, target: Target, via: httpx.URL, budget: Budget) -> None:
    budget.doing = "the proxy did not open a tunnel"
    host = without_zone(target.host)
    where = f"[{host}]:{target.port}" if ":" in host else f"{host}:{target.port}"
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
    request = h11.Request(
        method=b"CONNECT", target=where.encode(), headers=[(b"Host", where.encode()), *proxy_headers(via)]
    )
    try:
        sock.settimeout(budget.remaining())
        sock.sendall((http.send(request) or b"") + (http.send(h11.EndOfMessage()) or b""))
        while (event := http.next_event()) is h11.NEED_DATA:
            sock.settimeout(budget.remaining())
            # One byte at a time: what follows the proxy's head belongs to TLS.
            http.receive_data(sock.recv(1))
    except TimeoutError:
        raise budget.over() from None
    except (OSError, h11.RemoteProtocolError):
        raise Failure("connect", "the proxy failed", "the proxy closed the connection or is none") from None
    status = event.status_code if isinstance(event, h11.Response | h11.InformationalResponse) else 0
    if not 200 <= status < 300:
        raise Failure("connect", f"the proxy refused: {status}", f"the proxy answered {status} to CONNECT")


def proxy_headers(via: httpx.URL) -> list[tuple[bytes, bytes]]:
    """The Proxy-Authorization header that the proxy's own address asks for, if any."""
    if not via.userinfo:
        return []
    return [(b"Proxy-Authorization", b"Basic " + b64encode(unquote(via.userinfo.decode()).encode()))]
