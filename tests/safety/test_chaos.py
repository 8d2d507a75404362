"""Whatever goes wrong at whatever moment, a lent client reads as before: by the run, by the next, or by hand.

`WA_DETECTION=all` makes every trial of the matrix, `none` none; by default some are drawn, each fault once at
least, with `WA_DETECTION_SEED`.
"""

from __future__ import annotations

import os
from pathlib import Path

import lab
import pytest
from chaos import FAULTS, Outcome, Trial, figures, sample, trials, tried
from gate import Moment

SOME = 18
WANTED = os.environ.get("WA_DETECTION", "")
SEED = os.environ.get("WA_DETECTION_SEED", "0")
CHOSEN = trials() if WANTED == "all" else [] if WANTED == "none" else sample(SOME, SEED)


@pytest.mark.parametrize("trial", CHOSEN, ids=str)
def test_a_client_reads_as_before_whatever_went_wrong(trial: Trial, tmp_path: Path) -> None:
    if trial.client != "reference" and (lacks := lab.lacks(trial.client)):
        assert "CI" not in os.environ, lacks
        pytest.skip(lacks)
    outcome = tried(trial, tmp_path)
    assert outcome.wrong == [], f"{outcome.said}\n{outcome.said_next}"
    assert outcome.put_back is not None


def test_a_sample_has_every_fault_and_no_trial_twice() -> None:
    drawn = sample(SOME, SEED)
    assert len(set(drawn)) == SOME
    assert {trial.fault for trial in drawn} == set(FAULTS)


def test_the_matrix_has_every_fault_at_every_moment_for_both_permissions() -> None:
    on_reference = [trial for trial in trials() if trial.client == "reference"]
    assert len(on_reference) == len(FAULTS) * (6 + 9)
    assert Trial("reference", "may_restore", "kill", Moment("put-back", "inside")) in on_reference
    assert len([trial for trial in trials() if trial.client != "reference"]) == len(FAULTS) * 4


def test_the_figures_count_what_brought_a_client_back() -> None:
    outcomes = [Outcome("run"), Outcome("run"), Outcome("recover"), Outcome(None, ["changed"])]
    assert figures(outcomes) == (
        "tried 4, put back by the run 2, by the next run 0, by hand 1, lost 1; wrong 1"
    )
