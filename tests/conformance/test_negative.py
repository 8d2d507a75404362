"""Drawn bodies break what they say of their request's schema, each keyword and each member of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_wa_settings import schemas
from pytest_wa_settings.conformance.draws import reproducible
from pytest_wa_settings.conformance.negative import BrokenBody, lacking, mistyped, odd_bodies

REQUESTS = ("backup-request", "restore-request")
GOOD = {"password": "aA1!a-good-password", "data": "QUJD"}


def drawn(strategy: st.SearchStrategy[Any], count: int = 300) -> list[Any]:
    """So many values of a strategy, the same ones each time."""
    found: list[Any] = []

    @settings(
        max_examples=count,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    @given(strategy)
    def take(value: Any) -> None:
        found.append(value)

    with reproducible():  # whatever other modules are loaded
        take()
    return found


@pytest.mark.parametrize("message", REQUESTS)
@pytest.mark.parametrize(("draw", "keyword"), [(lacking, "required"), (mistyped, "type")])
def test_a_drawn_body_breaks_its_keyword_and_no_other(message: str, draw: Any, keyword: str) -> None:
    bodies: list[BrokenBody] = drawn(draw(message, GOOD))
    for one in bodies:
        broken = {violation.keyword for violation in schemas.violations(message, one.body)}
        assert (one.keyword, broken) == (keyword, {keyword}), one.how


@pytest.mark.parametrize("message", REQUESTS)
def test_every_member_is_left_out_and_is_of_another_type(message: str) -> None:
    required = set(schemas.load(message)["required"])
    absent = [required - one.body.keys() for one in drawn(lacking(message, GOOD))]
    assert {name for names in absent for name in names} == required
    assert required in absent
    wrong = drawn(mistyped(message, GOOD))
    kinds = {(name, type(one.body[name])) for one in wrong for name in required if name in one.how}
    assert kinds >= {(name, kind) for name in required for kind in (int, float, bool, list, dict, type(None))}


def test_no_name_of_a_request_comes_back_in_other_letters() -> None:
    for one in drawn(lacking("restore-request", GOOD)):
        assert len({name.strip().casefold() for name in one.body} & GOOD.keys()) < 2


def test_how_it_is_broken_is_told_without_a_value() -> None:
    for one in drawn(mistyped("restore-request", GOOD), 100):
        assert "good-password" not in repr(one)


@pytest.mark.parametrize("message", REQUESTS)
def test_no_odd_body_is_a_proper_request(message: str) -> None:
    for body in drawn(odd_bodies(message)):
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            continue
        assert schemas.violations(message, value) != []


def test_odd_bodies_are_long_deep_and_in_other_encodings() -> None:
    bodies = drawn(odd_bodies("restore-request"), 600)
    assert max(map(len, bodies)) > 200_000
    assert any(body.count(b"[") > 4_000 or body.count(b'{"a":') > 4_000 for body in bodies)
    assert any(body.startswith((b"\xff\xfe", b"\xef\xbb\xbf")) for body in bodies)
    assert any(body.count(b'"extra ') > 900 for body in bodies)
