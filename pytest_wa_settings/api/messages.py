"""Which message an answer is, and whether it is as its JSON Schema has it.

The table is the OpenAPI document beside the schemas: what a call answers with 2xx by its own schema, what a
client refuses with by the error envelope (api 2.1). Deviations decide no clause but BACKUP-1, RESTORE-1 and
ERROR-1, which judge for themselves; here they are counted for the report.
"""

from __future__ import annotations

import functools
import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_wa_settings import schemas
from pytest_wa_settings.api.resources import is_web_page
from pytest_wa_settings.schemas import Violation
from pytest_wa_settings.wire import MISSING, Answer

REFUSAL = "refusal"
"""What any answer of the client's outside 2xx is called."""
_ENVELOPE = "error"
_LONGEST = 2**18
"""Bytes of a body beyond which it is not held against a schema here: a list in it may be as long."""
_MOST_ERRORS = 1000
"""Of the errors in a longer body so many are held against the schema."""
_KEPT = 256
_MOST_BROKEN = 10


def message_of(answer: Answer) -> tuple[str, str] | None:
    """The name of a message ("GET /v1/health") and of its schema ("health"); None for what has no schema."""
    if not answer.answered or answer.status is None or answer.failure is not None or is_web_page(answer):
        return None
    if not answer.ok:
        # an empty body is no message
        return (REFUSAL, _ENVELOPE) if answer.content.strip() else None
    path = answer.path.partition("?")[0]
    for method, pattern, name, schema in _table():
        if method == answer.method and pattern.fullmatch(path):
            return name, schema
    return None


@functools.cache
def _table() -> tuple[tuple[str, re.Pattern[str], str, str], ...]:
    rows = []
    for path, item in schemas.load("openapi")["paths"].items():
        pattern = path_pattern(path)
        for method, operation in item.items():
            schema = _schema_of(operation) if isinstance(operation, dict) else None
            if schema is not None:
                rows.append((method.upper(), pattern, f"{method.upper()} {path}", schema))
    # fixed paths first: /v1/users/login is no account's
    return tuple(sorted(rows, key=lambda row: "{" in row[2]))


def path_pattern(path: str) -> re.Pattern[str]:
    """The pattern of an operation's paths, from its path in the OpenAPI document ("/v1/users/{name}")."""
    return re.compile("[^/]+".join(map(re.escape, re.split(r"\{[^}]+\}", path))))


def _schema_of(operation: dict[str, Any]) -> str | None:
    for status, response in operation.get("responses", {}).items():
        if status.startswith("2"):
            reference = response.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref")
            return None if reference is None else str(reference).removesuffix(".json")
    return None


def violations_in(answer: Answer, schema: str, of: Path | None = None) -> list[Violation]:
    """The rules of a schema that an answer's body breaks; a body that is no JSON breaks the first of them."""
    if answer.body is MISSING:
        rule = "is not JSON" if answer.content.strip() else "is empty"
        return [Violation(schema, "", "type", rule, "{}")]
    body = answer.body
    if len(answer.content) > _LONGEST and isinstance(body, dict) and isinstance(body.get("errors"), list):
        body = {**body, "errors": body["errors"][:_MOST_ERRORS]}
    return schemas.violations(schema, body, of)


@dataclass
class Tally:
    """How often one kind of message came, and what was wrong with it.

    Attributes:
        broken: how often each rule was broken, and the number of the first exchange that did.
    """

    name: str
    schema: str
    valid: int = 0
    invalid: int = 0
    broken: dict[str, tuple[int, int, Violation]] = field(default_factory=dict)

    def add(self, found: Iterable[Violation], number: int) -> None:
        """Counts one message."""
        found = list(found)
        self.valid, self.invalid = self.valid + (not found), self.invalid + bool(found)
        for one in found:
            count, first, _ = self.broken.get(str(one), (0, number, one))
            self.broken[str(one)] = count + 1, first, one


