"""What is declared about one client, checked and with its secrets at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pytest_wa_settings.testbed.base import Policy, State
from pytest_wa_settings.testbed.errors import UsageError

MAX_RESTORES, MAX_RESTORES_WITH_RESET = 20, 200


@dataclass(frozen=True)
class Entry:
    """One declared client. None stands for what was not declared; the secrets never show in a repr.

    `max_restores` counts the one that puts the client back. `folder` is where its commands run; `config` the
    file that declares it. `withheld` is what no variable that its commands get may hold: the secrets of all
    clients of the run.
    """

    name: str
    url: str
    admin: str = "admin"
    admin_password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    user: str | None = None
    user_password: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    client_cert: Path | None = None
    proxy: str | None = field(default=None, repr=False)
    ca: Path | None = None
    verify: bool = True
    timeout: float | None = None
    ready_timeout: float | None = None
    profile: str | None = None
    may_restore: bool = False
    may_change: bool = False
    max_restores: int = MAX_RESTORES
    restart: str | None = None
    restart_policy: Policy | None = None
    reset: str | None = None
    state: State | None = None
    shards: int | None = None
    multiconnect: bool | None = None
    version: str | None = None
    consumer: str | None = None
    contacts: tuple[str, ...] = ()
    webhook: str | None = None
    webhook_cert: Path | None = None
    testbed: str | None = None
    folder: Path = field(default_factory=Path.cwd)
    config: Path | None = None
    withheld: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def secrets(self) -> frozenset[str]:
        """The passwords, the token and the header values of this client."""
        given = (self.admin_password, self.token, self.user_password, *self.headers.values())
        return frozenset(secret for secret in given if secret)

    @property
    def on_loopback(self) -> bool:
        """Whether the client runs on this machine, so that it reaches a receiver there."""
        return is_loopback(self.url)


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own loopback (RFC 6761, 6.3; RFC 1122, 3.2.1.3)."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    return host in ("localhost", "::1") or host.endswith(".localhost") or host.startswith("127.")


def name_of(url: str) -> str:
    """A name for a client of which only the address is known: host, port and path prefix."""
    parts = urlsplit(url)
    return parts.netloc + parts.path.rstrip("/")


def shared(entries: Sequence[Entry], key: str) -> Any:
    """The value of a key that all clients of a testbed share, None if none has it; raises UsageError."""
    values = {getattr(entry, key) for entry in entries} - {None}
    if len(values) > 1:
        raise UsageError(
            f"the clients of one testbed have different values for {key}",
            f"give them the same {key}, or a `testbed` name of their own",
        )
    return values.pop() if values else None
