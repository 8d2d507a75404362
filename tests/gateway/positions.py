"""Runs of the suite with one bad answer of a gateway: which positions there are, what one does to a run."""

from __future__ import annotations

import json
import random
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "detection"))

import detecting
from one_bad_answer import CLOSING, LOG, STATUSES, WHICH, Bad, Seen, Way

_ONLY_READ = ("POST /v1/users/login", "POST /v1/contacts")


@dataclass(frozen=True)
class Subject:
    """What a profile is run against: the options that name it, and the environment that these need."""

    options: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """What a run said, clause by clause and test by test; every exchange of it, and who judged what together.

    Attributes:
        selected: the tests that were asked for; empty for all.
        tests: what each said of its clauses, and how it ended.
        episodes: the names of what was made once and judged by several tests, by test.
    """

    selected: tuple[str, ...]
    verdict: str
    said: str
    exchanges: Sequence[Seen]
    episodes: Mapping[str, AbstractSet[str]]
    clauses: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    tests: Mapping[str, str] = field(default_factory=dict)

    def restores(self, test: str) -> tuple[int, int]:
        """How many restores of a test clients accepted, and how many more they may have carried out."""
        sent = [one for one in self.exchanges if one.test == test and one.restore]
        accepted = sum(one.status is not None and 200 <= one.status < 300 for one in sent)
        return accepted, sum(one.status is None and one.bad != "before" for one in sent)

    def together(self, test: str) -> list[str]:
        """The test, and those that judge the same episodes: what goes wrong in one shows in them."""
        own = self.episodes.get(test, frozenset())
        return [one for one in self.tests if one == test or own & self.episodes.get(one, frozenset())]


def run(subject: Subject, *bad: Bad, tests: Sequence[str] = (), own: str | None = None) -> Run:
    """Runs the suite against a subject, or some tests of it (`module::name`), from an empty folder.

    `own` is a module of a user's own tests, which are run in the suite's place.
    """
    with tempfile.TemporaryDirectory(prefix="wa-positions-") as name:
        folder = Path(name)
        arguments = ["-q", "-p", "one_bad_answer", *subject.options, "--junitxml", "junit.xml"]
        if own is None:
            arguments += ["--wa-examples", "1", "--wa-report", "report"]
        else:
            (folder / "test_own.py").write_text(own)
            arguments.append("test_own.py")
        functions = sorted({detecting.function(one) for one in tests})
        arguments += ["-k", " or ".join(functions)] if functions else []
        environment = {
            **subject.environment,
            "XDG_STATE_HOME": str(folder / "state"),
            LOG: str(folder / "exchanges"),
            WHICH: json.dumps([asdict(one) for one in bad]),
        }
        detecting.in_a_fork(name, arguments, environment)
        return _read(folder, tuple(tests))


def _read(folder: Path, selected: tuple[str, ...]) -> Run:
    said = (folder / "said").read_text("utf-8", "replace")
    exchanges: list[Seen] = []
    episodes: dict[str, set[str]] = {}
    log, junit, report = folder / "exchanges", folder / "junit.xml", folder / "report" / "report.json"
    for line in log.read_text().splitlines() if log.exists() else ():
        noted = json.loads(line)
        if "episode" in noted:
            episodes.setdefault(noted["test"], set()).add(noted["episode"])
        else:
            exchanges.append(Seen(**noted))
    cases = ElementTree.parse(junit).getroot().iter("testcase") if junit.exists() else ()
    tests = {detecting.name(case): _outcome(case) for case in cases}
    if not report.exists():
        return Run(selected, detecting.NO_REPORT, said, exchanges, episodes, tests=tests)
    content = json.loads(report.read_text("utf-8"))
    clauses = {one["id"]: one["verdict"] for one in content["clauses"]}
    reasons = {one["id"]: str(one["reason"]) for one in content["clauses"]}
    return Run(selected, content["verdict"], said, exchanges, episodes, clauses, reasons, tests)


