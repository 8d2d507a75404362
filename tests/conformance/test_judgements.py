"""The judgements, as pure functions: each passes what the documentation allows and finds what it does not."""

from __future__ import annotations

import json

import pytest

from pytest_wa_settings.conformance import judgements
from pytest_wa_settings.conformance.snapshots import Snapshot
from pytest_wa_settings.verdicts import Evidence, Finding, Judgement
from pytest_wa_settings.wire import Answer, Exchange

KINDS = {"timed out": "timeout", "connection closed": "closed", "connection refused": "refused"}


def answer(
    status: int | None, body: object = None, *, raw: bytes | None = None, failure: str | None = None
) -> Answer:
    content = raw if raw is not None else json.dumps(body).encode()
    exchange = Exchange(
        1, "client", "POST", "https://wa.example/v1", (), "", status, (), "", failure, 0.0, 0.0
    )
    kind = None if failure is None else KINDS[failure]
    return Answer("POST", "/v1/settings/restore", status, (), content, failure, 0.0, lambda: exchange, kind)


def passes(judgement: Judgement | None) -> bool:
    """Whether it is evidence that is enough for a pass."""
    return isinstance(judgement, Evidence) and judgement.missing is None


def finds(judgement: Judgement | None) -> bool:
    return isinstance(judgement, Finding)


def lacks(judgement: Judgement | None) -> bool:
    """Whether it is evidence that is not enough for a pass, and says what was missing."""
    return isinstance(judgement, Evidence) and bool(judgement.missing)


def fields_of(judgement: Judgement | None) -> tuple[str, ...]:
    assert isinstance(judgement, Evidence)
    return judgement.fields


@pytest.mark.parametrize("body", [None, {}, {"meta": {"version": "v2.45.1"}}])
def test_null_an_empty_object_and_meta_alone_are_good_restore_answers(body: object) -> None:
    judgement, _ = judgements.restore_answer(answer(200, body), strict=False, made=True)
    assert passes(judgement)


def test_meta_alone_is_remarked_and_refused_when_strict() -> None:
    meta = answer(200, {"meta": {}})
    judgement, remark = judgements.restore_answer(meta, strict=False, made=True)
    assert (passes(judgement), bool(remark)) == (True, True)
    assert finds(judgements.restore_answer(meta, strict=True, made=True)[0])


@pytest.mark.parametrize("made", [None, False])
def test_a_good_answer_to_a_restore_of_which_nothing_shows_is_no_evidence(made: bool | None) -> None:
    assert lacks(judgements.restore_answer(answer(200, None), strict=False, made=made)[0])


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
    finding, _ = judgements.restore_answer(one, strict=False, made=True)
    assert isinstance(finding, Finding)
    assert finding.clause == "RESTORE-1"


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 422, 429, 500, 503])
def test_any_status_outside_2xx_refuses(status: int) -> None:
    assert passes(judgements.refused("RESTORE-5", "sent", answer(status, {})))


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_2xx_is_no_refusal_whatever_its_body_says(status: int) -> None:
    body = {"errors": [{"code": 1000, "title": "Generic error"}]}
    assert finds(judgements.refused("RESTORE-5", "sent", answer(status, body)))


@pytest.mark.parametrize(
    ("status", "failure"), [(None, "connection closed"), (None, "timed out"), (502, None), (504, None)]
)
def test_a_call_that_the_client_did_not_answer_is_no_evidence_of_a_refusal(
    status: int | None, failure: str | None
) -> None:
    assert lacks(judgements.refused("RESTORE-5", "sent", answer(status, raw=b"", failure=failure)))


def test_what_a_client_answers_with_a_gateways_status_and_the_error_envelope_refuses() -> None:
    body = {"errors": [{"code": 1000, "title": "Generic error"}]}
    assert passes(judgements.refused("RESTORE-5", "sent", answer(504, body)))


