"""The judgements, as pure functions: each passes what the documentation allows and finds what it does not."""

from __future__ import annotations

import json

import pytest

from pytest_wa_settings.conformance import judgements
from pytest_wa_settings.conformance.snapshots import Snapshot
from pytest_wa_settings.wire import Answer, Exchange


def answer(
    status: int | None, body: object = None, *, raw: bytes | None = None, failure: str | None = None
) -> Answer:
    content = raw if raw is not None else json.dumps(body).encode()
    exchange = Exchange(
        1, "client", "POST", "https://wa.example/v1", (), "", status, (), "", failure, 0.0, 0.0
    )
    return Answer("POST", "/v1/settings/restore", status, (), content, failure, 0.0, lambda: exchange)


@pytest.mark.parametrize("body", [None, {}, {"meta": {"version": "v2.45.1"}}])
def test_null_an_empty_object_and_meta_alone_are_good_restore_answers(body: object) -> None:
    finding, _ = judgements.restore_answer(answer(200, body), strict=False)
    assert finding is None


def test_meta_alone_is_remarked_and_refused_when_strict() -> None:
    meta = answer(200, {"meta": {}})
    assert judgements.restore_answer(meta, strict=False)[1]
    assert judgements.restore_answer(meta, strict=True)[0]


@pytest.mark.parametrize(
    "one",
    [
        answer(201, None),
        answer(204, raw=b""),
        answer(200, raw=b""),
        answer(200, raw=b"OK"),
        answer(200, []),
        answer(200, False),
        answer(200, ""),
        answer(200, {"success": True}),
        answer(200, {"errors": [{"code": 1000, "title": "Generic error"}]}),
        answer(200, {"meta": {}, "settings": {}}),
    ],
)
def test_every_other_restore_answer_is_found(one: Answer) -> None:
    finding, _ = judgements.restore_answer(one, strict=False)
    assert finding
    assert finding.clause == "RESTORE-1"


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 422, 429, 500, 503])
def test_any_status_outside_2xx_refuses(status: int) -> None:
    assert judgements.refused("RESTORE-5", "sent", answer(status, {})) is None


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_2xx_is_no_refusal_whatever_its_body_says(status: int) -> None:
    body = {"errors": [{"code": 1000, "title": "Generic error"}]}
    assert judgements.refused("RESTORE-5", "sent", answer(status, body))


@pytest.mark.parametrize("status", [200, 400, 403, 404, 500])
def test_nothing_but_401_answers_a_missing_token(status: int) -> None:
    assert judgements.unauthorized("ACCESS-1", "sent", answer(status, {}))


def test_401_with_backup_data_is_found() -> None:
    assert judgements.unauthorized("ACCESS-1", "sent", answer(401, {"settings": {"data": "x"}}))
    assert judgements.unauthorized("ACCESS-1", "sent", answer(401, raw=b"")) is None


@pytest.mark.parametrize(
    "body",
    [{"settings": {"data": "x"}}, {"settings": {"data": "x", "more": 1}, "meta": {}, "other": []}],
)
def test_a_backup_with_data_and_anything_beside_it_is_good(body: object) -> None:
    assert judgements.accepted_backup(answer(200, body), "sent") is None


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"settings": "x"},
        {"settings": {}},
        {"settings": {"data": ""}},
        {"settings": {"data": 7}},
        {"data": "x"},
    ],
)
def test_a_backup_without_a_string_under_settings_data_is_found(body: object) -> None:
    assert judgements.accepted_backup(answer(200, body), "sent")


def test_a_backup_with_another_status_is_found() -> None:
    assert judgements.accepted_backup(answer(201, {"settings": {"data": "x"}}), "sent")


BEFORE = Snapshot(
    {"application:heartbeat_interval": 5, "application:sent_status": False, "about:text": "hello"},
    registered=True,
    number="15550001111",
)


def changed(**values: object) -> Snapshot:
    merged = {**BEFORE.values, **{name.replace("__", ":"): value for name, value in values.items()}}
    return Snapshot(merged, registered=True, number="15550001111")


def test_a_client_read_the_same_is_unchanged() -> None:
    assert (
        judgements.unchanged("RESTORE-5", "sent", BEFORE, changed(application__heartbeat_interval=5.0))
        is None
    )


@pytest.mark.parametrize(
    "after",
    [
        changed(application__heartbeat_interval=6),
        changed(application__heartbeat_interval="5"),
        changed(application__sent_status=0),
        changed(about__text="hallo"),
        Snapshot(BEFORE.values, registered=False, number="15550001111"),
        Snapshot(BEFORE.values, registered=True, number="15550002222"),
        Snapshot(BEFORE.values, registered=True, serving=False),
        Snapshot({}, registered=True),
    ],
)
def test_every_readable_change_is_found(after: Snapshot) -> None:
    assert judgements.unchanged("RESTORE-5", "sent", BEFORE, after)


def test_a_media_list_in_another_order_is_the_same_setting() -> None:
    leaf = "application:media.auto_download"
    assert judgements.same_value(leaf, ["audio", "video"], ["video", "audio"])
    assert not judgements.same_value(leaf, ["audio", "video"], ["video"])


