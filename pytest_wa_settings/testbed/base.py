"""What a test may ask of a testbed, and what every testbed answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pytest_wa_settings.testbed.client import Client
    from pytest_wa_settings.testbed.consumer import Consumer
    from pytest_wa_settings.testbed.errors import TestbedError
    from pytest_wa_settings.testbed.offer import Offer
    from pytest_wa_settings.testbed.webhook import Receiver
    from pytest_wa_settings.wire import Recorder

State = Literal["registered", "unregistered"]
Policy = Literal["no", "always", "unless-stopped"]
Setup = tuple[int, bool]
"""Shards, and whether the client runs in multiconnect: (1, False) is a single instance."""

STATES: tuple[State, ...] = ("registered", "unregistered")
POLICIES = ("no", "always", "unless-stopped")
PROFILES = ("backup", "restore", "multiconnect", "full")


@dataclass(frozen=True)
class Need:
    """The client that a test asks for.

    `shards` None is the testbed's default setup; with `shards` alone, more than one means multiconnect.
    `exclusive`: the test restores, restarts or changes settings. `consumes`: the lease ends with the
    unregistered client registered. `peer`: the client of another version that RESTORE-12 needs beside the
    pinned one.
    """

    state: State = "registered"
    shards: int | None = None
    multiconnect: bool | None = None
    version: str | None = None
    exclusive: bool = False
    consumes: bool = False
    peer: bool = False

    def setup(self, default: Setup) -> Setup:
        """The setup that is meant where `default` is the testbed's own."""
        if self.shards is None and self.multiconnect is None:
            return default
        if self.shards is None:
            return (default[0] if self.multiconnect else 1, bool(self.multiconnect))
        return (self.shards, self.shards > 1 if self.multiconnect is None else self.multiconnect)


def setup_text(setup: Setup) -> str:
    """A setup in words, such as `2 shards`."""
    shards, multiconnect = setup
    if not multiconnect:
        return "a single instance"
    return "multiconnect with 1 shard" if shards == 1 else f"{shards} shards"


def _silent(line: str) -> None:
    """Says nothing."""


def _no_code(number: str) -> str | None:
    """Brings no code."""


def _nobody(client: Client) -> None:
    """Knows no view of what contacts see."""


@dataclass(frozen=True)
class Settings:
    """What a run's options say about its testbed; times are in seconds.

    Exactly one of `url` and `config` is given. None stands for an option that was not given, where the
    testbed's own default differs by kind. `testbed` chooses one of several in a clients' file. `check`: only
    to look, so nothing may be changed. `say` shows a line on the terminal while the run goes on;
    `consumer_of` gives the view of a client that declares none, where another plugin has one; `code_of` the
    registration code that a number's phone has received.
    """

    url: str | None = None
    config: Path | None = None
    admin: str | None = None
    admin_password: str | None = field(default=None, repr=False)
    ca: Path | None = None
    insecure: bool = False
    timeout: float | None = None
    ready_timeout: float | None = None
    profile: str | None = None
    allow_restore: bool = False
    max_restores: int | None = None
    restart_command: str | None = None
    webhook: str | None = None
    seed: int = 0
    testbed: str | None = None
    check: bool = False
    say: Callable[[str], None] = field(default=_silent, repr=False, compare=False)
    consumer_of: Callable[[Client], Consumer | None] = field(default=_nobody, repr=False, compare=False)
    code_of: Callable[[str], str | None] = field(default=_no_code, repr=False, compare=False)


class Testbed(ABC):
    """Clients under test and what surrounds them, from `open` to `close`.

    Attributes:
        name: what reports call it. address: as it was given.
        profile: which clauses are judged. managed: whether it starts its clients itself, in any number.
        timeout, ready_timeout: limits for one answer, and for a start or restart, in seconds.
        latency: the slowest answer of the preflight, in seconds.
        pinned_version: the version that every client must have, if one was asked for.
        contacts: the test contacts that the user named.
    """

    __test__ = False

    name: str
    address: str
    profile: str
    managed: bool
    recorder: Recorder
    timeout: float
    ready_timeout: float
    latency: float = 0.0
    pinned_version: str | None = None
    contacts: tuple[str, ...] = ()

    @abstractmethod
    def open(self) -> None:
        """Starts what the testbed manages and takes hold of what it does not; raises TestbedError."""

    @abstractmethod
    def preflight(self) -> list[str]:
        """Header lines on what was found out before the first test; raises TestbedError."""

    @abstractmethod
    def close(self) -> list[str]:
        """Puts declared clients back and ends all it started; returns lines for the terminal.

        A second call does nothing more and returns the same lines.
        """

    @abstractmethod
    def why_not(self, need: Need) -> str | None:
        """None where such a client is offered; else one sentence on what to add."""

    @abstractmethod
    def lease(self, need: Need) -> AbstractContextManager[Client]:
        """A client for a while; leases that overlap are of different clients. Raises Unavailable."""

    @property
    @abstractmethod
    def shard_setups(self) -> tuple[Setup, ...]:
        """The setups offered, fewest shards first."""

    @property
    @abstractmethod
    def versions(self) -> tuple[str, ...]:
        """The client versions offered, oldest first."""

    @property
    @abstractmethod
    def consumer(self) -> Consumer | None:
        """The view of what contacts see, where there is one."""

    def consumer_for(self, client: Client) -> Consumer | None:
        """The view of what this client's contacts see, also where its number is not known."""
        return self.consumer

    @property
    @abstractmethod
    def webhook(self) -> Receiver | None:
        """The receiver of callbacks, where clients can reach one."""

    @property
    @abstractmethod
    def restores_left(self) -> int:
        """How many restores the default client may still take."""

    @abstractmethod
    def clients_info(self) -> list[dict[str, Any]]:
        """The clients as the report lists them."""

    def offers(self) -> tuple[Offer, ...]:
        """What a plan can build on, also before `open`: for a managed testbed all that it starts."""
        from pytest_wa_settings.testbed.offer import Offer

        return tuple(
            Offer(
                f"{state}, {setup_text(setup)}, version {version}",
                state,
                setup,
                version,
                may_restore=True,
                may_change=True,
                restart=True,
                reset=True,
                user=True,
                consumer=True,
                managed=True,
            )
            for setup in self.shard_setups
            for version in self.versions
            for state in STATES
        )

    @property
    def reaches_receiver(self) -> bool:
        """Whether the clients can call the suite back, as far as that is declared."""
        return True

    def look(self) -> tuple[list[str], list[TestbedError]]:
        """Looks at every client and changes nothing: header lines, and what is wrong with which."""
        from pytest_wa_settings.testbed.errors import TestbedError

        try:
            return self.preflight(), []
        except TestbedError as error:
            return [], [error]

    def log_of(self, client: str) -> str | None:
        """The last lines of a client's own log, by its name; None where the testbed cannot see one."""
        return None

    def warnings(self) -> list[str]:
        """What the reader of the report should know about the testbed."""
        return []