@pytest.mark.parametrize(("status", "failure"), [(None, "connection refused"), (502, None), (503, None)])
def test_a_client_that_does_not_run_need_not_answer_to_refuse_a_backup(
    status: int | None, failure: str | None
) -> None:
    assert passes(judgements.refused_while_down("sent", answer(status, raw=b"", failure=failure)))


def test_a_client_that_does_not_run_and_gives_a_backup_is_found() -> None:
    assert finds(judgements.refused_while_down("sent", answer(200, {"settings": {"data": "x"}})))


@pytest.mark.parametrize("status", [200, 400, 403, 404, 500])
def test_nothing_but_401_answers_a_missing_token(status: int) -> None:
    assert finds(judgements.unauthorized("ACCESS-1", "sent", answer(status, {})))


def test_401_with_backup_data_is_found() -> None:
    assert finds(judgements.unauthorized("ACCESS-1", "sent", answer(401, {"settings": {"data": "x"}})))
    assert passes(judgements.unauthorized("ACCESS-1", "sent", answer(401, raw=b"")))


def test_a_call_with_a_bad_token_that_nobody_answered_is_no_evidence() -> None:
    assert lacks(judgements.unauthorized("ACCESS-1", "sent", answer(None, raw=b"", failure="timed out")))
    assert lacks(judgements.unauthorized("ACCESS-1", "sent", answer(502, raw=b"")))


@pytest.mark.parametrize(
    "body",
    [{"settings": {"data": "x"}}, {"settings": {"data": "x", "more": 1}, "meta": {}, "other": []}],
)
def test_a_backup_with_data_and_anything_beside_it_is_good(body: object) -> None:
    assert passes(judgements.accepted_backup(answer(200, body), "sent"))


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
    assert finds(judgements.accepted_backup(answer(200, body), "sent"))


@pytest.mark.parametrize(
    ("judgement", "pointer", "keyword"),
    [
        (
            judgements.accepted_backup(answer(200, {"settings": {"data": 7}}), "sent"),
            "/settings/data",
            "type",
        ),
        (
            judgements.accepted_backup(answer(200, {"settings": {"data": " "}}), "sent"),
            "/settings/data",
            "pattern",
        ),
        (judgements.accepted_backup(answer(200, {"settings": {}}), "sent"), "/settings", "required"),
        (
            judgements.enveloped(answer(400, {"errors": [{"code": "1", "title": "x"}]}), "s"),
            "/errors/0/code",
            "type",
        ),
        (judgements.restore_answer(answer(200, {"x": 1}), strict=False, made=True)[0], "", "anyOf"),
        (judgements.restore_answer(answer(200, raw=b""), strict=False, made=True)[0], "", "type"),
    ],
)
def test_a_message_that_breaks_its_schema_names_the_place_and_the_rule(
    judgement: object, pointer: str, keyword: str
) -> None:
    assert isinstance(judgement, Finding)
    (broken,) = judgement.broken
    assert (broken.pointer, broken.keyword) == (pointer, keyword)


def test_an_envelope_of_very_many_errors_is_judged_by_its_first() -> None:
    many = {"errors": [{"code": 1005, "title": "x" * 200}] * 20_000}
    assert passes(judgements.enveloped(answer(400, many), "sent"))
    assert finds(judgements.enveloped(answer(400, {"errors": [{}, *many["errors"]]}), "sent"))


def test_a_backup_with_another_status_is_found() -> None:
    assert finds(judgements.accepted_backup(answer(201, {"settings": {"data": "x"}}), "sent"))


BEFORE = Snapshot(
    {"application:heartbeat_interval": 5, "application:sent_status": False, "about:text": "hello"},
    registered=True,
    number="15550001111",
)


def changed(**values: object) -> Snapshot:
    merged = {**BEFORE.values, **{name.replace("__", ":"): value for name, value in values.items()}}
    return Snapshot(merged, registered=True, number="15550001111")


