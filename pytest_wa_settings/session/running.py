"""The hooks of a process that runs the suite's tests: the only one, or a worker of pytest-xdist."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_wa_settings.session.only import NOT_CHOSEN, chosen
from pytest_wa_settings.session.options import Options
from pytest_wa_settings.session.run import CASE, RUN, Run
from pytest_wa_settings.session.several import ONLY, name_of, split, spread
from pytest_wa_settings.session.signals import signals_interrupt
from pytest_wa_settings.verdicts.catalog import Catalog, load_catalog
from pytest_wa_settings.verdicts.decision import NOT_IN_PROFILE, decides, rungs_of
from pytest_wa_settings.verdicts.entries import Entry, PlannedTest, entry_of, plain
from pytest_wa_settings.verdicts.ledger import mismatches
from pytest_wa_settings.verdicts.wording import findings_text

DESELECTED = "deselected by -k, -m, --deselect or a plugin"

_TURNS = (None, "restores", "new machine")


def planned_test(item: pytest.Item, names: Sequence[str] = (ONLY,)) -> PlannedTest:
    """What a collected test may decide, read from its `wa_clause` marks; `names` are the run's testbeds."""
    clauses: dict[str, None] = {}
    widens: dict[str, None] = {}
    for mark in item.iter_markers("wa_clause"):
        (widens if mark.kwargs.get("widens") else clauses).update(dict.fromkeys(map(str, mark.args)))
    test, _ = split(item.nodeid, names)
    return PlannedTest(test=test, clauses=list(clauses), widens=list(widens), left_out=None)


def _turn(item: pytest.Item) -> tuple[int, bool]:
    """Refusals, then restores; last what moves a number to a new machine, which the old one may lose."""
    marks = list(item.iter_markers("wa_clause"))
    turn = max((_TURNS.index(mark.kwargs.get("uses_up")) for mark in marks), default=0)
    return turn, bool(marks) and all(mark.kwargs.get("widens") for mark in marks)


