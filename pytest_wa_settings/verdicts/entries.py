"""What is kept of an ended test: plain JSON values, so that they can travel on pytest's own reports."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

import pytest

from pytest_wa_settings.testbed import Unavailable
from pytest_wa_settings.verdicts.outcomes import (
    Case,
    Evidence,
    Finding,
    FindingError,
    Kind,
    NotApplicable,
    NotTested,
)
from pytest_wa_settings.wire.inert import inert

Ended = Literal["pass", "fail", "not tested", "not applicable", "error"]
Scrub = Callable[[str], str]
LogOf = Callable[[str], str | None]

_LONGEST_TEXT = 4000
_MOST_FIELDS = 100
OWN_ASSERTIONS = "the test's own assertions"


class PlannedTest(TypedDict):
    """A collected test, before anything ran: what it may decide, and whether it will run.

    `left_out` is None for a test that runs, else why it does not ("deselected").
    """

    test: str
    clauses: list[str]
    widens: list[str]
    left_out: str | None


class BrokenRule(TypedDict):
    """A rule of a schema that a message breaks, and the part of the schema that holds it; see `Violation`."""

    schema: str
    pointer: str
    keyword: str
    rule: str
    part: str


class _Perhaps(TypedDict, total=False):
    broken: list[BrokenRule]
    logs: dict[str, str]
    bodies: dict[str, str]


class FindingEntry(_Perhaps):
    """A finding with its evidence; `exchanges` are numbers in the run, `evidence` the redacted exchanges.

    `logs` holds what the clients of these exchanges wrote last, by name, where the testbed can see it;
    `bodies` the files that the curl line reads, by name, in base64, until they stand in the report's folder.
    """

    clause: str
    sent: str
    expected: str
    observed: str
    example: str | None
    curl: str | None
    exchanges: list[int]
    evidence: list[dict[str, Any]]


class EvidenceEntry(TypedDict):
    """What one judgement of a clause rests on; `test` is where it was made. See `Evidence`."""

    clause: str
    test: str
    judgement: str
    exchanges: int
    fields: list[str]
    control: str | None


class Entry(TypedDict):
    """How a test ended. `reason` says why it did not pass; `seconds` is its call alone.

    `kind` is that of a *not tested*. `unproven`: the clauses that it planned to judge and passed without
    evidence; such a pass is none.
    """

    test: str
    clauses: list[str]
    widens: list[str]
    outcome: Ended
    reason: str | None
    kind: Kind | None
    evidence: list[EvidenceEntry]
    unproven: list[str]
    findings: list[FindingEntry]
    remarks: list[str]
    examples: int
    seconds: float


def no_log(client: str) -> str | None:
    """Knows no client's log."""
    return None


@dataclass(frozen=True)
class Means:
    """By what an entry is made.

    Attributes:
        scrub: hides secrets in what comes from elsewhere.
        wording: hides them in the suite's own sentences; absent: `scrub`.
        log_of: a client's last lines, by its name. report: the folder of the report, if one is written.
    """

    scrub: Scrub = str
    wording: Scrub | None = None
    log_of: LogOf = no_log
    report: Path | None = None

    def worded(self, text: str) -> str:
        """A sentence of the suite's own, without secrets."""
        return plain(text, self.wording or self.scrub)


def entry_of(
    planned: PlannedTest,
    case: Case | None,
    error: BaseException | None,
    *,
    seconds: float = 0.0,
    means: Means = Means(),
    own: bool = False,
) -> Entry:
    """The entry of a test that ended with `error`, or without one.

    Only a finding makes it fail; a finding that the case recorded counts like a raised one, so that a
    property that cannot show it twice (Hypothesis' Flaky) fails all the same. `own`: it is a user's, whose
    assertions are its evidence where it passes and enters none.
    """
    findings = _findings(case, error)
    known = {*planned["clauses"], *planned["widens"]}
    evidence = case.evidence if case else ()
    proven = {one.clause for one in evidence}
    foreign = sorted(findings.keys() - known)
    outcome, reason, kind = _outcome(error)
    own_words = bool(findings) or all(isinstance(leaf, NotTested) for leaf in leaves(error))
    if findings:
        outcome, reason, kind = "fail", "see " + ", ".join(sorted(findings)), None
    if foreign:
        outcome, kind = "error", None
        reason = f"its finding names {', '.join(foreign)}, which this test does not decide"
    asserted = sorted(known - proven) if own and outcome == "pass" else []
    evidence += tuple(Evidence(name, OWN_ASSERTIONS, exchanges=0) for name in asserted)
    return Entry(
        test=planned["test"],
        clauses=planned["clauses"],
        widens=planned["widens"],
        outcome=outcome,
        reason=None if reason is None else means.worded(reason) if own_words else plain(reason, means.scrub),
        kind=kind,
        evidence=[_evidence_entry(one, planned["test"], means) for one in evidence],
        unproven=[] if own else [name for name in planned["clauses"] if name not in proven],
        findings=[_finding_entry(one, means) for name, one in findings.items() if name in known],
        remarks=[means.worded(text) for text in case.remarks] if case else [],
        examples=case.examples_run if case else 0,
        seconds=round(seconds, 6),
    )