def test_a_client_read_the_same_is_unchanged() -> None:
    judgement = judgements.unchanged(
        "RESTORE-5", "sent", BEFORE, changed(application__heartbeat_interval=5.0)
    )
    assert passes(judgement)
    assert set(fields_of(judgement)) == set(BEFORE.values)


def test_unchanged_where_no_field_can_be_read_is_no_evidence() -> None:
    nothing = Snapshot({}, registered=True, number="15550001111")
    assert lacks(judgements.unchanged("RESTORE-5", "sent", nothing, nothing))


def test_unchanged_where_no_field_tells_anything_is_no_evidence() -> None:
    mute = Snapshot(BEFORE.found, untold=BEFORE.found.keys(), registered=True)
    assert lacks(judgements.unchanged("RESTORE-5", "sent", mute, mute))


def test_a_client_that_stays_unregistered_is_unchanged_as_a_restore_would_register_it() -> None:
    new = Snapshot({}, registered=False)
    judgement = judgements.unchanged("RESTORE-5", "sent", new, new)
    assert passes(judgement)
    assert fields_of(judgement) == ("registration",)


def test_a_client_of_unknown_registration_without_a_field_is_no_evidence() -> None:
    unknown = Snapshot({}, registered=None)
    assert lacks(judgements.unchanged("RESTORE-5", "sent", unknown, unknown))


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
    assert finds(judgements.unchanged("RESTORE-5", "sent", BEFORE, after))


def test_a_media_list_in_another_order_is_the_same_setting() -> None:
    leaf = "application:media.auto_download"
    assert judgements.same_value(leaf, ["audio", "video"], ["video", "audio"])
    assert not judgements.same_value(leaf, ["audio", "video"], ["video"])


@pytest.mark.parametrize(("leaf", "value"), [("business__email", ""), ("business__websites", [])])
def test_an_empty_text_and_none_are_the_same(leaf: str, value: object) -> None:
    empty, none, other = changed(**{leaf: value}), changed(), changed(**{leaf: "a@b.example"})
    for after in (none, empty):
        wanted = empty.of("business")
        judgement = judgements.restored("RESTORE-4", wanted, after, before=other.values, where="here")
        assert passes(judgement)


def test_an_empty_text_that_comes_back_as_another_is_found() -> None:
    empty, other = changed(business__email=""), changed(business__email="a@b.example")
    wanted = empty.of("business")
    assert finds(judgements.restored("RESTORE-4", wanted, other, before=other.values, where="here"))


def test_restored_rests_on_the_fields_that_differed_just_before() -> None:
    before = changed(application__heartbeat_interval=6).values
    judgement = judgements.restored("RESTORE-2", BEFORE.values, changed(), before=before, where="here")
    assert passes(judgement)
    assert fields_of(judgement) == ("application:heartbeat_interval",)


@pytest.mark.parametrize("before", [BEFORE.values, {}, {"business:email": "a@b.example"}])
def test_restored_without_a_field_that_differed_just_before_is_no_evidence(
    before: dict[str, object],
) -> None:
    judgement = judgements.restored("RESTORE-2", BEFORE.values, changed(), before=before, where="here")
    assert lacks(judgement)


def test_a_field_that_did_not_come_back_is_found_whatever_was_read_before() -> None:
    after = changed(application__heartbeat_interval=6)
    assert finds(judgements.restored("RESTORE-2", BEFORE.values, after, before={}, where="here"))


def test_nothing_that_was_read_at_the_backup_is_no_evidence_of_its_restore() -> None:
    assert lacks(judgements.restored("RESTORE-2", {}, BEFORE, before=BEFORE.values, where="here"))


def test_a_restored_state_is_shown_by_the_settings_that_differed_before() -> None:
    before = changed(application__heartbeat_interval=6)
    judgement = judgements.made_again("RESTORE-8", BEFORE, before, changed())
    assert passes(judgement)
    assert fields_of(judgement) == ("application:heartbeat_interval",)


