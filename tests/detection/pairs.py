"""Pairs of a mutant and a sparse client: what shows too little must not let a mutant pass unseen.

Each pair ends red on the mutant's clause, or that clause is *not tested*, or the pair stands in
`sparse_pairs.toml` with the reason why nothing there could show the mutant. For speed a pair runs the main
tests of the mutant's clause, and those of its further ones that the kept matrix says caught the mutant.

    python tests/detection/pairs.py                         # ten pairs, drawn
    python tests/detection/pairs.py --draw 40 --seed 7      # others, more of them
    python tests/detection/pairs.py --share 3/10            # the third of ten shares of all pairs
    python tests/detection/pairs.py --mutant NAME --sparse NAME

The tests in test_detection.py run the same pairs: ten drawn ones, or with `WA_DETECTION=all
WA_DETECTION_SHARE=3/10` a share of all.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import tomllib

sys.path.insert(0, str(Path(__file__).parent))

import detecting

HERE = Path(__file__).parent
UNSEEN = HERE / "sparse_pairs.toml"
DRAWN = 10
WELL = ("fail", "not tested")
Item = TypeVar("Item")


@dataclass(frozen=True)
class Pair:
    """A mutant that is sparse, too."""

    mutant: detecting.Subject
    sparse: detecting.Subject

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self.mutant.name}+{self.sparse.name}"

    @property
    def address(self) -> str:
        """What `--wa-url` is given."""
        return f"mock:mutant={self.mutant.name},sparse={self.sparse.name}"

    @property
    def run(self) -> tuple[str, ...]:
        """The options of the suite that the two need."""
        return (*self.mutant.run, *self.sparse.run)


def every() -> list[Pair]:
    """All pairs, the sparse clients of one mutant after another."""
    sparse = detecting.subjects("sparse")
    return [Pair(mutant, one) for mutant in detecting.subjects("mutant") for one in sparse]


def share(items: Sequence[Item], text: str) -> list[Item]:
    """The part of some items that a text such as `3/10` names: the third of ten, of like size each.

    All shares together are the whole, and each has something of everything. Raises ValueError.
    """
    found = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(f"{text!r} is no share: give one such as 3/10, the third of ten")
    return list(items[int(found[1]) - 1 :: int(found[2])])


def draw(items: Sequence[Item], count: int, seed: int) -> list[Item]:
    """So many of the items, the same ones at the same seed."""
    return random.Random(f"{seed} pairs").sample(items, min(count, len(items)))


def unseen(path: Path = UNSEEN) -> dict[tuple[str, str], str]:
    """Why nothing could show a mutant, by the names of mutant and sparse client; raises ValueError.

    Each `[[unseen]]` of the file has names in `mutants` and `sparse`, for every pair of which its `reason`
    holds.
    """
    found: dict[tuple[str, str], str] = {}
    for entry in tomllib.loads(path.read_text("utf-8")).get("unseen", []):
        for pair in ((mutant, one) for mutant in entry["mutants"] for one in entry["sparse"]):
            if pair in found:
                raise ValueError(f"{path.name} has the pair {pair[0]} and {pair[1]} twice")
            found[pair] = entry["reason"]
    return found


@cache
def marked() -> dict[str, dict[str, bool]]:
    """The suite's tests of each clause, by function, and whether a test only widens it."""
    found: dict[str, dict[str, bool]] = {}
    package = import_module("pytest_wa_settings.conformance")
    (folder,) = package.__path__
    for path in sorted(Path(folder).glob("test_*.py")):
        for name, value in vars(import_module(f"{package.__name__}.{path.stem}")).items():
            marks = getattr(value, "pytestmark", []) if name.startswith("test_") else []
            for mark in (one for one in marks if one.name == "wa_clause"):
                for clause in mark.args:
                    tests = found.setdefault(clause, {})
                    tests[name] = bool(mark.kwargs.get("widens")) and tests.get(name, True)
    return found


def tests_of(mutant: detecting.Subject, matrix: dict[str, Any]) -> tuple[str, ...]:
    """The tests that a pair runs: the clause's main ones, and what caught the mutant; all if no row tells."""
    assert mutant.clause is not None
    rows = [row for row in matrix["mutants"] if row["name"] == mutant.name]
    caught = {detecting.function(test) for row in rows for test in row["tests"]}
    tests = marked()[mutant.clause]
    return tuple(test for test, widens in tests.items() if not widens or test in caught or not rows)


def complaints(pair: Pair, outcome: detecting.Outcome, reason: str | None) -> list[str]:
    """What is wrong with how the suite judged a pair; `reason` is why it is listed as unseen, if it is."""
    if outcome.verdict == detecting.NO_REPORT:
        return [f"the run left no report: {outcome.reasons[detecting.NO_REPORT]}"]
    clause = pair.mutant.clause
    assert clause is not None
    found, why = outcome.clauses.get(clause), outcome.reasons.get(clause, "")
    told = detecting.errors(outcome)
    told += [f"wrong blame: {one}" for one in detecting.reds(outcome, (clause, *pair.mutant.also))]
    if found == "not tested" and "deselected" in why:
        told.append(f"{clause} was not run whole: {why}")
    if reason is not None and found in WELL:
        told.append(f"{clause} is {found}: take the pair out of {UNSEEN.name}")
    if reason is None and found not in (*WELL, "error"):
        told.append(f"{clause} is {found}, though the mutant breaks it: {pair.mutant.summary}")
    return told


def run(pair: Pair, seed: int = 0) -> tuple[detecting.Outcome, list[str]]:
    """How a pair ended, and what is wrong with that."""
    matrix = json.loads((HERE / "matrix.json").read_text("utf-8"))
    outcome = detecting.run(pair, seed=seed, tests=tests_of(pair.mutant, matrix))
    return outcome, complaints(pair, outcome, unseen().get((pair.mutant.name, pair.sparse.name)))


def main() -> int:
    """Run pairs and say how each ended; the exit status is 1 if one was not judged well."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--share", metavar="N/M", help="this share of all pairs, not a draw of them")
    parser.add_argument("--draw", type=int, default=DRAWN, metavar="N", help="how many are drawn")
    parser.add_argument("--mutant", nargs="*", default=[], metavar="NAME", help="only pairs of these")
    parser.add_argument("--sparse", nargs="*", default=[], metavar="NAME", help="only pairs of these")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    chosen = [
        pair
        for pair in every()
        if (not given.mutant or pair.mutant.name in given.mutant)
        and (not given.sparse or pair.sparse.name in given.sparse)
    ]
    try:
        chosen = share(chosen, given.share) if given.share else draw(chosen, given.draw, given.seed)
    except ValueError as problem:
        parser.error(str(problem))
    wrong, began = 0, time.monotonic()
    with ThreadPoolExecutor(given.jobs) as pool:
        for pair, (outcome, told) in zip(
            chosen, pool.map(lambda pair: run(pair, given.seed), chosen), strict=True
        ):
            wrong += bool(told)
            ended = f"{pair.mutant.clause} {outcome.clauses.get(pair.mutant.clause or '')}"
            print(f"{pair.name} {outcome.seconds:.0f} s, {ended}: {'; '.join(told) or 'well'}", flush=True)
    print(f"{len(chosen)} pairs in {time.monotonic() - began:.0f} s, {wrong} with complaints")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
