"""After a refused call the settings are looked at; whatever else a client shows is read when the row ends."""

from __future__ import annotations

import random
from typing import Any

import pytest
from shown_client import ABOUT, APPLICATION, BUSINESS, HEALTH, PHOTO, PROVIDERS, ShownClient

from pytest_wa_settings.conformance.arrange import until_shown
from pytest_wa_settings.conformance.fields import BY_LEAF, another_value
from pytest_wa_settings.conformance.refusals import Refusals
from pytest_wa_settings.conformance.snapshots import look, read, shown
from pytest_wa_settings.verdicts import Case, FindingError


@pytest.fixture
def client() -> Any:
    return ShownClient()


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that stays changed is found at once."""
    monkeypatch.setattr("pytest_wa_settings.conformance.refusals._UNCHANGED_WITHIN", 0.0)


def test_a_look_asks_for_what_is_named_and_takes_the_rest_over(client: Any) -> None:
    last = read(client)
    client.forget()
    client.bodies[APPLICATION]["settings"]["application"]["heartbeat_interval"] = 6
    client.bodies[ABOUT]["settings"]["profile"]["about"]["text"] = "bye"
    client.bodies[BUSINESS]["settings"]["business"]["profile"]["email"] = "c@d.example"
    after = look(client, last, "application", "about")
    assert client.asked == [APPLICATION, ABOUT]
    assert after.values == {**last.values, "application:heartbeat_interval": 6, "about:text": "bye"}
    assert after.registered is True


def test_a_member_that_is_gone_is_not_taken_over(client: Any) -> None:
    last = read(client)
    client.bodies[APPLICATION]["settings"]["application"].clear()
    assert "application:heartbeat_interval" not in look(client, last, "application").values


def test_what_is_shown_of_one_resource_asks_for_no_other(client: Any) -> None:
    assert shown(client, "about").values == {"about:text": "hello"}
    assert client.asked == [ABOUT]


def refusals(client: Any) -> Refusals:
    case = Case(testbed=client.testbed)
    return Refusals(case, "RESTORE-5", client)


def test_a_setting_that_a_refused_call_changed_is_found_at_that_call(client: Any) -> None:
    row = refusals(client)
    row.judge("the first", client.refuse)
    client.bodies[APPLICATION]["settings"]["application"]["heartbeat_interval"] = 6
    with pytest.raises(FindingError) as found:
        row.judge("the second", client.refuse)
    assert found.value.finding.sent == "the second"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (ABOUT, {"settings": {"profile": {"about": {"text": "bye"}}}}),
        (BUSINESS, {"settings": {"business": {"profile": {"email": "c@d.example"}}}}),
        (PHOTO, "another"),
        (PROVIDERS, {"settings": {"application": {"media": {"providers": []}}}}),
        (HEALTH, {"health": {"gateway_status": "unregistered"}}),
    ],
)
def test_what_is_not_looked_at_is_found_at_the_end_of_the_row(client: Any, path: str, body: object) -> None:
    row = refusals(client)
    row.judge("the first", client.refuse)
    client.bodies[path] = body
    row.judge("the second", client.refuse)
    with pytest.raises(FindingError) as found:
        row.finish()
    assert found.value.finding.sent == "2 calls that were refused"
    assert found.value.finding.answers[-1].path == path
    assert found.value.finding.clause == "RESTORE-5"


def beat(seconds: int) -> dict[str, Any]:
    return {"settings": {"application": {"heartbeat_interval": seconds}}}


def test_a_change_that_is_shown_later_is_waited_for(client: Any) -> None:
    before = shown(client, "application")
    client.forget()
    client.late = [(APPLICATION, beat(9))]
    after = until_shown(client, {"application:heartbeat_interval": 9}, before)
    assert after.values["application:heartbeat_interval"] == 9
    assert not client.habits.unshown


def test_a_change_that_is_shown_in_another_form_is_not_waited_for(client: Any) -> None:
    before = shown(client, "application")
    client.forget()
    client.bodies[APPLICATION] = beat(10)
    until_shown(client, {"application:heartbeat_interval": 9}, before)
    assert client.asked == [APPLICATION]


def test_a_number_that_is_shown_as_a_text_of_digits_is_not_waited_for(client: Any) -> None:
    client.bodies[APPLICATION] = {"settings": {"application": {"heartbeat_interval": "9"}}}
    before = shown(client, "application")
    client.forget()
    until_shown(client, {"application:heartbeat_interval": 9}, before)
    assert client.asked == [APPLICATION]
    assert not client.habits.unshown


@pytest.mark.parametrize("seed", range(20))
def test_another_value_of_a_number_that_is_shown_as_text_is_another_text(seed: int) -> None:
    one = BY_LEAF["application:webhooks.max_concurrent_requests"]
    assert another_value(one, "12", random.Random(seed)) in {"6", "18", "24"}
    assert another_value(one, 12, random.Random(seed)) in {6, 18, 24}


def test_a_change_that_is_never_shown_is_waited_for_once(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_wa_settings.conformance.arrange._SHOWN_WITHIN", 0.1)
    before = shown(client, "application")
    for _ in range(2):
        client.forget()
        until_shown(client, {"application:heartbeat_interval": 9}, before)
    assert client.habits.unshown == {"application:heartbeat_interval"}
    assert client.asked == [APPLICATION]


def test_an_empty_text_that_is_not_shown_is_not_waited_for(client: Any) -> None:
    before = shown(client, "application")
    client.forget()
    until_shown(client, {"application:webhooks.url": ""}, before)
    assert client.asked == [APPLICATION]


def test_a_field_that_is_never_shown_as_changed_is_not_judged(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_wa_settings.conformance.arrange._SHOWN_WITHIN", 0.1)
    before = read(client)
    assert "application:heartbeat_interval" in before.values
    after = until_shown(client, {"application:heartbeat_interval": 9}, before)
    assert "application:heartbeat_interval" not in {**before.values, **after.values, **read(client).values}


def test_a_field_that_is_shown_as_changed_after_all_is_judged_again(client: Any) -> None:
    client.habits.unshown.add("application:heartbeat_interval")
    before = read(client)
    client.bodies[APPLICATION] = beat(9)
    after = until_shown(client, {"application:heartbeat_interval": 9}, before)
    assert after.values["application:heartbeat_interval"] == 9