def test_a_restored_state_of_which_nothing_differed_before_is_no_evidence() -> None:
    assert lacks(judgements.made_again("RESTORE-8", BEFORE, changed(), changed()))


def test_a_state_that_is_not_the_backups_is_no_evidence_of_its_restore_and_says_where_to_look() -> None:
    before = changed(application__heartbeat_interval=6)
    judgement = judgements.made_again("RESTORE-8", BEFORE, before, before)
    assert isinstance(judgement, Evidence)
    assert "see RESTORE-2" in str(judgement.missing)


def test_a_field_of_which_the_other_machine_tells_nothing_is_not_judged() -> None:
    wanted = changed(application__heartbeat_interval=9).of("application")
    leaf = "application:heartbeat_interval"
    wanted, before = {leaf: wanted[leaf]}, {leaf: 7}
    assert finds(judgements.restored("RESTORE-2", wanted, Snapshot({}), before=before, where="here"))
    after = Snapshot({leaf: 5}, untold={leaf})
    assert lacks(judgements.restored("RESTORE-2", wanted, after, before=before, where="here"))
    more = {**wanted, "about:text": "hello"}
    after = Snapshot({leaf: 5, "about:text": "hello"}, untold={leaf})
    before = {leaf: 7, "about:text": "bye"}
    judgement = judgements.restored("RESTORE-2", more, after, before=before, where="here")
    assert passes(judgement)
    assert fields_of(judgement) == ("about:text",)


def test_an_empty_list_of_media_is_not_the_same_as_none() -> None:
    empty = changed(application__media=[]).of("application")
    assert finds(judgements.restored("RESTORE-2", empty, Snapshot({}), before={}, where="here"))


def test_findings_show_no_text_of_settings() -> None:
    finding = judgements.restored(
        "RESTORE-4", {"about:text": "hello"}, changed(about__text="hallo"), before={}, where="here"
    )
    assert isinstance(finding, Finding)
    assert "hello" not in finding.observed
    assert "hallo" not in finding.observed


ONE, OTHER = (
    changed(application__heartbeat_interval=1, about__text="a"),
    changed(application__heartbeat_interval=2, about__text="b"),
)


@pytest.mark.parametrize("after", [ONE, OTHER])
def test_one_of_two_states_is_whole(after: Snapshot) -> None:
    judgement = judgements.whole("RESTORE-14", "sent", after, ("old", ONE), ("new", OTHER))
    assert passes(judgement)
    assert fields_of(judgement) == ("application:heartbeat_interval", "about:text")


def test_a_mixture_of_two_states_is_found() -> None:
    mixed = changed(application__heartbeat_interval=1, about__text="b")
    assert finds(judgements.whole("RESTORE-14", "sent", mixed, ("old", ONE), ("new", OTHER)))


@pytest.mark.parametrize("after", [ONE, OTHER, Snapshot({})])
@pytest.mark.parametrize("other", [ONE, Snapshot({}), Snapshot({"providers:own": "www"})])
def test_states_that_no_field_tells_apart_are_no_evidence_of_a_whole_one(
    after: Snapshot, other: Snapshot
) -> None:
    assert lacks(judgements.whole("RESTORE-14", "sent", after, ("old", ONE), ("new", other)))


@pytest.mark.parametrize(
    ("needles", "enough"),
    [({}, False), ({"the password": "aA1!0123456789abcdef"}, False), ({"a number": "15550001111"}, True)],
)
def test_sealed_rests_on_something_beside_the_password(needles: dict[str, str], enough: bool) -> None:
    judgement = judgements.sealed("c2VhbGVkIGFuZCB1bnJlYWRhYmxl", needles, ())
    assert (passes(judgement), lacks(judgement)) == (enough, not enough)


def test_what_can_be_read_out_of_a_backup_is_found() -> None:
    needles = {"a number": "15550001111"}
    assert finds(judgements.sealed('{"number": "15550001111"}', needles, ()))


