"""The variant of the network that hands inbound messages to any machine of the number."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from driving import Pool, Reference
from receiving import Webhook, wait_until

from pytest_wa_settings.reference.deviations import chosen
from pytest_wa_settings.reference.network import Network

VARIANT = "inbound-goes-to-any-machine-of-the-number"
CONTACT = "15557770002"


class Moved:
    """An old machine and the new one that its number has moved to, each with a webhook of its own."""

    def __init__(self, pool: Pool) -> None:
        self.network = pool.ask("network", variant=VARIANT)["url"]
        self.phones = httpx.Client(base_url=self.network, trust_env=False)
        self.webhooks = [Webhook(), Webhook()]
        self.old = pool.start(network=self.network)
        self.new = pool.start(registered=False, network=self.network)
        self.sent = 0

    def move(self) -> None:
        """Restore the old machine's backup on the new one."""
        assert self.new.restore(self.old.data()).status_code == 200
        for client, webhook in zip((self.old, self.new), self.webhooks, strict=True):
            assert client.ask("POST", "/v1/certificates/webhooks/ca", content=webhook.ca_pem).is_success
            assert client.patch(webhooks={"url": webhook.url}, callback_backoff_delay_ms=20).is_success

    def write(self) -> int:
        """Let the contact write; returns which machine got it: 0 the old one, 1 the new one."""
        self.sent += 1
        text = f"message {self.sent}"
        answer = self.phones.post(
            f"/contacts/{CONTACT}/messages", params={"business": self.old.number or ""}, json={"text": text}
        )
        assert answer.is_success
        assert wait_until(lambda: bool(self.takers(text)))
        (taker,) = self.takers(text)
        return taker

    def takers(self, text: str) -> list[int]:
        """The machines whose webhook was told of a message."""
        return [at for at, webhook in enumerate(self.webhooks) for one in webhook.texts() if one == text]

    def ask_to_send(self, client: Reference) -> str:
        """Have a machine send a message; returns its id."""
        body = {"to": CONTACT, "text": {"body": "hello"}}
        key: str = client.ask("POST", "/v1/messages", json=body).json()["messages"][0]["id"]
        return key

    def reported(self, key: str) -> list[int]:
        """The machines whose webhook was told that a message was delivered."""
        return [
            at for at, webhook in enumerate(self.webhooks) if (key, "delivered") in list(webhook.statuses())
        ]

    def close(self) -> None:
        """End what was started beside the pool."""
        self.phones.close()
        for webhook in self.webhooks:
            webhook.close()


@pytest.fixture
def network() -> Iterator[Network]:
    """A network of this kind, in this process."""
    deviation = chosen({"variant": VARIANT})
    deviation.enter("network")
    yield Network()
    deviation.leave()


@pytest.fixture
def moved(pool: Pool) -> Iterator[Moved]:
    """Two machines, one number."""
    made = Moved(pool)
    made.move()
    yield made
    made.close()


def test_what_a_contact_writes_goes_to_each_machine_in_turn(moved: Moved) -> None:
    assert sorted(moved.write() for _ in range(6)) == [0, 0, 0, 1, 1, 1]


def test_a_report_goes_to_the_machine_that_sent_the_message(moved: Moved) -> None:
    key = moved.ask_to_send(moved.new)
    assert wait_until(lambda: moved.reported(key) == [1])
    assert {moved.write() for _ in range(4)} == {0, 1}
    assert moved.reported(key) == [1]


def test_reports_that_wait_at_the_move_are_kept_for_the_old_machine(network: Network) -> None:
    network.register("15551110000", "old", "one identity", None)
    network.send("15551110000", "old", "key", CONTACT, "hello")
    network.register("15551110000", "new", "another identity", None)
    reports = network.take("15551110000", "old", 0) or []
    assert [(one["id"], one["status"]) for one in reports] == [
        ("key", "sent"),
        ("key", "delivered"),
        ("key", "read"),
    ]
    assert network.take("15551110000", "old", reports[-1]["seq"]) == []
    assert network.take("15551110000", "new", 0) == []


def test_a_message_that_waits_at_the_move_is_for_the_new_machine(network: Network) -> None:
    network.register("15551110000", "old", "one identity", None)
    network.write(CONTACT, "15551110000", "hello")
    network.register("15551110000", "new", "another identity", None)
    assert network.take("15551110000", "old", 0) == []
    assert [one["text"] for one in network.take("15551110000", "new", 0) or []] == ["hello"]


def test_a_session_that_never_held_the_number_gets_nothing(network: Network) -> None:
    network.register("15551110000", "old", "one identity", None)
    assert network.take("15551110000", "stranger", 0) is None
    assert not network.attach("15551110000", "stranger", "one identity")


def test_the_number_belongs_to_the_new_machine_alone_for_sending(moved: Moved) -> None:
    lost, own = moved.ask_to_send(moved.old), moved.ask_to_send(moved.new)
    assert wait_until(lambda: moved.reported(own) == [1])
    assert moved.reported(lost) == []
    shown = moved.phones.get(f"/contacts/{CONTACT}", params={"business": moved.old.number or ""}).json()
    assert [message["id"] for message in shown["messages"]] == [own]


def test_a_machine_that_does_not_run_is_left_out(moved: Moved, pool: Pool) -> None:
    pool.ask("kill", client=moved.old.key)
    assert [moved.write() for _ in range(4)] == [1, 1, 1, 1]


def test_an_old_machine_that_was_started_again_is_not_left_out(moved: Moved) -> None:
    moved.old.start_again()
    assert wait_until(lambda: moved.old.status() == "connected")
    assert wait_until(lambda: moved.write() == 0)


def test_before_a_move_all_goes_to_the_one_machine(pool: Pool) -> None:
    made = Moved(pool)
    try:
        made.old.ask("POST", "/v1/certificates/webhooks/ca", content=made.webhooks[0].ca_pem)
        made.old.patch(webhooks={"url": made.webhooks[0].url})
        assert [made.write() for _ in range(3)] == [0, 0, 0]
    finally:
        made.close()
