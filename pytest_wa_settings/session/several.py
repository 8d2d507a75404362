"""Several testbeds in one run: each test is collected once for each of them, and told apart by its id."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

FIXTURE = "wa_testbed_name"
ONLY = ""
"""The name under which the only testbed of a run is known here."""


def spread(metafunc: pytest.Metafunc, names: Sequence[str]) -> None:
    """Has a test that uses a testbed run on each of them; where there is one, nothing changes."""
    if len(names) > 1 and FIXTURE in metafunc.fixturenames:
        metafunc.parametrize(FIXTURE, names, indirect=True, ids=list(ids_of(names)), scope="session")


def ids_of(names: Sequence[str]) -> tuple[str, ...]:
    """For each testbed what stands in the ids of its tests: its name in plain characters."""
    ids: list[str] = []
    for number, name in enumerate(names, 1):
        plain = re.sub(r"[^A-Za-z0-9_. ]+", "_", name)
        ids.append(plain if plain not in ids else f"{plain}_{number}")
    return tuple(ids)


def name_of(item: pytest.Item) -> str:
    """The testbed that a collected test runs on."""
    callspec = getattr(item, "callspec", None)
    return str(callspec.params.get(FIXTURE, ONLY)) if callspec is not None else ONLY


def split(nodeid: str, names: Sequence[str]) -> tuple[str, str]:
    """The test and the testbed of a node id, where there may be several testbeds."""
    head, bracket, inside = nodeid.partition("[")
    if len(names) > 1 and bracket:
        parts = inside.rstrip("]").split("-")
        for name, plain in zip(names, ids_of(names), strict=True):
            if plain in parts:
                rest = "-".join(part for part in parts if part != plain)
                return (f"{head}[{rest}]" if rest else head), name
    return nodeid, ONLY
