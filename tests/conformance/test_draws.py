"""What a property draws hangs on the seed alone."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import strategies as st

from pytest_wa_settings.conformance.draws import for_all

CONSTANT = 123_456_789_012


def drawn(seed: int) -> list[int]:
    values: list[int] = []
    case: Any = SimpleNamespace(
        test="a test", test_seed=seed, progress=lambda *_: None, count_examples=lambda _: None
    )
    for_all(case, st.integers(0, 10**12), values.append, most=300)
    return values


def test_one_seed_draws_the_same_twice_and_another_does_not() -> None:
    assert drawn(1) == drawn(1) != drawn(2)


def test_a_constant_of_the_users_own_module_is_not_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = drawn(1)
    own = tmp_path / "own_module.py"
    own.write_text(f"ANSWER = {CONSTANT}\n")
    spec = importlib.util.spec_from_file_location("own_module", own)
    assert spec is not None
    monkeypatch.setitem(sys.modules, "own_module", importlib.util.module_from_spec(spec))
    assert drawn(1) == before
    assert CONSTANT not in before
