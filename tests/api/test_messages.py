"""Each answer is held against the schema of its message; what is wrong is counted, without a secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_wa_settings.api.messages import Messages, joined, message_of, vendors_schemas
from pytest_wa_settings.schemas import SchemaError
from pytest_wa_settings.wire import Answer, Exchange

HEALTHY = {"health": {"gateway_status": "connected"}}


def answer(
    method: str, path: str, status: int | None, body: Any = None, *, raw: bytes | None = None
) -> Answer:
    """An answer to a call."""

    def no_record() -> Exchange:
        raise AssertionError("an exchange is redacted for nothing")

    content = json.dumps(body).encode() if raw is None else raw
    failure = "connection closed" if status is None else None
    return Answer(method, path, status, (), content, failure, 0.0, no_record)


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("POST", "/v1/settings/backup", 200, ("POST /v1/settings/backup", "backup-response")),
        ("POST", "/v1/settings/restore", 200, ("POST /v1/settings/restore", "restore-response")),
        ("POST", "/v1/users/login", 200, ("POST /v1/users/login", "login-response")),
        ("POST", "/v1/users", 201, ("POST /v1/users", "user-response")),
        ("GET", "/v1/users/ana", 200, ("GET /v1/users/{username}", "user-response")),
        ("GET", "/v1/health?x=1", 200, ("GET /v1/health", "health")),
        ("GET", "/v1/settings/profile/about", 200, ("GET /v1/settings/profile/about", "profile-about")),
        ("GET", "/contacts/15551230000", 200, ("GET /contacts/{wa_id}", "consumer-contact")),
        ("POST", "/v1/settings/backup", 400, ("refusal", "error")),
        ("RAW", "/anything", 404, ("refusal", "error")),
        ("GET", "/v1/settings/profile/photo", 200, None),
        ("DELETE", "/v1/users/ana", 200, None),
        ("GET", "/v1/health", None, None),
    ],
)
def test_an_answer_is_the_message_of_its_call(
    method: str, path: str, status: int | None, message: tuple[str, str] | None
) -> None:
    assert message_of(answer(method, path, status, {})) == message


@pytest.mark.parametrize("raw", [b"", b" ", b"<html>Bad gateway</html>"])
def test_a_refusal_without_a_message_is_none(raw: bytes) -> None:
    assert message_of(answer("GET", "/v1/health", 403, raw=raw)) is None


def test_valid_and_invalid_answers_are_counted_with_the_rules_broken() -> None:
    messages = Messages()
    for number, body in enumerate([HEALTHY, {"health": {"gateway_status": "s3cret"}}, HEALTHY, {}, {}], 1):
        messages.note(answer("GET", "/v1/health", 200, body), number)
    (health,) = messages.listed()
    assert (health["name"], health["schema"], health["of"]) == ("GET /v1/health", "health", "suite")
    assert (health["valid"], health["invalid"]) == (2, 3)
    assert [(one["pointer"], one["keyword"], one["times"], one["exchange"]) for one in health["broken"]] == [
        ("/health/gateway_status", "enum", 1, 2),
        ("", "required", 2, 4),
    ]
    assert "s3cret" not in json.dumps(health)


def test_a_body_that_is_no_json_is_invalid() -> None:
    messages = Messages()
    messages.note(answer("GET", "/v1/health", 200, raw=b"OK"), 1)
    messages.note(answer("POST", "/v1/settings/restore", 200, raw=b""), 2)
    assert [one["broken"][0]["rule"] for one in messages.listed()] == ["is not JSON", "is empty"]


def test_a_long_list_of_errors_is_not_visited() -> None:
    messages = Messages()
    messages.note(answer("GET", "/v1/health", 400, {"errors": [{}] * 200_000}), 1)
    assert messages.listed() == []


def a_schema(folder: Path, name: str, content: object) -> Path:
    """A vendor's folder with one schema."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def test_a_vendors_schema_is_judged_beside_the_suites_own(tmp_path: Path) -> None:
    strict = a_schema(tmp_path / "strict", "health", {"required": ["meta"]})
    messages = Messages(strict)
    messages.note(answer("GET", "/v1/health", 200, HEALTHY), 7)
    suite, vendor = messages.listed()
    assert (suite["of"], suite["invalid"]) == ("suite", 0)
    assert (vendor["of"], vendor["invalid"], vendor["broken"][0]["exchange"]) == ("vendor", 1, 7)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("helth", {}, "has the name of no message"),
        ("health", {"type": "objekt"}, "is no JSON Schema"),
        ("health", {"properties": []}, "is no JSON Schema: properties"),
    ],
)
def test_a_vendors_schema_that_cannot_be_used_is_refused(
    tmp_path: Path, name: str, content: object, problem: str
) -> None:
    with pytest.raises(SchemaError, match=problem):
        vendors_schemas(a_schema(tmp_path / "bad", name, content))


@pytest.mark.parametrize("reference", ["urn:pytest-wa-settings:schema:health:1", "error.json"])
def test_a_vendors_schema_may_refer_to_the_suites_and_to_its_neighbours(
    tmp_path: Path, reference: str
) -> None:
    folder = a_schema(tmp_path / "strict", "error", {"required": ["meta"]})
    a_schema(folder, "health", {"allOf": [{"$ref": reference}]})
    messages = Messages(folder)
    messages.note(answer("GET", "/v1/health", 200, {}), 1)
    assert [one["invalid"] for one in messages.listed()] == [1, 1]
    assert messages.broken is None


def test_a_reference_to_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"refers to other\.json, which is neither"):
        vendors_schemas(a_schema(tmp_path / "bad", "health", {"$ref": "other.json"}))


def test_a_schema_that_breaks_in_use_breaks_no_run(tmp_path: Path) -> None:
    folder = a_schema(tmp_path / "odd", "health", {"$ref": "#/$defs/missing"})
    messages = Messages(folder)
    messages.note(answer("GET", "/v1/health", 200, HEALTHY), 1)
    assert messages.broken is not None


def test_a_folder_without_schemas_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="holds no schema"):
        vendors_schemas(tmp_path)


def test_the_lists_of_several_processes_are_one() -> None:
    parts = []
    for first in (3, 5):
        messages = Messages()
        messages.note(answer("GET", "/v1/health", 200, {}), first)
        messages.note(answer("GET", "/v1/health", 200, HEALTHY), first + 1)
        parts.append(messages.listed())
    (health,) = joined(parts)
    assert (health["valid"], health["invalid"]) == (2, 2)
    assert [(one["times"], one["exchange"]) for one in health["broken"]] == [(2, 3)]
