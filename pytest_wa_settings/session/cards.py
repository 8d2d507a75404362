"""The cards of a run: one a red clause, with all that a reader needs; rendered from the report alone."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pytest_wa_settings.verdicts.catalog import Catalog
from pytest_wa_settings.verdicts.wording import LOG_LINES, exchange_lines

_LABEL = 11
_MOST_TESTS = 3
_NARROWEST = 40


def cards(
    clauses: Iterable[Mapping[str, Any]], catalog: Catalog, width: int, folder: str | None
) -> Iterator[str]:
    """The lines of all cards, a blank line after each; `folder` is where the report will be, or None."""
    for clause in clauses:
        if clause["findings"]:
            yield from card(clause, catalog, width, folder)
            yield ""


def card(clause: Mapping[str, Any], catalog: Catalog, width: int, folder: str | None) -> Iterator[str]:
    """One clause: what it asks, what was sent, expected and received, what that means, how to see it."""
    width = max(width, _NARROWEST)
    word = "shortfall" if clause["shortfall"] else clause["verdict"]
    head = f"-- {clause['id']} {clause['level']} {word} "
    yield head + "-" * (width - len(head))
    yield from textwrap.wrap(clause["text"], width, break_on_hyphens=False)
    for sentence in catalog[clause["id"]].sentence if clause["id"] in catalog else ():
        yield f"  {sentence}"
    groups = _by_cause(clause["findings"])
    for number, findings in enumerate(groups):
        if number:
            yield ""
        yield from _finding(findings, width)
    yield from _line("means", clause["effect"], width)
    for number, test in enumerate(_tests(clause)):
        yield f"  {'' if number else 'in':<{_LABEL - 2}}{test}"
    if folder is not None:
        yield f"  {'evidence':<{_LABEL - 2}}{folder}/report.json, {_exchanges(clause)}"
    yield f"  {'again':<{_LABEL - 2}}{_again(clause, folder)}"  # to be copied: never wrapped


def _by_cause(findings: Iterable[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Findings that differ in what was sent alone have one cause."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for finding in findings:
        groups.setdefault((finding["expected"], finding["observed"]), []).append(finding)
    return list(groups.values())


def _finding(findings: list[Mapping[str, Any]], width: int) -> Iterator[str]:
    first = findings[0]
    more = f" (and {len(findings) - 1} more calls of this kind)" if len(findings) > 1 else ""
    yield from _line("sent", first["sent"] + more, width)
    yield from _line("expected", first["expected"], width)
    yield from _line("received", first["observed"], width)
    for one in first.get("broken", ()):
        yield from _line("schema", f"{one['schema']} at {one['pointer'] or 'its top'}: {one['part']}", width)
    if first.get("example"):
        yield from _line("example", " ".join(first["example"].split()), width)
    for exchange in first.get("evidence", ())[-1:]:
        yield from exchange_lines(exchange)
    for name, log in first.get("logs", {}).items():
        yield f"  {name} logged last"
        yield from (f"    {line}" for line in log.splitlines()[-LOG_LINES:])
    if first.get("curl"):
        yield f"  {'repeat':<{_LABEL - 2}}{first['curl']}"


def _tests(clause: Mapping[str, Any]) -> list[str]:
    tests = clause["tests"]
    times = len(clause["findings"])
    shown = [*tests[:_MOST_TESTS]]
    shown[0] += f" ({times} findings)" if times > 1 else ""
    return [*shown, f"and {len(tests) - _MOST_TESTS} more"] if len(tests) > _MOST_TESTS else shown


def _exchanges(clause: Mapping[str, Any]) -> str:
    numbers = sorted({number for finding in clause["findings"] for number in finding["exchanges"]})
    named = ", ".join(map(str, numbers[:6])) + (" …" if len(numbers) > 6 else "")
    return f"exchange{'s' * (len(numbers) != 1)} {named}" if numbers else "no exchange"


def _again(clause: Mapping[str, Any], folder: str | None) -> str:
    if folder is None:
        return f"the same command with --wa-only {clause['id']}"
    return f"wa-settings replay {folder} {clause['id']}"


def _line(label: str, text: str, width: int) -> Iterator[str]:
    first, rest = f"  {label:<{_LABEL - 2}}", " " * _LABEL
    lines = textwrap.wrap(text, max(width - _LABEL, _NARROWEST // 2), break_on_hyphens=False) or [""]
    for number, line in enumerate(lines):
        yield f"{rest if number else first}{line}"
