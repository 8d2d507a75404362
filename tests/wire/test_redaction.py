"""What goes on record is what a safe list allows; everything else is counted."""

from __future__ import annotations

import json

import pytest
from raw_servers import answer

from pytest_wa_settings.wire import Recorder
from pytest_wa_settings.wire.redaction import Redactor, secrets_in

CANARY = "CANARY-Vq3zT8wL1kPx"


def redact(value: object, *own: str) -> object:
    return json.loads(Redactor(str, str).json(value, own))


def test_the_envelope_is_kept():
    envelope = {
        "meta": {"version": "v2.45.1", "api_status": "stable"},
        "errors": [{"code": 1008, "title": "Required parameter is missing", "details": "password", "x": "y"}],
    }
    kept = redact(envelope)
    assert kept["meta"] == envelope["meta"]
    assert kept["errors"] == [{**envelope["errors"][0], "x": "<string of 1 characters>"}]


def test_health_is_kept_in_both_shapes():
    single = {"health": {"gateway_status": "connected"}}
    several = {"health": {"host:c0ffee": {"gateway_status": "disconnected", "role": "coreapp"}}}
    assert redact(single) == single
    assert redact(several) == several


@pytest.mark.parametrize(
    "value",
    [
        {"settings": {"data": CANARY}},
        {"settings": {"application": {"webhooks": {"url": CANARY}, "version": CANARY, "title": CANARY}}},
        {"settings": {"profile": {"about": {"text": CANARY}}}},
        {
            "settings": {
                "application": {"media": {"providers": [{"config": {"basic": {"username": CANARY}}}]}}
            }
        },
        {"password": CANARY, "data": [CANARY, {"a": CANARY}]},
        {"users": [{"token": CANARY, "username": "a " + CANARY}]},
        {"messages": [{"id": CANARY, "text": {"body": CANARY}}]},
        {CANARY + " as a name!": 1},
        {"errors": [{"title": "no", "details": f"password {CANARY} is wrong"}]},
        {"errors": [{"title": "no", "href": f"https://x.example/?p={CANARY}"}]},
        {"errors": {"title": {"title": [CANARY]}}},
        {"meta": {"version": CANARY, "api_status": CANARY}},
        {"type": CANARY},
        [CANARY],
        CANARY,
    ],
)
def test_a_string_outside_the_safe_list_never_shows(value):
    assert CANARY not in json.dumps(redact(value, CANARY))


def test_numbers_are_kept_except_where_a_secret_belongs():
    assert redact({"a": 1.5, "b": None, "c": True, "d": [7]}) == {"a": 1.5, "b": None, "c": True, "d": [7]}
    assert redact({"password": 12345678, "data": [None]}) == {"password": "<number>", "data": [None]}


def test_a_number_that_json_cannot_carry_is_named():
    assert redact([float("inf"), 10**60]) == ["<number beyond a double>", "<number of more than 40 digits>"]


def test_an_error_text_loses_long_coded_words_and_control_characters():
    kept = redact({"errors": [{"details": "bad\x1b[2J data QUJDREVGR0hJSktMTU5PUFFS\u202eevil"}]})
    assert kept["errors"][0]["details"] == "bad [2J data <string of 24 characters> evil"


def test_plain_long_words_stay_readable():
    details = "Unknown error: biz_link_on_prem_reg_blocked"
    assert redact({"errors": [{"details": details}]})["errors"][0]["details"] == details


def test_a_huge_value_is_cut():
    text = Redactor(str, str).json({f"name{n}": [0] * 500 for n in range(5000)})
    assert len(text) < 5000


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"\x89PNG" + CANARY.encode(), "<23 bytes>"),
        (b"<html><title> Hello \n you </title>" + CANARY.encode(), "<53 bytes> HTML: Hello you"),
        (b"<html>" + CANARY.encode(), "<25 bytes> HTML"),
        (b"", ""),
    ],
)
def test_a_body_that_is_no_json_is_counted(content, shown):
    assert Redactor(str, str).content(content) == shown


def test_headers_outside_the_safe_list_are_counted():
    headers = [
        ("Authorization", "Bearer " + CANARY),
        ("authorization", CANARY),
        ("Set-Cookie", CANARY),
        ("Content-Type", "text/html"),
        ("X-" + CANARY, CANARY),
    ]
    kept = dict(Redactor(str, str).headers(headers))
    assert kept["Authorization"] == "Bearer <token>"
    assert kept["authorization"] == "<string of 19 characters>"
    assert kept["Set-Cookie"] == "<string of 19 characters>"
    assert kept["Content-Type"] == "text/html"


def test_the_values_of_a_query_are_left_away():
    url = Redactor(str, str).url(f"https://x:9090/v1/photo?format=link&p={CANARY}&q")
    assert url == "https://x:9090/v1/photo?format=…&p=…&q=…"


def test_secrets_are_found_wherever_they_stand_in_a_body():
    body = {"password": "one", "x": [{"data": ["two", {"y": "three"}]}], "z": "four"}
    assert sorted(secrets_in(body)) == ["one", "three", "two"]


def test_no_secret_of_a_conversation_is_on_record(scripted, drive):
    password, data, token = "Pa55word-of-mine", "BackupData" * 200, "tok.en.0123456789"
    echo = json.dumps({"errors": [{"code": 1, "title": "no", "details": f"{password} {token} {data[:50]}"}]})
    login = json.dumps({"users": [{"token": token}]})
    server = scripted(
        answer(login),
        answer(json.dumps({"settings": {"data": data}})),
        answer(echo, "400 Bad Request", f"Location: /?{token}", f"X-Echo: {password}", f"Server: {token}"),
    )
    recorder = Recorder()
    driver = drive(server, token=None, password="Adm1n-password", recorder=recorder)
    driver.backup(password)
    driver.restore(password, data)
    driver.request("GET", f"/v1/x?password={password}")
    for exchange in recorder.exchanges:
        text = json.dumps(exchange.as_dict()) + exchange.curl()
        for secret in (password, data[:20], token, "Adm1n-password"):
            assert secret not in text
    assert len(recorder.exchanges) == 4


def test_a_short_password_is_not_shown_when_its_own_error_echoes_it(scripted, drive, recorder):
    body = '{"errors": [{"code": 1, "title": "wrong", "details": "abcd1"}]}'
    drive(scripted(answer(body, "400 No"))).restore("abcd1", "data")
    assert "abcd1" not in recorder.exchanges[0].response_body
