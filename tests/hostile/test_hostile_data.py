"""Ten megabytes of hostile `data` cost no more steps than a budget, whatever is in them.

Seconds and memory stand in tests/benchmarks/hostile_data.py.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
from data_kinds import KINDS

from pytest_wa_settings.conformance import decoding, views
from pytest_wa_settings.conformance.budget import ATTEMPT, Budget
from pytest_wa_settings.conformance.damage import MOST_COMPARED, damages, damages_for
from pytest_wa_settings.conformance.decoding import could_mean_the_same, longest_run
from pytest_wa_settings.conformance.judgements import sealed
from pytest_wa_settings.conformance.views import MOST_VISITED, readable_in
from pytest_wa_settings.verdicts import Case, Evidence

SIZE = 10_000_000
NEEDLES = {"the about text": "canary-q8w7e6r5t4y3"}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


class Counted:
    """Counts the bytes that go into and come out of every decoder, whatever the budget believes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bytes = self.tries = 0
        for module in (views, decoding):
            for name in ("lenient_base64", "lenient_hex", "percent_decoded"):
                if hasattr(module, name):
                    monkeypatch.setattr(module, name, self.counting(getattr(module, name)))
        monkeypatch.setattr(json, "loads", self.counting(json.loads))
        made = zlib.decompressobj

        class Machine:
            def __init__(machine, bits: int) -> None:
                self.tries += 1
                machine.inner = made(bits)

            def decompress(machine, *arguments: Any) -> bytes:
                return self.counting(machine.inner.decompress)(*arguments)

            @property
            def eof(machine) -> bool:
                return machine.inner.eof

        monkeypatch.setattr(zlib, "decompressobj", Machine)

    def counting(self, decode: Callable[..., Any]) -> Callable[..., Any]:
        def counted(data: Any, *more: Any) -> Any:
            self.tries += 1
            self.bytes += len(data)
            out = decode(data, *more)
            self.bytes += len(out) if isinstance(out, bytes) else 0
            return out

        return counted


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


@every_kind
def test_reading_stays_within_its_budget(kind: Callable[[int], str], counted: Counted) -> None:
    assert readable_in(kind(SIZE), NEEDLES) is None
    assert counted.bytes <= 2 * MOST_VISITED
    assert counted.tries <= MOST_VISITED / ATTEMPT


@every_kind
def test_telling_damage_from_harmless_changes_is_linear(kind: Callable[[int], str], counted: Counted) -> None:
    data = kind(SIZE)
    run = longest_run(data)
    assert 0 <= run.start <= run.end <= len(data)
    half = len(data) // 2
    changed = data[:half] + ("B" if data[half] != "B" else "C") + data[half + 1 :]
    assert isinstance(could_mean_the_same(data, changed), bool)
    assert counted.bytes <= 10 * (len(data.encode()) + len(changed.encode()))
    assert counted.tries <= 200_000


@pytest.mark.parametrize(
    "name", ["base64", "base64, four deep", "repeated hex", "dots", "emoji", "quoted JSON"]
)
def test_damage_stays_within_its_budget(name: str, counted: Counted) -> None:
    data = KINDS[name](SIZE)
    budget = Budget(MOST_COMPARED)
    assert list(islice(damages(data, None, budget), 3))
    assert counted.bytes <= MOST_COMPARED
    assert any("damage was made" in left_out for left_out in budget.cut)


def test_what_the_budget_cut_is_a_remark_of_the_clause() -> None:
    judgement = sealed(KINDS["zlib heads"](3_000_000), NEEDLES, ())
    assert isinstance(judgement, Evidence)
    case = Case(testbed=None)  # type: ignore[arg-type]
    case.judge(judgement)
    assert case.remarks == [judgement.remark]
    assert "only in its first and its last megabyte encodings were undone" in case.remarks[0]


def test_damage_that_is_left_out_is_a_remark() -> None:
    case = Case(testbed=None)  # type: ignore[arg-type]
    assert damages_for(case, KINDS["base64"](1_000_000))
    (remark,) = case.remarks
    assert "th damage was made, as each is so long" in remark


def test_data_of_a_common_size_is_looked_at_whole() -> None:
    budget = Budget(MOST_VISITED)
    assert readable_in(KINDS["base64"](200_000), NEEDLES, budget) is None
    assert budget.remark is None
    case = Case(testbed=None)  # type: ignore[arg-type]
    assert len(damages_for(case, KINDS["base64"](20_000))) > 300
    assert case.remarks == []


@pytest.mark.parametrize("depth", [10, 350, 900, 100_000])
def test_nesting_is_followed_without_recursion(depth: int) -> None:
    one = "[" * depth + '"' + "k" * 60 + '"' + "]" * depth
    assert could_mean_the_same(one, one.replace("k", " k", 1))
    assert readable_in(one, NEEDLES) is None
    assert list(islice(damages(one), 5))


@pytest.mark.parametrize("size", [1_400_000, 5_000_000])
def test_a_needle_is_found_in_large_data_too(size: int) -> None:
    text = '{"about": "' + NEEDLES["the about text"] + '"}'
    sealed_badly = KINDS["base64"](size // 2) + "." + text.encode().hex()
    assert readable_in(sealed_badly, NEEDLES)
