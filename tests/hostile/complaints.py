"""What is wrong with a run against a client that misbehaves: a pure judgement over its outcome."""

from __future__ import annotations

import re
from collections.abc import Iterator

from command import Outcome
from misbehaving import Case

from pytest_wa_settings import schemas

PEAK_MB = 300
RED = ("fail", "waived")
OURS = (
    "Traceback (most recent call last)",
    "INTERNALERROR",
    "site-packages",
    "ResourceWarning",
    "Exception ignored",
)
VERDICTS = ("inconclusive", "non-conformant")
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u202a-\u202e\u2066-\u2069]")


def complaints(case: Case, outcome: Outcome) -> list[str]:
    """One sentence for each thing that a run against `case` must not do, or must and did not."""
    return [*_end(case, outcome), *_words(case, outcome), *_report(case, outcome)]


def _end(case: Case, outcome: Outcome) -> Iterator[str]:
    if outcome.status is None:
        yield f"it did not end within {case.limit:g} s"
    elif outcome.status != 1:
        yield f"its exit status is {outcome.status}, not 1"
    if outcome.peak_mb > PEAK_MB:
        yield f"it took {outcome.peak_mb} MB at its peak"
    if outcome.left_behind:
        yield f"it left {', '.join(outcome.left_behind)} where it stood"


def _words(case: Case, outcome: Outcome) -> Iterator[str]:
    for ours in OURS:
        if ours in outcome.terminal:
            yield f"the terminal shows {ours!r}"
    control = CONTROL.search(outcome.terminal)
    if control is not None:
        yield f"the terminal was sent the control character {control[0]!r}"
    longest = max(map(len, outcome.terminal.splitlines()), default=0)
    if longest > 2000:
        yield f"a line of the terminal has {longest} characters"
    last, report = outcome.tail(1), outcome.report or {}
    # the last line is cut where it is long: the report has the whole sentence
    whole = f"{report['verdict']}: {report['reason']}" if "reason" in report else last
    if not last.startswith(VERDICTS):
        yield "the last line is no verdict"
    elif not whole.startswith(last.removesuffix(" …").rstrip()):
        yield "the last line is not what the report says"
    elif not re.search(case.says, whole):
        yield f"neither the last line nor the report says {case.says!r}"
    if not any(re.search(case.tells, line) for line in outcome.terminal.splitlines()):
        yield f"no line says {case.tells!r}"


def _report(case: Case, outcome: Outcome) -> Iterator[str]:
    if outcome.report is None:
        yield "there is no report.json"
        return
    for problem in schemas.problems("report", outcome.report)[:3]:
        yield f"report.json is not valid: {problem}"
    verdict = outcome.report.get("verdict")
    if verdict not in VERDICTS:
        yield f"the report's verdict is {verdict!r}"
    elif not outcome.tail(1).startswith(f"{verdict}: "):
        yield f"the report says {verdict}, the last line does not"
    verdicts = outcome.verdicts()
    for clause in case.never_passes:
        if verdicts.get(clause) == "pass":
            yield f"{clause} passes"
    for clause in case.fails:
        if verdicts.get(clause) not in RED:
            yield f"{clause} is {verdicts.get(clause)!r}, not red"
    for clause in case.spares:
        if verdicts.get(clause) in RED:
            yield f"{clause} is red"
