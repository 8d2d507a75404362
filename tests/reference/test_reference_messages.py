"""Contacts, messages, and the callbacks about them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest
from driving import Pool, Reference, code
from receiving import Webhook, wait_until

CONTACTS = itertools.count(15558000000)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A webhook that ends with the test."""
    made = Webhook()
    yield made
    made.close()


@pytest.fixture
def contact() -> str:
    """A contact that no other test writes to."""
    return str(next(CONTACTS))


@pytest.fixture
def heard(client: Reference, webhook: Webhook) -> Reference:
    """A client that trusts the webhook and calls it."""
    return listen(client, webhook)


def listen(client: Reference, webhook: Webhook) -> Reference:
    """Let a client call a webhook, with short delays."""
    assert client.ask("POST", "/v1/certificates/webhooks/ca", content=webhook.ca_pem).status_code == 200
    answer = client.patch(webhooks={"url": webhook.url}, callback_backoff_delay_ms=20)
    assert answer.status_code == 200
    return client


def send(client: Reference, to: str, text: str) -> str:
    """Send a message; returns its id."""
    body = {"to": to, "type": "text", "recipient_type": "individual", "text": {"body": text}}
    answer = client.ask("POST", "/v1/messages", json=body)
    assert answer.status_code == 200
    key: str = answer.json()["messages"][0]["id"]
    return key


def write(client: Reference, wa_id: str, text: str) -> None:
    """Let a contact write to the business."""
    url = f"/contacts/{wa_id}/messages"
    assert client.pool.plain.post(
        url, params={"business": client.number or ""}, json={"text": text}
    ).is_success


def received(client: Reference, wa_id: str) -> list[str]:
    """What a contact has got from the business."""
    return [m["text"]["body"] for m in client.contact(wa_id)["messages"] if m["from"] == client.number]


def test_contacts_are_looked_up(client: Reference) -> None:
    body = {"blocking": "wait", "contacts": ["+1 (555) 000-1111", "15550002222", "nobody"]}
    found = client.ask("POST", "/v1/contacts", json=body).json()["contacts"]
    assert [contact.get("wa_id") for contact in found] == ["15550001111", "15550002222", None]
    assert [contact["status"] for contact in found] == ["valid", "valid", "invalid"]


def test_an_unregistered_client_neither_looks_up_nor_sends(new_machine: Reference) -> None:
    text = {"to": "15550001111", "text": {"body": "x"}}
    for path, body in (("/v1/contacts", {"contacts": []}), ("/v1/messages", text)):
        assert code(new_machine.ask("POST", path, json=body)) == 1011


def test_a_message_reaches_its_contact(client: Reference, contact: str) -> None:
    send(client, contact, "hello 👋")
    assert wait_until(lambda: received(client, contact) == ["hello 👋"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"text": {"body": "x" * 4097}}, 1001),
        ({"text": {"body": ""}}, 1009),
        ({"text": {}}, 1008),
        ({"text": "x"}, 1009),
        ({"recipient_type": "group"}, 1002),
        ({"type": "image"}, 1009),
        ({"to": "123"}, 1009),
        ({"to": 15550001111}, 1009),
    ],
)
def test_a_message_that_cannot_be_sent_is_refused(
    client: Reference, change: dict[str, object], expected: int
) -> None:
    body = {"to": "15550001111", "text": {"body": "x"}, **change}
    answer = client.ask("POST", "/v1/messages", json=body)
    assert (answer.status_code, code(answer)) == (400, expected)


def test_nobody_writes_to_oneself(client: Reference) -> None:
    answer = client.ask("POST", "/v1/messages", json={"to": client.number, "text": {"body": "x"}})
    assert code(answer) == 1021


def test_the_webhook_is_told_what_became_of_a_message(
    heard: Reference, webhook: Webhook, contact: str
) -> None:
    key = send(heard, contact, "hello")
    assert wait_until(lambda: (key, "delivered") in webhook.statuses())
    assert wait_until(lambda: sorted(webhook.statuses()) == [(key, "delivered"), (key, "sent")])
    heard.patch(webhooks={"message": {"read": True, "sent": False}})
    key = send(heard, contact, "again")
    assert wait_until(lambda: (key, "read") in webhook.statuses())
    assert (key, "sent") not in webhook.statuses()


def test_the_webhook_is_told_of_a_message_that_came(heard: Reference, webhook: Webhook, contact: str) -> None:
    write(heard, contact, "a question")
    assert wait_until(lambda: webhook.texts() == ["a question"])
    key = webhook.calls[0][1]["messages"][0]["id"]
    assert heard.ask("PUT", f"/v1/messages/{key}", json={"status": "read"}).status_code == 200
    assert wait_until(lambda: any(m.get("read") for m in heard.contact(contact)["messages"]))


