"""The JSON Schemas of the messages that the suite reads, and what is wrong with a message by them."""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

_PACKAGE = Path(__file__).parent
_NAME = re.compile(r"[a-z]+(?:-[a-z]+)*")
_PYTHON = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string"}
_PYTHON |= {list: "array", dict: "object"}
_PROSE = {"null": "null", "integer": "an integer", "array": "an array", "object": "an object"}
_MOST = 20


class SchemaError(Exception):
    """A schema was asked for that is not there.

    Attributes:
        problem: which one; one line.
        remedy: what to do about it; one line.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem} {remedy}")
        self.problem = problem
        self.remedy = remedy


def folder() -> Path:
    """The folder of the schema files: inside the package in a wheel, beside it in a checkout."""
    packed = _PACKAGE / "_schemas"
    return packed if packed.is_dir() else _PACKAGE.parent / "schemas"


@functools.cache
def names() -> tuple[str, ...]:
    """The messages that have a schema, in alphabetical order ("backup-request", …)."""
    return tuple(sorted(path.stem for path in folder().glob("*.json") if path.stem != "openapi"))


def load(name: str) -> dict[str, Any]:
    """A schema as parsed JSON, the caller's to keep; "openapi" gives the OpenAPI document.

    Raises:
        SchemaError: no schema has this name.
    """
    content: dict[str, Any] = json.loads(_text(name))
    return content


def problems(name: str, instance: object) -> list[str]:
    """What is wrong with a message by its schema, a short line each; empty when it is valid.

    A line says where (a JSON path) and which rule is broken. It never holds anything of the message but the
    member names that the schema itself has, so that no secret gets into a report.

    Raises:
        SchemaError: no schema has this name.
    """
    try:
        errors = itertools.islice(_validator(name).iter_errors(instance), 50 * _MOST)
        lines = sorted({f"{_path(error, name)}: {_rule(error)}" for error in errors})
    except RecursionError:  # jsonschema prints what it refuses, however deep that is
        return ["$: is nested too deep to be judged"]
    return [*lines[:_MOST], "and more"] if len(lines) > _MOST else lines


@functools.cache
def _text(name: str) -> str:
    path = folder() / f"{name}.json"
    if not _NAME.fullmatch(name) or not path.is_file():
        raise SchemaError(f"There is no schema {name!r}.", f"Known are {', '.join(names()) or 'none'}.")
    return path.read_text(encoding="utf-8")


@functools.cache
def _validator(name: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator  # slow to import: not before a message is judged

    return Draft202012Validator(load(name))


@functools.cache
def _member_names(name: str) -> frozenset[str]:
    return frozenset(_properties(load(name)))


def _properties(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield from properties
        for value in schema.values():
            yield from _properties(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _properties(value)


def _path(error: ValidationError, name: str) -> str:
    known = _member_names(name)
    path = "$"
    for step in error.absolute_path:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{step}" if step in known else ".*"
    return path


def _rule(error: ValidationError) -> str:
    keyword, value = str(error.validator), cast("Any", error.validator_value)
    instance: Any = error.instance
    if keyword == "required":
        missing = [member for member in value if member not in instance]
        return f"lacks {_one_of(missing, 'and')}"
    if keyword == "type":
        expected = [_prose(name) for name in ([value] if isinstance(value, str) else value)]
        found = _PYTHON.get(type(instance))
        return f"is {_prose(found) if found else 'no JSON value'}, not {_one_of(expected, 'or')}"
    if keyword == "enum":
        return f"is none of {', '.join(map(str, value))}"
    if keyword in ("anyOf", "oneOf"):
        return f"is none of {', '.join(part.get('title', 'another form') for part in value)}"
    rules = {
        "const": f"is not {value}",
        "pattern": f"does not match {value}",
        "minLength": "is empty" if value == 1 else f"is shorter than {value} characters",
        "minItems": "is empty" if value == 1 else f"has fewer than {value} items",
        "minProperties": "is empty" if value == 1 else f"has fewer than {value} members",
        "minimum": f"is less than {value}",
    }
    return rules.get(keyword, f"breaks the rule {keyword}")


def _prose(type_name: str) -> str:
    return _PROSE.get(type_name, f"a {type_name}")


def _one_of(words: list[str], last: str) -> str:
    return f" {last} ".join(words) if len(words) < 3 else f"{', '.join(words[:-1])} {last} {words[-1]}"
