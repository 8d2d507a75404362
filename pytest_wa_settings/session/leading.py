"""The hooks of the process that talks to the user: it keeps the ledger, and makes every format of it."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import pytest

from pytest_wa_settings.api.messages import joined
from pytest_wa_settings.session import terminal
from pytest_wa_settings.session.check import plan_of, untested_of
from pytest_wa_settings.session.only import chosen
from pytest_wa_settings.session.repeats import options_of
from pytest_wa_settings.session.run import RUN, Run
from pytest_wa_settings.session.running import Running
from pytest_wa_settings.session.scheduling import keep_together
from pytest_wa_settings.session.several import split
from pytest_wa_settings.verdicts.catalog import Catalog
from pytest_wa_settings.verdicts.decision import Ending, Verdict, run_verdict, worst_of
from pytest_wa_settings.verdicts.entries import PlannedTest
from pytest_wa_settings.verdicts.ledger import Ledger
from pytest_wa_settings.verdicts.report import RunFacts, build_report, merge_reports

NAME = "wa_settings_suite_run"
"""The plugin name by which a nested run is known from the run that started it."""

NOTHING_SELECTED = "no test was collected, or none selected"
BROKE_OFF = "pytest broke off with an error of its own"
CRASHED = "the process that ran it died (pytest-xdist worker)"


class Leading:
    """Collects entries from all processes; at the end it decides, writes the report and says the verdict.

    Attributes:
        verdict: None until the run is over.
        ledgers: one for each testbed, by its name.
        dry: nothing is run (--collect-only and the like), so there is no verdict to be had.
        last_lines: what stands at the very end of the terminal's output, the verdict last.
    """

    def __init__(
        self,
        run: Run,
        catalog: Catalog,
        *,
        broken: str | None = None,
        broken_parts: dict[str, str] | None = None,
        dry: bool = False,
    ) -> None:
        self.__name__ = NAME
        self.dry = dry
        self.run = run
        self.catalog = catalog
        self.ledgers = {part.name: Ledger(catalog) for part in run.parts}
        self.report: dict[str, Any] | None = None
        self.verdict: Verdict | None = None
        self.last_lines: list[tuple[str, dict[str, bool]]] = []
        self._started = time.time()
        self._begun = time.monotonic()
        self._broken = broken
        self._broken_parts = broken_parts or {}
        self._early: Ending | None = None
        self._running = Running(run, catalog, broken=broken)
        self._running.broken_parts = self._broken_parts
        self._distributed = False
        self._worker_facts: list[dict[str, dict[str, Any]]] = []
        self._closing_lines: list[str] = []
        self._untested: list[str] = []

    # ------------------------------------------------------------------------------------- the start

    def pytest_configure(self, config: pytest.Config) -> None:
        """Runs the tests in this process; where there are workers, it has none to run."""
        config.stash[RUN] = self.run
        config.pluginmanager.register(self._running, NAME + "_tests")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Lets go of the client before workers begin: each has a testbed of its own."""
        for part in self.run.parts:
            if part.opened is not None:
                self._untested += untested_of(part.opened, self.catalog)
        terminal.name_tests_by_module(session.config)
        self._distributed = session.config.pluginmanager.has_plugin("dsession")
        if self._distributed:
            self._closing_lines += self.run.close()
        else:
            self.run.progress = terminal.progress_on(session.config)
            self.run.speak = terminal.speaker_on(session.config)
            for part in self.run.parts:  # those that are open already speak, too
                part.speak = self.run.speak

    def pytest_report_header(self) -> list[str]:
        """What is tested, how, and what will not be; where nothing is run, what the plan would be."""
        if self.dry:
            for part in self.run.parts:
                self._untested += untested_of(part.parse(), self.catalog)
        lines = terminal.header(self.run, self.catalog, list(dict.fromkeys(self._untested)), dry=self.dry)
        lines += [f"cannot be tested: {reason}" for reason in self._broken_parts.values()]
        lines += list(dict.fromkeys(f"replay: {part.lacking}" for part in self.run.parts if part.lacking))
        if self.dry:
            lines += [f"plan: {line}" for part in self.run.parts for line in plan_of(part.parse())]
        return lines

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Gives a worker of pytest-xdist its options; the profile is known already."""
        node.workerinput["wa_settings"] = {
            "options": self.run.options.as_plain(),
            "profiles": {part.name: part.profile for part in self.run.parts},
            "broken_parts": self._broken_parts,
        }

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """Keeps the tests of a declared client on one worker; a managed one each worker has for itself."""
        return keep_together(config, log, self.run.names) if self.run.declared else None

    # -------------------------------------------------------------------------------------- the way

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Enters how a test ended, in this process or another."""
        carried = vars(report)
        self._take_plan(carried.get("wa_plan") or {})
        entry = carried.get("wa_entry")
        if entry is not None:
            self.ledgers[carried["wa_testbed"]].add(entry)
        elif report.failed and self._broken is None:
            test, name = split(report.nodeid, self.run.names)
            self.ledgers[name].lose(test, CRASHED)

    def _take_plan(self, plan: dict[str, list[PlannedTest]]) -> None:
        for name, tests in plan.items():
            self.ledgers[name].plan(tests)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, Any] | None:
        """Tells shortfalls and errors apart from failed tests."""
        carried = vars(report)
        if carried.get("wa_shortfall"):
            return "shortfall", "S", ("SHORTFALL", {"yellow": True})
        entry = carried.get("wa_entry")
        if report.failed and (entry is None or entry["outcome"] == "error"):
            return "error", "E", ("ERROR", {"red": True})
        return None

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module of the suite that cannot be collected breaks the run."""
        if report.failed:
            self.give_up(f"the suite could not be collected ({report.nodeid})")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Takes what a worker knows at its end; one that crashed says nothing."""
        output = getattr(node, "workeroutput", {}).get("wa_settings")
        if output is None:
            return
        self._take_plan(output["plan"])
        self._worker_facts.append(output["facts"])
        self._closing_lines += output["lines"]
        self._mismatched(output["mismatches"])

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Tells an early stop that pytest or xdist makes (a kind of KeyboardInterrupt) from a person's."""
        if excinfo.type in (KeyboardInterrupt, pytest.exit.Exception):
            self.interrupt()
        else:
            self._early = Ending("stopped", f"the run stopped early ({excinfo.value})")

    # -------------------------------------------------------------------------------------- the end

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, None, None]:
        """Decides before the summary is shown; speaks the last word after it."""
        if exitstatus == pytest.ExitCode.USAGE_ERROR:
            yield
            return
        if self.dry:
            yield
            self._end_dry(session)
            return
        if exitstatus == pytest.ExitCode.INTERNAL_ERROR:
            self.give_up(BROKE_OFF)
        if session.shouldfail:
            self._early = self._early or Ending("stopped", f"the run stopped early ({session.shouldfail})")
        self.finish()
        yield
        assert self.verdict is not None
        session.exitstatus = self.verdict.exit_status
        self._say(session.config, self.last_lines)

    def _end_dry(self, session: pytest.Session) -> None:
        self._mismatched(self._running.mismatches)
        if self._broken is None and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            self.give_up(NOTHING_SELECTED)
        if self._broken is not None:
            session.exitstatus = 1
            self._say(session.config, [(self._broken, {"red": True, "bold": True})])

    def finish(self) -> Verdict:
        """Closes the testbed, decides, and writes the report; a second call changes nothing."""
        if self.verdict is not None:
            return self.verdict
        self._take_plan(self._running.plan)
        self._mismatched(self._running.mismatches)
        self._closing_lines += self.run.close()
        parts = self.run.parts
        judged = [self._judge(part) for part in parts]
        verdicts = [verdict for _, verdict in judged]
        self.verdict = worst_of([part.name for part in parts], verdicts)
        self.report = merge_reports([report for report, _ in judged], verdicts, self.verdict)
        options = self.run.options
        self.last_lines = [(line, {}) for line in self._closing_lines]
        if options.report is not None:
            self.last_lines.append(terminal.report_line(options.report, self.report))
        self.last_lines += terminal.verdict_lines(self.verdict)
        return self.verdict

    def _judge(self, part: Run) -> tuple[dict[str, Any], Verdict]:
        """The report on one testbed, and its verdict."""
        ending, options = self._ending(part.name), self.run.options
        outcomes = self.ledgers[part.name].outcomes(part.profile, ending)
        verdict = run_verdict(
            outcomes,
            part.profile,
            ending=ending,
            strict=options.strict,
            allow_not_tested=options.allow_not_tested,
        )
        return build_report(self.catalog, outcomes, verdict, self._facts(part)), verdict

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> Generator[None, None, None]:
        """The clauses and the findings in cards, each once: pytest's own list of failures leaves them out."""
        failed = terminalreporter.stats.get("failed", [])
        told = [one for one in failed if vars(one).get("wa_entry") is not None]
        if told:
            terminalreporter.stats["failed"] = [one for one in failed if one not in told]
        yield
        if told:
            terminalreporter.stats["failed"] = failed
        if self.report is not None and self._broken is None:
            terminal.show(
                terminalreporter,
                self.report,
                self.catalog,
                folder=self.run.options.report,
                only=chosen(self.catalog, self.run.options.only),
            )

    def interrupt(self) -> None:
        """Notes that a person ended the run."""
        self._early = Ending("interrupted", "the run was interrupted")

    def _ending(self, name: str) -> Ending:
        broken = self._broken_parts.get(name) or self._broken
        if broken is not None:
            return Ending("broken", broken)
        if self._early is not None:
            return self._early
        if self.ledgers[name].runnable == 0:
            return Ending(
                "broken", CRASHED if self._distributed and not self._worker_facts else NOTHING_SELECTED
            )
        return Ending()

    def give_up(self, reason: str) -> None:
        """Notes why nothing more can be tested; the first reason stays."""
        self._broken = self._broken or reason

    def _mismatched(self, lines: list[str]) -> None:
        if lines:
            more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
            self.give_up(f"the suite does not match its catalog: {lines[0]}{more}")

    def _facts(self, part: Run) -> RunFacts:
        own, options = part.facts, self.run.options
        every = [own, *(facts[part.name] for facts in self._worker_facts)]
        return RunFacts(
            testbed=part.name or own["name"],
            started=self._started,
            seconds=time.monotonic() - self._begun,
            profile=part.profile,
            strict=options.strict,
            seed=options.seed,
            examples=self.run.examples,
            exchanges=sum(one["exchanges"] for one in every),
            clients=own["clients"] or next((one["clients"] for one in every if one["clients"]), []),
            notes=list(dict.fromkeys(note for one in every for note in one["notes"])),
            messages=joined(one["messages"] for one in every),
            options={name: self._unless_secret(value) for name, value in options_of(options).items()},
            had=own["had"],
        )

    def _unless_secret(self, value: Any) -> Any:
        return None if isinstance(value, str) and self.run.scrub(value, wording=True) != value else value

    def _say(self, config: pytest.Config, lines: list[tuple[str, dict[str, bool]]]) -> None:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        for text, markup in lines:
            if reporter is None:
                print(text)
            else:
                reporter.write_line(text, **markup)
