"""What a property draws hangs on the seed alone."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import strategies as st

from pytest_wa_settings.conformance import draws
from pytest_wa_settings.conformance.draws import affordable, for_all
from pytest_wa_settings.testbed import Unavailable
from pytest_wa_settings.verdicts import Finding, FindingError, NotTested

CONSTANT = 123_456_789_012


def a_case(seed: int) -> Any:
    return SimpleNamespace(
        test="a test",
        testbed=SimpleNamespace(managed=True),
        test_seed=seed,
        progress=lambda *_: None,
        count_examples=lambda _: None,
        record=lambda finding: None,
    )


def drawn(seed: int) -> list[int]:
    values: list[int] = []
    for_all(a_case(seed), st.integers(0, 10**12), values.append, most=300)
    return values


@pytest.mark.parametrize(
    "stopped", [NotTested("not to be had"), Unavailable("gone", "start it")], ids=["not tested", "gone"]
)
def test_a_finding_stays_one_where_a_smaller_example_cannot_be_judged(stopped: Exception) -> None:
    found: list[int] = []

    def prop(value: int) -> None:
        if value <= 100:
            return
        if found:
            raise stopped
        found.append(value)
        raise FindingError(Finding("RESTORE-2", "a value", "another", f"{value}"))

    with pytest.raises(FindingError) as raised:
        for_all(a_case(1), st.integers(0, 10**6), prop, most=50)
    assert raised.value.finding.observed == f"{found[0]}"


def test_what_cannot_be_judged_at_all_is_not_tested() -> None:
    def prop(value: int) -> None:
        raise NotTested("not to be had")

    with pytest.raises(NotTested, match="not to be had"):
        for_all(a_case(1), st.integers(0, 10**6), prop, most=50)


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


def spread(items: int, seconds: float, monkeypatch: pytest.MonkeyPatch, *, each: float = 0.0) -> Any:
    """What is afforded of so many items, at a client that takes `each` seconds for one, and the remarks."""
    now = [0.0]
    monkeypatch.setattr(draws.time, "monotonic", lambda: now[0])
    remarks: list[str] = []
    case: Any = SimpleNamespace(budget=None, remark=remarks.append)
    afforded = []
    for item in affordable(case, list(range(items)), seconds):
        afforded.append(item)
        now[0] += each
    return afforded, remarks


def test_what_can_be_afforded_is_all_where_the_client_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    afforded, remarks = spread(300, 0.01, monkeypatch)
    assert sorted(afforded) == list(range(300))
    assert not remarks


def test_of_what_takes_longer_than_the_first_did_a_part_from_everywhere_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    afforded, remarks = spread(300, 0.01, monkeypatch, each=4.0)
    assert len(afforded) == 31
    assert all(any(start <= item < start + 30 for item in afforded) for start in range(0, 300, 30))
    assert remarks == ["only 31 of 300 cases were sent: the client took 120 s for them"]
