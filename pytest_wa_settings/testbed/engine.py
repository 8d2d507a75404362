"""The Docker engine as a run uses it: all that it starts carries the run's labels, and goes with it."""

from __future__ import annotations

import itertools
import logging
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from docker import errors
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer, Reaper
from testcontainers.core.docker_client import DockerClient
from testcontainers.core.labels import LABEL_SESSION_ID, SESSION_ID
from testcontainers.core.network import Network

from pytest_wa_settings.testbed.box import FAULTS, Box, EngineError, explained, in_conflict, last_line, told
from pytest_wa_settings.testbed.owners import Owner

RUN, OWNER, KEPT = "pytest-wa-settings.run", "pytest-wa-settings.owner", "pytest-wa-settings.kept"
"""Labels: the run that started it, the process of that run, and whether it was asked to be left."""
LOOPBACK = "127.0.0.1"
_INSTALL = "install Docker and start it (https://docs.docker.com/engine/install), or use mock:"
_TRIES = 8
_RUN_WITHIN = 60.0
_LOG = logging.getLogger(__name__)

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Wanted:
    """A container to be started.

    `ports` are published on loopback, each at a free port of the host. `policy` is Docker's restart policy.
    `hardened`: read-only but for its volumes and /tmp, without capabilities; else without those `dropped`.
    """

    image: str
    command: Sequence[str] = ()
    name: str = ""
    aliases: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    ports: Sequence[int] = ()
    volumes: Mapping[str, str] = field(default_factory=dict)
    policy: str = "no"
    extra_hosts: Mapping[str, str] = field(default_factory=dict)
    entrypoint: Sequence[str] | None = None
    hardened: bool = True
    dropped: Sequence[str] = ()


@dataclass
class Left:
    """What became of the things that earlier runs left.

    `spared` are those of runs of which it cannot be told whether they live; `failed` says why some stay.
    """

    removed: int = 0
    spared: int = 0
    failed: list[str] = field(default_factory=list)


