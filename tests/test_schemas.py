"""The schemas: well-formed, strict on what is promised, open to what is not, and silent about secrets."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from pytest_wa_settings import schemas

META = {"meta": {"api_status": "stable", "version": "v2.57.2"}}
REFUSAL = {"code": 1008, "title": "Required parameter is missing"}
STATUSES = ["connected", "connecting", "disconnected", "uninitialized", "unregistered"]
NODE = {"gateway_status": "connected", "role": "primary_master"}
INSTANCE = {"debug_info": "unregistered", "e2e": {"identity_timestamp": 1, "registration_id": "a1"}}
CONTACT = {
    "wa_id": "15551230000",
    "security_code": "0123",
    "security_notifications": True,
    "notices": [{"type": "security_code_changed", "business": "15551234567", "at": "2026-11-24T12:00:00Z"}],
    "messages": [{"id": "wamid.1", "from": "15551234567", "to": "15551230000", "text": {"body": "hi"}}],
}
FINDING = {"expected": "a refusal", "observed": "200", "curl": "curl -k ...", "exchanges": [17, 18]}
CLAUSE = {
    "id": "RESTORE-5",
    "testbed": "mock",
    "level": "MUST",
    "verdict": "fail",
    "reason": None,
    "remarks": [],
    "tests": ["test_restore.py::test_another_password_is_refused"],
    "examples": 120,
    "findings": [FINDING],
}
EVIDENCE = {
    "test": "test_restore.py::test_it",
    "judgement": "refused",
    "exchanges": 1,
    "fields": [],
    "control": None,
}
SHOWN = {**CLAUSE, "kind": None, "evidence": []}
PASSED = {**SHOWN, "verdict": "pass", "findings": [], "evidence": [EVIDENCE]}
CLIENT = {
    "name": "mock",
    "testbed": "mock",
    "address": "mock:",
    "version": "2.57.2",
    "state": "registered",
    "shards": 1,
}
REPORT: dict[str, Any] = {
    "schema": "urn:pytest-wa-settings:report:1",
    "suite": {"version": "0.1.0", "catalog": "1.0", "catalog_digest": "sha256:" + 64 * "0"},
    "run": {
        "started": "2026-11-24T12:00:00Z",
        "seconds": 9.8,
        "profile": "full",
        "strict": False,
        "seed": 0,
        "examples": 50,
        "exchanges": 1612,
    },
    "clients": [CLIENT],
    "verdict": "non-conformant",
    "clauses": [CLAUSE],
}
SECOND = {**REPORT, "schema": "urn:pytest-wa-settings:report:2", "clauses": [SHOWN]}

VALID = [
    ("backup-request", {"password": "x"}),
    ("backup-request", {"password": "", "comment": "an extra member"}),
    ("backup-response", {"settings": {"data": "x"}}),
    ("backup-response", {"settings": {"data": "x", "size": 1}, "meta": None, "extra": []}),
    ("restore-request", {"password": "x", "data": "y"}),
    ("restore-response", None),
    ("restore-response", {}),
    ("restore-response", META),
    ("error", {"errors": [REFUSAL]}),
    ("error", {**META, "errors": [{**REFUSAL, "details": None, "href": "https://wa.example"}]}),
    ("login-response", {"users": [{"token": "t", "expires_after": "2021-09-14 15:29:26+00:00"}], **META}),
    ("health", {"health": {"gateway_status": "unregistered"}, **META}),
    ("health", {"health": {"master1:4f2a": NODE, "wacore1:9b1c": {**NODE, "role": "coreapp"}}}),
    ("health", {"health": {"master1:4f2a": NODE, "wacore1:9b1c": {"errors": [REFUSAL]}}}),
    ("application-settings", {"settings": {"application": {}}}),
    (
        "application-settings",
        {"settings": {"application": {"webhooks": {"max_concurrent_requests": 24}, "new": 1}}},
    ),
    ("support", {"support": INSTANCE}),
    ("support", {"support": {"master1:4f2a": INSTANCE, "wacore1:9b1c": {}}}),
    ("consumer-contact", CONTACT),
    ("consumer-contact", {**CONTACT, "security_code": None, "notices": [], "messages": [], "name": "Ana"}),
    ("report", REPORT),
    ("report", {**REPORT, "run": {**REPORT["run"], "options": {"url": "mock:"}, "offers": []}}),
    ("report", {**REPORT, "testbeds": [{"name": "mock", "verdict": "inconclusive"}], "host": {}}),
    ("report", {**REPORT, "clauses": [{**CLAUSE, "verdict": "not tested", "reason": "x", "findings": []}]}),
    ("report", {**REPORT, "clauses": [{**CLAUSE, "verdict": "pass", "findings": []}]}),
    ("report", SECOND),
    ("report", {**SECOND, "clauses": [PASSED, {**SHOWN, "kind": "no evidence"}]}),
]

INVALID: list[tuple[str, object, str]] = [
    ("backup-request", {}, "$: lacks password"),
    ("backup-request", {"password": 5}, "$.password: is an integer, not a string"),
    ("backup-response", {"settings": "x"}, "$.settings: is a string, not an object"),
    ("backup-response", {"settings": {}}, "$.settings: lacks data"),
    ("backup-response", {"settings": {"data": ""}}, "$.settings.data: is empty or blank"),
    ("backup-response", [], "$: is an array, not an object"),
    ("restore-request", {}, "$: lacks password and data"),
    ("restore-response", "", "$: is none of null, {}, meta alone"),
    ("restore-response", {**META, "errors": []}, "$: is none of null, {}, meta alone"),
    ("error", {"errors": []}, "$.errors: is empty"),
    ("error", {"errors": REFUSAL}, "$.errors: is an object, not an array"),
    (
        "error",
        {"errors": [{**REFUSAL, "code": "1008"}]},
        "$.errors[0].code: is a string, not an integer",
    ),
    (
        "error",
        {"errors": [{**REFUSAL, "code": True}]},
        "$.errors[0].code: is a boolean, not an integer",
    ),
    ("error", {"errors": [REFUSAL, {"code": 1}]}, "$.errors[1]: lacks title"),
    ("login-response", {"users": []}, "$.users: is empty"),
    ("login-response", {"users": [{"token": "t"}]}, "$.users[0]: lacks expires_after"),
    (
        "health",
        {"health": {"gateway_status": "unknown"}},
        f"$.health.gateway_status: is none of {', '.join(STATUSES)}",
    ),
    ("health", {"health": {}}, "$.health: is empty"),
    (
        "health",
        {"health": {"a:b": {"role": "coreapp"}}},
        "$.health.*: is none of gateway_status and role, errors",
    ),
    (
        "application-settings",
        {"settings": {"application": {"heartbeat_interval": "5"}}},
        "$.settings.application.heartbeat_interval: is a string, not an integer",
    ),
    (
        "application-settings",
        {"settings": {"application": {"webhooks": {"max_concurrent_requests": 7}}}},
        "$.settings.application.webhooks.max_concurrent_requests: is none of 6, 12, 18, 24",
    ),
    ("support", {"support": {"a:b": 1}}, "$.support.*: is an integer, not an object"),
    ("consumer-contact", {**CONTACT, "wa_id": "+1555"}, "$.wa_id: does not match ^[0-9]{8,15}$"),
    (
        "consumer-contact",
        {**CONTACT, "security_code": 1},
        "$.security_code: is an integer, not a string or null",
    ),
    (
        "report",
        {**REPORT, "schema": "2"},
        "$.schema: is none of urn:pytest-wa-settings:report:1, urn:pytest-wa-settings:report:2",
    ),
    ("report", {**SECOND, "clauses": [CLAUSE]}, "$.clauses[0]: lacks kind and evidence"),
    ("report", {**SECOND, "clauses": [{**PASSED, "evidence": []}]}, "$.clauses[0].evidence: is empty"),
    (
        "report",
        {**SECOND, "clauses": [{**PASSED, "evidence": [{**EVIDENCE, "judgement": ""}]}]},
        "$.clauses[0].evidence[0].judgement: is empty",
    ),
    ("report", {**REPORT, "clauses": [{**CLAUSE, "findings": []}]}, "$.clauses[0].findings: is empty"),
    (
        "report",
        {**REPORT, "clauses": [{**CLAUSE, "verdict": "not tested", "findings": []}]},
        "$.clauses[0].reason: is null, not a string",
    ),
    ("report", {**REPORT, "clients": [{**CLIENT, "shards": 0}]}, "$.clients[0].shards: is less than 1"),
]


def test_the_suite_has_a_schema_for_everything_it_reads() -> None:
    assert {
        "backup-request",
        "backup-response",
        "restore-request",
        "restore-response",
        "error",
        "login-response",
        "health",
        "application-settings",
        "support",
        "consumer-contact",
        "report",
    } <= set(schemas.names())


@pytest.mark.parametrize("name", schemas.names())
def test_a_schema_passes_its_meta_schema(name: str) -> None:
    schema = schemas.load(name)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:pytest-wa-settings:schema:{name}:{2 if name == 'report' else 1}"
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", schemas.names())
def test_a_schema_says_what_it_is_for(name: str) -> None:
    schema = schemas.load(name)
    assert schema["title"]
    assert schema["description"].endswith(".")


def test_the_openapi_document_is_valid_with_all_it_refers_to() -> None:
    validate(schemas.load("openapi"), base_uri=(schemas.folder() / "openapi.json").as_uri())


def test_the_openapi_document_refers_to_every_message_by_its_file() -> None:
    text = json.dumps(schemas.load("openapi"))
    assert [name for name in schemas.names() if f'"{name}.json' not in text] == ["clients", "report"]


@pytest.mark.parametrize(("name", "instance"), VALID)
def test_a_good_message_has_no_problems(name: str, instance: object) -> None:
    assert schemas.problems(name, instance) == []


@pytest.mark.parametrize(("name", "instance", "problem"), INVALID)
def test_a_bad_message_has_its_problem_named(name: str, instance: object, problem: str) -> None:
    assert schemas.problems(name, instance) == [problem]


@pytest.mark.parametrize("name", schemas.names())
@pytest.mark.parametrize("instance", [["s3cret"], {"s3cret": "s3cret"}, "s3cret", {"settings": "s3cret"}])
def test_problems_never_show_anything_of_the_message(name: str, instance: object) -> None:
    assert "s3cret" not in " ".join(schemas.problems(name, instance))


def test_a_strange_member_name_is_not_shown() -> None:
    assert schemas.problems("health", {"health": {"s3cret": 1}}) == [
        "$.health.*: is an integer, not an object"
    ]


def test_a_value_that_json_does_not_have_is_a_problem() -> None:
    assert schemas.problems("error", object()) == ["$: is no JSON value, not an object"]


def test_a_message_full_of_problems_gives_a_short_list() -> None:
    found = schemas.problems("error", {"errors": [{}] * 5000})
    assert len(found) == 21
    assert found[-1] == "and more"


def test_a_message_nested_too_deep_is_a_problem_and_no_crash() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert schemas.problems("error", {"errors": deep}) != []


def test_a_schema_handed_out_may_be_changed() -> None:
    before = copy.deepcopy(schemas.load("error"))
    schemas.load("error").clear()
    assert schemas.load("error") == before


@pytest.mark.parametrize("name", ["nonsense", "../pyproject", ""])
def test_an_unknown_schema_is_named_with_those_that_exist(name: str) -> None:
    with pytest.raises(schemas.SchemaError) as caught:
        schemas.load(name)
    assert "backup-request" in caught.value.remedy


def test_importing_the_module_imports_no_jsonschema() -> None:
    code = "import sys, pytest_wa_settings.schemas as s; s.load('error'); print('jsonschema' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.split() == [
        b"False"
    ]
