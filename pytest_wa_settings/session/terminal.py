"""What the terminal shows of a run, rendered from the report and nothing else."""

from __future__ import annotations

import contextlib
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_wa_settings import __version__
from pytest_wa_settings.session.run import Run
from pytest_wa_settings.verdicts.catalog import Catalog
from pytest_wa_settings.verdicts.decision import Verdict
from pytest_wa_settings.verdicts.outcomes import Progress
from pytest_wa_settings.verdicts.report import write_report
from pytest_wa_settings.verdicts.wording import finding_text

_COLOURS: dict[str, dict[str, bool]] = {
    "pass": {"green": True},
    "fail": {"red": True, "bold": True},
    "shortfall": {"yellow": True},
    "error": {"red": True},
    "not tested": {"yellow": True},
    "conformant": {"green": True, "bold": True},
    "non-conformant": {"red": True, "bold": True},
    "inconclusive": {"yellow": True, "bold": True},
}
_INDENT = " " * 13
_PROGRESS_PAUSE = 0.1
_MOST_MESSAGES = 4


def header(run: Run, catalog: Catalog, untested: list[str]) -> list[str]:
    """The lines above the first test: target, client, profile, seed, and what will not be tested."""
    lines = [
        f"wa-settings: {__version__}, catalog {catalog.version}, {len(catalog)} clauses",
        f"target: {run.options.target}",
    ]
    profiles = dict.fromkeys(part.profile for part in run.parts)
    for part in run.parts:
        if part.name:
            lines.append(f"testbed {part.name}: profile {part.profile}")
        lines += part.header
    lines.append(f"profile: {', '.join(profiles)}, seed: {run.options.seed}, examples: {run.examples}")
    if list(profiles) == ["backup"]:
        lines.append("nothing is restored or changed; with --wa-allow-restore the suite judges restores, too")
    return lines + untested


def verdict_line(verdict: Verdict) -> tuple[str, dict[str, bool]]:
    """The very last line, and its colour."""
    return f"{verdict.verdict}: {verdict.reason}", _COLOURS[verdict.verdict]


def report_line(folder: Path, report: dict[str, Any]) -> tuple[str, dict[str, bool]]:
    """Writes the report; the line that says where it is, or why it is nowhere: the verdict stands."""
    try:
        return f"report: {write_report(folder, report)}", {}
    except OSError as error:
        why = error.strerror or type(error).__name__
        return f"no report could be written into {folder} ({why}); free the place, then run again", {
            "red": True
        }


def show(reporter: pytest.TerminalReporter, report: dict[str, Any], catalog: Catalog) -> None:
    """The table by clause (under -q without what passed), the sums, and findings that no failure shows."""
    width = reporter.config.get_terminal_writer().fullwidth
    several = report.get("testbeds") or [{"name": None, "profile": report["run"]["profile"]}]
    for testbed in several:
        name = testbed["name"]
        told = f"testbed {name}, " if name else ""
        reporter.write_sep("=", f"{told}clauses, profile {testbed['profile']}")
        clauses = [one for one in report["clauses"] if name is None or one["testbed"] == name]
        if reporter.verbosity >= 0:
            for clause in clauses:
                _row(reporter, clause, width)
        else:
            _quiet_rows(reporter, clauses, width)
        if name:
            reporter.write_line(f"{name}: {testbed['verdict']}: {testbed['reason']}")
    reporter.write_line(sums_line(report["sums"]))
    line = messages_line(report["messages"])
    if line is not None:
        reporter.write_line(line)
    for note in report["notes"]:
        reporter.write_line(f"note: {note}")
    _shortfalls(reporter, report, catalog)


def sums_line(sums: dict[str, int]) -> str:
    """All sums in one line; the parts add up to the first number."""
    parts = [f"{number} {name}" for name, number in sums.items() if name != "clauses" and number]
    return f"{sums['clauses']} clauses: {', '.join(parts)}"


def messages_line(messages: list[dict[str, Any]]) -> str | None:
    """Which kinds of answers were not as their schemas have them; None where all were."""
    odd = [one for one in messages if one["invalid"]]
    if not odd:
        return None
    told = [f"{one['name']} ({_first_broken(one)})" for one in odd[:_MOST_MESSAGES]]
    more = f" and {len(odd) - len(told)} more" if len(odd) > len(told) else ""
    counted = sum(one["invalid"] for one in odd)
    whose = "the vendor's own schemas" if all(one["of"] == "vendor" for one in odd) else "their schemas"
    return f"remark: {counted} answers are not as {whose} have them: {', '.join(told)}{more}"