class Engine:
    """The Docker engine, for one run; `keep` marks what it starts as to be left alone by later runs."""

    def __init__(self, *, keep: bool = False) -> None:
        self.run = secrets.token_hex(6)
        self.labels = {RUN: self.run, OWNER: str(Owner.this()), **({KEPT: "yes"} if keep else {})}
        self._keep = keep
        self._network: Network | None = None
        self._numbers = itertools.count(1)
        self._docker: Any = None

    def connect(self) -> None:
        """Reaches the engine; raises EngineError with what is missing."""
        try:
            self._docker = DockerClient().client
            self._docker.ping()
        except FAULTS as error:
            raise _unreachable(error) from None
        place = urlsplit(str(self._docker.api.base_url)).hostname or "localhost"
        if place not in ("localhost", "::1") and not place.startswith("127."):
            raise EngineError(
                f"the Docker engine is on another machine ({place}), whose loopback cannot be reached",
                "run the suite there, or unset DOCKER_HOST",
            )

    def call_reaper(self) -> None:
        """Has testcontainers' reaper remove what a SIGKILL leaves; where there is none, a later run does."""
        try:
            if not (self._keep or testcontainers_config.ryuk_disabled):
                Reaper.get_instance()
                return
        except Exception as error:  # noqa: BLE001 - whatever keeps it from running
            _LOG.info("no reaper: %s", told(error))
        testcontainers_config.ryuk_disabled = True

    @property
    def api(self) -> Any:
        """Docker's own API, for what this class has no word for."""
        return self._docker.api

    @property
    def client(self) -> Any:
        """docker-py's client."""
        return self._docker

    def close(self) -> None:
        """Ends the connection to the engine."""
        if self._docker is not None:
            self._docker.close()

    def network(self) -> Network:
        """The run's own network, made at first use."""
        if self._network is None:
            network = Network(docker_network_kw={"driver": "bridge", "labels": dict(self.labels)})
            network.name = f"wa-{self.run}"
            try:
                self._network = network.create()
            except FAULTS as error:
                raise explained(error, "make a network") from None
        return self._network

    def gateway(self) -> str | None:
        """The address of this machine on the run's network; None where it is not this machine's."""
        network = self._docker.api.inspect_network(self.network().name)
        for entry in network["IPAM"]["Config"] or ():
            address = entry.get("Gateway", "").partition("/")[0]
            if address and _is_here(address):
                return str(address)
        return None

    def volume(self) -> str:
        """The name of a new volume."""
        name = self._name("state")
        try:
            self._docker.api.create_volume(name, labels={**self.labels, LABEL_SESSION_ID: SESSION_ID})
        except FAULTS as error:
            raise explained(error, "make a volume") from None
        return name

    def remove_volume(self, name: str) -> None:
        """Removes a volume that no container has any more."""
        try:
            self._docker.api.remove_volume(name, force=True)
        except FAULTS as error:
            if not in_conflict(error):
                raise explained(error, f"remove the volume {name}") from None

    def start(self, wanted: Wanted) -> Box:
        """Starts a container on the run's network; raises EngineError."""
        name = self._name(wanted.name or "box")
        one = DockerContainer(wanted.image, name=name)
        # As it is: a prefix for the public hub's images is not meant for those of a run.
        one.image = wanted.image
        one.with_envs(**wanted.environment).with_network(self.network())
        one.with_network_aliases(*wanted.aliases)
        if wanted.command:
            one.with_command(list(wanted.command))
        for volume, place in wanted.volumes.items():
            one.with_volume_mapping(volume, place, "rw")
        for port in wanted.ports:
            one.ports[f"{port}/tcp"] = (LOOPBACK, None)  # type: ignore[assignment]
        extra: dict[str, Any] = {
            "labels": dict(self.labels),
            "restart_policy": {"Name": wanted.policy},
            "extra_hosts": dict(wanted.extra_hosts),
        }
        if wanted.hardened:
            extra |= {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges"]}
            one.tmpfs["/tmp"] = ""
        elif wanted.dropped:
            extra["cap_drop"] = list(wanted.dropped)
        if wanted.entrypoint is not None:
            extra["entrypoint"] = list(wanted.entrypoint)
        one.with_kwargs(**extra)
        try:
            one.start()
        except FAULTS as error:
            raise explained(error, f"start a container of {wanted.image}") from None
        return Box(self._docker.api, name, one.get_container_id())

    def output_of(self, image: str, command: Sequence[str], entrypoint: Sequence[str] | None = None) -> str:
        """What a program in an image writes; raises EngineError."""
        given: dict[str, Any] = {} if entrypoint is None else {"entrypoint": list(entrypoint)}
        try:
            one = self._docker.containers.create(
                image, list(command), labels=self.labels, network_mode="none", **given
            )
            try:
                one.start()
                status = int(one.wait(timeout=_RUN_WITHIN)["StatusCode"])
                said, wrong = one.logs(stderr=False), one.logs(stdout=False)
            finally:
                one.remove(force=True, v=True)
        except FAULTS as error:
            raise explained(error, f"run {image}") from None
        if status:
            raise EngineError(f"{image} ends with {status}: {last_line(wrong)}", "give another image")
        return str(said.decode("utf-8", "replace"))

    def next_number(self) -> int:
        """A number that nothing else of this run has."""
        return next(self._numbers)

    def _name(self, what: str) -> str:
        return f"wa-{self.run}-{what}-{self.next_number()}"

    # what is left

    def remove_own(self) -> list[str]:
        """Removes all that this run has started; returns what could not be."""
        if self._docker is None:
            return []
        self._network = None
        return self._remove(lambda labels: labels.get(RUN) == self.run)

    def remove_left_behind(self, *, kept: bool = False, unknown: bool = False) -> Left:
        """Removes what earlier runs left, and never what a living run owns.

        `kept`: also what was asked to be left; `unknown`: also that of runs of which it cannot be told here
        whether they live.
        """
        left = Left()

        def goes(labels: Labels) -> bool:
            owner = Owner.read(labels.get(OWNER, ""))
            lives = None if owner is None else owner.lives()
            if lives is None and not unknown:
                left.spared += 1
            gone = (lives is False or (lives is None and unknown)) and (kept or KEPT not in labels)
            left.removed += gone
            return gone

        left.failed = self._remove(goes)
        left.removed -= len(left.failed)
        return left

    def _remove(self, wanted: Callable[[Labels], bool]) -> list[str]:
        api = self._docker.api
        mine = {"label": RUN}
        kinds: tuple[tuple[Callable[[], Iterable[dict[str, Any]]], str, Callable[[str], None]], ...] = (
            (
                lambda: api.containers(all=True, filters=mine),
                "Id",
                lambda ident: api.remove_container(ident, force=True, v=True),
            ),
            (lambda: api.networks(filters=mine), "Id", api.remove_network),
            (
                lambda: api.volumes(filters=mine)["Volumes"] or (),
                "Name",
                lambda name: api.remove_volume(name, force=True),
            ),
        )
        failed: list[str] = []
        for listed, key, remove in kinds:
            try:
                found = [one[key] for one in listed() if wanted(one.get("Labels") or {})]
            except FAULTS as error:
                return [*failed, explained(error, "list what is left").problem]
            with ThreadPoolExecutor(4) as hands:
                failed += filter(None, hands.map(lambda ident, act=remove: _removed(ident, act), found))
        return failed


def _removed(ident: str, remove: Callable[[str], None]) -> str | None:
    """None once it is gone; else why not. What another one is just removing takes a moment."""
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(0.3 * attempt)
        try:
            remove(ident)
        except errors.NotFound:
            return None
        except FAULTS as error:
            why = f"{ident[:20]} could not be removed: {told(error)}"
        else:
            return None
    return why


def _is_here(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as one:
        try:
            one.bind((address, 0))
        except OSError:
            return False
    return True


def _unreachable(error: Exception) -> EngineError:
    text = str(error)
    if "Permission denied" in text:
        return EngineError(
            "this user may not use the Docker engine", "join the group docker, or run as one who may"
        )
    if shutil.which("docker") is None:
        return EngineError("Docker is not installed here", _INSTALL)
    return EngineError(
        "the Docker engine cannot be reached", "start it (`systemctl start docker`), or set DOCKER_HOST"
    )