def _outcome(case: ElementTree.Element) -> str:
    judged = [one.get("value", "") for one in case.iter("property")]
    ended = [what for what in ("failure", "error", "skipped") if case.find(what) is not None]
    return "; ".join([*judged, *ended])


def changes(kind: str) -> bool:
    """Whether a call of this kind may change something."""
    method, _, path = kind.partition(" ")
    if path.startswith(("/v1/settings/backup", "/v1/settings/restore")):
        return kind == "POST /v1/settings/restore"
    return method not in ("GET", "HEAD", "OPTIONS") and kind not in _ONLY_READ


def drawn(plain: Run, count: int, seed: object) -> list[Bad]:
    """So many positions: each kind of call once, those first that change something, then others.

    Both ways by turns; half of them at calls that change something, where so many are wanted.
    """
    rng = random.Random(f"{seed}")
    seen: Counter[tuple[str, str]] = Counter()
    places: list[tuple[str, str, int]] = []
    for one in plain.exchanges:
        seen[one.test, one.kind] += 1
        places.append((one.test, one.kind, seen[one.test, one.kind]))
    rng.shuffle(places)
    kinds: Counter[str] = Counter()
    ranked = []
    for test, kind, number in places:
        # the second of a kind comes after the first of every kind, the third after the second
        ranked.append((kinds[kind], not changes(kind), len(ranked), (test, kind, number)))
        kinds[kind] += 1
    chosen = [place for *_, place in sorted(ranked)[:count]]
    ways: tuple[Way, Way] = rng.choice((("before", "after"), ("after", "before")))
    return [
        Bad(ways[at % 2], rng.choice(STATUSES), number, test, kind)
        for at, (test, kind, number) in enumerate(chosen)
    ]


def alone(subject: Subject, plain: Run, bad: Bad, runs: dict[str, Run]) -> tuple[Run, Bad]:
    """The run without a bad answer of the tests that a position can show in, and the position in it.

    Alone a test may send fewer calls of a kind, as what was changed before it shows in what it finds. `runs`
    holds those that were made. Where it sends none of this kind, the run of all tests stands for it.
    """
    assert bad.test is not None
    if bad.test not in plain.tests:
        return plain, bad
    if bad.test not in runs:
        runs[bad.test] = run(subject, tests=plain.together(bad.test))
    found = runs[bad.test]
    count = sum((one.test, one.kind) == (bad.test, bad.kind) for one in found.exchanges)
    return (found, replace(bad, number=(bad.number - 1) % count + 1)) if count else (plain, bad)


def complaints(plain: Run, bad: Run) -> list[str]:
    """What one bad answer changed, though it must not; empty where it changed nothing that counts.

    Of a run of some tests each test is compared: a clause's verdict is made of those of its tests.
    """
    if not any(one.bad for one in bad.exchanges):
        return [f"no exchange was answered by the gateway: {bad.said[-600:]}"]
    if bad.verdict == detecting.NO_REPORT:
        return [f"the run left no report: {bad.said[-400:]}"]
    told = [
        f"{clause} is {bad.clauses[clause]}, not {verdict}: {bad.reasons[clause]}"
        for clause, verdict in plain.clauses.items()
        if plain.tests.keys() == bad.tests.keys() and bad.clauses[clause] != verdict
    ]
    told += [
        f"{test} says {said!r}, not {plain.tests.get(test)!r}"
        for test, said in bad.tests.items()
        if plain.tests.get(test) != said
    ]
    return told + restored_twice(plain, bad)


def restored_twice(plain: Run, bad: Run) -> list[str]:
    """The tests in which more restores were carried out than without the bad answer.

    Where a connection broke a restore may have been carried out, in the one run or in the other. At the end a
    client is put back on which one may have been made: by one restore.
    """
    told = []
    for test in sorted({one.test for one in bad.exchanges if one.restore}):
        accepted, _ = bad.restores(test)
        before, perhaps = plain.restores(test)
        if accepted > max(before + perhaps, test == CLOSING):
            told.append(f"{test} made {accepted} restores, not {before}")
    return told
