"""The suite calls clients with patience only: what a gateway answers once is not to be judged."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import pytest_wa_settings

SUITE = Path(pytest_wa_settings.__file__).parent / "conformance"
NO_CALLS = frozenset({"recorder", "session_token", "admin_password", "forget_token"})
"""What may be used of a client's driver: it asks the client nothing."""
PARALLEL = {"test_robustness.py": ["clone"]}
"""Backups at the same time need connections of their own; those without an answer are taken again."""


@pytest.mark.parametrize("module", sorted(SUITE.glob("*.py")), ids=lambda path: path.stem)
def test_no_module_of_the_suite_asks_a_client_without_patience(module: Path) -> None:
    tree = ast.parse(module.read_text("utf-8"))
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    drivers = [one for one in ast.walk(tree) if isinstance(one, ast.Attribute) and one.attr == "driver"]
    users = [parents[one] for one in drivers]
    used = [one.attr if isinstance(one, ast.Attribute) else ast.unparse(one) for one in users]
    assert [one for one in used if one not in NO_CALLS] == PARALLEL.get(module.name, [])
