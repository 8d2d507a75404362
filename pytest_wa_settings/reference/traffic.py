"""Messages out, messages and reports in, and the callbacks that tell the business about them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from pytest_wa_settings.reference.link import Link, LinkDown, LinkRefused, Seat
from pytest_wa_settings.reference.logs import Log
from pytest_wa_settings.reference.registration import Registration
from pytest_wa_settings.reference.settings import ApplicationSettings
from pytest_wa_settings.reference.store import Store
from pytest_wa_settings.reference.webhook import Webhook

RETRY_SECONDS = 0.2
SHORTEST_DELAY_MS = 10


async def keep_going(work: Callable[[], Awaitable[None]], log: Log) -> None:
    """Run background work to its end, and begin it again after a fault: nothing else would notice one."""
    while True:
        try:
            return await work()
        except Exception as problem:  # noqa: BLE001 - a fault in the background must not end the relay
            log.error("fault", exception=type(problem).__name__)
            await asyncio.sleep(RETRY_SECONDS)


def authority(url: str) -> str:
    """The host and port that a URL names, as far as it can be read."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return "an address that cannot be read"


class Traffic:
    """Carries what is queued in the store to the network and to the webhook, in the background.

    Everything is kept before it is acted on and deleted after it arrived: nothing is lost, and a kill in
    between makes a callback arrive twice.
    """

    def __init__(
        self, store: Store, link: Link, settings: ApplicationSettings, webhook: Webhook, log: Log
    ) -> None:
        self.store = store
        self.link = link
        self.settings = settings
        self.webhook = webhook
        self.log = log
        self.tasks: list[asyncio.Task[None]] = []
        self.posted = asyncio.Event()
        self.called = asyncio.Event()
        self.busy: set[int] = set()
        self.failing: tuple[str, str] | None = None

    def start(self, registration: Registration) -> None:
        """Begin to carry."""
        self.registration = registration
        self.tasks = [
            asyncio.create_task(keep_going(work, self.log)) for work in (self.post_out, self.call_back)
        ]

    async def stop(self) -> None:
        """Stop carrying; what is under way is cut off and stays queued."""
        tasks, self.tasks = self.tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.busy.clear()

    # To the network.

    def post(self, item: dict[str, Any]) -> None:
        """Queue a message or a receipt; call inside the `change` that keeps it."""
        self.store.push_outbox(item)
        self.posted.set()

    async def post_out(self) -> None:
        """Hand the outbox over in order, as long as the number is ours."""
        while True:
            self.posted.clear()
            seat, item = self.registration.seat(), self.store.next_outbox()
            if seat is None or item is None:
                await self.posted.wait()
                continue
            try:
                taken = await self.link.deliver(seat, item[1])
            except LinkRefused:
                taken = True
            except LinkDown:
                taken = False
            if taken:
                self.store.drop_outbox(item[0])
            else:
                await asyncio.sleep(RETRY_SECONDS)

    # From the network.

    def take(self, seat: Seat, events: list[dict[str, Any]]) -> None:
        """Keep what the network brought, and queue the callbacks for it, in one transaction."""
        last = self.registration.after()
        with self.store.change():
            for event in events:
                if event["seq"] > last:
                    self.take_one(event)
            self.registration.mark_taken(seat, max(last, events[-1]["seq"]))
        self.called.set()

    def take_one(self, event: dict[str, Any]) -> None:
        """Keep one message or report."""
        if event["kind"] == "message":
            self.store.put_message(event["id"], "in", event["from"], {"body": event["text"]}, "received")
            self.store.push_callback(self.message_callback(event))
        elif event["kind"] == "status":
            self.store.mark_message(event["id"], event["status"])
            if self.settings.wants_status(event["status"]):
                self.store.push_callback(self.status_callback(event))

    def message_callback(self, event: dict[str, Any]) -> dict[str, Any]:
        """What the webhook is told about an inbound message."""
        message = {
            "from": event["from"],
            "id": event["id"],
            "text": {"body": event["text"]},
            "timestamp": str(event["at"]),
            "type": "text",
        }
        return {
            "contacts": [{"profile": {"name": event["from"]}, "wa_id": event["from"]}],
            "messages": [message],
        }

    def status_callback(self, event: dict[str, Any]) -> dict[str, Any]:
        """What the webhook is told about a message that was sent."""
        report = {
            "id": event["id"],
            "recipient_id": event["to"],
            "status": event["status"],
            "timestamp": str(event["at"]),
        }
        return {"statuses": [report]}

    # To the webhook.

    def webhook_changed(self) -> None:
        """Try all callbacks again at once."""
        self.store.hasten_callbacks()
        self.called.set()

    async def call_back(self) -> None:
        """Deliver callbacks, several at a time, each until it is taken."""
        running: set[asyncio.Task[None]] = set()
        try:
            while True:
                self.called.clear()
                settings = self.settings.effective()
                url = settings["webhooks"].get("url")
                free = settings["webhooks"]["max_concurrent_requests"] - len(running)
                if url and free > 0:
                    for callback in self.store.due_callbacks(time.time(), free, self.busy):
                        running.add(asyncio.create_task(self.deliver(url, *callback)))
                        self.busy.add(callback[0])
                await self.pause(running, url)
                running = {task for task in running if not task.done()}
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def pause(self, running: set[asyncio.Task[None]], url: str | None) -> None:
        """Wait until there may be something to deliver."""
        due = self.store.next_due(self.busy) if url else None
        seconds = None if due is None else max(SHORTEST_DELAY_MS / 1000, due - time.time())
        called = asyncio.create_task(self.called.wait())
        try:
            await asyncio.wait({called, *running}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            called.cancel()

    async def deliver(self, url: str, seq: int, payload: dict[str, Any], attempts: int) -> None:
        """Send one callback, and forget it or put it back for later."""
        reason = await self.webhook.send(url, payload)
        self.busy.discard(seq)
        self.note_failure(url, reason)
        if reason is None:
            self.store.drop_callback(seq)
        else:
            delay = self.backoff(attempts + 1)
            self.log.debug("callback not taken", attempts=attempts + 1, seconds=delay)
            self.store.delay_callback(seq, attempts + 1, time.time() + delay)

    def note_failure(self, url: str, reason: str | None) -> None:
        """Say why callbacks do not arrive, once for a reason and a URL in a row; None for one that did.

        Only the URL's host and port are said: the rest may carry a secret.
        """
        failing = None if reason is None else (url, reason)
        if failing is not None and failing != self.failing:
            self.log.warning("callback not delivered", webhook=authority(url), reason=reason)
        self.failing = failing

    def backoff(self, attempts: int) -> float:
        """Seconds until the next attempt: linear, up to the longest delay."""
        settings = self.settings.effective()
        delay: int = settings["callback_backoff_delay_ms"] * attempts
        longest: int = settings["max_callback_backoff_delay_ms"]
        return max(SHORTEST_DELAY_MS, min(delay, longest)) / 1000