@pytest.mark.parametrize(("leaf", "value"), [("business__email", ""), ("business__websites", [])])
def test_an_empty_text_and_none_are_the_same(leaf: str, value: object) -> None:
    empty, none = changed(**{leaf: value}), changed()
    found = [judgements.restored("RESTORE-4", empty.of("business"), none, where="here")]
    found.append(judgements.restored("RESTORE-4", empty.of("business"), empty, where="here"))
    assert found == [None, None]


def test_an_empty_text_that_comes_back_as_another_is_found() -> None:
    empty, other = changed(business__email=""), changed(business__email="a@b.example")
    assert judgements.restored("RESTORE-4", empty.of("business"), other, where="here")


def test_a_field_of_which_the_other_machine_tells_nothing_is_not_judged() -> None:
    wanted = changed(application__heartbeat_interval=9).of("application")
    leaf = "application:heartbeat_interval"
    assert judgements.restored("RESTORE-2", {leaf: wanted[leaf]}, Snapshot({}), where="here")
    after = Snapshot({leaf: 5}, untold={leaf})
    assert judgements.restored("RESTORE-2", {leaf: wanted[leaf]}, after, where="here") is None


def test_an_empty_list_of_media_is_not_the_same_as_none() -> None:
    empty = changed(application__media=[]).of("application")
    assert judgements.restored("RESTORE-2", empty, Snapshot({}), where="here")


def test_findings_show_no_text_of_settings() -> None:
    finding = judgements.restored(
        "RESTORE-4", {"about:text": "hello"}, changed(about__text="hallo"), where="here"
    )
    assert finding
    assert "hello" not in finding.observed
    assert "hallo" not in finding.observed


ONE, OTHER = (
    changed(application__heartbeat_interval=1, about__text="a"),
    changed(application__heartbeat_interval=2, about__text="b"),
)


@pytest.mark.parametrize("after", [ONE, OTHER])
def test_one_of_two_states_is_whole(after: Snapshot) -> None:
    assert judgements.whole("RESTORE-14", "sent", after, ("old", ONE), ("new", OTHER)) is None


def test_a_mixture_of_two_states_is_found() -> None:
    mixed = changed(application__heartbeat_interval=1, about__text="b")
    assert judgements.whole("RESTORE-14", "sent", mixed, ("old", ONE), ("new", OTHER))


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"errors": []},
        {"errors": {}},
        {"errors": [{"code": "1005", "title": "x"}]},
        {"errors": [{"code": 1005}]},
    ],
)
def test_an_envelope_without_integer_code_and_title_is_found(body: object) -> None:
    assert judgements.enveloped(answer(400, body), "sent")


@pytest.mark.parametrize("code", [1005, 1005.0])
def test_an_envelope_with_extra_members_is_good(code: object) -> None:
    body = {"errors": [{"code": code, "title": "Access denied", "href": "x", "more": 1}], "meta": {}}
    assert judgements.enveloped(answer(400, body), "sent") is None


def test_only_a_code_that_was_named_can_be_wrong() -> None:
    named = answer(400, {"errors": [{"code": 1000, "title": "x"}]})
    assert judgements.fitting_code(named, "sent", (1008,))
    assert judgements.fitting_code(answer(400, {}), "sent", (1008,)) is None
    assert judgements.fitting_code(named, "sent", (1000, 1008)) is None


@pytest.mark.parametrize(("status", "failure", "found"), [
    (400, None, False), (503, None, False), (500, None, True), (502, None, True),
    (None, "timed out", True), (None, "connection closed", False),
])  # fmt: skip
def test_5xx_but_503_and_a_hang_are_found(status: int | None, failure: str | None, found: bool) -> None:
    assert bool(judgements.robust(answer(status, {}, failure=failure), "sent", limit=10)) is found


def test_an_error_that_shows_the_password_is_found() -> None:
    needles = {"the password": "aA1!0123456789abcdef"}
    echoed = answer(400, {"errors": [{"code": 1009, "title": "x", "details": "bad aA1!0123456789abcdef"}]})
    assert judgements.not_echoed(echoed, "sent", needles)
    assert judgements.not_echoed(answer(400, {"errors": []}), "sent", needles) is None


STATE_AT = {"application:heartbeat_interval": 20, "application:callback_persist": True, "about:text": "at"}
STATE_BEFORE = {
    "application:heartbeat_interval": 30,
    "application:callback_persist": False,
    "about:text": "before",
}
STATE_EARLIER = {
    "application:heartbeat_interval": 10,
    "application:callback_persist": False,
    "about:text": "then",
}


def test_fields_of_an_earlier_moment_are_stale() -> None:
    after = {**STATE_AT, "application:heartbeat_interval": 10}
    assert judgements.stale(STATE_AT, STATE_BEFORE, after, STATE_EARLIER) == [
        "application:heartbeat_interval"
    ]


@pytest.mark.parametrize(
    "after",
    [
        STATE_AT,
        STATE_BEFORE,
        {**STATE_AT, "application:callback_persist": False},  # one of two values: it may as well be lost
        {**STATE_AT, "application:heartbeat_interval": 5, "about:text": "then"},  # one of them is lost
    ],
)
def test_what_came_back_otherwise_is_not_stale(after: dict[str, object]) -> None:
    assert judgements.stale(STATE_AT, STATE_BEFORE, after, STATE_EARLIER) == []
