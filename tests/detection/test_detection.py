"""The suite catches each mutant, blames no other clause, passes each variant and is fair to sparse clients.

Each test is a run of the suite by the public command. `WA_DETECTION=all` takes all of them, a number so many
of each kind, drawn with `WA_DETECTION_SEED`; by default a few. `WA_DETECTION=none` takes none. All pairs of a
mutant and a sparse client are thousands: `WA_DETECTION_SHARE=3/10` takes the third of ten shares of all that
`WA_DETECTION=all` takes, so that several runs make a whole.
"""

from __future__ import annotations

import os
import random

import detecting
import pairs
import pytest

SEED = int(os.environ.get("WA_DETECTION_SEED", "0"))
WANTED = os.environ.get("WA_DETECTION")
SHARE = os.environ.get("WA_DETECTION_SHARE", "1/1")
FEW = 2


def wanted(few: int) -> int:
    """How many of a kind are run, where not all are; `few` by default."""
    return 0 if WANTED == "none" else int(WANTED or few)


def chosen(kind: str) -> list[detecting.Subject]:
    """The mutants, variants or sparse clients that are run."""
    known = detecting.subjects(kind)
    if WANTED == "all":
        return pairs.share(known, SHARE)
    return random.Random(f"{SEED} {kind}").sample(known, min(wanted(FEW), len(known)))


def chosen_pairs() -> list[pairs.Pair]:
    """The pairs that are run."""
    if WANTED == "all":
        return pairs.share(pairs.every(), SHARE)
    return pairs.draw(pairs.every(), wanted(pairs.DRAWN), SEED)


@pytest.mark.parametrize("subject", chosen("mutant"), ids=lambda subject: subject.name)
def test_a_mutant_is_caught_with_the_right_blame(subject: detecting.Subject) -> None:
    assert detecting.complaints(subject, detecting.run(subject)) == []


@pytest.mark.parametrize("subject", chosen("variant"), ids=lambda subject: subject.name)
def test_a_variant_ends_conformant(subject: detecting.Subject) -> None:
    outcome = detecting.run(subject, seed=SEED, examples=None)
    assert detecting.complaints(subject, outcome) == []


@pytest.mark.parametrize("subject", chosen("sparse"), ids=lambda subject: subject.name)
def test_a_sparse_client_is_never_red(subject: detecting.Subject) -> None:
    outcome = detecting.run(subject, seed=SEED, examples=None)
    assert detecting.complaints(subject, outcome) == []


@pytest.mark.parametrize("pair", chosen_pairs(), ids=lambda pair: pair.name)
def test_a_sparse_mutant_is_caught_or_not_tested(pair: pairs.Pair) -> None:
    _, complaints = pairs.run(pair, SEED)
    assert complaints == []
