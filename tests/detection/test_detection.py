"""The suite catches each mutant, names its clause and blames no other; it passes each variant.

Each test is a whole run of the suite by the public command. `WA_DETECTION=all` takes all of them, a number
so many of each kind, drawn with `WA_DETECTION_SEED`; by default a few. `WA_DETECTION=none` takes none.
"""

from __future__ import annotations

import os
import random

import detecting
import pytest

SEED = int(os.environ.get("WA_DETECTION_SEED", "0"))
WANTED = os.environ.get("WA_DETECTION", "2")


def chosen(kind: str) -> list[detecting.Subject]:
    """The mutants or variants that are run."""
    known = detecting.subjects(kind)
    if WANTED == "all":
        return known
    return random.Random(f"{SEED} {kind}").sample(known, 0 if WANTED == "none" else int(WANTED))


@pytest.mark.parametrize("subject", chosen("mutant"), ids=lambda subject: subject.name)
def test_a_mutant_is_caught_with_the_right_blame(subject: detecting.Subject) -> None:
    assert detecting.complaints(subject, detecting.run(subject)) == []


@pytest.mark.parametrize("subject", chosen("variant"), ids=lambda subject: subject.name)
def test_a_variant_ends_conformant(subject: detecting.Subject) -> None:
    outcome = detecting.run(subject, seed=SEED, examples=None)
    assert detecting.complaints(subject, outcome) == []
