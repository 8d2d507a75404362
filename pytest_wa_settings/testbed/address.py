"""The grammar of an address: `KIND:key=value,key=value` is a managed client, http(s)://… a declared one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from pytest_wa_settings.testbed.base import Settings, Testbed
from pytest_wa_settings.testbed.errors import UsageError

_REFERENCE = ("shards", "version", "success-body", "restart-policy", "mutant", "variant", "sparse")
KEYS: Mapping[str, tuple[str, ...]] = {
    "mock": _REFERENCE,
    "docker": (*_REFERENCE, "image", "base-image", "keep"),
    "onprem": ("shards", "version", "db", "images", "registry", "success-body", "base-image", "keep"),
}
"""The managed kinds of this version, and the keys that each takes."""
_FLAGS = ("keep",)
"""Keys that may stand without a value, which is then `yes`."""
_KIND = re.compile(r"([a-z][a-z0-9-]*):(.*)", re.IGNORECASE | re.DOTALL)
_ACCEPTED = "an http:// or https:// address, or mock:, docker: or onprem: with keys, such as mock:shards=2"


@dataclass(frozen=True)
class Managed:
    """The address of a client that the testbed starts: its kind, and its keys with decoded values."""

    kind: str
    text: str
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Declared:
    """The address of a client that runs already; a path prefix is kept, without a slash at its end."""

    url: str


def parse_address(text: str) -> Managed | Declared:
    """What an address names; raises UsageError with what would be accepted."""
    address = text.strip()
    found = _KIND.fullmatch(address)
    if found is None or any(char.isspace() or not char.isprintable() for char in address):
        raise UsageError("the address names no kind of client", f"give {_ACCEPTED}")
    kind, rest = found[1].lower(), found[2]
    if kind in ("http", "https"):
        return _declared(kind, address)
    if kind not in KEYS:
        raise UsageError(f"there is no kind of client called {kind}:", f"give {_ACCEPTED}")
    return Managed(kind, address, _keys(kind, rest))


def _declared(scheme: str, address: str) -> Declared:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise UsageError("the address is no URL", f"write it as {scheme}://host:port") from None
    if not address.lower().startswith(f"{scheme}://") or not parts.hostname or port == 0:
        raise UsageError("the address names no host", f"write it as {scheme}://host:port")
    if "@" in parts.netloc:
        raise UsageError(
            "the address holds a user or a password",
            "leave it out; use --wa-admin, and WA_ADMIN_PASSWORD or --wa-admin-password-file",
        )
    if "?" in address or "#" in address:
        raise UsageError(
            "the address has a query or a fragment", "give scheme, host, port and path prefix only"
        )
    return Declared(f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}")


def _keys(kind: str, rest: str) -> dict[str, str]:
    accepted = ", ".join(KEYS[kind])
    keys: dict[str, str] = {}
    for part in rest.split(",") if rest else ():
        key, equals, value = (part, "=", "yes") if part in _FLAGS else part.partition("=")
        if not equals or not value:
            raise UsageError(
                f"in the address {kind}:… a part is not of the form key=value",
                f"write {kind}:key=value,key=value; keys are {accepted}",
            )
        if key not in KEYS[kind]:
            raise UsageError(f"{kind}: has no key {key!r}", f"keys are {accepted}")
        if key in keys:
            raise UsageError(f"the key {key} is given twice", "give it once")
        keys[key] = unquote(value)
    return keys


def open_testbed(settings: Settings) -> Testbed:
    """The testbed that the options name, not opened yet; raises UsageError.

    Nothing is started or reached before its `open`.
    """
    if (settings.url is None) == (settings.config is None):
        raise UsageError(
            "neither or both of an address and a file were given", "give --wa-url or --wa-config"
        )
    if settings.url is not None:
        address = parse_address(settings.url)
        if isinstance(address, Managed):
            return _managed(address, settings)
        from pytest_wa_settings.testbed.declaration import declared_by_url

        return declared_by_url(address, settings)
    from pytest_wa_settings.testbed.declaration import declared_by_file

    return declared_by_file(settings)


def _managed(address: Managed, settings: Settings) -> Testbed:
    """The testbed of a managed kind; what drives containers is imported only where they are asked for."""
    if address.kind == "docker":
        from pytest_wa_settings.testbed.containers import ContainerTestbed

        return ContainerTestbed(address, settings)
    if address.kind == "onprem":
        from pytest_wa_settings.testbed.onprem import OnpremTestbed

        return OnpremTestbed(address, settings)
    from pytest_wa_settings.testbed.process import ProcessTestbed

    return ProcessTestbed(address, settings)
