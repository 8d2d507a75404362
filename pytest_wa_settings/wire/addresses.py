"""The addresses that a driver is given: the client's, and the proxy's that it goes through."""

from __future__ import annotations

import httpx

from .curl import proxy_options
from .errors import WireError


def address_of(text: str, schemes: tuple[str, ...], what: str) -> httpx.URL:
    """The address, checked; `what` says whose it is. Raises WireError."""
    remedy = f"write it as {schemes[0]}://host:port"
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, TypeError):
        raise WireError(f"{what} is no URL", remedy) from None
    if url.scheme not in schemes or not url.raw_host:
        raise WireError(f"{what} must begin with {' or '.join(s + '://' for s in schemes)}", remedy)
    if len(schemes) > 1 and (url.userinfo or url.query or url.fragment):
        raise WireError(f"{what} holds more than host, port and path", remedy)
    return url


def host_of(url: httpx.URL) -> str:
    """The host as the system looks it up: a name in ASCII (IDNA), or an IPv6 address, its zone after `%`."""
    return url.raw_host.decode("ascii").strip("[]").replace("%25", "%")


def without_zone(host: str) -> str:
    """A host as it goes over the wire: what interface it is reached by is this machine's own (RFC 6874)."""
    return host.partition("%")[0]


def through(proxy: httpx.URL | None) -> tuple[str, ...]:
    """The options by which curl goes through the proxy; none without one."""
    if proxy is None:
        return ()
    address = str(proxy.copy_with(username=None, password=None))
    return proxy_options(address, credentials=bool(proxy.userinfo))
