"""What an answer tells: codes, data and a token where they stand, and no secret in its repr."""

from __future__ import annotations

import json

import pytest
from raw_servers import answer

from pytest_wa_settings.api import Driver
from pytest_wa_settings.wire import MISSING, Recorder


def test_codes_are_whole_numbers_only(scripted, drive):
    body = (
        '{"errors": [{"code": 1005.0}, {"code": true}, {"code": "1008"}, {"code": 1.5}, 7, {"code": 1009}]}'
    )
    assert drive(scripted(answer(body))).health().codes == [1005, 1009]


@pytest.mark.parametrize("body", ["", "null", "[]", "7", '{"errors": {}}', '{"settings": "x"}', "{", "\0"])
def test_an_answer_of_any_shape_has_no_errors_and_no_data(scripted, drive, body):
    got = drive(scripted(answer(body))).health()
    assert (got.errors, got.codes, got.data, got.token) == ([], [], None, None)
    assert got.body is MISSING or json.loads(body) == got.body


def test_an_answers_repr_shows_no_secret(scripted):
    server = scripted(answer('{"settings": {"data": "backup-data-abcdefgh"}}'))
    with Driver(server.url, name="client", recorder=Recorder(), token="fixed-token") as driver:
        text = repr(driver.backup("a-password-of-mine"))
    assert "200" in text
    assert not any(secret in text for secret in ("backup-data", "a-password", "fixed-token"))
