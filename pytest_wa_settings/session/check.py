"""Looks at a testbed and says what a run could judge there; it changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_wa_settings.session.options import Options
from pytest_wa_settings.session.run import Run
from pytest_wa_settings.testbed import Need, Testbed, TestbedError, UsageError
from pytest_wa_settings.testbed.base import STATES
from pytest_wa_settings.testbed.errors import as_testbed_error
from pytest_wa_settings.verdicts.catalog import Catalog, load_catalog
from pytest_wa_settings.verdicts.entries import plain, told
from pytest_wa_settings.verdicts.plan import Ground, clause_lines, lack_lines, plan, plan_lines


def ground_of(testbed: Testbed) -> Ground:
    """What a plan is made from, whether the testbed is open or not."""
    whys = {state: testbed.why_not(Need(state)) for state in STATES} if testbed.managed else {}
    lacks: dict[str, str] = {state: why for state, why in whys.items() if why is not None}
    return Ground(testbed.offers(), testbed.reaches_receiver, testbed.profile, lacks)


def plan_of(testbed: Testbed) -> list[str]:
    """The plan of a run on it: which clients serve how many clauses, and what is done to each."""
    ground = ground_of(testbed)
    return plan_lines(plan(load_catalog(), ground), ground)


def untested_of(testbed: Testbed, catalog: Catalog) -> list[str]:
    """What a run on it will, or may, leave untested, and what to add."""
    ground = ground_of(testbed)
    return lack_lines(plan(catalog, ground), ground)


def check(options: Options, write: Callable[[str], None], *, hook: Any = None) -> int:
    """Connects to every client, logs in, reads health and version, and tells the plan clause by clause.

    Returns 0 where every client can be used, else 1, after saying what is wrong with each.

    Raises:
        testbed.UsageError: the address or the file cannot be understood.
    """
    run = Run(options, hook=hook)
    testbeds = [part.parse() for part in run.parts]
    errors: list[TestbedError] = []
    for testbed in testbeds:
        if len(testbeds) > 1:
            write(f"testbed {testbed.name}")
        errors += _check(testbed, write)
        if len(testbeds) > 1:
            write("")
    write(_ending(errors))
    return 1 if errors else 0


def _check(testbed: Testbed, write: Callable[[str], None]) -> list[TestbedError]:
    """Tells of one testbed; returns what is wrong with it."""
    errors: list[TestbedError] = []
    lines: list[str] = []
    try:
        testbed.open()
        lines, errors = testbed.look()
        ground = ground_of(testbed)
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the reader gets a sentence
        errors, ground = [as_testbed_error(error)], ground_of(testbed)
    finally:
        closing = testbed.close()
    steps = plan(load_catalog(), ground)
    lines += [f"cannot be used: {told(error)}" for error in errors]
    lines += ["", *clause_lines(steps), "", *plan_lines(steps, ground), *closing]
    for line in lines:
        write(plain(line, testbed.recorder.scrub))
    return errors


def _ending(errors: list[TestbedError]) -> str:
    if not errors:
        return "checked: every client can be used; nothing was restored or changed"
    what = "one thing keeps" if len(errors) == 1 else f"{len(errors)} things keep"
    return f"checked: {what} a run from starting; nothing was restored or changed"
