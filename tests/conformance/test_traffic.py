"""Traffic around a migration: what callbacks tell, and when a new machine can send them (BACKUP-8)."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_wa_settings.conformance.traffic import Traffic, statuses_of


def test_the_statuses_of_one_message_are_told() -> None:
    body = b'{"statuses": [{"id": "one", "status": "sent"}, {"id": "two", "status": "read"}]}'
    assert statuses_of(body, "one") == {"sent"}


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'{"statuses": {}}', b'{"statuses": [7]}', b"[" * 9000]
)
def test_a_body_of_another_shape_tells_none(body: bytes) -> None:
    assert statuses_of(body, "one") == set()


class Machine:
    """A client that calls back to its webhook only once it was started after it was given the authority."""

    def __init__(self, webhook: Any, *, can_restart: bool = True) -> None:
        self.webhook = webhook
        self.can_restart = can_restart
        self.given = self.trusts = False
        self.driver = self
        self.unreadable = {"application"}
        self.habits = SimpleNamespace(unshown=set())

    def ask(self, method: str, path: str, **_: object) -> Any:
        self.given = self.given or path == "/v1/certificates/webhooks/ca"
        return SimpleNamespace(ok=True)

    def restart(self) -> None:
        self.trusts = self.given

    def number(self) -> None:
        return None

    def contacts(self, _: object) -> None:
        return None

    def send_text(self, _: str, text: str) -> Any:
        if self.trusts:
            self.webhook.kept.append(SimpleNamespace(body=text.encode(), accepted=True))
        return SimpleNamespace(ok=True, body={"messages": [{"id": text}]})


class Hook:
    """A receiver, whose certificate is given by the user or made for this run."""

    def __init__(self, *, ca_pem: str, certificate_given: bool) -> None:
        self.ca_pem, self.certificate_given = ca_pem, certificate_given
        self.kept: list[Any] = []

    def url(self, path: str) -> str:
        return f"https://hook{path}"

    def calls(self, _: str) -> list[Any]:
        return self.kept

    def hold(self, _: str) -> None:
        return None


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_wa_settings.conformance.traffic._PENDING_WITHIN", 0.01)


def traffic_of(hook: Any, old: Any) -> Traffic:
    return Traffic("1555", None, hook, 0.05, random.Random(1), "/old", "/other", old)


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
    traffic = traffic_of(hook, None)
    assert traffic.on_the_new_machine(new) == ({"a callback": False} if asked_at_once else {})
    assert (traffic.no_callbacks is not None) is asked_at_once


def test_the_callbacks_of_a_new_machine_that_was_started_again_are_looked_at_then() -> None:
    hook: Any = Hook(ca_pem="PEM", certificate_given=True)
    new: Any = Machine(hook)
    traffic = traffic_of(hook, None)
    traffic.on_the_new_machine(new)
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
