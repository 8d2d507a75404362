"""What the terminal shows of a run, rendered from the report and nothing else."""

from __future__ import annotations

import contextlib
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_wa_settings import __version__
from pytest_wa_settings.session.cards import cards
from pytest_wa_settings.session.run import Run
from pytest_wa_settings.verdicts.catalog import Catalog
from pytest_wa_settings.verdicts.decision import Verdict
from pytest_wa_settings.verdicts.outcomes import Progress
from pytest_wa_settings.verdicts.report import write_report

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
_LONGEST_LAST_LINE = 160


def header(run: Run, catalog: Catalog, untested: list[str], *, dry: bool) -> list[str]:
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
    if dry:
        return lines + untested
    if untested:
        missing = "1 thing is" if len(untested) == 1 else f"{len(untested)} things are"
        lines.append(f"not all can be tested: {missing} missing here, see wa-settings check")
    return lines


def verdict_lines(verdict: Verdict) -> list[tuple[str, dict[str, bool]]]:
    """The very last line, with its colour; before it the whole reason of a run that came to nothing."""
    last = verdict_line(verdict)
    whole = f"{verdict.verdict}: {verdict.reason}"
    came_to_nothing = verdict.reason.startswith("nothing was tested") and last[0] != whole
    return [(verdict.reason, {}), last] if came_to_nothing else [last]


def verdict_line(verdict: Verdict) -> tuple[str, dict[str, bool]]:
    """The very last line, and its colour; never long."""
    line = f"{verdict.verdict}: {verdict.reason}"
    return textwrap.shorten(line, _LONGEST_LAST_LINE, placeholder=" …"), _COLOURS[verdict.verdict]


def report_line(folder: Path, report: dict[str, Any]) -> tuple[str, dict[str, bool]]:
    """Writes the report; the line that says where it is, or why it is nowhere: the verdict stands."""
    try:
        return f"report: {write_report(folder, report)}", {}
    except OSError as error:
        why = error.strerror or type(error).__name__
        return f"no report could be written into {folder} ({why}); free the place, then run again", {
            "red": True
        }


def show(
    reporter: pytest.TerminalReporter,
    report: dict[str, Any],
    catalog: Catalog,
    *,
    folder: Path | None = None,
    only: Collection[str] | None = None,
) -> None:
    """A row a section, a card a red clause, what was not tested by reason, the sums; more under -v, -vv."""
    width = reporter.config.get_terminal_writer().fullwidth
    several = report.get("testbeds") or [{"name": None, "profile": report["run"]["profile"]}]
    for testbed in several:
        name = testbed["name"]
        told = f"testbed {name}, " if name else ""
        reporter.write_sep("=", f"{told}clauses, profile {testbed['profile']}")
        clauses = [one for one in report["clauses"] if name is None or one["testbed"] == name]
        clauses = [one for one in clauses if only is None or one["id"] in only]
        if reporter.verbosity > 0:
            for clause in clauses:
                _row(reporter, clause, width, remarks=reporter.verbosity > 1)
        elif reporter.verbosity == 0:
            for line in section_rows(clauses):
                reporter.write_line(line)
        for line in untested_lines(clauses, width):
            reporter.write_line(line, **_COLOURS["not tested"])
        if name:
            reporter.write_line(f"{name}: {testbed['verdict']}: {testbed['reason']}")
    asked = [one for one in report["clauses"] if only is None or one["id"] in only]
    shown = list(cards(asked, catalog, width, None if folder is None else str(folder)))
    if shown:
        reporter.write_sep("=", "what was found")
    for line in shown:
        reporter.write_line(line, **(_COLOURS["fail"] if line.startswith("-- ") else {}))
    reporter.write_line(sums_line(report["sums"]))
    for line in _counted(report, reporter.verbosity):
        reporter.write_line(line)


def section_rows(clauses: list[dict[str, Any]]) -> list[str]:
    """For each section how many of its clauses pass, of those that this run was to judge."""
    sections: dict[str, list[dict[str, Any]]] = {}
    for clause in clauses:
        if clause["counts"] and clause["kind"] != "deselected":
            sections.setdefault(clause["id"].rpartition("-")[0], []).append(clause)
    rows = []
    for name, members in sections.items():
        passed = sum(one["verdict"] == "pass" for one in members)
        others = Counter(
            "shortfall" if one["shortfall"] else one["verdict"] for one in members if one["verdict"] != "pass"
        )
        told = "".join(f", {count} {verdict}" for verdict, count in others.items())
        rows.append(f"{name:<10}{passed} of {len(members)}{told}")
    return rows


def untested_lines(clauses: list[dict[str, Any]], width: int) -> list[str]:
    """What was not tested or is in error, grouped by why; what nobody asked for is a number."""
    reasons: dict[tuple[str, str], list[str]] = {}
    aside: Counter[str] = Counter()
    for clause in clauses:
        if clause["kind"] == "deselected" or (not clause["counts"] and clause["level"] != "INFO"):
            aside["deselected" if clause["counts"] else str(clause["reason"])] += 1
        elif clause["counts"] and clause["verdict"] in ("not tested", "error"):
            reasons.setdefault((clause["verdict"], str(clause["reason"])), []).append(clause["id"])
    lines = []
    for (verdict, reason), ids in reasons.items():
        text = f"{verdict}: {', '.join(ids)}: {reason}"
        lines += textwrap.wrap(text, max(width, 40), subsequent_indent="  ", break_on_hyphens=False)
    if aside:
        parts = ", ".join(f"{count} {why}" for why, count in aside.items())
        lines.append(f"not asked for: {sum(aside.values())} clauses ({parts})")
    return lines


def _counted(report: dict[str, Any], verbosity: int) -> Iterator[str]:
    remarks = sum(len(clause["remarks"]) for clause in report["clauses"])
    if remarks and verbosity < 2:
        yield f"{remarks} remark{'s' * (remarks > 1)} (-vv shows them)"
    line = messages_line(report["messages"])
    if line is not None:
        yield line
    for note in report["notes"]:
        yield f"note: {note}"


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


def _row(reporter: pytest.TerminalReporter, clause: dict[str, Any], width: int, *, remarks: bool) -> None:
    word = "shortfall" if clause["shortfall"] else clause["verdict"]
    if not clause["counts"]:
        word = "information" if clause["level"] == "INFO" else clause["reason"]
    reporter.write(f"{clause['id']:<12} {clause['level']:<6} ")
    reporter.write(f"{word:<14} ", **_COLOURS.get(word, {}))
    room = max(width - 35, 30)
    reporter.write_line(textwrap.shorten(clause["text"], room, placeholder=" …"))
    told = clause["remarks"] if remarks else ()
    for detail in (f"remark: {text}" for text in told):
        for line in textwrap.wrap(detail, max(width - len(_INDENT), 40), break_on_hyphens=False):
            reporter.write_line(_INDENT + line)


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
