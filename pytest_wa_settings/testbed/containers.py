"""The `docker:` testbed: reference clients in containers, as many as are asked for, on their own network."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, TimeoutError
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytest_wa_settings.testbed.address import Managed
from pytest_wa_settings.testbed.base import Policy, Settings
from pytest_wa_settings.testbed.box import Box, EngineError, last_line
from pytest_wa_settings.testbed.client import Client
from pytest_wa_settings.testbed.consumer import Consumer
from pytest_wa_settings.testbed.engine import LOOPBACK, Engine, Wanted
from pytest_wa_settings.testbed.errors import NotBack, UsageError
from pytest_wa_settings.testbed.image import built_image, need_image
from pytest_wa_settings.testbed.interrupts import first_interrupt_waits
from pytest_wa_settings.testbed.life import Life
from pytest_wa_settings.testbed.managed import Claim, Key, ManagedTestbed
from pytest_wa_settings.testbed.scratch import Scratch
from pytest_wa_settings.testbed.webhook import Receiver
from pytest_wa_settings.wire import Tls

API_PORT, NETWORK_PORT = 443, 9900
STATE = "/var/lib/wa-reference"
"""Where the image keeps a client's state; `tls/ca.pem` in it is the authority of its certificate."""
_CA = f"{STATE}/tls/ca.pem"
_HOST = "host.docker.internal"
_HANDS = 4
_MOST_KEPT = 8
_LOOK_AT_LOG = "look at the container's log, or run `docker run` on the image yourself"


class BoxLife(Life):
    """The life of one client in a container; Docker itself starts it again."""

    can_restart = True
    can_kill = True
    # Docker waits twice as long before each restart of a container that did not run for ten seconds; a start
    # by hand makes it begin anew.
    policy_within = 4.0

    def __init__(self, box: Box, volume: str | None = None) -> None:
        self.box = box
        self.volume = volume

    @property
    def boxes(self) -> list[Box]:
        """All of its containers."""
        return [self.box]

    def log(self) -> str:
        """The last lines that it wrote."""
        return self.box.log()

    def running(self) -> bool:
        """Whether its container runs."""
        return self.box.look().running

    def generation(self) -> int:
        """When it was last started, in ns: later is newer, whoever started it."""
        return self.box.look().started

    def kill(self) -> None:
        """`docker kill`."""
        self.box.kill()

    def restart(self) -> None:
        """`docker restart`, with its state."""
        try:
            self.box.restart()
        except EngineError as error:
            raise NotBack(f"the client does not start: {error.problem}", error.remedy) from None

    def url(self) -> str | None:
        """Where it is now: another port of this machine after each start; None while it is down."""
        port = self.box.look().ports.get(f"{API_PORT}/tcp")
        return None if port is None else f"https://{LOOPBACK}:{port}"