def test_the_state_of_the_backups_call_rests_on_what_was_changed_before_it() -> None:
    judgement = judgements.current(STATE_AT, STATE_EARLIER, STATE_AT)
    assert passes(judgement)
    assert set(judgement.fields) == {"application:heartbeat_interval", "application:callback_persist"}


@pytest.mark.parametrize("earlier", ["the same", "unread"])
def test_the_state_of_the_backups_call_without_a_change_before_it_is_no_evidence(earlier: str) -> None:
    before = STATE_AT if earlier == "the same" else {}
    assert lacks(judgements.current(STATE_AT, before, STATE_AT))


def test_a_message_that_a_contact_has_once_was_not_sent_again() -> None:
    assert passes(judgements.nothing_sent_again("sent", 1, answer(200)))


def test_a_message_that_a_contact_has_twice_is_found() -> None:
    assert finds(judgements.nothing_sent_again("sent", 2, answer(200)))


@pytest.mark.parametrize("copies", [None, 0])
def test_a_message_that_nobody_saw_arrive_is_not_judged(copies: int | None) -> None:
    assert judgements.nothing_sent_again("sent", copies, answer(200)) is None


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
    assert finds(judgements.enveloped(answer(400, body), "sent"))


@pytest.mark.parametrize("code", [1005, 1005.0])
def test_an_envelope_with_extra_members_is_good(code: object) -> None:
    body = {"errors": [{"code": code, "title": "Access denied", "href": "x", "more": 1}], "meta": {}}
    assert passes(judgements.enveloped(answer(400, body), "sent"))


def test_only_a_code_that_was_named_can_be_wrong() -> None:
    named = answer(400, {"errors": [{"code": 1000, "title": "x"}]})
    assert finds(judgements.fitting_code(named, "sent", (1008,)))
    assert judgements.fitting_code(answer(400, {}), "sent", (1008,)) is None
    assert passes(judgements.fitting_code(named, "sent", (1000, 1008)))


@pytest.mark.parametrize(("status", "failure", "found"), [
    (400, None, False), (503, None, False), (500, None, True), (501, None, True),
    (None, "timed out", True),
])  # fmt: skip
def test_5xx_but_503_and_a_hang_are_found(status: int | None, failure: str | None, found: bool) -> None:
    judgement = judgements.robust(answer(status, {}, failure=failure), "sent", limit=10)
    assert (finds(judgement), passes(judgement)) == (found, not found)


def test_a_502_that_the_client_gives_itself_is_found() -> None:
    body = {"errors": [{"code": 1000, "title": "Generic error"}]}
    assert finds(judgements.robust(answer(502, body), "sent", limit=10))


@pytest.mark.parametrize(("status", "failure"), [(502, None), (504, None), (None, "connection closed")])
def test_what_the_client_did_not_answer_is_no_break_of_robustness_and_no_evidence_of_it(
    status: int | None, failure: str | None
) -> None:
    assert lacks(judgements.robust(answer(status, {}, failure=failure), "sent", limit=10))


def test_an_error_that_shows_the_password_is_found() -> None:
    needles = {"the password": "aA1!0123456789abcdef"}
    echoed = answer(400, {"errors": [{"code": 1009, "title": "x", "details": "bad aA1!0123456789abcdef"}]})
    assert finds(judgements.not_echoed(echoed, "sent", needles))
    assert passes(judgements.not_echoed(answer(400, {"errors": []}), "sent", needles))


@pytest.mark.parametrize(("status", "failure"), [(200, None), (None, "timed out"), (502, None)])
def test_where_there_is_no_error_of_the_clients_nothing_can_be_echoed_in_one(
    status: int | None, failure: str | None
) -> None:
    assert judgements.not_echoed(answer(status, raw=b"", failure=failure), "sent", {}) is None


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
