"""Collects what becomes of each planned test while the run goes on; every format is made from it."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_wa_settings.verdicts.catalog import Catalog
from pytest_wa_settings.verdicts.decision import Ending, Outcome, clause_outcomes
from pytest_wa_settings.verdicts.entries import Entry, PlannedTest


class Ledger:
    """The plan and the entries of one run on one testbed.

    Entries are JSON values: they arrive on pytest's reports, from this process or from a worker's.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._plan: dict[str, PlannedTest] = {}
        self._entries: list[Entry] = []
        self._lost: dict[str, str] = {}

    def plan(self, tests: Iterable[PlannedTest]) -> None:
        """Notes the collected tests, also those that will not run; the same plan twice changes nothing."""
        self._plan.update({test["test"]: test for test in tests})

    def add(self, entry: Entry) -> None:
        """Notes how a test ended; a test may end twice (its call and its teardown)."""
        self._entries.append(entry)

    def lose(self, test: str, reason: str) -> None:
        """Notes that the process running this test died."""
        self._lost[test] = reason

    @property
    def runnable(self) -> int:
        """How many planned tests were to run."""
        return sum(test["left_out"] is None for test in self._plan.values())

    def outcomes(self, profile: str, ending: Ending) -> tuple[Outcome, ...]:
        """Every clause of the catalog with its verdict or a reason."""
        plan = list(self._plan.values())
        return clause_outcomes(self.catalog, profile, plan, self._entries, self._lost, ending)


def mismatches(catalog: Catalog, plan: Iterable[PlannedTest]) -> list[str]:
    """Where a suite and its catalog do not match: one line each, none where they do.

    A clause wants a test that decides it (one that only widens it is not enough), a test wants a clause,
    and an id that no clause has is a mistake.
    """
    decided: set[str] = set()
    lines = []
    for test in plan:
        named = [*test["clauses"], *test["widens"]]
        if not named:
            lines.append(f"{test['test']} names no clause")
        for clause_id in named:
            if clause_id not in catalog:
                lines.append(f"{test['test']} names {clause_id}, which the catalog does not have")
            elif catalog[clause_id].level == "INFO":
                lines.append(f"{test['test']} names {clause_id}, which is INFO and cannot be tested")
        decided.update(test["clauses"])
    lines += [f"{clause.id} has no test" for clause in catalog.judged() if clause.id not in decided]
    return lines