class Messages:
    """Holds each answer of a testbed against its schema, and against a vendor's own of the same name."""

    def __init__(self, of_vendor: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._tallies: dict[tuple[str, str, bool], Tally] = {}
        self._found: OrderedDict[tuple[str, bool, bytes], list[Violation]] = OrderedDict()
        self._of_vendor = of_vendor
        self.broken: str | None = None
        """Why answers could not be held against a schema, where that broke; None where it did not."""
        self._own = vendors_schemas(of_vendor)

    def note(self, answer: Answer, number: int) -> None:
        """Takes the answer of the exchange `number` in; what is no message is passed over."""
        message = message_of(answer)
        if message is None or (len(answer.content) > _LONGEST and message[1] != "backup-response"):
            return
        name, schema = message
        try:
            self._tell(answer, number, name, schema)
        except Exception as error:  # noqa: BLE001 - no schema of a vendor's may break a run, or a put-back
            self.broken = self.broken or f"{type(error).__name__}: {error}"

    def _tell(self, answer: Answer, number: int, name: str, schema: str) -> None:
        for of in (None, self._of_vendor) if schema in self._own else (None,):
            found = self._judged(answer, schema, of)
            with self._lock:
                key = (name, schema, of is not None)
                tally = self._tallies.setdefault(key, Tally(name, schema))
                tally.add(found, number)

    def _judged(self, answer: Answer, schema: str, of: Path | None) -> list[Violation]:
        """Once for each body, as most were read before; a long one is a backup, and new."""
        if len(answer.content) > _LONGEST:
            return violations_in(answer, schema, of)
        key = (schema, of is not None, hashlib.blake2b(answer.content, digest_size=16).digest())
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
        found = violations_in(answer, schema, of)
        with self._lock:
            self._found[key] = found
            if len(self._found) > _KEPT:
                self._found.popitem(last=False)
        return found

    def listed(self) -> list[dict[str, Any]]:
        """The tallies as the report has them, by name."""
        with self._lock:
            return [
                {
                    "name": tally.name,
                    "schema": tally.schema,
                    "of": "vendor" if of_vendor else "suite",
                    "valid": tally.valid,
                    "invalid": tally.invalid,
                    "broken": [
                        {"pointer": one.pointer, "keyword": one.keyword, "rule": one.rule,
                         "times": times, "exchange": first}
                        for times, first, one in list(tally.broken.values())[:_MOST_BROKEN]
                    ],
                }
                for (_, _, of_vendor), tally in sorted(self._tallies.items())
            ]  # fmt: skip


def vendors_schemas(folder: Path | None) -> frozenset[str]:
    """The names of the messages that a vendor's folder has schemas for; raises SchemaError."""
    if folder is None:
        return frozenset()
    files = sorted(folder.glob("*.json"))
    known = {schema for *_, schema in _table()} | {_ENVELOPE}
    for path in files:
        if path.stem not in known:
            raise schemas.SchemaError(
                f"{path} has the name of no message", f"name it after one of {', '.join(sorted(known))}"
            )
        schemas.check(path)
    if not files:
        raise schemas.SchemaError(f"{folder} holds no schema", "name a folder of .json files")
    return frozenset(path.stem for path in files)


def joined(parts: Iterable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The lists of several processes or testbeds as one."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in (entry for part in parts for entry in part):
        key = one["name"], one["of"]
        before = found.get(key)
        if before is None:
            found[key] = {**one, "broken": [dict(rule) for rule in one["broken"]]}
            continue
        before["valid"] += one["valid"]
        before["invalid"] += one["invalid"]
        for rule in one["broken"]:
            known = {(own["pointer"], own["rule"]): own for own in before["broken"]}
            same = known.get((rule["pointer"], rule["rule"]))
            if same is not None:
                same["times"] += rule["times"]
            elif len(before["broken"]) < _MOST_BROKEN:
                before["broken"].append(dict(rule))
    return [found[key] for key in sorted(found)]
