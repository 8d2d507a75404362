"""What is sent and where: bodies that are no object, and a set-up that refuses a client's backups."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_wa_settings.conformance.arrange import another_setup, picture
from pytest_wa_settings.conformance.bodies import not_objects
from pytest_wa_settings.testbed import Client, Setup

GOOD = {"password": "aA1!wa-settings-0000", "data": "c2VhbGVk"}
SINGLE, ONE, TWO, FOUR = (1, False), (1, True), (2, True), (4, True)


def read(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


@pytest.mark.parametrize(("name", "content"), not_objects(GOOD))
def test_no_body_of_them_is_an_object(name: str, content: bytes) -> None:
    assert not isinstance(read(content), dict), name


def test_most_of_them_hold_all_that_a_good_request_does() -> None:
    whole = [name for name, content in not_objects(GOOD) if all(one.encode() in content for one in GOOD)]
    assert {"a list of one object", "an object with more behind it", "a form"} <= set(whole)


@pytest.mark.parametrize(
    ("setup", "offered", "other"),
    [
        (SINGLE, {SINGLE, TWO, FOUR}, TWO),
        (SINGLE, {SINGLE, ONE}, None),  # one shard is left open
        (SINGLE, {SINGLE}, None),
        (TWO, {SINGLE, TWO, FOUR}, FOUR),
        (TWO, {SINGLE, TWO}, SINGLE),
        (ONE, {SINGLE, ONE, TWO}, None),
        (SINGLE, {ONE, FOUR}, FOUR),
    ],
)
def test_another_setup_is_one_that_the_document_tells_apart(
    setup: Setup, offered: set[Setup], other: Setup | None
) -> None:
    testbed = SimpleNamespace(shard_setups=frozenset(offered))
    assert another_setup(cast(Client, SimpleNamespace(setup=setup, testbed=testbed))) == other


def test_a_photo_is_as_long_at_every_seed() -> None:
    lengths = [len(picture(random.Random(seed))) for seed in range(100)]
    assert max(lengths) - min(lengths) < 0.1 * max(lengths)
