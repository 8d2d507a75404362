"""The matrix kept here is whole, well judged, and drawn; `python tests/detection/matrix.py` makes it anew."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import detecting
import drawing
import matrix
import pytest

HERE = Path(__file__).parent
MATRIX = json.loads((HERE / "matrix.json").read_text("utf-8"))


@pytest.mark.parametrize("kind", ["mutant", "variant"])
def test_the_matrix_kept_here_has_every_one_well_judged(kind: str) -> None:
    rows = {row["name"]: row for row in MATRIX[f"{kind}s"]}
    assert list(rows) == [subject.name for subject in detecting.subjects(kind)]
    wrong = {name: row["complaints"] for name, row in rows.items() if row["complaints"]}
    assert wrong == {}


def test_every_test_of_the_suite_is_red_for_some_mutant() -> None:
    red = {test for row in MATRIX["mutants"] for test in row["tests"]}
    assert [test for test in MATRIX["tests"] if test not in red] == []


def test_the_drawing_is_that_of_the_matrix() -> None:
    drawn = (HERE / "matrix.svg").read_text("utf-8")
    assert drawn == drawing.svg(MATRIX)
    ElementTree.fromstring(drawn)
    assert drawn.count(drawing.COLOURS["own"]) == len(MATRIX["mutants"]) + 1


def test_a_quick_run_has_the_tests_that_turn_red_and_a_draw_of_others() -> None:
    for row in MATRIX["mutants"]:
        chosen = matrix.some_tests(MATRIX, row["name"], 0)
        red = {detecting.function(test) for test in row["tests"]}
        assert red < set(chosen)
        assert len(set(chosen)) == len(red) + matrix.OTHERS
    assert matrix.some_tests(MATRIX, "one that is new", 0) == ()