def plain(text: str, scrub: Scrub = str) -> str:
    """The text without secrets, lone surrogates, control characters and commands of CI systems.

    Any file or channel can carry it, a log of a pipeline among them.
    """
    safe = scrub(text).encode("utf-8", "backslashreplace").decode("utf-8")
    safe = "".join(char if char.isprintable() or char in "\n\t" else repr(char)[1:-1] for char in safe)
    safe = inert(safe)
    return safe if len(safe) <= _LONGEST_TEXT else safe[:_LONGEST_TEXT] + " […]"


def _findings(case: Case | None, error: BaseException | None) -> dict[str, Finding]:
    """Findings by clause; a raised one (the smallest, after shrinking) stands before a recorded one."""
    recorded = {finding.clause: finding for finding in (case.recorded if case else ())}
    raised = {leaf.finding.clause: leaf.finding for leaf in leaves(error) if isinstance(leaf, FindingError)}
    return {**recorded, **raised}


def leaves(error: BaseException | None) -> Iterator[BaseException]:
    """The exception itself, or the members of an exception group (Hypothesis raises such)."""
    if error is None:
        return
    members = getattr(error, "exceptions", None)
    if isinstance(members, (tuple, list)) and members:
        for member in members:
            yield from leaves(member)
    else:
        yield error


def _outcome(error: BaseException | None) -> tuple[Ended, str | None, Kind | None]:
    if error is None:
        return "pass", None, None
    broken = [leaf for leaf in leaves(error) if not isinstance(leaf, (pytest.skip.Exception, Unavailable))]
    if broken:
        return "error", told(broken[0]), None
    quiet = list(leaves(error))
    if all(isinstance(leaf, NotApplicable) for leaf in quiet):
        return "not applicable", told(quiet[0]), None
    first = quiet[0]
    return "not tested", told(first), first.kind if isinstance(first, NotTested) else "not offered"


def told(error: BaseException) -> str:
    """An exception in one line: what is wrong and what to do, where it knows that."""
    if isinstance(error, NotTested):
        return error.reason
    if isinstance(error, (pytest.skip.Exception, pytest.fail.Exception)):
        return str(error.msg)
    problem, remedy = getattr(error, "problem", None), getattr(error, "remedy", None)
    if isinstance(problem, str):
        return f"{problem.rstrip('.')}; {remedy}" if remedy else problem
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _evidence_entry(one: Evidence, test: str, means: Means) -> EvidenceEntry:
    return EvidenceEntry(
        clause=one.clause,
        test=test,
        judgement=means.worded(one.judgement),
        exchanges=one.exchanges,
        fields=[means.worded(name) for name in one.fields[:_MOST_FIELDS]],
        control=None if one.control is None else means.worded(one.control),
    )


def _finding_entry(finding: Finding, means: Means) -> FindingEntry:
    exchanges = [answer.exchange for answer in finding.answers]
    found = {name: means.log_of(name) for name in dict.fromkeys(exchange.client for exchange in exchanges)}
    logs = {name: plain(text, means.scrub) for name, text in found.items() if text}
    # redacted when they were recorded; the API's own names must not suffer from what is a secret since
    hide = means.wording or means.scrub
    again = exchanges[-1].repeat(means.report, hide) if exchanges else None
    entry = FindingEntry(
        clause=finding.clause,
        sent=means.worded(finding.sent),
        expected=means.worded(finding.expected),
        observed=means.worded(finding.observed),
        example=None if finding.example is None else plain(finding.example, means.scrub),
        curl=again.line if again else None,
        exchanges=[exchange.number for exchange in exchanges],
        evidence=[_jsonable(exchange.as_dict(), hide) for exchange in exchanges],
    )
    if finding.broken:
        entry["broken"] = [
            BrokenRule(
                schema=one.schema, pointer=one.pointer, keyword=one.keyword, rule=one.rule, part=one.part
            )
            for one in finding.broken
        ]
    if logs:
        entry["logs"] = logs
    if again and again.name is not None:
        entry["bodies"] = {again.name: b64encode(again.content).decode("ascii")}
    return entry


def _jsonable(value: Any, scrub: Scrub) -> Any:
    if isinstance(value, dict):
        return {str(key): _jsonable(item, scrub) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item, scrub) for item in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return plain(str(value), scrub)
