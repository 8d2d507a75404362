"""Runs all mutants and variants, two at a time, and writes the matrix: `python tests/detection/matrix.py`.

`--quick` runs each mutant against the tests that turned red for it in the kept matrix and a few others;
it writes nothing, and tells in minutes whether all are still caught.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import detecting
import drawing

HERE = Path(__file__).parent
OTHERS = 8


def row(subject: detecting.Subject, outcome: detecting.Outcome) -> dict[str, Any]:
    """One line of the matrix."""
    found: dict[str, Any] = {"name": subject.name}
    if subject.clause is not None:
        found["clause"] = subject.clause
    found.update(
        also=list(subject.also),
        verdict=outcome.verdict,
        red=outcome.having("fail"),
        not_tested=outcome.having("not tested"),
        error=outcome.having("error"),
        tests=list(outcome.tests),
        complaints=detecting.complaints(subject, outcome),
    )
    return found


def known(path: Path) -> dict[str, Any]:
    """The matrix in a file, an empty one where there is none."""
    if not path.exists():
        return {"clauses": [], "tests": [], "mutants": [], "variants": []}
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def merged(
    matrix: dict[str, Any], kind: str, subjects: list[detecting.Subject], rows: dict[str, Any]
) -> dict[str, Any]:
    """A matrix with new rows; rows of subjects that there are no more go."""
    all_rows = {**{one["name"]: one for one in matrix[f"{kind}s"]}, **rows}
    return {**matrix, f"{kind}s": [all_rows[one.name] for one in subjects if one.name in all_rows]}


def some_tests(matrix: dict[str, Any], mutant: str, seed: int) -> tuple[str, ...]:
    """The tests that a matrix says turn red for a mutant, and a draw of the others; none if it has no row."""
    red = {
        detecting.function(test)
        for row in matrix["mutants"]
        if row["name"] == mutant
        for test in row["tests"]
    }
    others = sorted({detecting.function(test) for test in matrix["tests"]} - red)
    drawn = random.Random(f"{seed} {mutant}").sample(others, OTHERS) if red else ()
    return (*sorted(red), *drawn)


def main() -> int:
    """Run, write, say what is wrong; the exit status is 1 if something is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="mutants only, a part of the suite for each")
    parser.add_argument("--kind", choices=("mutant", "variant"), help="only these")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="only these names")
    parser.add_argument("--missing", action="store_true", help="only those that the file has no row of")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE, help="folder of matrix.json and matrix.svg")
    given = parser.parse_args()
    wrong, began = 0, time.monotonic()
    kinds = ("mutant",) if given.quick else (given.kind,) if given.kind else ("mutant", "variant")
    for kind in kinds:
        wrong += run_all(kind, given)
    print(f"{time.monotonic() - began:.0f} s, {wrong} with complaints")
    return 1 if wrong else 0


def run_all(kind: str, given: argparse.Namespace) -> int:
    """Run all subjects of a kind; returns how many the suite did not judge well."""
    everyone = detecting.subjects(kind)
    chosen = [one for one in everyone if not given.only or one.name in given.only]
    if given.missing:
        rows = known(given.out / "matrix.json")[f"{kind}s"]
        chosen = [one for one in chosen if one.name not in {row["name"] for row in rows}]
    wrong, kept = 0, known(given.out / "matrix.json")

    def one(subject: detecting.Subject) -> tuple[detecting.Subject, detecting.Outcome]:
        # Few draws find a mutant; fairness is asked for with as many as a user has.
        examples = detecting.EXAMPLES if kind == "mutant" else None
        tests = some_tests(kept, subject.name, given.seed) if given.quick else ()
        return subject, detecting.run(subject, seed=given.seed, examples=examples, tests=tests)

    with ThreadPoolExecutor(given.jobs) as pool:
        for subject, outcome in pool.map(one, chosen):
            found = row(subject, outcome)
            wrong += bool(found["complaints"])
            if not given.quick:
                write(given.out, kind, everyone, {subject.name: found}, outcome)
            mark = "; ".join(found["complaints"]) or "well judged"
            print(f"{subject.name} ({subject.clause or kind}) {outcome.seconds:.0f} s: {mark}", flush=True)
    return wrong


def write(
    out: Path, kind: str, everyone: list[detecting.Subject], rows: dict[str, Any], outcome: detecting.Outcome
) -> None:
    """Write the matrix and draw it."""
    out.mkdir(parents=True, exist_ok=True)
    matrix = merged(known(out / "matrix.json"), kind, everyone, rows)
    matrix["clauses"] = list(outcome.clauses) or matrix["clauses"]
    matrix["tests"] = list(outcome.all_tests) or matrix["tests"]
    (out / "matrix.json").write_text(drawing.text(matrix), "utf-8")
    (out / "matrix.svg").write_text(drawing.svg(matrix), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
