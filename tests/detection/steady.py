"""Runs the suite again and again at changing seeds, and says which runs were not steady.

`--seeds 50` runs the reference as it is, with as many examples as a user has; `--variants --seeds 10` every
variant of it (the slow ones at two seeds).
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import detecting

SLOW_SECONDS = 60
SLOW_SEEDS = 2


def wrong_runs(subject: detecting.Subject, seeds: range, examples: int | None) -> tuple[int, int]:
    """How many runs of a subject were made, and how many of them did not end as they must."""
    made = wrong = 0
    for seed in seeds:
        outcome = detecting.run(subject, seed=seed, examples=examples)
        complaints = detecting.complaints(subject, outcome)
        made, wrong = made + 1, wrong + bool(complaints)
        told = "; ".join(complaints) or f"{outcome.verdict}, {outcome.exchanges} exchanges"
        print(f"{subject.name or 'mock:'} at seed {seed}, {outcome.seconds:.0f} s: {told}", flush=True)
        if made == SLOW_SEEDS and outcome.seconds > SLOW_SECONDS:
            break
    return made, wrong


def main() -> int:
    """Run and count; the exit status is 1 if a run did not end as it must."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variants", action="store_true", help="every variant, not the reference as it is")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="only these variants")
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="how many seeds")
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="the first of them")
    parser.add_argument("--examples", type=int, metavar="N", help="fewer examples than a user has")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.seeds)
    if given.variants:
        known = detecting.subjects("variant")
        work = [(one, seeds) for one in known if not given.only or one.name in given.only]
    else:
        plain = detecting.Subject("variant", "", "the reference as it is")
        work = [(plain, range(seed, seed + 1)) for seed in seeds]
    began = time.monotonic()
    with ThreadPoolExecutor(given.jobs) as pool:
        ended = list(pool.map(lambda one: wrong_runs(*one, given.examples), work))
    made, wrong = (sum(column) for column in zip(*ended, strict=True))
    print(f"{made} runs in {time.monotonic() - began:.0f} s, {wrong} did not end as they must")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
