"""What is sent and where: bodies that are no object, and clients that need not take a backup."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_wa_settings.conformance.arrange import Backup, another_setup, picture
from pytest_wa_settings.conformance.bodies import not_objects
from pytest_wa_settings.conformance.once import once
from pytest_wa_settings.conformance.restores import machine_for, need_not_take, restore_accepted
from pytest_wa_settings.conformance.snapshots import Snapshot
from pytest_wa_settings.testbed import Client, Need, Setup, Testbed, Unavailable
from pytest_wa_settings.verdicts import Case, NotApplicable, NotTested
from pytest_wa_settings.wire import Answer

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


REFUSAL = Answer("POST", "/v1/settings/restore", 400, (), b"{}", None, 0.0, cast(Any, None))


def backup_of(version: str | None) -> Backup:
    return Backup("aA1!wa-settings-0000", "c2VhbGVk", cast(Snapshot, None), REFUSAL, version)


def client_of(version: str | None) -> Client:
    return cast(Client, SimpleNamespace(version=version, restore=lambda *_, **__: REFUSAL))


@pytest.mark.parametrize(
    ("own", "theirs", "open_"),
    [
        ("2.29.1", "2.57.2", True),
        ("v2.31.4", "2.31.3", False),
        ("2.31.4", "v2.31.4", False),
        ("2.9.9", "2.31.0", True),
        (None, "2.57.2", False),
        ("2.57.2", None, False),
    ],
)
def test_only_a_newer_versions_backup_need_not_be_taken(
    own: str | None, theirs: str | None, open_: bool
) -> None:
    assert need_not_take(client_of(own), backup_of(theirs)) is open_


@pytest.mark.parametrize(("own", "said"), [("2.29.1", "need not take"), ("2.57.2", "see RESTORE-9")])
def test_a_refusal_by_an_older_client_is_no_other_clauses(own: str, said: str) -> None:
    with pytest.raises(NotTested, match=said):
        restore_accepted(client_of(own), backup_of("2.57.2"), "RESTORE-9")


@pytest.mark.parametrize(
    ("offered", "wanted"),
    [
        (("2.29.1", "2.31.4", "2.57.2"), "2.31.4"),
        (("2.29.1", "2.57.2"), "2.57.2"),
        (("2.29.1",), None),
    ],
)
def test_a_new_machine_of_the_same_version_comes_before_a_newer_one(
    offered: tuple[str, ...], wanted: str | None
) -> None:
    testbed = SimpleNamespace(
        managed=False,
        versions=offered,
        why_not=lambda need: None if need.version in offered else "no such client",
    )
    need = machine_for(cast(Testbed, testbed), client_of("2.31.4"), Need("unregistered"))
    assert need == Need("unregistered", version=wanted)


class Bed:
    """A testbed that episodes are remembered for."""


def test_an_episode_is_made_once_a_testbed() -> None:
    bed, made = cast(Testbed, Bed()), []
    for _ in range(2):
        assert once(Case(bed), "an episode", lambda: made.append(1) or "a record") == "a record"
    assert made == [1]


@pytest.mark.parametrize(
    "stopped",
    [
        NotTested("a gateway answered", "surroundings"),
        NotTested("it was refused: see RESTORE-8"),
        NotApplicable("before v2.31.4"),
        Unavailable("no such client", "add one"),
    ],
)
def test_what_stopped_an_episode_is_told_alike_at_every_later_use(stopped: Exception) -> None:
    case = Case(cast(Testbed, Bed()))

    def stop() -> None:
        raise stopped

    told = []
    for _ in range(2):
        with pytest.raises(type(stopped)) as raised:
            once(case, "an episode", stop)
        told.append((str(raised.value), getattr(raised.value, "kind", None), type(raised.value)))
    assert told[0] == told[1]
