"""Runs a property over drawn examples: seeded, bounded, shrunk, never flaky over a finding already made."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import strategies as st
from hypothesis.errors import Flaky, Unsatisfiable

from pytest_wa_settings.testbed import Unavailable
from pytest_wa_settings.verdicts import Case, FindingError, NotTested

Value = TypeVar("Value")
Item = TypeVar("Item")
_MOST_SHRINKS, _MOST_SHRINKS_OF_DECLARED = 40, 4
"""Further values that are sent after a failing one: each that a declared client takes costs a restore."""
_SHRINK_SECONDS = 10.0
_GOLDEN = 0.6180339887498949
"""Multiples of it, less their whole part, are spread evenly over 0 to 1 at every number of them."""
_FEWEST = 10
_FEW = 20
_LOOKS = "_get_local_constants"


def how_many(case: Case, *, restores: int = 0, seconds: float = 0.0) -> int:
    """How many examples a property may use.

    Args:
        restores: restores that one example makes; what the client may still take bounds them.
        seconds: what one example takes, measured; a slow client gets fewer, unless `--wa-examples` says so.
    """
    wanted = case.examples
    if restores:
        wanted = max(1, wanted // 5)
        if not case.testbed.managed:
            wanted = min(wanted, case.testbed.restores_left // (8 * restores))
    if seconds > 0 and not case.examples_given:
        limit = (case.budget or 300.0) / 40
        wanted = min(wanted, max(3, int(limit / seconds)))
    return wanted


def few(case: Case) -> int:
    """How many examples a property may use whose cases are written by hand already, the drawn ones beside."""
    return min(_FEW, how_many(case, seconds=case.testbed.latency))


def affordable(case: Case, items: Sequence[Item], seconds: float) -> Iterator[Item]:
    """As many of the items as a fifth of the budget pays for (120 s without one), spread over all of them.

    They come in an order that is spread, too: where they take longer than the first did, as at a client
    that limits wrong passwords, those that time is left for are of every kind.

    Args:
        seconds: what one item takes, measured.
    """
    limit = (case.budget or 600.0) / 5
    most = max(10, int(limit / max(seconds, 1e-6)))
    stride = -(-len(items) // most)
    if stride > 1:
        case.remark(f"only every {stride}th of {len(items)} cases was sent, as answers take {seconds:.1f} s")
    chosen = items[::stride]
    deadline = time.monotonic() + limit
    for done, place in enumerate(sorted(range(len(chosen)), key=lambda at: at * _GOLDEN % 1.0)):
        if time.monotonic() > deadline and done >= _FEWEST:
            case.remark(
                f"only {done} of {len(items)} cases were sent: the client took {limit:.0f} s for them"
            )
            return
        yield chosen[place]


@contextmanager
def reproducible() -> Iterator[None]:
    """Keeps Hypothesis from drawing constants of the modules that a user has loaded: no setting does that.

    With them, one seed would draw differently in another folder, or from another place of installation.
    """
    providers: Any = sys.modules.get("hypothesis.internal.conjecture.providers")
    looks_for_them = getattr(providers, _LOOKS, None)
    if looks_for_them is None:  # a version that does not
        yield
        return
    setattr(providers, _LOOKS, providers.Constants)
    try:
        yield
    finally:
        setattr(providers, _LOOKS, looks_for_them)


def for_all(
    case: Case, strategy: st.SearchStrategy[Value], prop: Callable[[Value], None], *, most: int
) -> int:
    """Runs `prop` on up to `most` drawn values; returns how many were judged.

    What an example showed is kept: the same value is not sent again while Hypothesis shrinks, so the
    minimal example is one that was seen failing, and a client is never asked twice for one finding.

    Raises:
        FindingError: the finding of the smallest failing example.
        NotTested: from the property, as it is, where no example had failed before.
    """
    if most < 1:
        return 0
    memory = _Memory(prop, _MOST_SHRINKS if case.testbed.managed else _MOST_SHRINKS_OF_DECLARED)
    seen = 0

    def judged(value: Value) -> None:
        nonlocal seen
        seen += 1
        case.progress(seen, most, case.test)
        memory(value)

    configured = hypothesis.settings(
        max_examples=most,
        database=None,
        deadline=None,
        derandomize=False,
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=Verbosity.quiet,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    run = hypothesis.seed(case.test_seed)(configured(hypothesis.given(value=strategy)(judged_with(judged))))
    try:
        with reproducible():
            run()
    except FindingError as error:
        case.record(error.finding)
        raise FindingError(error.finding) from None
    except NotTested:
        raise
    except (Flaky, Unsatisfiable) as error:
        if memory.last is not None:
            case.record(memory.last.finding)
            raise FindingError(memory.last.finding) from None
        if isinstance(error, Unsatisfiable):
            raise NotTested("the client refused every drawn example, so none could be judged") from None
        raise
    finally:
        case.count_examples(memory.judged)
    return memory.judged


def judged_with(function: Callable[[Value], None]) -> Callable[..., None]:
    """The property under a plain name, as Hypothesis wants it: keyword argument `value`."""

    def example(value: Value) -> None:
        function(value)

    return example


class _Memory(Generic[Value]):
    """Runs a property and remembers what failed, so that shrinking is bounded and cannot flake."""

    def __init__(self, prop: Callable[[Value], None], most_shrinks: int = _MOST_SHRINKS) -> None:
        self._prop = prop
        self._most_shrinks = most_shrinks
        self._failed: dict[str, FindingError] = {}
        self._since = 0
        self._deadline = 0.0
        self.judged = 0
        self.last: FindingError | None = None

    def __call__(self, value: Value) -> None:
        key = repr(value)
        if key in self._failed:
            raise self._failed[key]
        if self._failed:
            self._since += 1
            if self._since > self._most_shrinks or time.monotonic() > self._deadline:
                return
        try:
            self._prop(value)
        except FindingError as error:
            if not self._failed:
                self._deadline = time.monotonic() + _SHRINK_SECONDS
            self._failed[key] = error
            self.last = error
            raise
        except (NotTested, Unavailable):
            if not self._failed:
                raise
            self._since = (
                self._most_shrinks
            )  # what was seen stays a finding; there is no smaller one to be had
        finally:
            self.judged += 1
