"""What all testbeds share that start reference clients themselves: options, shelves of clients, leases."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pytest_wa_settings.api.versions import is_version, version_order
from pytest_wa_settings.testbed.accounts import Accounts, ClientDriver, new_password
from pytest_wa_settings.testbed.address import Managed
from pytest_wa_settings.testbed.base import (
    POLICIES,
    PROFILES,
    Need,
    Policy,
    Settings,
    Setup,
    State,
    Testbed,
    setup_text,
)
from pytest_wa_settings.testbed.client import Client
from pytest_wa_settings.testbed.consumer import Consumer
from pytest_wa_settings.testbed.errors import Unavailable, UsageError
from pytest_wa_settings.testbed.life import Habits, Life
from pytest_wa_settings.testbed.preflight import preflight
from pytest_wa_settings.testbed.webhook import Receiver
from pytest_wa_settings.wire import Recorder, Tls

DEFAULT_VERSION = "2.57.2"
VERSIONS = ("2.29.1", "2.31.3", "2.31.4", DEFAULT_VERSION)
SETUPS: tuple[Setup, ...] = ((1, False), *((shards, True) for shards in (1, 2, 4, 8, 16, 32)))
SUCCESS_BODIES = ("null", "object", "meta")
TIMEOUT = 30.0

Key = tuple[State, Setup, str]
"""What makes one reference client as good as another: state, setup, version."""
Claim = Callable[[], Client]
"""Waits for a client that was begun; raises TestbedError where it does not come up."""


@dataclass(frozen=True)
class ReferenceOptions:
    """What an address such as `mock:shards=2` asks for; `version` None lets every test have its own."""

    setup: Setup = (1, False)
    version: str | None = None
    success_body: str = "null"
    restart_policy: Policy = "no"
    mutant: str | None = None
    variant: str | None = None
    sparse: str | None = None

    @classmethod
    def of(cls, address: Managed) -> ReferenceOptions:
        """The options in an address; raises UsageError."""
        keys = address.keys
        version = keys.get("version")
        if version is not None and not is_version(version):
            raise UsageError("version= names no client version", f"give one such as {DEFAULT_VERSION}")
        policy = _one_of("restart-policy", keys.get("restart-policy", "no"), POLICIES)
        return cls(
            setup=_setup(keys.get("shards", "1")),
            version=None if version is None else version.removeprefix("v"),
            success_body=_one_of("success-body", keys.get("success-body", "null"), SUCCESS_BODIES),
            restart_policy=policy,  # type: ignore[arg-type]
            mutant=keys.get("mutant"),
            variant=keys.get("variant"),
            sparse=keys.get("sparse"),
        )

    @property
    def deviations(self) -> dict[str, str | None]:
        """The reference's deviations by kind, as it takes them among its options."""
        return {"mutant": self.mutant, "variant": self.variant, "sparse": self.sparse}


def _one_of(key: str, value: str, accepted: tuple[str, ...]) -> str:
    if value not in accepted:
        raise UsageError(f"{key}= has no such value", f"give one of {', '.join(accepted)}")
    return value


def _setup(shards: str) -> Setup:
    offered = {str(count): (count, multiconnect) for count, multiconnect in SETUPS if count > 1}
    setup = {"1": SETUPS[0], **offered}.get(shards)
    if setup is None:
        raise UsageError("shards= has no such value", f"give one of 1, {', '.join(offered)}")
    return setup


@dataclass
class _Shelf:
    """Clients of one key that wait for a lease: shared ones, and one that is on its way (`ordered`)."""

    shared: list[Client] = field(default_factory=list)
    ordered: Claim | None = None


