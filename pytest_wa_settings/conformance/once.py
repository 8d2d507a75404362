"""What is made once a testbed, and judged by several clauses."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TypeVar

from pytest_wa_settings.testbed import Testbed, Unavailable
from pytest_wa_settings.verdicts import Case, NotTested

Record = TypeVar("Record")
_made: weakref.WeakKeyDictionary[Testbed, dict[str, object]] = weakref.WeakKeyDictionary()


def once(case: Case, name: str, make: Callable[[], Record]) -> Record:
    """The record of an episode, made at its first use; what stopped it is raised again at every later one."""
    records = _made.setdefault(case.testbed, {})
    if name not in records:
        try:
            records[name] = make()
        except (NotTested, Unavailable) as stopped:
            records[name] = stopped
    record = records[name]
    if isinstance(record, NotTested):
        raise type(record)(record.reason, record.kind)
    if isinstance(record, Unavailable):
        raise record.again()
    return record  # type: ignore[return-value]
