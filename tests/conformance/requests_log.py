"""A pytest plugin for a run of the suite: logs each request that breaks the schema of its OpenAPI operation.

Loaded by `-p requests_log`; the file that REQUESTS_LOG names gets a line for each: the test, the schema, and
those that the test says it breaks (`wa_breaks`).
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pytest_wa_settings import schemas
from pytest_wa_settings.api import Driver
from pytest_wa_settings.api.messages import path_pattern
from pytest_wa_settings.wire import MISSING
from pytest_wa_settings.wire.parsing import parse_json

LOG = "REQUESTS_LOG"
_NOW: dict[str, Any] = {"test": "", "breaks": []}


@dataclass(frozen=True)
class Operation:
    """A call with a body; `schema` is the name of its schema, or of the call where it has none of its own."""

    method: str
    path: re.Pattern[str]
    schema: str
    required: bool
    validator: Draft202012Validator

    def takes(self, body: bytes) -> bool:
        """Whether it may have this body."""
        if not body:
            return not self.required
        value = parse_json(body)
        return value is not MISSING and self.validator.is_valid(value)


def operations() -> list[Operation]:
    """The operations of the OpenAPI document that have a body."""
    found = []
    for path, item in schemas.load("openapi")["paths"].items():
        pattern = path_pattern(path)
        for method, operation in item.items():
            if isinstance(operation, dict) and "requestBody" in operation:
                body = operation["requestBody"]
                schema = body["content"]["application/json"]["schema"]
                name = schema.get("$ref", f"{method} {path}").removesuffix(".json")
                validator = Draft202012Validator(_resolved(schema))
                found.append(Operation(method.upper(), pattern, name, body.get("required", False), validator))
    return found


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    file, _, place = reference.partition("#")
    whole = schemas.load(file.removesuffix(".json"))
    found = whole
    for step in filter(None, place.split("/")):
        found = found[step]
    return {**found, "$defs": whole.get("$defs", {})}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What is sent from here on is this test's."""
    marks = [name for mark in item.iter_markers("wa_breaks") for name in mark.args]
    _NOW.update(test=item.nodeid.rpartition("/")[2], breaks=marks)


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main() -> Any:
    """Looks at each request that a driver sends."""
    rows = operations()
    sent = Driver._send

    def looked_at(self: Driver, like: Any, request: Any) -> Any:
        path = request.url.path
        for one in rows:
            if request.method == one.method and one.path.fullmatch(path) and not one.takes(request.content):
                with open(os.environ[LOG], "a", encoding="utf-8") as log:
                    log.write(json.dumps({**_NOW, "schema": one.schema}) + "\n")
        return sent(self, like, request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Driver, "_send", looked_at)
        return (yield)
