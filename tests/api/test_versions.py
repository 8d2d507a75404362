"""Versions are numbers that can be compared, whatever stands before and behind them."""

from __future__ import annotations

from typing import Any

import pytest
from answers import answer

from pytest_wa_settings.api.versions import (
    is_version,
    same_version,
    version_numbers,
    version_of,
    version_order,
)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("2.31.4", (2, 31, 4)),
        ("v2.31.4", (2, 31, 4)),
        (" V2.31.4 ", (2, 31, 4)),
        ("2.57.2-rc1", (2, 57, 2)),
        ("2", (2,)),
        ("2.x", None),
        ("2..4", None),
        ("²", None),
        ("", None),
        (None, None),
    ],
)
def test_a_version_is_a_row_of_numbers(text: str | None, numbers: tuple[int, ...] | None) -> None:
    assert version_numbers(text) == numbers


def test_versions_are_sorted_as_numbers_and_unknown_ones_come_first() -> None:
    assert sorted(["2.31.4", "2.9.9", "odd", "v2.57.2"], key=version_order) == [
        "odd",
        "2.9.9",
        "2.31.4",
        "v2.57.2",
    ]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("2.57", True), ("v2.57.2", True), ("2.57.2.1", True), ("2", False), ("1.2.3.4.5", False), ("x", False)],
)
def test_a_version_has_two_to_four_numbers(text: str, is_one: bool) -> None:
    assert is_version(text) is is_one


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2.57.2", "v2.57.2", True),
        ("2.57.2", "2.57.1", False),
        ("odd", "odd", True),
        ("odd", "even", False),
        ("2.57.2", None, False),
    ],
)
def test_a_version_is_the_same_with_and_without_a_v(one: str, other: str | None, same: bool) -> None:
    assert same_version(one, other) is same


def test_the_version_is_read_with_and_without_a_v() -> None:
    assert version_of(answer({}), answer({"meta": {"version": "v2.57.2"}})) == "2.57.2"
    assert version_of(answer({"meta": {"version": 2}})) is None


@pytest.mark.parametrize(
    "body", [{"meta": {"version": "x" * 41}}, {"meta": {"version": "a\x07"}}, {"meta": []}, []]
)
def test_an_odd_version_is_none(body: Any) -> None:
    assert version_of(answer(body)) is None
