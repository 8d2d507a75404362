"""The readable text of a finding: what a person needs to see, and to see again, without the suite's code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pytest_wa_settings.verdicts.catalog import Clause
from pytest_wa_settings.verdicts.entries import FindingEntry

_LONGEST_BODY = 600
LOG_LINES = 8


def finding_text(clause: Clause, finding: FindingEntry) -> str:
    """One finding: clause and effect, what was sent, expected and observed, the exchanges, a curl line."""
    lines = [
        f"{clause.id} ({clause.level}): {clause.text}",
        f"  a break means: {clause.effect}",
        f"  sent:     {finding['sent']}",
        f"  expected: {finding['expected']}",
        f"  observed: {finding['observed']}",
    ]
    if finding["example"]:
        lines += ["  example:  " + "\n            ".join(finding["example"].splitlines())]
    for one in finding.get("broken", ()):
        lines.append(f"  schema:   {one['schema']} has {one['part']} at {one['pointer'] or 'its top'}")
    for exchange in finding["evidence"]:
        lines += exchange_lines(exchange)
    for name, log in finding.get("logs", {}).items():
        lines += [f"  {name} logged last", *(f"    {line}" for line in log.splitlines()[-LOG_LINES:])]
    if finding["curl"]:
        lines += ["  repeat it with", f"    {finding['curl']}"]
    return "\n".join(lines)


def findings_text(clauses: Mapping[str, Clause], findings: Iterable[FindingEntry]) -> str:
    """Several findings, a blank line between them."""
    return "\n\n".join(finding_text(clauses[one["clause"]], one) for one in findings)


def exchange_lines(exchange: Mapping[str, Any]) -> list[str]:
    """A redacted exchange: request and answer, each with its body."""
    number, client = exchange.get("number", "?"), exchange.get("client", "")
    status, failure = exchange.get("status"), exchange.get("failure")
    came = f"HTTP {status}" if status is not None else "no answer"
    came += f" ({failure})" if failure else ""
    seconds = exchange.get("seconds")
    took = f" after {seconds:.3g} s" if isinstance(seconds, (int, float)) else ""
    lines = [f"  exchange {number}, {client}: {exchange.get('method')} {exchange.get('url')}"]
    lines += _body(">", exchange.get("request_body"))
    lines.append(f"    {came}{took}")
    lines += _body("<", exchange.get("response_body"))
    return lines


def _body(arrow: str, text: object) -> list[str]:
    if not isinstance(text, str) or not text:
        return []
    shown = text if len(text) <= _LONGEST_BODY else text[:_LONGEST_BODY] + " […]"
    return [f"    {arrow} {line}" for line in shown.splitlines()]