def _first_broken(message: dict[str, Any]) -> str:
    one = message["broken"][0]
    return f"{one['pointer'] or 'the body'} {one['rule']}"


def _quiet_rows(reporter: pytest.TerminalReporter, clauses: list[dict[str, Any]], width: int) -> None:
    """What did not pass, with the clauses that were not tested for one reason in one place."""
    untested: dict[str, list[str]] = {}
    for clause in clauses:
        if clause["counts"] and clause["verdict"] == "not tested":
            untested.setdefault(clause["reason"], []).append(clause["id"])
        elif clause["counts"] and clause["verdict"] not in ("pass", "not applicable"):
            _row(reporter, clause, width)
    for reason, ids in untested.items():
        for line in textwrap.wrap(
            f"not tested: {', '.join(ids)}: {reason}", max(width, 40), break_on_hyphens=False
        ):
            reporter.write_line(line)


def _row(reporter: pytest.TerminalReporter, clause: dict[str, Any], width: int) -> None:
    word = "shortfall" if clause["shortfall"] else clause["verdict"]
    if not clause["counts"]:
        word = "information" if clause["level"] == "INFO" else clause["reason"]
    reporter.write(f"{clause['id']:<12} {clause['level']:<6} ")
    reporter.write(f"{word:<14} ", **_COLOURS.get(word, {}))
    room = max(width - 35, 30)
    reporter.write_line(textwrap.shorten(clause["text"], room, placeholder=" …"))
    details = [clause["reason"]] if clause["reason"] and clause["counts"] else []
    if clause["verdict"] == "fail":
        details.append(f"a break means: {clause['effect']}")
    for detail in [*details, *(f"remark: {text}" for text in clause["remarks"])]:
        for line in textwrap.wrap(detail, max(width - len(_INDENT), 40), break_on_hyphens=False):
            reporter.write_line(_INDENT + line)


def _shortfalls(reporter: pytest.TerminalReporter, report: dict[str, Any], catalog: Catalog) -> None:
    found = [clause for clause in report["clauses"] if clause["shortfall"]]
    if not found:
        return
    reporter.write_sep("=", "shortfalls (SHOULD; they decide nothing)")
    for clause in found:
        for finding in clause["findings"]:
            reporter.write_line(finding_text(catalog[clause["id"]], finding))
            reporter.write_line("")


def progress_on(config: pytest.Config) -> Progress | None:
    """A way for a long test to say how far it is; None where no person watches."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not sys.stdout.isatty() or reporter.verbosity < 0:
        return None
    writer = config.get_terminal_writer()
    last, dirty = 0.0, False

    def progress(done: int, total: int, what: str) -> None:
        nonlocal last, dirty
        if not dirty if done >= total else time.monotonic() - last < _PROGRESS_PAUSE:
            return
        last, dirty = time.monotonic(), done < total
        room = max(writer.fullwidth - writer.width_of_current_line - 1, 0)
        shown = f" {done}/{total} {what}"[: min(room, 60)] if done < total else ""
        with _uncaptured(config):
            # behind the cursor, which goes back, and past pytest's writer, which counts its columns
            print(f"\x1b7{shown}\x1b[K\x1b8", end="", flush=True)

    return progress


def name_tests_by_module(config: pytest.Config) -> None:
    """Names tests as the report does, whatever folder the user stands in, and not by a path from there."""
    vars(config)["cwd_relative_nodeid"] = lambda nodeid: nodeid
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.startpath = config.rootpath


def speaker_on(config: pytest.Config) -> Callable[[str], None] | None:
    """A way to show a line while a test runs; None without a terminal of pytest's."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return None

    def speak(line: str) -> None:
        with _uncaptured(config):
            reporter.ensure_newline()
            reporter.write_line(f"wa-settings: {line}")

    return speak


def _uncaptured(config: pytest.Config) -> contextlib.AbstractContextManager[None]:
    capture = config.pluginmanager.get_plugin("capturemanager")
    if capture is None:
        return contextlib.nullcontext()
    disabled: contextlib.AbstractContextManager[None] = capture.global_and_fixture_disabled()
    return disabled