def test_only_a_known_message_can_be_marked_as_read(client: Reference) -> None:
    answer = client.ask("PUT", "/v1/messages/unknown", json={"status": "read"})
    assert (answer.status_code, code(answer)) == (404, 1006)
    assert code(client.ask("PUT", "/v1/messages/unknown", json={"status": "gone"})) == 1009


def test_a_refused_callback_comes_again_with_growing_delays(
    heard: Reference, webhook: Webhook, contact: str
) -> None:
    webhook.accepting = False
    write(heard, contact, "patience")
    assert wait_until(lambda: len(webhook.refused) >= 5)
    gaps = [later - sooner for sooner, later in itertools.pairwise(webhook.refused)]
    assert gaps[3] > gaps[0]
    webhook.accepting = True
    assert wait_until(lambda: webhook.texts() == ["patience"])


def test_the_delay_grows_no_further_than_the_longest(
    heard: Reference, webhook: Webhook, contact: str
) -> None:
    heard.patch(callback_backoff_delay_ms=60000, max_callback_backoff_delay_ms=20)
    webhook.accepting = False
    write(heard, contact, "soon")
    assert wait_until(lambda: len(webhook.refused) >= 5)


def test_callbacks_outlive_a_kill(heard: Reference, webhook: Webhook, contact: str) -> None:
    webhook.accepting = False
    for n in range(3):
        write(heard, contact, f"kept {n}")
    assert wait_until(lambda: len(webhook.refused) >= 3)
    heard.pool.ask("kill", client=heard.key)
    write(heard, contact, "came while down")
    webhook.accepting = True
    heard.start_again()
    expected = {"kept 0", "kept 1", "kept 2", "came while down"}
    assert wait_until(lambda: set(webhook.texts()) == expected)


def test_callbacks_that_are_not_persisted_end_with_the_process(
    heard: Reference, webhook: Webhook, contact: str
) -> None:
    heard.patch(callback_persist=False)
    webhook.accepting = False
    write(heard, contact, "not kept")
    assert wait_until(lambda: len(webhook.refused) >= 1)
    heard.start_again()
    webhook.accepting = True
    write(heard, contact, "later")
    assert wait_until(lambda: "later" in webhook.texts())
    assert webhook.texts() == ["later"]


def test_a_webhook_that_is_not_trusted_is_not_called(
    client: Reference, webhook: Webhook, contact: str
) -> None:
    client.patch(webhooks={"url": webhook.url}, callback_backoff_delay_ms=20)
    write(client, contact, "for trusted ears")
    time.sleep(0.15)
    assert webhook.texts() == []
    listen(client, webhook)
    assert wait_until(lambda: webhook.texts() == ["for trusted ears"])


def test_messages_and_callbacks_are_not_in_a_backup(pool: Pool, webhook: Webhook, contact: str) -> None:
    old, new = listen(pool.start(), webhook), pool.start(registered=False)
    key = send(old, contact, "once")
    assert wait_until(lambda: (key, "delivered") in webhook.statuses())
    webhook.accepting = False
    write(old, contact, "pending")
    assert wait_until(lambda: len(webhook.refused) >= 1)
    data = old.data()
    pool.ask("kill", client=old.key)
    webhook.accepting, webhook.calls = True, []
    new.number = old.number
    assert new.restore(data).status_code == 200
    write(new, contact, "positive control")
    assert wait_until(lambda: "positive control" in webhook.texts())
    assert webhook.texts() == ["positive control"]
    assert webhook.statuses() == []
    assert received(new, contact) == ["once"]


def test_a_restore_on_the_same_machine_brings_nothing_back_either(
    heard: Reference, webhook: Webhook, contact: str
) -> None:
    webhook.accepting = False
    write(heard, contact, "pending")
    assert wait_until(lambda: len(webhook.refused) >= 1)
    heard.restore(heard.data())
    heard.start_again()
    webhook.accepting = True
    write(heard, contact, "later")
    assert wait_until(lambda: "later" in webhook.texts())
    assert webhook.texts() == ["later"]


def test_only_the_live_registration_is_written_to(
    heard: Reference, pool: Pool, webhook: Webhook, contact: str
) -> None:
    new = pool.start(registered=False)
    new.number = heard.number
    assert new.restore(heard.data()).status_code == 200
    write(heard, contact, "for the new machine")
    assert wait_until(lambda: webhook.texts() == ["for the new machine"])
    time.sleep(0.1)
    assert webhook.texts() == ["for the new machine"]