class ManagedTestbed(Testbed):
    """Reference clients as they are asked for; a spare one is always on its way before it is.

    A shared lease takes a client that other shared leases have had; an exclusive one takes a fresh client,
    which is discarded after it. A kind of testbed says how one is begun, and how it is discarded.
    """

    managed = True
    kdf = "strong"
    """How costly the reference's key derivation is."""
    ready = 20.0
    """Seconds that a start may take, unless the user says so."""
    reuses = False
    """Whether an exclusive lease may take a client that others have had."""

    def __init__(self, address: Managed, settings: Settings) -> None:
        self.name = address.kind
        self.address = address.text
        self.options = ReferenceOptions.of(address)
        if settings.profile is not None and settings.profile not in PROFILES:
            raise UsageError("there is no such profile", f"give one of {', '.join(PROFILES)}")
        self.profile = settings.profile or "full"
        self.timeout = settings.timeout or TIMEOUT
        self.ready_timeout = settings.ready_timeout or self.ready
        self.pinned_version = self.options.version
        self.recorder = Recorder()
        self._password = new_password()
        self._seed = settings.seed
        self._habits = Habits()
        self._network = ""
        self._consumer: Consumer | None = None
        self._webhook: Receiver | None = None
        self._shelves: dict[Key, _Shelf] = {}
        self._used: dict[Key, None] = {}
        self._count = 0
        self._numbers = 0

    @abstractmethod
    def _begin(self, key: Key) -> Claim:
        """Has a client of this kind started without waiting for it; what is returned waits for it."""

    @abstractmethod
    def _discard(self, client: Client) -> None:
        """Ends a client that no test will have again."""

    def preflight(self) -> list[str]:
        """Looks at the default client as at any other."""
        return self._look_at(Need())

    def _look_at(self, need: Need) -> list[str]:
        with self.lease(need) as client:
            found = preflight(client)
        self.latency = found.latency
        return found.lines

    # what is offered

    @property
    def _version(self) -> str:
        return self.pinned_version or DEFAULT_VERSION

    @property
    def _default(self) -> Key:
        return ("registered", self.options.setup, self._version)

    @property
    def shard_setups(self) -> tuple[Setup, ...]:
        """Every number of shards that the API knows (api 4.2)."""
        return SETUPS

    @property
    def versions(self) -> tuple[str, ...]:
        """Versions on both sides of the security update, and the pinned one."""
        return tuple(
            sorted({*VERSIONS, *([self.pinned_version] if self.pinned_version else ())}, key=version_order)
        )

    @property
    def consumer(self) -> Consumer | None:
        """The simulated network's view of what contacts see."""
        return self._consumer

    @property
    def webhook(self) -> Receiver | None:
        """A receiver on loopback."""
        return self._webhook

    @property
    def restores_left(self) -> int:
        """As many as anyone wants."""
        return 10**9

    def why_not(self, need: Need) -> str | None:
        """None but for a setup or version that the reference, or the pinned version, does not allow."""
        setup = need.setup(self.options.setup)
        if setup not in SETUPS:
            return f"the reference client does not come as {setup_text(setup)}; ask for 1, 2, 4, 8, 16 or 32"
        if need.version is None or need.version == self._version:
            return None
        if self.pinned_version is not None and not need.peer:
            return f"every client is of version {self.pinned_version}; take version= out of the address"
        if need.version not in self.versions:
            return (
                f"the reference client offers no version {need.version}; ask for {', '.join(self.versions)}"
            )
        return None

    # leases

    @contextmanager
    def lease(self, need: Need) -> Iterator[Client]:
        """A client of the wanted kind for a while; raises Unavailable."""
        why = self.why_not(need)
        if why is not None:
            raise Unavailable(*why.split("; ", 1))
        key: Key = (need.state, need.setup(self.options.setup), need.version or self._version)
        self._used.setdefault(key)
        shelf = self._shelves.setdefault(key, _Shelf())
        shared = not (need.exclusive or need.consumes)
        client = shelf.shared.pop() if (shared or self.reuses) and shelf.shared else self._take(key)
        if not shared and key[1:] == self._default[1:] and not (self.reuses and need.state == "registered"):
            self._order(key)
        whole = False
        try:
            yield client
            whole = True
        finally:
            # A test that failed half-way may leave anything behind.
            if whole and self._goes_on(client, need):
                shelf.shared.append(client)
            else:
                self._discard(client)

    def _goes_on(self, client: Client, need: Need) -> bool:
        """Whether the next lease of this kind may have the client, too."""
        return not (need.exclusive or need.consumes or client.touched or client.killed)

    def _order(self, key: Key) -> None:
        """Has a client of this kind started, without waiting for it."""
        shelf = self._shelves.setdefault(key, _Shelf())
        if shelf.ordered is None:
            shelf.ordered = self._begin(key)

    def _take(self, key: Key) -> Client:
        """The client that was ordered, or one ordered now."""
        shelf = self._shelves.setdefault(key, _Shelf())
        self._order(key)
        ordered, shelf.ordered = shelf.ordered, None
        assert ordered is not None
        return ordered()

    def _client(self, key: Key, url: str, *, life: Life, tls: Tls, policy: Policy) -> Client:
        """A client that was started at `url`; `policy` is what brings it back."""
        self._count += 1
        state, setup, version = key
        name = f"{self.name}-{self._count}"
        driver = ClientDriver(
            url, name=name, recorder=self.recorder, password=self._password, tls=tls, timeout=self.timeout
        )
        changeable = self.profile != "backup"
        return Client(
            name=name,
            testbed=self,
            driver=driver,
            state=state,
            setup=setup,
            version=version,
            life=life,
            accounts=Accounts(self._password, may_make=True),
            habits=self._habits,
            restart_policy=policy,
            managed=True,
            may_change=changeable,
            may_restore=changeable,
        )

    def _start_options(self, key: Key) -> dict[str, Any]:
        """A client's set-up, in the reference's own words."""
        state, (shards, multiconnect), version = key
        return {
            "shards": shards,
            "multiconnect": multiconnect,
            "version": version,
            "success_body": self.options.success_body,
            "restart_policy": self.options.restart_policy,
            "kdf": self.kdf,
            "network": self._network,
            "number": self._new_number() if state == "registered" else None,
            **self.options.deviations,
        }

    def _new_number(self) -> str:
        """A business number that no other client of this testbed has."""
        self._numbers += 1
        return f"1555{9_000_000 + self._numbers:07}"

    def _shelved(self) -> list[Client]:
        """The clients that wait for a lease."""
        return [client for shelf in self._shelves.values() for client in shelf.shared]

    # what the report says

    def clients_info(self) -> list[dict[str, Any]]:
        """One entry for each kind of client that was used, the default kind first."""
        kinds = list(dict.fromkeys([self._default, *self._used]))
        return [self._info(kind) for kind in kinds]

    def _info(self, kind: Key) -> dict[str, Any]:
        state, setup, version = kind
        odd = [
            state if state != "registered" else "",
            setup_text(setup) if setup != self.options.setup else "",
            version if version != self._version else "",
        ]
        return {
            "name": ", ".join([self.name, *filter(None, odd)]),
            "testbed": self.name,
            "address": self.address,
            "version": version,
            "state": state,
            "shards": setup[0],
            "multiconnect": setup[1],
        }
