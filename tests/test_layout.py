"""The folder of the tests itself."""

from __future__ import annotations

from collections import Counter
from pathlib import Path


def test_every_module_has_a_name_of_its_own() -> None:
    """pytest imports them by their names alone, as their folders are no packages."""
    names = Counter(path.name for path in Path(__file__).parent.rglob("*.py") if path.name != "conftest.py")
    assert [name for name, count in names.items() if count > 1 and name != "__init__.py"] == []
