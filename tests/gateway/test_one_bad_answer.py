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
from positions import Run, Subject, complaints, drawn, run

import pytest_wa_settings

SEED = int(os.environ.get("WA_DETECTION_SEED", "0"))
WANTED = os.environ.get("WA_DETECTION", "")
SUITE = Path(pytest_wa_settings.__file__).parent / "conformance"
SHARES = 8
OF_BACKUP, OF_MANAGED, OF_DECLARED = 4, 5, 3
OF_ALL_MANAGED, OF_ALL_DECLARED = 28, 12

pytestmark = pytest.mark.skipif(WANTED == "none", reason="WA_DETECTION=none")


def functions(*modules: str) -> list[str]:
    """The tests of some modules of the suite, of all without a name."""
    files = sorted(SUITE.glob("test_*.py"))
    texts = [file.read_text("utf-8") for file in files if not modules or file.stem in modules]
    return [f"::{name}" for text in texts for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)]


def tried(subject: Subject, plain: Run, positions: list[Bad]) -> dict[str, list[str]]:
    """What went wrong at which position, each in a run of its own of the tests that it can show in."""
    wrong: dict[str, list[str]] = {}
    for bad in positions:
        tests = plain.together(bad.test) if bad.test in plain.tests else ()
        found = complaints(plain, run(subject, bad, tests=tests or plain.tests))
        if found:
            wrong[str(bad)] = found
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
    assert tried(lasting, plain_backup, positions) == {}


def test_one_bad_answer_changes_nothing_on_clients_that_the_suite_starts(managed: Subject) -> None:
    some = random.Random(f"{SEED} managed").sample(functions(), 3)
    some.append("::test_messages_are_not_in_the_backup")  # which sends calls of most kinds
    plain = run(managed, tests=() if WANTED == "all" else some)
    count = OF_ALL_MANAGED if WANTED == "all" else OF_MANAGED
    assert tried(managed, plain, drawn(plain, count, f"{SEED} managed")) == {}


def test_one_bad_answer_changes_nothing_on_declared_clients(laboratory: Subject) -> None:
    some = random.Random(f"{SEED} declared").sample(functions("test_restore", "test_new_machine"), 2)
    plain = run(laboratory, tests=() if WANTED == "all" else some)
    count = OF_ALL_DECLARED if WANTED == "all" else OF_DECLARED
    assert tried(laboratory, plain, drawn(plain, count, f"{SEED} declared")) == {}
