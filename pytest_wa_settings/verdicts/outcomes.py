"""What a running test knows, and the ways in which it may end apart from passing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import pytest

from pytest_wa_settings.schemas import Violation

if TYPE_CHECKING:
    from pytest_wa_settings.testbed import Testbed
    from pytest_wa_settings.wire import Answer

    Skipped = BaseException
else:
    Skipped = pytest.skip.Exception

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Finding:
    """One break of one clause, worded for a reader who has only the report.

    Attributes:
        clause: the id of the clause that it decides, and no other ("RESTORE-5").
        sent, expected, observed: one sentence each; no password, token or backup data in them.
        answers: the answers that show it, oldest first; the last one gets the curl line.
        example: the smallest drawn input that shows it, for properties.
        broken: the rules of a message's schema that the last answer breaks.
    """

    clause: str
    sent: str
    expected: str
    observed: str
    answers: tuple[Answer, ...] = ()
    example: str | None = None
    broken: tuple[Violation, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """What a pass of one clause rests on; the other end of a judgement than a finding.

    Attributes:
        clause: the id of the clause. judgement: what was judged, in a word or two ("refused", "unchanged").
        exchanges: how many exchanges it rests on.
        fields: the fields that were read and could have read otherwise.
        control: what was positive beside it, so that the judgement means something; None: none is needed.
        missing: why this is not enough for a pass, with what was missing; None where it is enough.
        remark: what was left out of the judgement, to stand with the clause.
    """

    clause: str
    judgement: str
    exchanges: int = 1
    fields: tuple[str, ...] = ()
    control: str | None = None
    missing: str | None = None
    remark: str | None = None

    def joined(self, other: Evidence) -> Evidence:
        """Both as one, where a judgement was made several times; it is enough where one of them is."""
        return replace(
            self,
            exchanges=self.exchanges + other.exchanges,
            fields=tuple(dict.fromkeys((*self.fields, *other.fields))),
            control=self.control or other.control,
            missing=other.missing and self.missing,
        )


Judgement = Finding | Evidence
"""How a judgement ends."""


class FindingError(Exception):
    """Ends a test with a finding: the only way in which a clause fails."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding)
        self.finding = finding

    def __str__(self) -> str:
        return f"{self.finding.clause}: expected {self.finding.expected}; observed {self.finding.observed}"


Kind = Literal[
    "not declared",
    "not offered",
    "no evidence",
    "blocked by",
    "not in profile",
    "deselected",
    "stopped",
    "surroundings",
]
"""The kinds of *not tested* (design, Verdicts)."""

_SEE = re.compile(r"\bsee [A-Z]+-[1-9][0-9]*")


class NotTested(Skipped):
    """Ends a test that cannot judge its clauses on this testbed; Hypothesis neither retries nor shrinks it.

    Attributes:
        reason: one sentence; it says what to add, or which clause to see.
        kind: why it is not tested; absent, that another clause blocks it, where the reason names one to see.
    """

    def __init__(self, reason: str, kind: Kind | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind: Kind = kind or ("blocked by" if _SEE.search(reason) else "not offered")


class NotApplicable(NotTested):
    """Ends a test whose clause holds for no client of this testbed (the version rule of CODE-1, say)."""


@dataclass
class Case:
    """What a running test is given by the fixture `wa_case`.

    Attributes:
        testbed: where its clients come from.
        clauses: the ids that its `wa_clause` marks name.
        test: its name, relative to the package ("test_restore.py::test_round_trip").
        seed: the run's seed.
        examples: how many a property shall draw.
        examples_given: whether that number was asked for (`--wa-examples`) or is the default.
        strict: whether a SHOULD decides, too (`--wa-strict`).
        budget: seconds that the whole run shall take (`--wa-budget`), or None.
    """

    testbed: Testbed
    clauses: tuple[str, ...] = ()
    test: str = ""
    seed: int = 0
    examples: int = 50
    examples_given: bool = False
    strict: bool = False
    budget: float | None = None
    on_progress: Progress | None = field(default=None, repr=False)
    remarks: list[str] = field(default_factory=list, init=False)
    examples_run: int = field(default=0, init=False)
    recorded: list[Finding] = field(default_factory=list, init=False, repr=False)
    _evidence: dict[tuple[str, str], Evidence] = field(default_factory=dict, init=False, repr=False)

    @property
    def test_seed(self) -> int:
        """The test's own seed: 64 bits, the same for one run seed and one test name on every machine."""
        digest = hashlib.sha256(f"{self.seed}\n{self.test}".encode()).digest()
        return int.from_bytes(digest[:8], "big")

    def remark(self, text: str) -> None:
        """Notes something worth knowing that decides nothing; the report shows it with the test's clauses."""
        if text not in self.remarks:
            self.remarks.append(text)

    def count_examples(self, n: int = 1) -> None:
        """Adds to the number of drawn examples that were judged."""
        self.examples_run += n

    def record(self, finding: Finding) -> None:
        """Notes a finding as it is made, so that it stands even if Hypothesis cannot make it happen again.

        Of several for one clause the last one is kept: shrinking makes them smaller.
        """
        self.recorded = [one for one in self.recorded if one.clause != finding.clause]
        self.recorded.append(finding)

    def judge(self, *judgements: Judgement | None) -> None:
        """Enters what judgements came to; without evidence of a clause its test does not make it pass.

        None stands for what could not be judged, and is passed over.

        Raises:
            FindingError: one is a finding.
            NotTested: one has evidence that is not enough.
        """
        for one in judgements:
            if one is None:
                continue
            if isinstance(one, Finding):
                raise FindingError(one)
            if one.missing is not None:
                raise NotTested(one.missing, "no evidence")
            if one.remark is not None:
                self.remark(one.remark)
            key = (one.clause, one.judgement)
            self._evidence[key] = self._evidence[key].joined(one) if key in self._evidence else one

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """What was entered so far, each judgement of a clause once."""
        return tuple(self._evidence.values())

    def progress(self, done: int, total: int, what: str) -> None:
        """Says on a terminal how far a long test is; costs nothing elsewhere."""
        if self.on_progress is not None:
            self.on_progress(done, total, what)
