"""What reads as nothing that this run sent or read is somebody else's change; only a reading tells that."""

from __future__ import annotations

import json
from typing import Any

from pytest_wa_settings.api.resources import APPLICATION, RESTORE
from pytest_wa_settings.testbed.witness import Witness
from pytest_wa_settings.wire import Answer, Exchange


def shown(**settings: Any) -> Answer:
    exchange = Exchange(1, "client", "GET", APPLICATION.path, (), "", 200, (), "", None, 0.0, 0.0)
    body = json.dumps({"settings": {"application": settings}}).encode()
    return Answer("GET", APPLICATION.path, 200, (), body, None, 0.0, lambda: exchange)


def changed(witness: Witness, **settings: Any) -> None:
    witness.sent("PATCH", APPLICATION.path, json.dumps(settings).encode())


def test_a_value_that_was_sent_or_read_is_this_runs_own() -> None:
    witness = Witness()
    witness.answered(shown(heartbeat_interval=5))
    changed(witness, heartbeat_interval=9)
    witness.answered(shown(heartbeat_interval=9))
    assert witness.strange("application", {"heartbeat_interval": 5}) == []
    assert witness.strange("application", {"heartbeat_interval": 9}) == []


def test_a_value_that_was_neither_sent_nor_read_is_somebody_elses() -> None:
    witness = Witness()
    witness.answered(shown(heartbeat_interval=5))
    assert witness.strange("application", {"heartbeat_interval": 7}) == ["heartbeat_interval"]


def test_before_it_is_read_nobody_knows_what_a_client_made_of_a_change() -> None:
    witness = Witness()
    witness.answered(shown(heartbeat_interval=5))
    changed(witness, heartbeat_interval=70)
    assert witness.strange("application", {"heartbeat_interval": 60}) == []
    witness.answered(shown(heartbeat_interval=60))
    assert witness.strange("application", {"heartbeat_interval": 60}) == []
    assert witness.strange("application", {"heartbeat_interval": 61}) == ["heartbeat_interval"]


def test_before_it_is_read_nobody_knows_what_a_restore_left() -> None:
    witness = Witness()
    witness.answered(shown(heartbeat_interval=5))
    witness.sent("POST", RESTORE, b"{}")
    assert witness.strange("application", {"heartbeat_interval": 7}) == []
