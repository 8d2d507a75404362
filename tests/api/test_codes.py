"""Which answers are no judgement yet: one table, in one place."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from answers import answer

import pytest_wa_settings
from pytest_wa_settings.api.codes import is_rate_limit, not_now

GATEWAY = (408, 499, 502, 504, 520, 521, 522, 523, 524)
CODES = {1015: "429", 1016: "1016", 1017: "1017", 1018: "1018"}
STATUSES = (100, 301, 400, 401, 403, 404, 405, 409, 422, 500, 501, 502, 504, 505, 524, 599, 999)


def envelope(*codes: object) -> object:
    return {"errors": [{"code": code, "title": "x"} for code in codes]}


@pytest.mark.parametrize("body", [None, {}, "busy", [], {"errors": []}, envelope(1000)])
@pytest.mark.parametrize(("status", "kind"), [(429, "429"), (503, "503")])
def test_429_and_503_are_no_judgement_yet_whatever_their_body_says(
    status: int, kind: str, body: object
) -> None:
    assert not_now(answer(body, status)) == kind


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(("code", "kind"), CODES.items())
def test_a_code_that_says_not_now_does_so_at_every_status_outside_2xx(
    code: int, kind: str, status: int
) -> None:
    assert not_now(answer(envelope(code), status)) == kind


@pytest.mark.parametrize("status", [200, 201, 204, 299])
@pytest.mark.parametrize("code", CODES)
def test_an_answer_of_2xx_is_a_judgement_whatever_codes_it_names(code: int, status: int) -> None:
    assert not_now(answer(envelope(code), status)) is None


@pytest.mark.parametrize("body", [None, {}, "bad gateway", {"error": "x"}, {"errors": []}, {"errors": ["x"]}])
@pytest.mark.parametrize("status", GATEWAY)
def test_a_gateways_status_without_the_error_envelope_is_the_gateways_answer(
    status: int, body: object
) -> None:
    given = answer(body, status)
    assert not_now(given) == "gateway"
    assert not given.answered


@pytest.mark.parametrize("status", GATEWAY)
def test_a_gateways_status_with_the_error_envelope_is_the_clients_answer(status: int) -> None:
    given = answer(envelope(1000), status)
    assert not_now(given) is None
    assert given.answered


def test_a_page_of_a_gateways_is_its_answer() -> None:
    assert not_now(answer(status=502, raw=b"<html>502 Bad Gateway</html>")) == "gateway"


@pytest.mark.parametrize(
    ("codes", "status", "kind"),
    [
        ((1000, 1017), 400, "1017"),
        ((1017, 1015), 400, "1017"),
        ((1017.0,), 400, "1017"),
        (("1017",), 400, None),
        ((True,), 400, None),
        ((1017,), 503, "1017"),
        ((1017,), 429, "429"),
    ],
)
def test_the_first_code_that_says_not_now_counts(
    codes: tuple[object, ...], status: int, kind: str | None
) -> None:
    assert not_now(answer(envelope(*codes), status)) == kind


def test_every_other_status_is_a_judgement() -> None:
    others = [status for status in range(100, 1000) if status not in (*GATEWAY, 429, 503)]
    assert [status for status in others if not_now(answer({}, status)) is not None] == []


def test_no_answer_at_all_is_nothing_to_wait_for() -> None:
    assert not_now(answer(None, None, "connection closed", "closed")) is None


@pytest.mark.parametrize(
    ("status", "codes", "limits"),
    [(429, (), True), (400, (1015,), True), (503, (), False), (400, (1017,), False), (200, (1015,), False)],
)
def test_a_rate_limit_is_told_by_status_or_code(status: int, codes: tuple[int, ...], limits: bool) -> None:
    assert is_rate_limit(answer(envelope(*codes), status)) is limits


# one place

PACKAGE = Path(pytest_wa_settings.__file__).parent
THE_PLACES = {"api/codes.py", "wire/values.py"}
NUMBERS = {*GATEWAY, *CODES, 429, 503}


def numbers_in(source: str) -> set[int]:
    """The statuses and codes that a module names: as numbers, as members of HTTPStatus, or by their set."""
    found: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and type(node.value) is int:
            found |= {node.value} & NUMBERS
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
            found |= _spanned(node)
        elif isinstance(node, (ast.Attribute, ast.Name, ast.alias)):
            name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None) or node.name
            found |= NUMBERS if name in ("HTTPStatus", "GATEWAY_STATUSES") else set()
    return found


def _spanned(call: ast.Call) -> set[int]:
    """The numbers in a range of constants that is no longer than statuses and codes are."""
    ends = [one.value for one in call.args if isinstance(one, ast.Constant) and type(one.value) is int]
    if len(ends) != len(call.args) or len(ends) < 2:
        return set()
    return {one for one in range(*ends) if one in NUMBERS}


@pytest.mark.parametrize(
    "source",
    [
        "answer.status == 502",
        "answer.status in (500, 503)",
        "RETRIED = frozenset({429})",
        "range(500, 600)",
        "{1017: 'busy'}",
        "from http import HTTPStatus",
        "from pytest_wa_settings.wire.values import GATEWAY_STATUSES",
        "match status:\n    case 504:\n        pass",
    ],
)
def test_a_module_that_looks_at_such_a_status_is_noticed(source: str) -> None:
    assert numbers_in(source)


@pytest.mark.parametrize("source", ["answer.status >= 500", "status == 500", "limit = 65_536", "'503'"])
def test_a_module_that_looks_at_other_statuses_or_at_their_kind_is_not(source: str) -> None:
    assert not numbers_in(source)


def test_no_other_module_looks_at_statuses_and_codes_that_are_no_judgement_yet() -> None:
    named = {
        path.relative_to(PACKAGE).as_posix(): numbers_in(path.read_text("utf-8"))
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] != "reference"
    }
    assert {name for name, found in named.items() if found} == THE_PLACES
