"""Every rule that turns how tests ended into verdicts: pure, and the only place where one is decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_wa_settings.verdicts.catalog import Catalog, Clause
from pytest_wa_settings.verdicts.entries import Entry, EvidenceEntry, FindingEntry, PlannedTest
from pytest_wa_settings.verdicts.outcomes import Kind

ClauseVerdict = Literal["pass", "fail", "not tested", "not applicable", "error"]
RunVerdict = Literal["conformant", "non-conformant", "inconclusive"]

RISING: tuple[ClauseVerdict, ...] = ("not applicable", "pass", "not tested", "error", "fail")
"""Clause verdicts only rise along this order: several tests of one clause give the highest."""

NOT_IN_PROFILE: Kind = "not in profile"
UNPROVEN = "its tests ended without evidence that the clause is kept"
INFORMATION = "INFO: not testable from outside"


@dataclass(frozen=True)
class Ending:
    """How the run itself ended, which decides what becomes of tests that never ran.

    Attributes:
        kind: "finished"; "stopped" early (-x); "interrupted" (Ctrl-C, SIGTERM); "broken" (nothing could be
            tested).
        reason: one sentence, for all but "finished".
    """

    kind: Literal["finished", "stopped", "interrupted", "broken"] = "finished"
    reason: str = "it was planned and never ran"


@dataclass(frozen=True)
class Outcome:
    """How a clause ended. `counts` is False for INFO and for what the profile leaves out."""

    clause: Clause
    verdict: ClauseVerdict
    reason: str | None
    counts: bool = True
    remarks: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    examples: int = 0
    findings: tuple[FindingEntry, ...] = ()
    kind: Kind | None = None
    evidence: tuple[EvidenceEntry, ...] = ()


@dataclass(frozen=True)
class Rung:
    """What one test says about one clause; `kind` is that of a *not tested*."""

    verdict: ClauseVerdict
    reason: str | None = None
    kind: Kind | None = None


@dataclass(frozen=True)
class Verdict:
    """What a run comes to: the verdict, its reason in one sentence, and pytest's exit status."""

    verdict: RunVerdict
    reason: str
    exit_status: int


def clause_outcomes(
    catalog: Catalog,
    profile: str,
    plan: Sequence[PlannedTest],
    entries: Sequence[Entry],
    lost: dict[str, str],
    ending: Ending,
) -> tuple[Outcome, ...]:
    """The outcome of each clause of the catalog, in its order.

    Args:
        lost: tests whose process died while they ran, with what to say about it.
    """
    return tuple(
        _uncounted(clause, profile) or _outcome(clause, plan, entries, lost, ending) for clause in catalog
    )


def _uncounted(clause: Clause, profile: str) -> Outcome | None:
    if clause.level == "INFO":
        return Outcome(clause, "not tested", INFORMATION, counts=False)
    if profile not in clause.profiles:
        return Outcome(clause, "not tested", NOT_IN_PROFILE, counts=False, kind=NOT_IN_PROFILE)
    return None


def _outcome(
    clause: Clause,
    plan: Sequence[PlannedTest],
    entries: Sequence[Entry],
    lost: dict[str, str],
    ending: Ending,
) -> Outcome:
    own = [entry for entry in entries if clause.id in entry["clauses"] or clause.id in entry["widens"]]
    rungs = [rung for entry in own for rung in rungs_of(clause.id, entry)]
    rungs += _missing(clause.id, plan, {entry["test"] for entry in own}, lost, ending)
    if not rungs:
        none_ran = Rung("not tested", "no test of it ran", "deselected")
        rungs = [Rung("error", ending.reason) if ending.kind == "broken" else none_ran]
    verdict = max((rung.verdict for rung in rungs), key=RISING.index)
    highest = [rung for rung in rungs if rung.verdict == verdict]
    reasons = dict.fromkeys(rung.reason for rung in highest if rung.reason)
    return Outcome(
        clause,
        verdict,
        "; ".join(reasons) or None,
        remarks=tuple(dict.fromkeys(text for entry in own for text in _remarks(clause.id, entry))),
        tests=tuple(dict.fromkeys(entry["test"] for entry in own)),
        examples=sum(entry["examples"] for entry in own),
        findings=tuple(one for entry in own for one in entry["findings"] if one["clause"] == clause.id),
        kind=next((rung.kind for rung in highest if rung.kind), None),
        evidence=tuple(one for entry in own for one in entry["evidence"] if one["clause"] == clause.id),
    )


def rungs_of(clause: str, entry: Entry) -> list[Rung]:
    """What one test says about one clause: nothing, where it only widens it and could not judge it.

    A pass counts with its evidence alone.
    """
    findings = [one for one in entry["findings"] if one["clause"] == clause]
    if findings:
        return [
            Rung("fail", f"{one['sent']}: {one['observed']} (expected: {one['expected']})")
            for one in findings
        ]
    ended, reason, kind = entry["outcome"], entry["reason"], entry["kind"]
    if ended == "fail":
        ended, kind = "not tested", "blocked by"
    if ended == "pass" and clause in entry["unproven"]:
        ended, reason, kind = "not tested", UNPROVEN, "no evidence"
    if clause in entry["widens"] and ended in ("not tested", "not applicable"):
        return []
    if clause in entry["widens"] and ended == "pass" and not _is_proven(clause, entry):
        return []
    return [Rung(ended, reason, kind)]


def _is_proven(clause: str, entry: Entry) -> bool:
    return any(one["clause"] == clause for one in entry["evidence"])


def _remarks(clause: str, entry: Entry) -> list[str]:
    texts = list(entry["remarks"])
    if clause in entry["widens"] and not rungs_of(clause, entry) and entry["reason"]:
        texts.append(f"{entry['test']} could not widen it: {entry['reason']}")
    return texts


