"""Settings and profile are read in every shape that the facts or public samples show (api 5.1 and 5.2)."""

from __future__ import annotations

from typing import Any

import pytest
from answers import answer

from pytest_wa_settings.api.effects import brings_new_password, effect_of
from pytest_wa_settings.api.resources import (
    ABOUT,
    APPLICATION,
    BUSINESS,
    PROVIDERS,
    Resource,
    content,
    is_repeatable,
    is_restore,
    number_of,
)

SETTINGS = {"heartbeat_interval": 5, "wa_id": "15550001111"}
META = {"meta": {"api_status": "stable", "version": "v2.57.2"}}


@pytest.mark.parametrize(
    "body",
    [
        {"settings": {"application": SETTINGS}},
        {"settings": {"application": SETTINGS}, **META},
        {"application": SETTINGS},
        {"settings": SETTINGS},
        SETTINGS,
        {"settings": [{"application": SETTINGS}]},
        {"settings": {"application": [SETTINGS]}},
        {"application": [SETTINGS]},
        [SETTINGS],
        [{"settings": {"application": SETTINGS}}],
    ],
)
def test_settings_are_found_with_and_without_what_stands_around_them(body: Any) -> None:
    assert content(APPLICATION, answer(body)) == SETTINGS


def test_flat_settings_are_found_beside_meta() -> None:
    found = content(APPLICATION, answer({**SETTINGS, **META}))
    assert found is not None
    assert found["heartbeat_interval"] == 5


@pytest.mark.parametrize(
    ("resource", "body", "found"),
    [
        (ABOUT, {"settings": {"profile": {"about": {"text": "hi"}}}}, {"text": "hi"}),
        (ABOUT, {"profile": {"about": {"text": "hi"}}}, {"text": "hi"}),
        (ABOUT, {"about": {"text": "hi"}}, {"text": "hi"}),
        (ABOUT, {"text": "hi"}, {"text": "hi"}),
        (ABOUT, {"settings": {"profile": {"about": [{"text": "hi"}]}}}, {"text": "hi"}),
        (BUSINESS, {"settings": {"business": {"profile": {"email": "a@b"}}}}, {"email": "a@b"}),
        (BUSINESS, {"business": {"profile": [{"email": "a@b"}]}}, {"email": "a@b"}),
        (BUSINESS, {"email": "a@b"}, {"email": "a@b"}),
        (PROVIDERS, {"settings": {"application": {"media": {"providers": []}}}}, {"providers": []}),
        (PROVIDERS, {"providers": []}, {"providers": []}),
    ],
)
def test_each_resource_is_found_in_its_own_shapes(
    resource: Resource, body: Any, found: dict[str, object]
) -> None:
    assert content(resource, answer(body)) == found


@pytest.mark.parametrize("resource", [APPLICATION, ABOUT, BUSINESS, PROVIDERS])
def test_an_empty_object_inside_all_members_is_a_content_without_fields(resource: Resource) -> None:
    body: Any = {}
    for name in reversed(resource.members):
        body = {name: body}
    assert content(resource, answer(body)) == {}


@pytest.mark.parametrize(
    "body",
    [
        {},
        META,
        {"settings": {}, **META},
        {"settings": {"meta": {}}},
        {"settings": None},
        {"settings": "x"},
        {"settings": {"application": None}},
        {"settings": {"application": "x"}},
        {"settings": {"application": 7}},
        {"settings": {"application": []}},
        {"settings": {"application": [SETTINGS, SETTINGS]}},
        {"errors": [{"code": 1000, "title": "x"}]},
        {"nobody": "knows"},
        [],
        [SETTINGS, SETTINGS],
        None,
        "x",
        7,
        True,
    ],
)
def test_a_body_of_another_kind_has_no_settings(body: Any) -> None:
    assert content(APPLICATION, answer(body)) is None


@pytest.mark.parametrize("raw", [b"", b"OK", b"<html>", b"[" * 9000])
def test_what_is_no_json_has_no_settings(raw: bytes) -> None:
    assert content(APPLICATION, answer(raw=raw)) is None


