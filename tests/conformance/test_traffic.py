"""Traffic around a migration: what callbacks tell, and when a new machine can send them (BACKUP-8)."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from shown_client import ShownClient

from pytest_wa_settings.conformance.traffic import Sent, Traffic, statuses_of
from pytest_wa_settings.verdicts import Case
from pytest_wa_settings.wire import Answer, Exchange


def test_the_statuses_of_one_message_are_told() -> None:
    body = b'{"statuses": [{"id": "one", "status": "sent"}, {"id": "two", "status": "read"}]}'
    assert statuses_of(body, "one") == {"sent"}


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'{"statuses": {}}', b'{"statuses": [7]}', b"[" * 9000]
)
def test_a_body_of_another_shape_tells_none(body: bytes) -> None:
    assert statuses_of(body, "one") == set()


class Machine(ShownClient):
    """A client that calls back to its webhook only once it was started after it was given the authority.

    The messages that it sends arrive at `phone`, if there is one. `lost` are statuses by which a gateway
    answers a message in its place, in turn; `forwards` is whether the message is sent all the same.
    """

    def __init__(
        self, webhook: Any, *, can_restart: bool = True, trusts: bool = False, phone: Phone | None = None
    ) -> None:
        super().__init__()
        self.webhook, self.phone = webhook, phone
        self.can_restart = can_restart
        self.given, self.trusts = False, trusts
        self.unreadable = {"application"}
        self.sent: list[str] = []
        self.lost: list[int] = []
        self.forwards = False

    def ask(self, method: str, path: str, **more: Any) -> Answer:
        self.given = self.given or path == "/v1/certificates/webhooks/ca"
        status, body = 200, "{}"
        if path == "/v1/messages":
            text = more["json"]["text"]["body"]
            self.sent.append(text)
            status = self.lost.pop(0) if self.lost else 200
            if status == 200 or self.forwards:
                self._deliver(text)
            body = json.dumps({"messages": [{"id": f"id of {text}"}]}) if status == 200 else ""
        exchange = Exchange(1, "client", method, path, (), "", status, (), "", None, 0.0, 0.0)
        return Answer(method, path, status, (), body.encode(), None, 0.0, lambda: exchange)

    def _deliver(self, text: str) -> None:
        if self.phone is not None:
            self.phone.messages.append({"text": {"body": text}})
        if self.trusts and self.webhook is not None:
            self.webhook.take(f"id of {text}")

    def restart(self) -> None:
        self.trusts = self.given


class Hook:
    """A receiver, whose certificate is given by the user or made for this run."""

    def __init__(self, *, ca_pem: str = "PEM", certificate_given: bool = False) -> None:
        self.ca_pem, self.certificate_given = ca_pem, certificate_given
        self.kept: list[Any] = []

    def take(self, text: str) -> None:
        self.kept.append(SimpleNamespace(body=text.encode(), accepted=True))

    def url(self, path: str) -> str:
        return f"https://hook{path}"

    def calls(self, _: str) -> list[Any]:
        return self.kept

    def hold(self, _: str) -> None:
        return None


class Phone:
    """The view of one contact; a message that it writes is called back by `reader`, if there is one."""

    def __init__(self, reader: Hook | None = None) -> None:
        self.messages: list[Any] = []
        self.reader = reader

    def test_contacts(self, count: int) -> list[str]:
        return ["1555"]

    def contact(self, wa_id: str, business: str | None) -> Any:
        return SimpleNamespace(messages=tuple(self.messages))

    def write(self, wa_id: str, text: str, business: str | None) -> bool:
        if self.reader is not None:
            self.reader.take(text)
        return True


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_wa_settings.conformance.traffic._PENDING_WITHIN", 0.01)


def traffic_of(hook: Any, old: Any, phone: Phone | None = None) -> Traffic:
    consumer: Any = phone
    return Traffic("1555", consumer, hook, 0.05, "/old", "/other", old)


def after_a_message(hook: Any, phone: Phone | None = None) -> Traffic:
    """The traffic of an old machine that sent a message before the backup."""
    traffic = traffic_of(hook, None, phone)
    traffic.sent = Sent("sent by the old machine", None)
    return traffic


@pytest.mark.parametrize(
    ("ca_pem", "certificate_given", "can_restart", "asked_at_once"),
    [
        ("PEM", True, True, False),
        ("PEM", True, False, True),
        ("PEM", False, True, True),
        ("", True, True, True),
    ],
)
def test_a_new_machine_may_need_a_start_to_trust_a_certificate_that_was_there_before(
    ca_pem: str, certificate_given: bool, can_restart: bool, asked_at_once: bool
) -> None:
    hook: Any = Hook(ca_pem=ca_pem, certificate_given=certificate_given)
    new: Any = Machine(hook, can_restart=can_restart)
    traffic = after_a_message(hook)
    assert traffic.on_the_new_machine(new, None) == ({"a callback": False} if asked_at_once else {})
    assert (traffic.no_callbacks is not None) is asked_at_once


def test_the_callbacks_of_a_new_machine_that_was_started_again_are_looked_at_then() -> None:
    hook: Any = Hook(ca_pem="PEM", certificate_given=True)
    new: Any = Machine(hook)
    traffic = after_a_message(hook)
    traffic.on_the_new_machine(new, None)
    new.restart()
    traffic.after_a_start(new)
    traffic.look_later()
    assert traffic.no_callbacks is None
    assert len(traffic.late_calls) == 1


@pytest.mark.parametrize(("can_restart", "told"), [(True, None), (False, "add restart")])
def test_a_machine_that_calls_back_to_nobody_is_started_again_where_that_can_be(
    can_restart: bool, told: str | None
) -> None:
    hook: Any = Hook(ca_pem="PEM", certificate_given=False)
    old: Any = Machine(hook, can_restart=can_restart)
    traffic = traffic_of(hook, old)
    traffic.before_the_backup()
    assert traffic.trusts_late is can_restart
    assert (traffic.no_callbacks or "").endswith(f"{told})" if told else "")


def test_a_new_machine_is_asked_by_a_message_of_its_own() -> None:
    hook = Hook()
    phone = Phone(reader=hook)  # the network hands what a contact writes to the old machine, which is alive
    mute: Any = Machine(hook, can_restart=False, phone=phone)
    traffic = after_a_message(hook, phone)
    assert traffic.on_the_new_machine(mute, None) == {"a callback": False, "a message": True}
    assert len(mute.sent) == 2


def test_a_new_machine_that_calls_its_own_message_back_serves_though_no_contact_reaches_it() -> None:
    hook, phone = Hook(), Phone()
    new: Any = Machine(hook, can_restart=False, trusts=True, phone=phone)
    served = after_a_message(hook, phone).on_the_new_machine(new, None)
    assert served == {"a callback": True, "a message": True}


def test_where_the_old_machine_sends_nothing_a_new_one_is_asked_by_what_a_contact_writes() -> None:
    hook = Hook()
    new: Any = Machine(hook, can_restart=False)
    assert traffic_of(hook, None, Phone(reader=hook)).on_the_new_machine(new, None) == {"a callback": True}


def test_a_new_machine_that_nothing_reaches_is_not_judged_where_the_old_one_sent_nothing_either() -> None:
    hook = Hook()
    new: Any = Machine(hook, can_restart=False)
    traffic = traffic_of(hook, None, Phone())
    assert traffic.on_the_new_machine(new, None) == {}
    assert traffic.no_callbacks is not None


def test_messages_of_two_runs_at_one_seed_have_no_text_in_common() -> None:
    texts = []
    for _ in range(2):
        old: Any = Machine(None, phone=Phone())
        traffic_of(None, old, old.phone).send(old)
        texts += old.sent
    assert len(set(texts)) == len(texts) == 2


def test_paths_of_two_runs_at_one_seed_have_none_in_common() -> None:
    bed: Any = SimpleNamespace(consumer_for=lambda _: Phone(), webhook=Hook(), latency=0.0)
    old: Any = Machine(None)
    paths = []
    for _ in range(2):
        traffic = Traffic.of(Case(bed, seed=7), old)
        assert traffic is not None
        paths += [traffic.path, traffic.other]
    assert len(set(paths)) == 4


def test_a_message_that_an_earlier_run_left_is_not_taken_for_this_runs() -> None:
    phone = Phone()
    before: Any = Machine(None, phone=phone)
    assert traffic_of(None, before, phone).send(before)
    mute: Any = Machine(None, phone=None)
    assert traffic_of(None, mute, phone).send(mute) is None


def test_a_message_that_a_gateway_did_not_forward_is_followed_by_another_one() -> None:
    phone = Phone()
    client: Any = Machine(None, phone=phone)
    client.lost = [502]
    sent = traffic_of(None, client, phone).send(client)
    assert sent is not None
    assert client.sent[-1] == sent.text
    assert len(set(client.sent)) == 2


def test_a_message_that_arrived_behind_a_gateways_answer_is_not_sent_again() -> None:
    phone = Phone()
    client: Any = Machine(None, phone=phone)
    client.lost, client.forwards = [504], True
    sent = traffic_of(None, client, phone).send(client)
    assert sent is not None
    assert (client.sent, sent.identity) == ([sent.text], None)


def test_a_message_whose_callback_is_wanted_is_followed_by_one_whose_id_is_known() -> None:
    phone = Phone()
    client: Any = Machine(None, phone=phone)
    client.lost, client.forwards = [504], True
    sent = traffic_of(None, client, phone).send(client, wait=False)
    assert sent is not None
    assert sent.identity is not None
    assert len(set(client.sent)) == 2


def test_a_message_that_no_gateway_lets_through_was_not_sent() -> None:
    phone = Phone()
    client: Any = Machine(None, phone=phone)
    client.lost = [502] * 9
    assert traffic_of(None, client, phone).send(client) is None


def test_a_message_is_counted_in_the_view_that_shows_it_most_often() -> None:
    old_view, new_view = Phone(), Phone()
    traffic = traffic_of(None, Machine(None), old_view)
    view: Any = new_view
    traffic.on_the_new_machine(Machine(None), view)
    old_view.messages += [{"text": {"body": "one"}}]
    new_view.messages += [{"text": {"body": "one"}}] * 2
    assert traffic.copies("one") == 2
