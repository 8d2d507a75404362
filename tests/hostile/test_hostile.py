"""Whatever the client does, a run ends by itself, in time, with a verdict and a sentence to act on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import run
from complaints import complaints
from misbehaving import CASES, Stage
from misbehaving.core import PASSWORD
from together import Together

SMALL = ("--wa-timeout", "1", "--wa-ready-timeout", "1", "--wa-examples", "1", "--wa-max-restores", "5")
QUICK = ("-k", "not test_robustness")


def judged(folder: Path, name: str) -> str:
    """What is wrong with a run against the client `name`, with the last lines; empty if nothing is."""
    case = CASES[name]
    folder.mkdir(parents=True)
    stage = Stage(folder)
    try:
        address = case.start(stage)
        options = (*SMALL, *(() if case.whole else QUICK), *case.options, *stage.options)
        environment = {"WA_ADMIN_PASSWORD": PASSWORD}
        outcome = run(folder, address, options, seconds=case.limit, environment=environment)
        wrong = complaints(case, outcome) + [
            told for check in stage.checks if (told := check(outcome.terminal))
        ]
    finally:
        stage.close()
    if not wrong:
        return ""
    numbers = f"({outcome.seconds:g} s, {outcome.peak_mb} MB, status {outcome.status})"
    return "\n".join([f"{name}: " + "; ".join(wrong), numbers, outcome.tail()])


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Together]:
    """The runs against all clients that were selected."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_TESTRUNUID" in os.environ:
        base = base.parent / os.environ["PYTEST_XDIST_TESTRUNUID"]
    params = [getattr(item, "callspec", None) for item in request.session.items]
    names = [spec.params["hostile"] for spec in params if spec is not None and "hostile" in spec.params]
    together = Together(base / "hostile", names, lambda name: judged(base / "hostile-runs" / name, name))
    yield together
    together.close()


@pytest.mark.parametrize("hostile", list(CASES))
def test_a_run_against_it_ends_in_time_and_says_why(runs: Together, hostile: str) -> None:
    wrong = runs.result(hostile)
    assert not wrong, wrong


def test_there_are_at_least_forty_of_them() -> None:
    assert len(CASES) >= 40
