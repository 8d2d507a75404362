"""The hooks of a run of own tests that decide clauses of an own catalog (`--wa-catalog`)."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import pytest

from pytest_wa_settings.api.messages import joined
from pytest_wa_settings.session import terminal
from pytest_wa_settings.session.only import chosen
from pytest_wa_settings.session.run import CASE, Run
from pytest_wa_settings.session.running import DESELECTED, planned_test
from pytest_wa_settings.verdicts.catalog import Catalog
from pytest_wa_settings.verdicts.decision import Ending, Verdict, decides, run_verdict
from pytest_wa_settings.verdicts.entries import PlannedTest, entry_of, leaves, plain
from pytest_wa_settings.verdicts.ledger import Ledger
from pytest_wa_settings.verdicts.outcomes import Finding, FindingError
from pytest_wa_settings.verdicts.report import RunFacts, build_report

_FIELD = "wa_settings_own"


class OwnClauses:
    """Makes an entry of each marked test; the process that talks to the user decides and reports.

    In an own test a failed assertion is a finding, for each clause that the test decides.
    """

    def __init__(self, run: Run, catalog: Catalog, *, worker: bool) -> None:
        self.run = run
        self.catalog = catalog
        self.ledger = Ledger(catalog)
        self.report: dict[str, Any] | None = None
        self.verdict: Verdict | None = None
        self._worker = worker
        self._plan: list[PlannedTest] = []
        self._facts: list[dict[str, Any]] = []
        self._interrupted = False
        self._started, self._begun = time.time(), time.monotonic()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, None, None]:
        """Plans the marked tests; a clause that the catalog does not have is a wrong call."""
        planned = {item: planned_test(item) for item in items}
        for plan in planned.values():
            for clause in (*plan["clauses"], *plan["widens"]):
                if clause not in self.catalog:
                    raise pytest.UsageError(
                        f"{plan['test']} names {clause}, which the catalog of --wa-catalog does not have; "
                        "correct the id, or add the clause"
                    )
        yield
        staying = set(items)
        for item, plan in planned.items():
            if item not in staying:
                plan["left_out"] = DESELECTED
        self._plan = [plan for plan in planned.values() if plan["clauses"] or plan["widens"]]
        self.ledger.plan(self._plan)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Lets the entry of a marked test travel on its report; a shortfall is no failed test."""
        report = yield
        planned = planned_test(item)
        marked = planned["clauses"] or planned["widens"]
        if not marked or (report.when != "call" and call.excinfo is None):
            return report
        error = call.excinfo.value if call.excinfo is not None else None
        case = item.stash.get(CASE, None) if report.when == "call" else None
        told = self._as_findings(planned, error) if report.when == "call" else error
        entry = entry_of(planned, case, told, seconds=call.duration, means=self.run.means(), own=True)
        vars(report)["wa_entry"] = entry
        vars(report)["wa_plan"] = self._plan
        strict = self.run.options.strict
        if entry["outcome"] == "fail" and not any(
            decides(self.catalog[one["clause"]], strict) for one in entry["findings"]
        ):
            report.outcome, report.longrepr = "passed", None
            vars(report)["wa_shortfall"] = True
        return report

    def _as_findings(self, planned: PlannedTest, error: BaseException | None) -> BaseException | None:
        """A failed assertion as findings; every other exception as it is."""
        asserted = [
            leaf for leaf in leaves(error) if isinstance(leaf, (AssertionError, pytest.fail.Exception))
        ]
        if not asserted or not planned["clauses"]:
            return error
        lines = str(asserted[0]).strip().splitlines() or ["an assertion failed"]
        findings = [
            FindingError(
                Finding(clause, planned["test"], "what the test asserts", plain(lines[0], self.run.scrub))
            )
            for clause in planned["clauses"]
        ]
        return findings[0] if len(findings) == 1 else _Several(findings)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Enters how a test ended, in this process or another."""
        carried = vars(report)
        self.ledger.plan(carried.pop("wa_plan", None) or ()) if not self._worker else None
        if carried.get("wa_entry") is not None:
            self.ledger.add(carried["wa_entry"])

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, Any] | None:
        """Tells shortfalls apart."""
        shortfall = vars(report).get("wa_shortfall")
        return ("shortfall", "S", ("SHORTFALL", {"yellow": True})) if shortfall else None

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Takes what a worker knows of the testbed."""
        facts = getattr(node, "workeroutput", {}).get(_FIELD)
        if facts is not None:
            self._facts.append(facts)

    def pytest_keyboard_interrupt(self) -> None:
        """Notes that a person ended the run."""
        self._interrupted = True

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, None, None]:
        """Decides before the summary is shown; a verdict that is none to go on with makes the run fail."""
        if self._worker:
            vars(session.config).setdefault("workeroutput", {})[_FIELD] = self.run.facts
        elif exitstatus != pytest.ExitCode.USAGE_ERROR and not session.config.option.collectonly:
            self._finish()
        yield
        if self.verdict is not None:
            session.exitstatus = max(int(exitstatus), self.verdict.exit_status)
            self._say(session.config)

    def _finish(self) -> None:
        ending = Ending("interrupted", "the run was interrupted") if self._interrupted else Ending()
        options = self.run.options
        profile = options.profile or "full"
        outcomes = self.ledger.outcomes(profile, ending)
        self.verdict = run_verdict(
            outcomes, profile, ending=ending, strict=options.strict, allow_not_tested=options.allow_not_tested
        )
        own = self.run.facts
        every = [*(part.facts for part in self.run.parts), *self._facts]
        facts = RunFacts(
            testbed=own["name"],
            started=self._started,
            seconds=time.monotonic() - self._begun,
            profile=profile,
            strict=options.strict,
            seed=options.seed,
            examples=self.run.examples,
            exchanges=sum(one["exchanges"] for one in every),
            clients=list({one["name"]: one for facts in every for one in facts["clients"]}.values()),
            notes=list(dict.fromkeys(note for one in every for note in one["notes"])),
            messages=joined(one["messages"] for one in every),
        )
        self.report = build_report(self.catalog, outcomes, self.verdict, facts)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The table by clause, the sums, and the shortfalls."""
        if self.report is not None:
            terminal.show(
                terminalreporter,
                self.report,
                self.catalog,
                folder=self.run.options.report,
                only=chosen(self.catalog, self.run.options.only),
            )

    def _say(self, config: pytest.Config) -> None:
        """The report's place and the verdict, last of all."""
        assert self.verdict is not None
        assert self.report is not None
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        lines: list[tuple[str, dict[str, bool]]] = []
        if self.run.options.report is not None:
            lines.append(terminal.report_line(self.run.options.report, self.report))
        for text, markup in [*lines, *terminal.verdict_lines(self.verdict)]:
            if reporter is None:
                print(text)
            else:
                reporter.write_line(text, **markup)


class _Several(Exception):
    """One failed assertion of a test that decides several clauses."""

    def __init__(self, exceptions: list[FindingError]) -> None:
        super().__init__("several clauses")
        self.exceptions = tuple(exceptions)
