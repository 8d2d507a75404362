"""One bad answer of a gateway changes no verdict, wherever in a run it comes, and no restore is sent twice.

`WA_DETECTION=all` takes every position of profile `backup` and 40 of profile `full`, `none` none; by default
12 in all are drawn, with `WA_DETECTION_SEED`.
"""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

import pytest
from one_bad_answer import STATUSES, Bad
from positions import Run, Subject, alone, complaints, drawn, run

import pytest_wa_settings

SEED = int(os.environ.get("WA_DETECTION_SEED", "0"))
WANTED = os.environ.get("WA_DETECTION", "")
SUITE = Path(pytest_wa_settings.__file__).parent / "conformance"
SHARES = 8
OF_BACKUP, OF_MANAGED, OF_DECLARED = 4, 6, 2
OF_ALL_MANAGED, OF_ALL_DECLARED = 32, 8

pytestmark = pytest.mark.skipif(WANTED == "none", reason="WA_DETECTION=none")


def functions(*modules: str) -> list[str]:
    """The tests of some modules of the suite, of all without a name."""
    files = sorted(SUITE.glob("test_*.py"))
    texts = [file.read_text("utf-8") for file in files if not modules or file.stem in modules]
    return [f"::{name}" for text in texts for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)]


def tried(subject: Subject, plain: Run, positions: list[Bad], *, whole: bool) -> dict[str, list[str]]:
    """What went wrong at which position, each in a run of its own.

    Of the tests in `plain` all are run, or those alone that the position can show in.
    """
    wrong: dict[str, list[str]] = {}
    runs: dict[str, Run] = {}
    for bad in positions:
        compared, at = (plain, bad) if whole else alone(subject, plain, bad, runs)
        found = complaints(compared, run(subject, at, tests=compared.selected))
        if found:
            wrong[str(at)] = found
    return wrong


@pytest.fixture(scope="module")
def plain_backup(lasting: Subject) -> Run:
    """Profile `backup` without a bad answer."""
    return run(lasting)


@pytest.mark.parametrize("share", range(SHARES) if WANTED == "all" else [None])
def test_one_bad_answer_changes_nothing_in_profile_backup(
    lasting: Subject, plain_backup: Run, share: int | None
) -> None:
    positions = drawn(plain_backup, OF_BACKUP, f"{SEED} backup")
    if share is not None:
        rng = random.Random(f"{SEED} {share}")
        positions = [
            Bad("before" if number % 2 else "after", rng.choice(STATUSES), number)
            for number in range(1, len(plain_backup.exchanges) + 1)
            if number % SHARES == share
        ]
    assert tried(lasting, plain_backup, positions, whole=True) == {}


def test_one_bad_answer_changes_nothing_on_clients_that_the_suite_starts(managed: Subject) -> None:
    # one of them sends calls of most kinds
    some = [random.Random(f"{SEED} managed").choice(functions()), "::test_messages_are_not_in_the_backup"]
    judge_full(managed, some, OF_ALL_MANAGED if WANTED == "all" else OF_MANAGED)


def test_one_bad_answer_changes_nothing_on_declared_clients(laboratory: Subject) -> None:
    some = [random.Random(f"{SEED} declared").choice(functions("test_restore", "test_new_machine"))]
    judge_full(laboratory, some, OF_ALL_DECLARED if WANTED == "all" else OF_DECLARED)


def judge_full(subject: Subject, some: list[str], count: int) -> None:
    """Tries so many positions of profile `full`, of some tests or of all."""
    plain = run(subject, tests=() if WANTED == "all" else some)
    positions = drawn(plain, count, SEED)
    assert tried(subject, plain, positions, whole=WANTED != "all") == {}


OWN_TEST = """
def test_backups_of_a_users_own(wa_client, wa_backup):
    assert wa_backup("aA1!of-a-users-own") != wa_backup("aA1!of-a-users-own")
    assert wa_client.calls.application().ok
"""


def test_one_bad_answer_changes_nothing_for_a_users_own_tests(managed: Subject) -> None:
    plain = run(managed, own=OWN_TEST)
    assert plain.tests == {"test_own::test_backups_of_a_users_own": ""}
    count = len(plain.exchanges) if WANTED == "all" else 1
    for bad in drawn(plain, count, SEED):
        assert (bad, run(managed, bad, own=OWN_TEST).tests) == (bad, plain.tests)
