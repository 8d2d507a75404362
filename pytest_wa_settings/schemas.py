"""The JSON Schemas of the messages that the suite reads, and what is wrong with a message by them."""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError
    from referencing import Registry

_PACKAGE = Path(__file__).parent
_NAME = re.compile(r"[a-z]+(?:-[a-z]+)*")
_PYTHON = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string"}
_PYTHON |= {list: "array", dict: "object"}
_PROSE = {"null": "null", "integer": "an integer", "array": "an array", "object": "an object"}
_MOST = 20
_LONGEST_PART = 300


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


@dataclass(frozen=True)
class Violation:
    """A rule of a schema that a message breaks; nothing of the message is in it.

    Attributes:
        schema: the message's name.
        pointer: the place in it, a JSON Pointer (RFC 6901), `*` for what the schema does not name; "" is all.
        keyword: the JSON Schema keyword. rule: what is wrong, in words. part: that of the schema, as JSON.
    """

    schema: str
    pointer: str
    keyword: str
    rule: str
    part: str

    def __str__(self) -> str:
        return f"{self.pointer or 'the body'} {self.rule}"


def violations(name: str, instance: object, of: Path | None = None) -> list[Violation]:
    """The rules that a message breaks, sorted by place; empty when it is valid.

    Args:
        of: the folder that the schema is in; absent, the suite's own.

    Raises:
        SchemaError: no schema has this name, or the file is no JSON Schema.
    """
    try:
        errors = itertools.islice(_validator(name, of).iter_errors(instance), 50 * _MOST)
        found = {_violation(error, name, of) for error in errors}
    except RecursionError:  # jsonschema prints what it refuses, however deep that is
        return [Violation(name, "", "type", "is nested too deep to be judged", "{}")]
    return sorted(found, key=lambda one: (one.pointer, one.keyword, one.rule))[:_MOST]


def _violation(error: ValidationError, name: str, of: Path | None) -> Violation:
    known = _member_names(name, of)
    steps = [str(step) if isinstance(step, int) or step in known else "*" for step in error.absolute_path]
    keyword = str(error.validator)
    part = json.dumps({keyword: error.validator_value}, ensure_ascii=False)
    shown = part if len(part) <= _LONGEST_PART else part[:_LONGEST_PART] + " …"
    return Violation(name, "".join(f"/{step}" for step in steps), keyword, _rule(error), shown)


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


def check(path: Path) -> None:
    """Sees that a file is a JSON Schema, and that all it refers to is there; raises SchemaError."""
    from referencing.exceptions import Unresolvable

    _validator(path.stem, path.parent)
    content = _content(path.stem, path.parent)
    resolver = _registry(path.parent).resolver(content.get("$id", "") if isinstance(content, dict) else "")
    # a place within itself that is not there is found by the first message
    for reference in (one for one in _references(content) if not one.startswith("#")):
        try:
            resolver.lookup(reference)
        except Unresolvable:
            raise SchemaError(
                f"{path} refers to {reference}, which is neither in its folder nor among the suite's schemas",
                "refer to a file of the folder, or to urn:pytest-wa-settings:schema:NAME:1",
            ) from None


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


@functools.cache
def _registry(of: Path | None) -> Registry[Any]:
    """The suite's schemas by their ids, those of a folder by the names of their files; nothing is fetched."""
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT202012

    found = [Resource.from_contents(load(name), DRAFT202012) for name in names()]
    registry: Registry[Any] = Registry().with_resources([(str(one.id()), one) for one in found])
    if of is None:
        return registry
    beside = [(path.name, _content(path.stem, of)) for path in sorted(of.glob("*.json"))]
    return registry.with_resources([(name, DRAFT202012.create_resource(content)) for name, content in beside])


@functools.cache
def _content(name: str, of: Path | None) -> Any:
    if of is None:
        return load(name)
    path = of / f"{name}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SchemaError(f"{path} cannot be read ({error.strerror})", "name a folder of schemas") from None
    except (ValueError, RecursionError):
        raise SchemaError(f"{path} is not JSON", "write it as a JSON Schema") from None


@functools.cache
def _validator(name: str, of: Path | None = None) -> Draft202012Validator:
    from jsonschema import Draft202012Validator  # slow to import: not before a message is judged
    from jsonschema.exceptions import SchemaError as Malformed

    content = _content(name, of)
    try:
        if of is not None:
            Draft202012Validator.check_schema(content)
        return Draft202012Validator(content, registry=_registry(of))
    except Malformed as error:
        where = "/".join(map(str, error.absolute_path)) or "its top"
        raise SchemaError(
            f"{of}/{name}.json is no JSON Schema: {where} is not as draft 2020-12 has it", "correct it there"
        ) from None


@functools.cache
def _member_names(name: str, of: Path | None = None) -> frozenset[str]:
    return frozenset(_properties(_content(name, of)))


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
        return f"is none of {', '.join(_title(part) for part in value)}"
    rules = {
        "const": f"is not {value}",
        "pattern": "is empty or blank" if value == r"\S" else f"does not match {value}",
        "minLength": "is empty" if value == 1 else f"is shorter than {value} characters",
        "minItems": "is empty" if value == 1 else f"has fewer than {value} items",
        "minProperties": "is empty" if value == 1 else f"has fewer than {value} members",
        "minimum": f"is less than {value}",
    }
    return rules.get(keyword, f"breaks the rule {keyword}")


def _title(schema: object) -> str:
    return str(schema.get("title", "another form")) if isinstance(schema, dict) else "another form"


def _prose(type_name: str) -> str:
    return _PROSE.get(type_name, f"a {type_name}")


def _one_of(words: list[str], last: str) -> str:
    return f" {last} ".join(words) if len(words) < 3 else f"{', '.join(words[:-1])} {last} {words[-1]}"