@pytest.mark.parametrize("status", [400, 404, 500, 502, None])
def test_an_answer_outside_2xx_has_no_settings_whatever_its_body_says(status: int | None) -> None:
    assert content(APPLICATION, answer({"settings": {"application": SETTINGS}}, status)) is None


@pytest.mark.parametrize(
    ("body", "number"),
    [
        ({"settings": {"application": {"wa_id": "+1 (555) 000-1111"}}}, "15550001111"),
        ({"application": {"wa_id": "15550001111"}}, "15550001111"),
        ({"heartbeat_interval": 5, "wa_id": "15550001111"}, "15550001111"),
        ({"wa_id": "15550001111"}, "15550001111"),
        ({"settings": {"application": {}}}, None),
        ({"settings": {"application": {"wa_id": 15550001111}}}, None),
        ({"settings": {"application": {"wa_id": "1" * 65}}}, None),
        ({"settings": {"application": {"wa_id": "12345"}}}, None),
        ({"settings": None}, None),
        ({"support": {"debug_info": "15550001111"}}, "15550001111"),
        ({"debug_info": "15550001111"}, "15550001111"),
        ({"support": {"debug_info": "unregistered"}}, None),
        ({"support": {"debug_info": "at 1234567890123456 ms"}}, None),
        ({"support": {"host:a": {"debug_info": "phone: 15550001111"}}}, "15550001111"),
        ({"support": {"host:a": {}, "host:b": {"debug_info": "15550001111"}}}, "15550001111"),
        (META, None),
        ([], None),
        (None, None),
    ],
)
def test_the_number_is_found_where_clients_tell_it(body: Any, number: str | None) -> None:
    assert number_of(answer(body)) == number


@pytest.mark.parametrize(
    ("method", "path", "repeatable"),
    [
        ("GET", "/v1/settings/application", True),
        ("HEAD", "/v1/health", True),
        ("POST", "/v1/settings/backup", True),
        ("POST", "/v1/settings/backup?x=1", True),
        ("POST", "/v1/users/login", True),
        ("POST", "/v1/contacts", True),
        ("POST", "/v1/settings/restore", False),
        ("PATCH", "/v1/settings/application", False),
        ("POST", "/v1/messages", False),
        ("POST", "/v1/users", False),
        ("DELETE", "/v1/users/a", False),
        ("POST", "/v1/users/logout", False),
        ("PUT", "/v1/settings/backup", False),
    ],
)
def test_only_what_reads_may_be_sent_twice(method: str, path: str, repeatable: bool) -> None:
    assert is_repeatable(method, path) is repeatable


@pytest.mark.parametrize(
    ("method", "path", "restores", "effect"),
    [
        ("POST", "/v1/settings/restore", True, "restores"),
        ("POST", "/v1/settings/restore?x=1", True, "restores"),
        ("PUT", "/v1//settings/%72estore", False, "restores"),
        ("GET", "/v1/settings/restore", False, "reads"),
        ("POST", "/v1/settings/backup", False, "reads"),
        ("POST", "/v1/users/login", False, "reads"),
        ("POST", "/v1/users/login/../../settings/about", False, "changes"),
        ("PATCH", "/v1/settings/application", False, "changes"),
        ("POST", "/v1/certificates/webhooks/ca", False, "changes"),
        ("POST", "/v1/messages", False, "changes"),
        ("POST", "/v2/unknown", False, "changes"),
    ],
)
def test_what_restores_and_what_changes_is_told_by_method_and_path(
    method: str, path: str, restores: bool, effect: str
) -> None:
    assert (is_restore(method, path), effect_of(method, path)) == (restores, effect)


def test_a_login_may_bring_a_new_password() -> None:
    assert brings_new_password("POST", "/v1/users/login", b'{"new_password": "x"}')
    assert not brings_new_password("POST", "/v1/users/login", b"")
    assert not brings_new_password("POST", "/v1/messages", b'{"new_password": "x"}')