def _missing(
    clause: str, plan: Sequence[PlannedTest], ran: set[str], lost: dict[str, str], ending: Ending
) -> list[Rung]:
    """What the planned tests of a clause say that did not end."""
    rungs: list[Rung] = []
    for test in plan:
        named = clause in test["clauses"] or clause in test["widens"]
        if test["test"] in lost and named:
            rungs.append(Rung("error", lost[test["test"]]))
        elif clause not in test["clauses"] or test["test"] in ran:
            continue
        elif test["left_out"] is not None:
            left_out = Rung("not tested", test["left_out"], "deselected")
            rungs += [] if test["left_out"] == NOT_IN_PROFILE else [left_out]
        elif ending.kind in ("stopped", "interrupted"):
            rungs.append(Rung("not tested", ending.reason, "stopped"))
        else:
            rungs.append(Rung("error", ending.reason))
    return rungs


def run_verdict(
    outcomes: Sequence[Outcome],
    profile: str,
    *,
    ending: Ending = Ending(),
    strict: bool = False,
    allow_not_tested: bool = False,
) -> Verdict:
    """The run's verdict: a MUST decides, under `strict` a SHOULD, too.

    The exit status is 0 for conformant, 2 after an interrupt, else 1; `allow_not_tested` gives 0 for an
    inconclusive run that nothing but *not tested* keeps from being conformant.
    """
    deciding = [one for one in outcomes if one.counts and decides(one.clause, strict)]
    by_verdict = {name: [one for one in deciding if one.verdict == name] for name in RISING}
    verdict: RunVerdict = "conformant"
    if by_verdict["fail"]:
        verdict = "non-conformant"
    elif by_verdict["error"] or by_verdict["not tested"] or not by_verdict["pass"]:
        verdict = "inconclusive"
    status = 0 if verdict == "conformant" else 1
    tolerable = not by_verdict["error"] and bool(by_verdict["pass"]) and ending.kind == "finished"
    if verdict == "inconclusive" and allow_not_tested and tolerable:
        status = 0
    if ending.kind == "interrupted":
        status = 2
    return Verdict(verdict, _reason(by_verdict, len(deciding), profile, ending, strict), status)


def worst_of(names: Sequence[str], verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict of a run on several testbeds: the worst of theirs, and why; the one itself of one."""
    if len(verdicts) == 1:
        return verdicts[0]
    order: tuple[RunVerdict, ...] = ("non-conformant", "inconclusive", "conformant")
    name, worst = min(zip(names, verdicts, strict=True), key=lambda one: order.index(one[1].verdict))
    alike = sum(one.verdict == worst.verdict for one in verdicts)
    reason = f"{alike} of {len(verdicts)} testbeds: {name}: {worst.reason}"
    if worst.verdict == "conformant":
        reason = f"all {len(verdicts)} testbeds"
    return Verdict(worst.verdict, reason, max(one.exit_status for one in verdicts))


def decides(clause: Clause, strict: bool) -> bool:
    """Whether a clause of this level decides a certificate."""
    return clause.level == "MUST" or (strict and clause.level == "SHOULD")


def is_shortfall(outcome: Outcome, strict: bool) -> bool:
    """Whether a clause fails without deciding anything."""
    return outcome.verdict == "fail" and not decides(outcome.clause, strict)


def sums(outcomes: Iterable[Outcome], strict: bool) -> dict[str, int]:
    """How many clauses ended how; `clauses` is their number, and all others together are it."""
    names = (
        "pass",
        "fail",
        "shortfall",
        "not tested",
        "not applicable",
        "error",
        NOT_IN_PROFILE,
        "information",
    )
    counted = dict.fromkeys(names, 0)
    for one in outcomes:
        if one.clause.level == "INFO":
            counted["information"] += 1
        elif not one.counts:
            counted[NOT_IN_PROFILE] += 1
        elif is_shortfall(one, strict):
            counted["shortfall"] += 1
        else:
            counted[one.verdict] += 1
    return {"clauses": sum(counted.values()), **counted}


def _reason(
    by_verdict: dict[ClauseVerdict, list[Outcome]], deciding: int, profile: str, ending: Ending, strict: bool
) -> str:
    what = "MUST and SHOULD" if strict else "MUST"
    failing, passing = by_verdict["fail"], by_verdict["pass"]
    if failing:
        first = failing[0]
        told = f"{first.clause.id} fails ({first.clause.effect})"
        return f"{told}{_and_more('; so do', failing[1:])}: {first.reason}"
    if ending.kind == "broken" and not passing:
        return f"nothing was tested: {ending.reason}"
    parts = []
    for name, verb in (("error", "in error"), ("not tested", "not tested")):
        found = by_verdict[name]  # type: ignore[index]
        if found:
            first = found[0]
            told = f"{len(found)} of {deciding} {what} clauses {_be(len(found))} {verb}: "
            parts.append(f"{told}{first.clause.id}{_and_more(',', found[1:])} ({first.reason})")
    if parts:
        return "; ".join(parts)
    if not passing:
        return f"no {what} clause of profile {profile} was judged"
    spared = len(by_verdict["not applicable"])
    note = f", {spared} {_be(spared)} not applicable" if spared else ""
    return f"all {len(passing)} {what} clauses of profile {profile} pass{note}"


def _be(number: int) -> str:
    return "is" if number == 1 else "are"


def _and_more(joint: str, outcomes: Sequence[Outcome]) -> str:
    """The ids of the others, a handful by name."""
    if not outcomes:
        return ""
    names = ", ".join(one.clause.id for one in outcomes[:6])
    rest = f" and {len(outcomes) - 6} more" if len(outcomes) > 6 else ""
    return f"{joint} {names}{rest}"
