"""The hooks of a run of a user's own tests, which use the fixtures and need no certificate."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

import pytest

from pytest_wa_settings.session import terminal
from pytest_wa_settings.session.options import named
from pytest_wa_settings.session.run import Run
from pytest_wa_settings.session.running import planned_test
from pytest_wa_settings.session.scheduling import keep_together
from pytest_wa_settings.session.several import spread
from pytest_wa_settings.session.signals import signals_interrupt
from pytest_wa_settings.testbed import TestbedError, Unavailable
from pytest_wa_settings.verdicts import FindingError, load_catalog
from pytest_wa_settings.verdicts.catalog import Catalog
from pytest_wa_settings.verdicts.entries import Means, entry_of, leaves, plain, told
from pytest_wa_settings.verdicts.wording import findings_text


class OwnTests:
    """Keeps secrets out of reports, says in one line what the testbed lacks, and closes it at the end."""

    def __init__(self, run: Run, catalog: Catalog | None = None) -> None:
        self.run = run
        self._catalog = catalog
        self._lines: list[str] = []
        self._guard = contextlib.ExitStack()

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """From here on the testbed may speak, and SIGTERM closes it."""
        self.run.speak = terminal.speaker_on(session.config)
        self._guard.enter_context(signals_interrupt())

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Has every test that uses a testbed run on each of several."""
        spread(metafunc, self.run.names)

    def pytest_report_header(self) -> str:
        """Where the fixtures' clients come from."""
        return f"wa-settings: own tests against {self.run.options.target}"

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """Keeps the tests on one worker where they share one declared client."""
        return keep_together(config, log, self.run.names) if self.run.declared else None

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A client that is not offered skips a test; findings and set-up errors come without a traceback."""
        report = yield
        for error in leaves(call.excinfo.value if call.excinfo is not None else None):
            if isinstance(error, Unavailable):
                path, line, _ = item.location
                report.outcome = "skipped"
                report.longrepr = (path, (line or 0) + 1, f"Skipped: {self.run.scrub(told(error))}")
            elif isinstance(error, TestbedError):
                report.longrepr = self.run.scrub(told(error))
            elif isinstance(error, FindingError):
                report.longrepr = self._finding(item, error)
        text = str(report.longrepr) if report.failed else ""
        if text != self.run.scrub(text):
            report.longrepr = self.run.scrub(text)
        report.sections = [(name, self.run.scrub(section)) for name, section in report.sections]
        return report

    def _finding(self, item: pytest.Item, error: FindingError) -> str:
        planned = planned_test(item)
        planned["widens"].append(error.finding.clause)
        entry = entry_of(planned, None, error, means=Means(self.run.scrub))
        catalog = {clause.id: clause for clause in self._catalog or load_catalog()}
        if error.finding.clause not in catalog:
            return plain(str(error), self.run.scrub)
        return findings_text(catalog, entry["findings"])

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None, None, None]:
        """Closes the testbed after the last fixture is gone."""
        self._lines += self.run.close()
        yield
        self._guard.close()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Where an address stands in `addopts` and there is no test, the suite is meant."""
        typed = [str(argument) for argument in session.config.invocation_params.args]
        by_options = named(session.config.option)  # and not by the ini key
        if (
            by_options
            and not session.items
            and not any(one.startswith(("--wa-url", "--wa-config")) for one in typed)
        ):
            option = "url" if self.run.options.config is None else "config"
            self._lines.append(
                f"no tests of your own were found, and --wa-{option} in addopts is for these alone; to run "
                f"the suite, write wa_{option} = {self.run.options.target} into the ini file, or give "
                f"--wa-{option} on the command line"
            )

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """What the testbed says at its end: what it put back, and what it could not."""
        for line in self._lines:
            terminalreporter.write_line(f"wa-settings: {line}")
