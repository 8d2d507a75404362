"""What carries the driver's requests: one keep-alive connection, and no request sent twice by accident."""

from __future__ import annotations

import time
from dataclasses import dataclass

import h11
import httpx

from .addresses import host_of
from .connection import Connection, Head
from .errors import WireError
from .limits import Budget, Failure
from .sockets import Target, proxy_headers
from .tls import Tls, context_for

IDLE_REPEATABLE = 4.0
IDLE_ONCE = 0.5
FORGIVING = 10


@dataclass(frozen=True)
class Plan:
    """How one request may be sent; travels in the httpx request's extensions under `plan`.

    `repeatable`: sending it twice does no harm, so that a keep-alive connection found dead may cost a second
    try. `fresh`: on a new connection in any case.
    """

    timeout: float
    repeatable: bool
    fresh: bool = False


@dataclass
class Manners:
    """How a server treats kept connections, as far as seen by all drivers of one client.

    `kept` counts answers on a connection used before, `dropped` the connections closed without a word (a
    restart does that too, so some are forgiven).
    """

    kept: int = 0
    dropped: int = 0

    def reliable(self) -> bool:
        """Whether a kept connection may carry what must go out only once."""
        return self.kept > FORGIVING * self.dropped


class BoundedTransport:
    """Sends requests over one connection at a time; raises Failure when no whole answer came."""

    def __init__(self, base: httpx.URL, tls: Tls, proxy: httpx.URL | None, manners: Manners) -> None:
        secure = base.scheme == "https"
        self.target = Target(
            host=host_of(base),
            port=base.port or (443 if secure else 80),
            context=context_for(tls) if secure else None,
            proxy=proxy,
        )
        self._connection: Connection | None = None
        self.peer_certificate: bytes | None = None
        self._manners = manners

    def ask(self, request: httpx.Request) -> Head:
        """The answer to `request`, whose `plan` extension says how it may be sent."""
        plan: Plan = request.extensions["plan"]
        budget = Budget(plan.timeout)
        connection = self._kept(plan)
        if connection is not None:
            try:
                head = self._exchange(connection, request, budget)
            except Failure as failure:
                if failure.kind != "closed" or not failure.untouched:
                    raise
                self._manners.dropped += 1
                if not plan.repeatable:
                    raise
            else:
                self._manners.kept += 1
                return head
        connection = Connection(self.target, budget)
        self.peer_certificate = connection.peer_certificate
        return self._exchange(connection, request, budget)

    def send_raw(self, data: bytes, timeout: float, cut_after: int | None) -> Head | None:
        """The answer to `data` on a connection of its own; None if the request was cut off on purpose."""
        budget = Budget(timeout)
        connection = Connection(self.target, budget)
        try:
            if cut_after is None:
                return connection.exchange_raw(data, budget)
            connection.send_only(data[:cut_after], budget)
            return None
        finally:
            connection.close()

    def close(self) -> None:
        """Ends the kept connection, if there is one; the transport can be used again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _kept(self, plan: Plan) -> Connection | None:
        connection, self._connection = self._connection, None
        if connection is None:
            return None
        idle = time.monotonic() - connection.last_used
        # What must go out only once takes a kept connection only where those are known to hold.
        holds = self._manners.reliable() and idle <= IDLE_ONCE
        if not plan.fresh and idle <= IDLE_REPEATABLE and (holds or plan.repeatable):
            if connection.alive():
                return connection
            self._manners.dropped += 1
        connection.close()
        return None

    def _exchange(self, connection: Connection, request: httpx.Request, budget: Budget) -> Head:
        target = request.url.raw_path
        headers = list(request.headers.raw)
        proxy = self.target.proxy
        if proxy is not None and self.target.context is None:
            target = b"http://" + request.url.netloc + target
            headers += proxy_headers(proxy)
        try:
            head = connection.exchange(request.method.encode(), target, headers, request.content, budget)
        except h11.LocalProtocolError:
            connection.close()
            raise WireError(
                "a request cannot be sent as HTTP/1.1: its path or a header holds a forbidden character",
                "check the token and the extra headers for line breaks and control characters",
            ) from None
        except BaseException:
            connection.close()
            raise
        if connection.reusable():
            self._connection = connection
        else:
            connection.close()
        return head
