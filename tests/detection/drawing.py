"""Writes the matrix of mutants and clauses as JSON with a line a mutant, and draws it as SVG."""

from __future__ import annotations

import json
from html import escape
from typing import Any

CELL, ROW, LEFT, TOP = 13, 9, 300, 90
COLOURS = {"own": "#c62828", "also": "#ef9a9a", "wrong": "#6a1b9a", "missed": "#000000", "open": "#cfd8dc"}
LEGEND = (
    ("own", "its own clause is red"),
    ("also", "breaks with it, for the reason that its list gives"),
    ("open", "not tested: the way there is broken"),
    ("wrong", "wrong blame"),
    ("missed", "not caught"),
)


def text(matrix: dict[str, Any]) -> str:
    """The matrix as JSON that diffs well."""
    parts = [f'"{kind}": {json.dumps(matrix[kind])}' for kind in ("clauses", "tests")]
    for kind in ("mutants", "variants"):
        lines = ",\n".join(f"  {json.dumps(one)}" for one in matrix[kind])
        parts.append(f'"{kind}": [\n{lines}\n]')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def kind_of(mutant: dict[str, Any], clause: str) -> str | None:
    """How a cell is filled; None where the clause is green."""
    if clause in mutant["red"]:
        return "own" if clause == mutant["clause"] else "also" if clause in mutant["also"] else "wrong"
    if clause == mutant["clause"]:
        return "missed"
    return "open" if clause in mutant["not_tested"] + mutant["error"] else None


def svg(matrix: dict[str, Any]) -> str:
    """The matrix as a drawing: a row for each mutant, a column for each clause."""
    clauses, mutants = matrix["clauses"], matrix["mutants"]
    width, height = LEFT + CELL * len(clauses) + 20, TOP + ROW * len(mutants) + 60
    style = "text{font:8px sans-serif;fill:#222}.h{font-size:9px}"
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}"><style>{style}</style>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for at, clause in enumerate(clauses):
        x = LEFT + CELL * at
        drawn.append(f'<text class="h" transform="translate({x + 9},{TOP - 6}) rotate(-60)">{clause}</text>')
        if at % 2 == 0:
            drawn.append(
                f'<rect x="{x}" y="{TOP}" width="{CELL}" height="{ROW * len(mutants)}" fill="#f5f7f5"/>'
            )
    for at, mutant in enumerate(mutants):
        y = TOP + ROW * at
        drawn.append(f'<text x="{LEFT - 6}" y="{y + 7}" text-anchor="end">{escape(mutant["name"])}</text>')
        for column, clause in enumerate(clauses):
            kind = kind_of(mutant, clause)
            if kind is not None:
                x, colour = LEFT + CELL * column, COLOURS[kind]
                drawn.append(f'<rect x="{x + 1}" y="{y + 1}" width="11" height="7" fill="{colour}"/>')
    x, y = LEFT, TOP + ROW * len(mutants) + 30
    for kind, said in LEGEND:
        drawn.append(f'<rect x="{x}" y="{y}" width="11" height="7" fill="{COLOURS[kind]}"/>')
        drawn.append(f'<text x="{x + 15}" y="{y + 7}">{said}</text>')
        x += 40 + 4.2 * len(said)
    return "\n".join([*drawn, "</svg>"]) + "\n"
