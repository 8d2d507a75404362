"""A restore on the way to a judgement: what becomes of one that got no answer of the client, or an error."""

from __future__ import annotations

from typing import Any

import pytest
from shown_client import HEALTH, ShownClient, answer

from pytest_wa_settings.conformance.arrange import Backup
from pytest_wa_settings.conformance.restores import (
    OutcomeUnknown,
    attempt_restore,
    restore_accepted,
    was_carried_out,
)
from pytest_wa_settings.conformance.snapshots import Snapshot
from pytest_wa_settings.verdicts import NotTested
from pytest_wa_settings.wire import Answer

AT = Snapshot({"application:heartbeat_interval": 20, "application:callback_persist": True})
BEFORE = Snapshot({"application:heartbeat_interval": 30, "application:callback_persist": True})
BACKUP = Backup("aA1!wa-settings-0000", "c2VhbGVk", AT, answer(200, {}), "2.57.2")
ACCEPTED, ERROR, REFUSED = answer(200, None), answer(500, {}), answer(400, {})
ENVELOPE = {"errors": [{"code": 1000, "title": "Generic error"}]}


@pytest.fixture
def client() -> Any:
    made = ShownClient()
    made.show(heartbeat_interval=30, callback_persist=True)
    return made


def carrying_out(client: Any, then: Answer) -> Any:
    """A restore that is carried out, and answered so."""

    def restore() -> Answer:
        client.show(heartbeat_interval=20, callback_persist=True)
        return then

    return restore


@pytest.mark.parametrize("status", [502, 504, 408, 499, 520, 524])
def test_a_restore_that_a_gateway_did_not_forward_is_sent_once_more(client: Any, status: int) -> None:
    client.restores = [answer(status), ACCEPTED]
    attempt = attempt_restore(client, BACKUP, before=BEFORE)
    assert (attempt.answer, attempt.refused) == (ACCEPTED, False)
    assert client.events == ["restore", "settled", "restore"]


@pytest.mark.parametrize("status", [502, 504, 408, 499, 520, 524])
def test_a_restore_that_was_carried_out_behind_a_gateways_answer_is_not_sent_again(
    client: Any, status: int
) -> None:
    lost = answer(status)
    client.restores = [carrying_out(client, lost)]
    attempt = attempt_restore(client, BACKUP, before=BEFORE)
    assert (attempt.answer, attempt.refused) == (lost, False)
    assert client.events == ["restore", "carried out after all"]


def test_a_restore_of_which_nobody_can_tell_whether_it_was_carried_out_is_not_sent_again(client: Any) -> None:
    client.restores = [answer(504)]
    with pytest.raises(OutcomeUnknown):
        attempt_restore(client, BACKUP)
    assert client.events == ["restore"]


def test_a_restore_that_never_gets_past_a_gateway_is_not_tested_for_the_surroundings(client: Any) -> None:
    client.restores = [answer(502)] * 3
    with pytest.raises(NotTested, match="a gateway answered a restore") as raised:
        attempt_restore(client, BACKUP, before=BEFORE)
    assert raised.value.kind == "surroundings"
    assert client.events.count("restore") == 3


def test_a_restore_that_was_carried_out_and_answered_500_was_not_refused(client: Any) -> None:
    client.restores = [carrying_out(client, ERROR)]
    attempt = attempt_restore(client, BACKUP, before=BEFORE)
    assert (attempt.answer, attempt.refused) == (ERROR, False)
    assert client.events == ["restore", "carried out after all"]


def test_a_restore_that_was_not_carried_out_and_answered_500_was_refused(client: Any) -> None:
    client.restores = [ERROR]
    assert attempt_restore(client, BACKUP, before=BEFORE).refused
    assert client.events == ["restore"]


def test_a_500_of_which_nobody_can_tell_whether_the_restore_was_carried_out_is_a_refusal(
    client: Any,
) -> None:
    client.restores = [ERROR]
    assert attempt_restore(client, BACKUP).refused


def test_a_gateways_status_with_the_error_envelope_is_the_clients_own_refusal(client: Any) -> None:
    client.restores = [answer(504, ENVELOPE)]
    assert attempt_restore(client, BACKUP, before=BEFORE).refused


def test_a_refusal_by_4xx_is_one_whatever_is_shown_afterwards(client: Any) -> None:
    client.restores = [carrying_out(client, REFUSED)]
    assert attempt_restore(client, BACKUP, before=BEFORE).refused


def test_an_answer_that_was_lost_with_the_connection_counts_as_accepted(client: Any) -> None:
    client.restores = [answer(None, failure="connection closed")]
    assert not attempt_restore(client, BACKUP, before=BEFORE).refused
    assert client.events == ["restore"]


def test_a_restore_that_was_refused_names_the_clause_to_see(client: Any) -> None:
    client.restores = [REFUSED]
    with pytest.raises(NotTested, match="see RESTORE-9") as raised:
        restore_accepted(client, BACKUP, "RESTORE-9", before=BEFORE)
    assert raised.value.kind == "blocked by"


def test_a_client_that_stops_carries_its_restore_out(client: Any) -> None:
    client.down = True
    assert was_carried_out(client, BACKUP, BEFORE) is True


def test_a_client_that_does_not_serve_tells_nothing_of_its_restore(client: Any) -> None:
    client.serving = False
    assert was_carried_out(client, BACKUP, BEFORE) is None


@pytest.mark.parametrize(("status", "made"), [("connected", True), ("unregistered", False)])
def test_a_new_machine_carried_a_restore_out_once_it_is_registered(
    client: Any, status: str, made: bool
) -> None:
    client.state = "unregistered"
    client.bodies[HEALTH] = {"health": {"gateway_status": status}}
    assert was_carried_out(client, BACKUP, None) is made


@pytest.mark.parametrize(
    ("shown", "before", "made"),
    [
        (20, BEFORE, True),
        (30, BEFORE, False),
        (25, BEFORE, None),  # neither state: something else changed it
        (20, None, None),
        (20, AT, None),  # nothing differed before it
    ],
)
def test_the_settings_that_differed_before_tell_whether_a_restore_was_carried_out(
    client: Any, shown: int, before: Snapshot | None, made: bool | None
) -> None:
    client.show(heartbeat_interval=shown, callback_persist=True)
    assert was_carried_out(client, BACKUP, before) is made