class ContainerTestbed(ManagedTestbed):
    """Reference clients in containers, with one simulated WhatsApp network in another.

    All of them carry labels with the run, by which they are removed, also by a later run.
    """

    # A machine that starts many containers at once takes its time.
    ready = 60.0

    def __init__(self, address: Managed, settings: Settings) -> None:
        super().__init__(address, settings)
        self._image = address.keys.get("image", "")
        self._base = address.keys.get("base-image")
        if self._image and self._base:
            raise UsageError("image= and base-image= exclude each other", "give one of them")
        keep = address.keys.get("keep", "no")
        if keep not in ("yes", "no"):
            raise UsageError("keep= has no such value", "give keep, or keep=yes")
        self._keep = keep == "yes"
        self._say = settings.say
        self._policy: Policy = self.options.restart_policy
        self._engine: Engine | None = None
        self._hands: ThreadPoolExecutor | None = None
        self._folder: Path | None = None
        self._scratch: Scratch | None = None
        self._extra_hosts: Mapping[str, str] = {}
        self._outer_network = ""
        self._lives: dict[str, Any] = {}
        self._gone: dict[str, Future[str]] = {}
        self._to_keep: list[str] = []
        self._told: list[str] = []
        self._lock = threading.Lock()

    # opening and closing

    def open(self) -> None:
        """Starts the network and orders the first client; raises TestbedError."""
        engine = Engine(keep=self._keep)
        engine.connect()
        self._engine = engine
        engine.call_reaper()
        try:
            engine.remove_left_behind()
            self._scratch = Scratch("containers-")
            self._folder = self._scratch.path
            self._hands = ThreadPoolExecutor(_HANDS, thread_name_prefix="wa-containers")
            self._image = self._find_image(engine)
            if self.options.variant is not None:
                self._policy = self._policy_of(engine, self.options.variant)
            self._webhook = self._receiver(engine)
            self._start_network(engine)
            self._order(self._default)
        except BaseException:
            self.close()
            raise

    def _find_image(self, engine: Engine) -> str:
        if self._image:
            return need_image(engine, self._image)
        return built_image(engine, self._base, self._say)

    def _start_network(self, engine: Engine) -> None:
        port = ["--host", "0.0.0.0", "--port", str(NETWORK_PORT)]
        command = ["network", *port, *self._deviations()]
        box = engine.start(Wanted(self._image, command, "network", aliases=["network"], ports=[NETWORK_PORT]))
        self._network = f"http://network:{NETWORK_PORT}"
        outer = awaited(box, NETWORK_PORT, self.ready_timeout, _accepts)
        self._outer_network = f"http://{LOOPBACK}:{outer}"
        self._consumer = Consumer(self._outer_network, seed=self._seed, timeout=self.timeout)

    def _receiver(self, engine: Engine) -> Receiver:
        """The suite's receiver at an address that containers reach, and nobody outside this machine."""
        gateway = engine.gateway()
        if gateway is not None:
            return Receiver(f"https://{gateway}", bind=gateway)
        # Docker in a machine of its own (Docker Desktop): it brings such calls to loopback here.
        self._extra_hosts = {_HOST: "host-gateway"}
        return Receiver(f"https://{_HOST}", bind=LOOPBACK)

    def _policy_of(self, engine: Engine, variant: str) -> Policy:
        """The restart policy that a variant brings, else the one that the address names."""
        listed = json.loads(engine.output_of(self._image, ["variants", "--format", "json"]))
        options = [one.get("options", {}) for one in listed if one["name"] == variant]
        policy: Policy = options[0].get("restart_policy", self._policy) if options else self._policy
        return policy

    def close(self) -> list[str]:
        """Removes every container, network and volume of the run, but what it was asked to keep."""
        engine = self._engine
        if engine is None:
            return self._told
        with first_interrupt_waits("removing the containers of this run"):
            if self._hands is not None:
                self._hands.shutdown(wait=True, cancel_futures=True)
            for client in self._shelved():
                client.driver.close()
            for surrounding in (self._webhook, self._consumer):
                if surrounding is not None:
                    surrounding.close()
            if self._keep:
                self._told = self._tell_kept()
            else:
                self._told = engine.remove_own()
            if self._scratch is not None:
                self._scratch.close()
            engine.close()
            self._shelves.clear()
            self._engine = None
        return self._told

    def _tell_kept(self) -> list[str]:
        found: list[str] = []
        for name, life in self._lives.items():
            with suppress(EngineError):
                found.append(f"{name} is kept: container {life.boxes[0].name}, {life.url() or 'not running'}")
        return [*found, "`wa-settings clean` removes what is kept"] if found else []

    # clients

    def _begin(self, key: Key) -> Claim:
        assert self._hands is not None, "the testbed is not open"
        return self._hands.submit(self._start, key, self._start_options(key)).result

    def _start(self, key: Key, options: Mapping[str, Any]) -> Client:
        engine, folder = self._engine, self._folder
        assert engine is not None, "the testbed is not open"
        assert folder is not None
        volume = engine.volume()
        box = engine.start(
            Wanted(
                self._image,
                self._command(options),
                "client",
                environment={"WA_ADMIN_PASSWORD": self._password},
                ports=[API_PORT],
                volumes={volume: STATE},
                policy=self._policy,
                extra_hosts=self._extra_hosts,
            )
        )
        life = BoxLife(box, volume)
        port = awaited(box, API_PORT, self.ready_timeout, shakes_hands)
        authority = folder / f"{box.name}.pem"
        authority.write_bytes(box.file(_CA) or b"")
        with self._lock:
            client = self._client(
                key, f"https://{LOOPBACK}:{port}", life=life, tls=Tls(ca=authority), policy=self._policy
            )
            self._lives[client.name] = life
        client.driver.locate = life.url
        return client

    def _command(self, options: Mapping[str, Any]) -> list[str]:
        """The reference's command line for a client of these options."""
        listens = ["--host", "0.0.0.0", "--port", str(API_PORT), "--state-dir", STATE, "--restarted-outside"]
        shards = [
            "--shards",
            str(options["shards"]),
            *(["--multiconnect"] if options["multiconnect"] else []),
        ]
        number = ["--register", options["number"]] if options["number"] else []
        return [
            *["serve", *listens, *shards, *number, "--client-version", options["version"]],
            *["--success-body", options["success_body"], "--kdf", options["kdf"]],
            *["--network", options["network"], *self._deviations()],
        ]

    def _deviations(self) -> list[str]:
        chosen = [(f"--{kind}", name) for kind, name in self.options.deviations.items() if name]
        return [word for option in chosen for word in option]

    def _discard(self, client: Client) -> None:
        client.driver.close()
        hands, life = self._hands, self._lives.get(client.name)
        if hands is None or life is None:
            return
        name = client.name
        if self._keep:  # the last ones stay: with -x, the one that a test failed on is among them
            self._to_keep.append(name)
            if len(self._to_keep) <= _MOST_KEPT:
                return
            name = self._to_keep.pop(0)
        with suppress(RuntimeError):  # at the end, when all goes at once, the hands take nothing more
            self._gone[name] = hands.submit(self._remove, self._lives.pop(name))

    def _remove(self, life: BoxLife) -> str:
        """Removes a client's container and volume; returns the container's last log."""
        log = str(life.log())
        # What cannot be removed now is tried again, and told, at the end.
        with suppress(EngineError):
            for box in life.boxes:
                box.remove()
            if life.volume is not None and self._engine is not None:
                self._engine.remove_volume(life.volume)
        return log

    def log_of(self, client: str) -> str | None:
        """The last lines that a client's container wrote, also after its end."""
        gone, life = self._gone.get(client), self._lives.get(client)
        if gone is not None:
            with suppress(CancelledError, TimeoutError):
                return gone.result(self.timeout)
        return None if life is None else life.log()


def awaited(box: Box, inner: int, limit: float, answers: Any) -> int:
    """The host's port of a container's, once something answers there; raises EngineError."""
    deadline = time.monotonic() + limit
    while True:
        seen = box.look()
        port = seen.ports.get(f"{inner}/tcp")
        if port is not None and answers(port):
            return port
        ended = seen.started > 0 and not seen.running and port is None
        if ended or time.monotonic() > deadline:
            problem = "has ended" if ended else f"does not answer within {limit:g} s"
            raise EngineError(
                f"the container {box.name} {problem}: {last_line(box.log()) or 'it wrote nothing'}",
                _LOOK_AT_LOG,
            )
        time.sleep(0.01)


def _accepts(port: int) -> bool:
    """Whether a plain HTTP server answers; Docker's own proxy takes connections before one listens."""
    with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=2.0) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return bool(connection.recv(1))
    return False


def shakes_hands(port: int) -> bool:
    """Whether a TLS server answers; whose certificate it has is for the first request to check."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        suppress(OSError),
        socket.create_connection((LOOPBACK, port), timeout=2.0) as plain,
        context.wrap_socket(plain) as _,
    ):
        return True
    return False
