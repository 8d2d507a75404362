"""What stands around declared clients: the views of their contacts, and the receiver of their callbacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_wa_settings.testbed.base import Settings
from pytest_wa_settings.testbed.client import Client
from pytest_wa_settings.testbed.consumer import Consumer, ConsumerError
from pytest_wa_settings.testbed.entry import shared
from pytest_wa_settings.testbed.errors import TestbedError
from pytest_wa_settings.testbed.slot import Slot
from pytest_wa_settings.testbed.views import Views
from pytest_wa_settings.testbed.webhook import Receiver, ReceiverError


class Surroundings:
    """The consumer views and the receiver that the entries of a testbed declare.

    Attributes:
        consumer: the declared view; where there are several, each business is asked of its own.
        webhook: a receiver at the declared address; on loopback where all clients are there.
    """

    def __init__(
        self, slots: Sequence[Slot], settings: Settings, *, contacts: Sequence[str], timeout: float
    ) -> None:
        """Opens no connection; raises ConsumerError, ReceiverError and UsageError."""
        self._slots = slots
        self._views: dict[str, Consumer] = {}
        for slot in slots:
            address = slot.entry.consumer
            if address and address not in self._views:
                self._views[address] = Consumer(
                    address, contacts=contacts, seed=settings.seed, timeout=timeout
                )
            supplied = None if address else settings.consumer_of(slot.client)
            if supplied is not None:
                slot.entry = replace(slot.entry, consumer=f"supplied:{slot.entry.name}")
                self._views[f"supplied:{slot.entry.name}"] = supplied
        views = list(self._views.values())
        self.consumer: Consumer | None = None
        if views:
            self.consumer = views[0] if len(views) == 1 else Views(views, self._view_of)
        self.webhook: Receiver | None = None
        entries = [slot.entry for slot in slots]
        address = shared(entries, "webhook")
        if address is not None:
            self.webhook = Receiver(address, certificate=shared(entries, "webhook_cert"))
        elif all(entry.on_loopback for entry in entries):
            self.webhook = Receiver()

    def check(self) -> None:
        """Reads the consumer view, and opens a receiver that was asked for; raises TestbedError."""
        try:
            if self.consumer is not None:
                self.consumer.check()
            if self.webhook is not None and any(slot.entry.webhook for slot in self._slots):
                self.webhook.start()
        except (ConsumerError, ReceiverError) as error:
            raise TestbedError(error.problem, error.remedy) from None

    def consumer_for(self, client: Client) -> Consumer | None:
        """The view that the client's own entry declares, else the one of the testbed."""
        own = [slot.entry.consumer for slot in self._slots if slot.client is client and slot.entry.consumer]
        return self._views[own[0]] if own else self.consumer

    def _view_of(self, business: str) -> Consumer | None:
        for slot in self._slots:
            if slot.entry.consumer and slot.client.number() == business:
                return self._views[slot.entry.consumer]
        return None

    def close(self) -> None:
        """Ends the connections to all views, and the receiver."""
        for one in (self.consumer, *self._views.values(), self.webhook):
            if one is not None:
                one.close()
