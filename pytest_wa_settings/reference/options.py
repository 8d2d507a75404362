"""How one reference client is set up."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any

from pytest_wa_settings.reference.errors import ReferenceFault

POLICIES = ("no", "always", "unless-stopped")
SUCCESS_BODIES = ("null", "object", "meta")
KDFS = ("strong", "light")
NEWEST = "2.57.2"
MAX_SHARDS = 32
NEW_CODE_SINCE = (2, 31, 4)

Version = tuple[int, ...]


def parse_version(text: str) -> Version:
    """The numbers of a client version such as `2.57.2` or `v2.57.2`, in order."""
    if not re.fullmatch(r"v?[0-9]{1,6}(\.[0-9]{1,6}){1,3}", text):
        raise ReferenceFault("The client version is not numbers with dots.", f"Give one such as {NEWEST}.")
    return tuple(int(part) for part in text.removeprefix("v").split("."))


@dataclass(frozen=True)
class Options:
    """One client's set-up; `number` is registered at birth, `port` 0 lets the starter choose one.

    `synced` is False where the state goes with the process that started the client: see Store. `exposed`: it
    is served by itself on an address that others reach.
    """

    shards: int = 1
    multiconnect: bool = False
    version: str = NEWEST
    success_body: str = "null"
    restart_policy: str = "no"
    state_dir: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    admin_password: str | None = None
    kdf: str = "strong"
    network: str | None = None
    number: str | None = None
    http: bool = False
    log_level: str = "warning"
    api_key: str | None = None
    synced: bool = True
    exposed: bool = False

    def __post_init__(self) -> None:
        kinds = {"str": str, "int": int, "bool": bool}
        for field in fields(self):
            value = getattr(self, field.name)
            kind = kinds[str(field.type).split(" ")[0]]
            optional = str(field.type).endswith("None")
            if type(value) is not kind and not (optional and value is None):
                raise ReferenceFault(f"Option {field.name} is of the wrong type.", f"Give a {kind.__name__}.")
        for name, allowed in (
            ("restart_policy", POLICIES),
            ("success_body", SUCCESS_BODIES),
            ("kdf", KDFS),
        ):
            if getattr(self, name) not in allowed:
                raise ReferenceFault(f"Option {name} has no such value.", f"One of {', '.join(allowed)}.")
        if not 1 <= self.shards <= MAX_SHARDS:
            raise ReferenceFault("That many shards are not supported.", f"Give 1 to {MAX_SHARDS}.")
        if self.shards > 1 and not self.multiconnect:
            raise ReferenceFault("A single instance has one shard.", "Give multiconnect too.")
        if self.number is not None and not re.fullmatch(r"[0-9]{8,15}", self.number):
            raise ReferenceFault("The number to register is no phone number.", "Give 8 to 15 digits.")
        parse_version(self.version)

    @property
    def release(self) -> Version:
        """The version as numbers that compare."""
        return parse_version(self.version)

    @property
    def new_code_on_restore(self) -> bool:
        """Whether a restore makes a new identity, as it does from v2.31.4."""
        return self.release >= NEW_CODE_SINCE

    @classmethod
    def of(cls, members: dict[str, Any]) -> Options:
        """The options that a pool request carries; an unknown one is a fault."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(members) - known)
        if unknown:
            raise ReferenceFault(f"There is no option {unknown[0]!r}.", f"Known: {', '.join(sorted(known))}.")
        return cls(**members)
