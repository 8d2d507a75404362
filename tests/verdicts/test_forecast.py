"""What a run says beforehand about what it cannot judge."""

from __future__ import annotations

from typing import Any

from pytest_wa_settings.testbed import Need
from pytest_wa_settings.verdicts import load_catalog
from pytest_wa_settings.verdicts.forecast import forecast


class Offer:
    """A testbed that offers what it is made with."""

    def __init__(self, **offered: Any) -> None:
        self.consumer = offered.get("consumer")
        self.webhook = offered.get("webhook")
        self.versions = offered.get("versions", ("2.57.2",))
        self.shard_setups = offered.get("setups", ((1, False),))
        self.states = offered.get("states", ("registered",))

    def why_not(self, need: Need) -> str | None:
        if need.state not in self.states:
            return f"add a client that is {need.state}"
        if need.shards is not None and (need.shards, bool(need.multiconnect)) not in self.shard_setups:
            return f"add a client with shards = {need.shards}"
        return None


EVERYTHING = {
    "consumer": object(),
    "webhook": object(),
    "versions": ("2.29.1", "2.57.2"),
    "setups": ((1, False), (2, True), (4, True)),
    "states": ("registered", "unregistered"),
}


def untested(**offered: Any) -> dict[str, str]:
    lines = forecast(load_catalog(), "full", Offer(**offered))  # type: ignore[arg-type]
    return {clause: why for line in lines for ids, why in [line.split(": ", 1)] for clause in ids.split(", ")}


def test_a_testbed_that_offers_everything_leaves_nothing_untested() -> None:
    assert untested(**EVERYTHING) == {}


def test_a_clause_with_alternatives_is_tested_where_one_is_offered() -> None:
    assert "BACKUP-7" not in untested(**{**EVERYTHING, "consumer": None})
    assert "BACKUP-7" in untested(**{**EVERYTHING, "consumer": None, "webhook": None})


def test_a_single_registered_client_leaves_what_needs_more() -> None:
    lines = untested()
    assert {"RESTORE-3", "RESTORE-9", "RESTORE-12", "SHARD-1", "SHARD-3", "CODE-1", "BACKUP-8"} <= set(lines)
    assert not {"ACCESS-1", "BACKUP-1", "RESTORE-1", "RESTORE-5"} & set(lines)


def test_each_line_says_what_to_add() -> None:
    assert all("add" in why for why in untested().values())


def test_one_multiconnect_setup_is_not_two() -> None:
    lines = untested(**{**EVERYTHING, "setups": ((1, False), (2, True))})
    assert set(lines) == {"SHARD-2"}


def test_only_an_old_version_serves_the_clause_on_old_versions() -> None:
    assert set(untested(**{**EVERYTHING, "versions": ("2.40.1", "2.57.2")})) == {"CODE-4"}