class Preflight(pytest.Item):
    """Stands for the whole suite where nothing can be tested, so that every format shows one error."""

    reason = ""

    def runtest(self) -> None:
        """Fails with the reason."""
        pytest.fail(self.reason, pytrace=False)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where it is: nowhere in particular."""
        return self.path, None, self.name


class Running:
    """Plans what was collected, and makes an entry of each ended test, which travels on its report."""

    def __init__(
        self, run: Run, catalog: Catalog, *, worker: bool = False, broken: str | None = None
    ) -> None:
        self.run = run
        self.plan: dict[str, list[PlannedTest]] = {}
        self.broken_parts: dict[str, str] = {}
        self.mismatches: list[str] = []
        self._catalog = catalog
        self._clauses = {clause.id: clause for clause in catalog}
        self._worker = worker
        self._broken = broken
        self._plan_sent = False
        self._guard = contextlib.ExitStack()

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Lets the fixtures find the run, and has pytest write no tracebacks: `_tell` says what they would.

        They may hold secrets, and writing them takes longer than a test that cannot run.
        """
        config.stash[RUN] = self.run
        config.option.showlocals = config.option.fulltrace = False
        if config.getoption("tbstyle", "auto") not in ("no", "line"):
            config.option.tbstyle = "value"

    def pytest_sessionstart(self) -> None:
        """From here on SIGTERM closes a worker's testbed."""
        if self._worker:
            self._guard.enter_context(signals_interrupt())

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Has every test run on each of several testbeds."""
        spread(metafunc, self.run.names)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Checks the suite against its catalog, then leaves out what the profile does not judge."""
        plan = {item: planned_test(item, self.run.names) for item in items}
        if not session.testsfailed:
            self.mismatches = mismatches(self._catalog, plan.values())
        if self._broken is not None or self.mismatches:
            items[:] = [self._preflight(session, self._broken)] if self._broken is not None else []
            yield
            return
        self._leave_out(config, items, plan)
        order = self.run.names.index
        items.sort(key=lambda item: (order(name_of(item)), *_turn(item)))
        yield
        staying = set(items)
        for item, planned in plan.items():
            broken = name_of(item) in self.broken_parts
            if item not in staying and planned["left_out"] is None and not broken:
                planned["left_out"] = DESELECTED
        for item, planned in plan.items():
            self.plan.setdefault(name_of(item), []).append(planned)

    def _preflight(self, session: pytest.Session, reason: str) -> pytest.Item:
        item: Preflight = Preflight.from_parent(session, name="preflight")
        item.reason = reason
        return item

    def _leave_out(
        self, config: pytest.Config, items: list[pytest.Item], plan: dict[pytest.Item, PlannedTest]
    ) -> None:
        """A test runs only if all its clauses are in the profile: `backup` must never send a restore."""
        judged = {
            part.name: {clause.id for clause in self._catalog.judged(part.profile)} for part in self.run.parts
        }
        wanted = chosen(self._catalog, self.run.options.only)
        left_out = []
        for item in items:
            named = {*plan[item]["clauses"], *plan[item]["widens"]}
            if not named <= judged[name_of(item)]:
                plan[item]["left_out"] = NOT_IN_PROFILE
            elif wanted is not None and not named & wanted:
                plan[item]["left_out"] = NOT_CHOSEN
            if plan[item]["left_out"] or name_of(item) in self.broken_parts:
                left_out.append(item)
        if left_out:
            staying = set(items) - set(left_out)
            items[:] = [item for item in items if item in staying]
            config.hook.pytest_deselected(items=left_out)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Makes pytest's report say what the entry says, and carry it."""
        report = yield
        if self._worker and not self._plan_sent:
            vars(report)["wa_plan"] = self.plan
            self._plan_sent = True
        if isinstance(item, Preflight):
            if call.excinfo is not None:
                report.longrepr, report.when = item.reason, "setup"
            return report
        if report.when == "call" or call.excinfo is not None:
            self._tell(item, call, report)
        report.sections = [(name, plain(text, self.run.scrub)) for name, text in report.sections]
        return report

    def _tell(self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
        error = call.excinfo.value if call.excinfo is not None else None
        case = item.stash.get(CASE, None) if report.when == "call" else None
        if case is not None:
            case.progress(1, 1, "")  # done: nothing of it stays on the terminal
        planned = planned_test(item, self.run.names)
        means = self.run.means(case.testbed.log_of if case is not None else None)
        entry = entry_of(planned, case, error, seconds=call.duration, means=means)
        lacking = self.run.part(name_of(item)).lacking if entry["outcome"] == "pass" else None
        if lacking is not None:
            entry["outcome"], entry["reason"] = "not tested", lacking
        vars(report)["wa_entry"], vars(report)["wa_testbed"] = entry, name_of(item)
        for clause in (*entry["clauses"], *entry["widens"]):
            item.user_properties += [
                ("wa_clause", f"{clause}: {rung.verdict}") for rung in rungs_of(clause, entry)
            ]
        if entry["outcome"] == "fail":
            self._show_findings(report, entry)
        elif entry["outcome"] in ("not tested", "not applicable"):
            path, line, _ = item.location
            report.outcome, report.longrepr = (
                "skipped",
                (path, (line or 0) + 1, f"Skipped: {entry['reason']}"),
            )
        elif entry["outcome"] == "error":
            report.outcome, report.longrepr = "failed", self._error_text(entry, error)
            # not a failed call: JUnit and pytest's own counts then say error, too
            report.when = "setup" if report.when == "call" else report.when

    def _show_findings(self, report: pytest.TestReport, entry: Entry) -> None:
        """A SHOULD that decides nothing must not be a failed test in any count."""
        strict = self.run.options.strict
        report.sections = []
        vars(report).pop("_hypothesis_failing_examples", None)  # a patch for a folder that will be gone
        if any(decides(self._clauses[one["clause"]], strict) for one in entry["findings"]):
            report.outcome = "failed"
            report.longrepr = findings_text(self._clauses, entry["findings"])
        else:
            report.outcome, report.longrepr = "passed", None
            vars(report)["wa_shortfall"] = True

    def _error_text(self, entry: Entry, error: BaseException | None) -> str:
        """What broke, and where, without source lines, arguments or variables: those may hold secrets."""
        lines = [f"not the client's fault: {entry['reason']}"]
        if error is not None and not isinstance(getattr(error, "problem", None), str):
            lines += list(places(error))
        return plain("\n".join(lines), self.run.scrub)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """A worker closes its testbed, and hands over what only it knows."""
        if self._worker:
            lines = self.run.close()
            output: dict[str, Any] = vars(session.config).setdefault("workeroutput", {})
            output["wa_settings"] = {
                "lines": lines,
                "mismatches": self.mismatches,
                "facts": {part.name: part.facts for part in self.run.parts},
                "plan": self.plan,
            }
        yield
        self._guard.close()


def running_in(given: Mapping[str, Any], hook: Any) -> Running:
    """The hooks of a worker, from what the leading process gave it."""
    run = Run(Options.from_plain(given["options"]), profile=given["profiles"].get(ONLY), hook=hook)
    for name, profile in given["profiles"].items():
        run.part(name).judge(profile)
    running = Running(run, load_catalog(), worker=True)
    running.broken_parts = given["broken_parts"]
    return running


def places(error: BaseException) -> Iterable[str]:
    """The places that an exception came through, the innermost last, without those in pytest's own code."""
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if not {"_pytest", "pluggy", "hypothesis"} & set(path.parts):
            yield f"  {path.parent.name}/{path.name}:{frame.lineno} in {frame.name}"
