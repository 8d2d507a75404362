"""The `onprem:` testbed: clients in the real one's published topology, on its images or the reference's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any, TypeVar

from pytest_wa_settings.api import Driver
from pytest_wa_settings.api import health as states
from pytest_wa_settings.api.resources import APPLICATION
from pytest_wa_settings.testbed.accounts import FACTORY_PASSWORD
from pytest_wa_settings.testbed.address import Managed
from pytest_wa_settings.testbed.base import STATES, Need, Settings, Setup, State
from pytest_wa_settings.testbed.box import Box, EngineError, Seen
from pytest_wa_settings.testbed.client import Client
from pytest_wa_settings.testbed.consumer import Consumer
from pytest_wa_settings.testbed.containers import ContainerTestbed, awaited, shakes_hands
from pytest_wa_settings.testbed.engine import LOOPBACK, Engine, Wanted
from pytest_wa_settings.testbed.errors import NotBack, TestbedError, Unavailable
from pytest_wa_settings.testbed.image import built_image, need_image
from pytest_wa_settings.testbed.life import Life
from pytest_wa_settings.testbed.managed import Claim, Key
from pytest_wa_settings.testbed.offer import Offer
from pytest_wa_settings.testbed.registering import CC, CERTIFICATE, NUMBER, Phone, register, simulated_code
from pytest_wa_settings.testbed.topology import MEDIA, WEB_PORT, Images, Piece, pieces, policy_of
from pytest_wa_settings.wire import Recorder, Tls

_HANDS = 3
_LOOK_EVERY = 0.1
_PAUSE = 0.1
_KILLS, _KILLED_WITHIN = 3, 5.0
_Done = TypeVar("_Done")


class StackLife(Life):
    """The life of one client in several containers: masters and coreapps stop and start, the web stays."""

    can_restart = True
    can_kill = True
    # Docker waits longer before each restart of a container that did not run for ten seconds.
    policy_within = 2.0

    def __init__(self, web: Box, database: Box, cores: list[Box], volume: str) -> None:
        self.web, self.database, self.cores, self.volume = web, database, cores, volume
        self._lock = threading.Lock()
        self._looked = 0.0
        self._seen: list[Seen] = []

    @property
    def boxes(self) -> list[Box]:
        """All of its containers."""
        return [self.web, *self.cores, self.database]

    def running(self) -> bool:
        """Whether all its masters and coreapps run."""
        return all(seen.running for seen in self._look())

    def generation(self) -> int:
        """When the one that was started first was last started, in ns: later once all were started again."""
        return min(seen.started for seen in self._look())

    def _look(self) -> list[Seen]:
        with self._lock:
            now = time.monotonic()
            if now - self._looked > _LOOK_EVERY:
                self._seen = self._all(Box.look, self.cores)
                self._looked = time.monotonic()
            return self._seen

    def kill(self) -> None:
        """`docker kill` for all masters and coreapps at once.

        Where one ends by itself just then and Docker starts it again, the engine waits for the end of that
        one, too: what is not dead soon is killed once more.
        """
        for _ in range(_KILLS):
            hands = ThreadPoolExecutor(len(self.cores))
            wait([hands.submit(box.kill) for box in self.cores], _KILLED_WITHIN)
            hands.shutdown(wait=False)
            self._looked = 0.0
            if not any(seen.running for seen in self._look()):
                return
        raise EngineError("a container does not end when it is killed", "look at the engine's log")

    def restart(self) -> None:
        """`docker restart` for all masters and coreapps."""
        try:
            with self._lock:
                self._all(Box.restart, self.cores)
                self._looked = 0.0
        except EngineError as error:
            raise NotBack(f"the client does not start: {error.problem}", error.remedy) from None

    @staticmethod
    def _all(act: Callable[[Box], _Done], boxes: list[Box]) -> list[_Done]:
        with ThreadPoolExecutor(len(boxes)) as hands:
            return list(hands.map(act, boxes))

    def url(self) -> str | None:
        """Where its web is now; None while it is down."""
        port = self.web.look().ports.get(f"{WEB_PORT}/tcp")
        return None if port is None else f"https://{LOOPBACK}:{port}"

    def log(self) -> str:
        """The last lines of all of its containers but the database."""
        return "\n".join(f"{box.name}:\n{box.log()}" for box in self.boxes[:-1])


class OnpremTestbed(ContainerTestbed):
    """Clients in their published topology. A registered one is leased again and again, as it comes back.

    On the reference's image the simulated network registers them. With the real images one of them is
    registered, if the operator names its number and certificate and brings the code; all others are new.
    """

    reuses = True
    ready = 90.0

    def __init__(self, address: Managed, settings: Settings) -> None:
        super().__init__(address, settings)
        self._images = Images.of(address.keys, self._version)
        self._operators = None if self._images.reference else Phone.of_operator()
        self._code_of = settings.code_of
        self._born: dict[str, str] = {}
        self._registered_once = False

    # what is offered

    @property
    def image(self) -> str:
        """The image that the web runs on, once the testbed is open."""
        return self._image

    @property
    def _registers(self) -> bool:
        return self._images.reference or self._operators is not None

    @property
    def _default(self) -> Key:
        return ("registered" if self._registers else "unregistered", self.options.setup, self._version)

    @property
    def shard_setups(self) -> tuple[Setup, ...]:
        """The one asked for, a single instance, and as many more as there must be for two shard counts."""
        asked = {self.options.setup} - {(1, False)}
        more = [(shards, True) for shards in (2, 4) if (shards, True) not in asked][: 2 - len(asked)]
        return ((1, False), *sorted({*asked, *more}))

    @property
    def versions(self) -> tuple[str, ...]:
        """The reference's; of the real images the one asked for."""
        return super().versions if self._images.reference else (self._version,)

    @property
    def consumer(self) -> Consumer | None:
        """The simulated network's view; of real phones there is none."""
        return self._consumer

    def why_not(self, need: Need) -> str | None:
        """None but for what the topology or the images do not allow."""
        if need.state == "registered" and not self._registers:
            return (
                f"no client can be registered; name its number and certificate as {CC}, {NUMBER} and"
                f" {CERTIFICATE}, and bring the code by the hook pytest_wa_settings_registration_code"
            )
        setup = need.setup(self.options.setup)
        if setup not in self.shard_setups:
            return "this testbed starts no such setup; give another shards="
        if not self._images.reference and need.version not in (None, self._version):
            return f"the images are of version {self._version}; run again with another version="
        return super().why_not(need)

    def offers(self) -> tuple[Offer, ...]:
        """What a plan can build on."""
        offered: tuple[State, ...] = STATES if self._registers else ("unregistered",)
        consumer = self._images.reference
        found = (replace(offer, consumer=consumer) for offer in super().offers() if offer.state in offered)
        return tuple(found)

    def preflight(self) -> list[str]:
        """Looks at the default client, and says what cannot be tested where none is registered."""
        lines = self._look_at(Need(state=self._default[0]))
        why = self.why_not(Need())
        return [*lines, *([f"{self.name}: {why}"] if why else [])]

    # opening

    def _find_image(self, engine: Engine) -> str:
        images = self._images
        if not images.reference:
            for name in (images.web, images.coreapp):
                need_image(engine, name)
        need_image(engine, images.database)
        return built_image(engine, self._base, self._say) if images.reference else images.web

    def _start_network(self, engine: Engine) -> None:
        if self._images.reference:
            super()._start_network(engine)

    # clients

    def _begin(self, key: Key) -> Claim:
        if key[0] == "registered" and self._operators is not None:
            if self._registered_once:
                raise Unavailable(
                    "there is one number to register, and a client has it", "run again for what is left"
                )
            self._registered_once = True
        return super()._begin(key)

    def _start(self, key: Key, options: Mapping[str, Any]) -> Client:
        engine = self._engine
        assert engine is not None, "the testbed is not open"
        state, setup, version = key
        images, own = self._images, {}
        if images.reference:
            images = Images(True, self._image, self._image, images.database, images.engine)
            own = {
                "WA_REFERENCE_NETWORK": options["network"],
                "WA_REFERENCE_SHARDS": str(setup[0]),
                "WA_REFERENCE_VERSION": version,
                "WA_REFERENCE_SUCCESS_BODY": options["success_body"],
                "WA_REFERENCE_KDF": options["kdf"],
            }
        life = self._start_pieces(engine, pieces(images, setup, f"-{engine.next_number()}", own))
        port = awaited(life.web, WEB_PORT, self.ready_timeout, shakes_hands)
        url = f"https://{LOOPBACK}:{port}"
        self._enter(url, state, setup, options["number"])
        with self._lock:
            client = self._client(key, url, life=life, tls=Tls(verify=False), policy=policy_of(setup))
            self._lives[client.name] = life
            self._born[client.name] = options["number"]
        client.driver.locate = life.url
        return client

    def _start_pieces(self, engine: Engine, wanted: Iterable[Piece]) -> StackLife:
        """The containers of one client, in their published order; the masters and coreapps all at once."""
        volume = engine.volume()
        front = [piece for piece in wanted if not piece.core]
        cores = [piece for piece in wanted if piece.core]

        def start(piece: Piece) -> Box:
            mine = self._images.reference and piece.media
            return engine.start(
                Wanted(
                    piece.image,
                    piece.command,
                    piece.name,
                    aliases=[piece.name],
                    environment=piece.environment,
                    ports=[WEB_PORT] if piece.media and not piece.core else [],
                    volumes={volume: MEDIA} if piece.media else {},
                    policy=piece.policy,
                    extra_hosts=self._extra_hosts,
                    hardened=mine,
                    dropped=piece.dropped,
                )
            )

        database, web = map(start, front)
        with ThreadPoolExecutor(_HANDS) as hands:
            started = list(hands.map(start, cores))
        return StackLife(web, database, started, volume)

    def _enter(self, url: str, state: State, setup: Setup, number: str | None) -> None:
        """The first login, then the registration if there is to be one; raises TestbedError."""
        driver = self._aside(url)
        try:
            deadline = time.monotonic() + self.ready_timeout
            answer = driver.login(password=FACTORY_PASSWORD, new_password=self._password)
            while not (answer.ok and _is_up(driver)):
                if time.monotonic() > deadline:
                    raise TestbedError(
                        f"a client does not serve {self.ready_timeout:g} s after its start",
                        "give it more time with --wa-ready-timeout, or look at its containers with keep",
                    )
                time.sleep(_PAUSE)
                if not answer.ok:
                    answer = driver.login(password=FACTORY_PASSWORD, new_password=self._password)
            if state == "registered":
                self._register(driver, setup, number)
        finally:
            driver.close()

    def _aside(self, url: str) -> Driver:
        """A driver for setting up, whose exchanges are no evidence."""
        return Driver(
            url,
            name="setting up",
            recorder=Recorder(),
            password=self._password,
            tls=Tls(verify=False),
            timeout=self.timeout,
        )

    def _register(self, driver: Driver, setup: Setup, number: str | None) -> None:
        phone, code_of = self._operators, self._code_of
        if phone is None:
            assert number is not None
            phone = Phone.simulated(number)
            code_of = simulated_code(self._outer_network, self.timeout)
        register(driver, phone, setup[0], code_of, self.ready_timeout)

    # after a lease

    def _goes_on(self, client: Client, need: Need) -> bool:
        """Whether the next lease may have it: a registered client that serves, or can be made to again."""
        if need.state != "registered":
            return super()._goes_on(client, need)
        if client.pending is not None or client.life.running() is False:
            return False
        driver = self._aside(client.driver.base_url)
        try:
            if not states.serves(driver.health(), registered=True, shards=client.shards):
                if self._operators is not None:
                    return False
                # Another machine has its number: that of its birth is free.
                self._register(driver, client.setup, self._born[client.name])
            driver.request("DELETE", APPLICATION.path)
        except TestbedError:
            return False
        finally:
            driver.close()
        client.touched = client.killed = False
        return True


def _is_up(driver: Driver) -> bool:
    """Whether the coreapps can be reached through the web."""
    return driver.request("GET", APPLICATION.path).ok
