"""The life cycle of a client: registered or not, connected or not, backed up, restored, stopped."""

from __future__ import annotations

import asyncio
from typing import Any

from pytest_wa_settings.reference.errors import Refusal, not_ready
from pytest_wa_settings.reference.link import Link, LinkDown
from pytest_wa_settings.reference.logs import Log
from pytest_wa_settings.reference.options import Options
from pytest_wa_settings.reference.registration import Registration, new_identity, new_registration
from pytest_wa_settings.reference.settings import ApplicationSettings
from pytest_wa_settings.reference.store import Store
from pytest_wa_settings.reference.traffic import Traffic, keep_going
from pytest_wa_settings.reference.vault import Opened, Setup, Vault, VaultError

RETRY_SECONDS = 0.2
LEAVE_SECONDS = 5.0


class Coreapp:
    """One client's state machine. Everything runs on the event loop, key derivation in threads."""

    def __init__(
        self, options: Options, store: Store, vault: Vault, link: Link, traffic: Traffic, log: Log
    ) -> None:
        self.options = options
        self.store = store
        self.vault = vault
        self.link = link
        self.traffic = traffic
        self.log = log
        self.registration = Registration(store)
        self.application = ApplicationSettings(store, options.release)
        self.lock = asyncio.Lock()
        self.stopped = False
        self.left = asyncio.Event()
        self.live: bool | None = None
        self.line: asyncio.Task[None] | None = None

    # Life.

    async def start(self) -> None:
        """Come up: register the number given at birth, connect, begin to relay."""
        number = self.options.number
        if number is not None and not self.store.get("born"):
            with self.store.change():
                self.registration.keep(new_registration(number, "Reference Business"))
                self.store.put("born", True)
        if not self.application.effective()["callback_persist"]:
            self.store.drop_callbacks()
        await self.connect()
        self.relay()

    async def close(self) -> None:
        """End the background work."""
        await self.hold()

    def leave(self) -> None:
        """Let the process end."""
        self.left.set()

    def status(self) -> str:
        """The gateway status that health shows."""
        if self.registration.number is None:
            return "unregistered"
        if self.live is None:
            return "connecting"
        return "connected" if self.live else "disconnected"

    def setup(self) -> Setup:
        """What a backup says about this client."""
        return Setup(self.shards, self.options.multiconnect, self.options.version)

    @property
    def shards(self) -> int:
        """The number of shards that run."""
        return int(self.store.get("shards", self.options.shards))

    # The line to the network.

    async def connect(self) -> None:
        """Tell the network who we are; where it does not answer in time, `relay` goes on trying."""
        seat = self.registration.seat()
        if seat is None:
            return
        try:
            if self.registration.told():
                self.live = await self.link.attach(seat)
            else:
                self.live = await self.link.register(seat)
                self.registration.mark_told(seat)
        except LinkDown as problem:
            self.live = None
            self.log.warning("network", problem=type(problem).__name__)

    def relay(self) -> None:
        """Begin to carry messages and events in the background."""
        self.traffic.start(self.registration)
        self.line = asyncio.create_task(keep_going(self.listen, self.log))

    async def hold(self) -> None:
        """Stop carrying messages and events; what is under way is cut off and counts as not done."""
        tasks = [self.line] if self.line is not None else []
        self.line = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.traffic.stop()

    async def listen(self) -> None:
        """Take events from the network as long as the number is ours."""
        while (seat := self.registration.seat()) is not None and self.live is not False:
            if self.live is None:
                await asyncio.sleep(RETRY_SECONDS)
                await self.connect()
                continue
            try:
                events = await self.link.events(seat, self.registration.after())
            except LinkDown:
                self.live = None
                continue
            if events is None:
                self.live = False
                self.log.info("number lost")
            elif events:
                self.traffic.take(seat, events)

    # Registration.

    async def register(self, number: str, vname: str, pin: str | None) -> None:
        """Hold a number that has just been verified; `pin` is its two-step pin, if it has one."""
        async with self.lock:
            self.assert_running()
            await self.hold()
            with self.store.change():
                if self.registration.number != number:
                    self.store.forget_traffic()
                self.store.put("two_step", pin)
                self.store.drop("registering")
                self.registration.keep(new_registration(number, vname))
            await self.connect()
            self.relay()

    # Backup and restore.

    def assert_running(self) -> None:
        """Refuse while the app is stopped."""
        if self.stopped:
            raise not_ready("The application is stopped. Start it again.")

    async def backup(self, password: str) -> str:
        """A backup of the state as it is at the call."""
        self.assert_running()
        if self.registration.number is None:
            raise not_ready("The client is not registered.", 409)
        sealed: str = await self.work(self.vault.seal, self.collect(), self.setup(), password)
        return sealed

    def collect(self) -> dict[str, Any]:
        """The state that goes into a backup; settings as they read, so that other defaults change nothing."""
        return {**self.store.snapshot(), "application": self.application.effective()}

    async def restore(self, password: str, data: str) -> None:
        """Check a backup, then put its state in the place of ours; a client that was registered stops."""
        async with self.lock:
            self.assert_running()
            opened = await self.unseal(password, data)
            self.assert_fits(opened.setup)
            was_registered = self.registration.number is not None
            await self.hold()
            try:
                self.commit(opened)
                self.stopped = self.stops_after_restore(was_registered)
            finally:
                if not self.stopped:
                    self.live = None
                    await self.connect()
                    self.relay()
            if self.stopped:
                asyncio.get_running_loop().call_later(LEAVE_SECONDS, self.leave)
                await self.connect()
            self.log.info("restored", stops=self.stopped)

    async def unseal(self, password: str, data: str) -> Opened:
        """The backup's content, or a refusal."""
        try:
            opened: Opened = await self.work(self.vault.open, data, password)
        except VaultError:
            raise Refusal(400, 1009, "The backup does not open with this password and data.") from None
        return opened

    def assert_fits(self, setup: Setup) -> None:
        """Refuse a backup from another type of set-up, or from another number of shards."""
        if setup.multiconnect != self.options.multiconnect:
            raise Refusal(400, 1025, "The backup is from another type of setup.")
        if setup.shards != self.shards:
            raise Refusal(400, 1025, "The backup is from a setup with another number of shards.")

    def commit(self, opened: Opened) -> None:
        """Replace the state in one transaction.

        The network is told afterwards, at the latest when the app starts again: a kill at any moment
        leaves the old state under the old session, or the new one.
        """
        with self.store.change_for_good():
            self.store.replace(opened.state)
            if self.options.new_code_on_restore:
                self.store.put("registration", {**opened.state["registration"], **new_identity()})
            self.registration.open_session()

    def stops_after_restore(self, was_registered: bool) -> bool:
        """Whether the app stops now: an existing one does, a new machine initializes itself."""
        return was_registered

    async def work(self, function: Any, *arguments: Any) -> Any:
        """Run key derivation in a thread, where it takes long."""
        if self.options.kdf == "light":
            return function(*arguments)
        return await asyncio.to_thread(function, *arguments)
