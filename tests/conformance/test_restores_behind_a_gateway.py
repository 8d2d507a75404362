"""Restores that a gateway answers in the client's place: sent again only where nothing came of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from pytest_wa_settings.conformance.arrange import Backup
from pytest_wa_settings.conformance.restores import (
    OutcomeUnknown,
    attempt_restore,
    restore_its_own_state,
    until_answered,
)
from pytest_wa_settings.conformance.snapshots import Snapshot
from pytest_wa_settings.verdicts import NotTested
from pytest_wa_settings.wire import Answer, Exchange

OK, REFUSED, ERROR, GATEWAY = 200, 400, 500, 502
LEAF = "application:heartbeat_interval"


def answer(status: int, content: bytes = b"{}") -> Answer:
    exchange = Exchange(1, "client", "POST", "https://wa.example/v1", (), "", status, (), "", None, 0.0, 0.0)
    return Answer("POST", "/v1/settings/restore", status, (), content, None, 0.0, lambda: exchange)


@dataclass
class FakeClient:
    """A client that answers restores as it is scripted, and shows one setting and its registration."""

    statuses: list[int]
    stops: bool = False
    shows: int = 2
    state: str = "registered"
    version: str | None = None
    registered: bool = False
    sent: int = 0
    noted: list[str] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)
    habits: Any = field(default_factory=lambda: type("Habits", (), {"unshown": set()})())

    def restore(self, *_: object, **__: object) -> Answer:
        self.sent += 1
        return answer(self.statuses[min(self.sent, len(self.statuses)) - 1])

    def backup(self, _: object) -> Answer:
        return answer(OK, b'{"settings": {"data": "QUFB"}}')

    def ask(self, *_: object, **__: object) -> Answer:
        body = b'{"settings": {"application": {"heartbeat_interval": %d}}}' % self.shows
        return answer(OK, body)

    def probe(self) -> Answer:
        state = b"connected" if self.registered else b"unregistered"
        return answer(OK, b'{"health": {"gateway_status": "%s"}}' % state)

    def stop_grace(self) -> float:
        return 0.1

    def wait_down(self, _: float) -> bool:
        return self.stops

    def wait_serving(self) -> bool:
        return True

    def settled(self) -> None:
        self.noted.append("settled")

    def carried_out_after_all(self) -> None:
        self.noted.append("carried out")


AT, BEFORE = Snapshot({LEAF: 1}), Snapshot({LEAF: 2})
BACKUP = Backup("aA1!", "QUFB", AT, answer(OK))


def attempt(client: Any, before: Snapshot | None = BEFORE) -> bool:
    """Whether the restore counts as refused."""
    return attempt_restore(client, BACKUP, before=before).refused


@pytest.mark.parametrize(("status", "refused"), [(OK, False), (REFUSED, True), (ERROR, True)])
def test_an_answer_of_the_clients_is_its_last_word(status: int, refused: bool) -> None:
    client = FakeClient([status])
    assert (attempt(client), client.sent) == (refused, 1)


def test_a_restore_that_was_not_carried_out_is_sent_again() -> None:
    client = FakeClient([GATEWAY, OK])
    assert (attempt(client), client.sent, client.noted) == (False, 2, ["settled"])


@pytest.mark.parametrize(
    "after", [{"shows": 1}, {"stops": True}, {"state": "unregistered", "registered": True}]
)
def test_a_restore_that_was_carried_out_is_noted_and_not_sent_again(after: dict[str, Any]) -> None:
    client = FakeClient([GATEWAY], **after)
    assert (attempt(client), client.sent, client.noted) == (False, 1, ["carried out"])


def test_an_error_to_a_restore_that_was_carried_out_counts_as_accepted() -> None:
    client = FakeClient([ERROR], shows=1)
    assert (attempt(client), client.noted) == (False, ["carried out"])


def test_a_machine_that_had_lost_its_number_is_not_down_for_the_restore() -> None:
    client = FakeClient([GATEWAY, OK], stops=True)
    assert (attempt(client, replace(BEFORE, serving=False)), client.sent) == (False, 2)


@pytest.mark.parametrize("before", [None, AT])
def test_where_nothing_tells_what_came_of_it_nothing_is_concluded(before: Snapshot | None) -> None:
    client = FakeClient([GATEWAY])
    with pytest.raises(OutcomeUnknown):
        attempt(client, before)
    assert client.sent == 1


def test_a_gateway_that_goes_on_answering_is_no_refusal() -> None:
    client = FakeClient([GATEWAY])
    with pytest.raises(NotTested, match="a gateway answered a restore in the client's place"):
        attempt(client)
    assert client.sent == 3


def test_where_nothing_changed_another_backup_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    client: Any = FakeClient([GATEWAY, OK])
    taken: list[str] = []

    def take_backup(_: object, password: str) -> Backup:
        taken.append(password)
        return BACKUP

    module = "pytest_wa_settings.conformance.restores"
    monkeypatch.setattr(f"{module}.take_backup", take_backup)
    monkeypatch.setattr(f"{module}.a_password", lambda _: f"password {len(taken)}")
    assert restore_its_own_state(client, Any, "RESTORE-8").ok
    assert taken == ["password 0", "password 1"]


def test_a_refusal_that_a_gateway_swallowed_is_asked_for_again() -> None:
    client: Any = FakeClient([GATEWAY, REFUSED])
    assert (until_answered(client, client.restore).status, client.sent) == (REFUSED, 2)


def test_an_answer_of_the_clients_is_not_asked_for_again() -> None:
    client: Any = FakeClient([REFUSED])
    assert (until_answered(client, client.restore).status, client.sent) == (REFUSED, 1)


@pytest.mark.parametrize("after", [{"stops": True}, {"state": "unregistered", "registered": True}])
def test_a_call_that_was_wrongly_carried_out_is_not_sent_again(after: dict[str, Any]) -> None:
    client: Any = FakeClient([GATEWAY, REFUSED], **after)
    assert (until_answered(client, client.restore).status, client.sent) == (GATEWAY, 1)
