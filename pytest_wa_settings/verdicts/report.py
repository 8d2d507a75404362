"""report.json: the run as a file, the one interface that every other format is rendered from."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pytest_wa_settings import __version__
from pytest_wa_settings.api.messages import joined
from pytest_wa_settings.verdicts.catalog import Catalog
from pytest_wa_settings.verdicts.decision import Outcome, Verdict, is_shortfall, sums
from pytest_wa_settings.wire.curl import FOLDER as BODIES

FORMAT = "urn:pytest-wa-settings:report:2"
NAME = "report.json"
_OF_A_BODY = re.compile(r"[0-9a-f]{16}\.(bin|format)")


@dataclass(frozen=True)
class RunFacts:
    """What a report says about the run itself.

    Attributes:
        testbed: its name. started: seconds since the epoch. seconds: how long it took.
        examples: how many each property was to draw. exchanges: requests made, all processes together.
        clients: as the testbed tells them. notes: what else a reader should know.
        options: those of the run that a replay needs, none of them a secret; None where there is no replay.
        messages: how many of each kind were as their schemas have them (`api.messages`).
        had: what the run had that its evidence may rest on ("restores", "consumer").
    """

    testbed: str
    started: float
    seconds: float
    profile: str
    strict: bool
    seed: int
    examples: int
    exchanges: int
    clients: Sequence[dict[str, Any]] = field(default_factory=list)
    notes: Sequence[str] = ()
    options: dict[str, Any] | None = None
    had: Sequence[str] = ()
    messages: Sequence[dict[str, Any]] = ()


def build_report(
    catalog: Catalog, outcomes: Sequence[Outcome], verdict: Verdict, facts: RunFacts
) -> dict[str, Any]:
    """The report as JSON values, valid against the schema "report"."""
    started = datetime.fromtimestamp(facts.started, timezone.utc)
    return {
        "schema": FORMAT,
        "suite": {"version": __version__, "catalog": catalog.version, "catalog_digest": catalog.digest},
        "run": {
            "started": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "seconds": round(facts.seconds, 3),
            "profile": facts.profile,
            "strict": facts.strict,
            "seed": facts.seed,
            "examples": facts.examples,
            "exchanges": facts.exchanges,
            **_for_a_replay(facts),
        },
        "clients": list(facts.clients),
        "verdict": verdict.verdict,
        "reason": verdict.reason,
        "notes": list(facts.notes),
        "sums": sums(outcomes, facts.strict),
        "clauses": [_clause(one, facts) for one in outcomes],
        "messages": list(facts.messages),
    }


def _for_a_replay(facts: RunFacts) -> dict[str, Any]:
    if facts.options is None:
        return {}
    return {"options": facts.options, "offers": [{"testbed": facts.testbed, "had": list(facts.had)}]}


def _clause(outcome: Outcome, facts: RunFacts) -> dict[str, Any]:
    clause = outcome.clause
    return {
        "id": clause.id,
        "testbed": facts.testbed,
        "level": clause.level,
        "text": clause.text,
        "source": clause.source,
        "effect": clause.effect,
        "verdict": outcome.verdict,
        "reason": outcome.reason,
        "kind": outcome.kind,
        "counts": outcome.counts,
        "shortfall": is_shortfall(outcome, facts.strict),
        "remarks": list(outcome.remarks),
        "tests": list(outcome.tests),
        "examples": outcome.examples,
        "evidence": [
            {name: value for name, value in one.items() if name != "clause"} for one in outcome.evidence
        ],
        "findings": [dict(one) for one in outcome.findings],
    }


def merge_reports(
    reports: Sequence[dict[str, Any]], verdicts: Sequence[Verdict], worst: Verdict
) -> dict[str, Any]:
    """One report of a run on several testbeds, from the report on each; the one itself where there is one."""
    if len(reports) == 1:
        return reports[0]
    first = reports[0]
    sums = {name: sum(one["sums"][name] for one in reports) for name in first["sums"]}
    exchanges = sum(one["run"]["exchanges"] for one in reports)
    offers = [offer for one in reports for offer in one["run"].get("offers", ())]
    told = {"offers": offers} if offers else {}
    return {
        **first,
        "run": {**first["run"], "exchanges": exchanges, **told},
        "clients": [client for one in reports for client in one["clients"]],
        "verdict": worst.verdict,
        "reason": worst.reason,
        "notes": list(dict.fromkeys(note for one in reports for note in one["notes"])),
        "sums": sums,
        "testbeds": [
            {
                "name": one["clauses"][0]["testbed"],
                "profile": one["run"]["profile"],
                "verdict": verdict.verdict,
                "reason": verdict.reason,
            }
            for one, verdict in zip(reports, verdicts, strict=True)
        ],
        "clauses": [clause for one in reports for clause in one["clauses"]],
        "messages": joined(one["messages"] for one in reports),
    }


_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


def write_report(folder: Path, report: dict[str, Any]) -> Path:
    """Writes the report into the folder, which it makes if need be; returns the file.

    The file appears whole or not at all. A link in its place is replaced, and not followed. Bodies that the
    curl lines of its findings read become files beside it; of one that cannot be written the report has a
    note.
    """
    folder.mkdir(parents=True, exist_ok=True)
    report = _with_files(folder, report)
    target = folder / NAME
    # a name that nobody can have laid a link under before, in the same folder so that it can be renamed
    unfinished = folder / f".{NAME}.{secrets.token_hex(8)}"
    handle = os.open(unfinished, _NEW_FILE, 0o666)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)
    return target


def _with_files(folder: Path, report: dict[str, Any]) -> dict[str, Any]:
    """The report without the contents of bodies, each of which is written to its file."""
    notes = list(report.get("notes", ()))
    clauses = []
    for clause in report["clauses"]:
        findings = []
        for finding in clause["findings"]:
            for name, content in finding.get("bodies", {}).items():
                try:
                    _write_body(folder / BODIES, name, b64decode(content))
                except OSError as error:
                    notes.append(
                        f"the curl line of {clause['id']} cannot be used: {BODIES}/{name} was not written "
                        f"({error.strerror})"
                    )
            findings.append({key: value for key, value in finding.items() if key != "bodies"})
        clauses.append({**clause, "findings": findings})
    return {**report, "notes": list(dict.fromkeys(notes)), "clauses": clauses}


def _write_body(folder: Path, name: str, content: bytes) -> None:
    """Writes a new file that its owner alone may read; what has its name, of an earlier run, gives way."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / name
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, _NEW_FILE, 0o600), "wb") as file:
        file.write(content)


def discard_report(folder: Path) -> None:
    """Removes an earlier run's report, so that a run that dies early does not seem to have made it.

    Where it is a link, the link goes, and not what it leads to.
    """
    with contextlib.suppress(FileNotFoundError):
        (folder / NAME).unlink()
    with contextlib.suppress(OSError):
        for path in (folder / BODIES).iterdir():
            if _OF_A_BODY.fullmatch(path.name):
                path.unlink()
        (folder / BODIES).rmdir()
