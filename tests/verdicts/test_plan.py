"""What is foreseen for a run: which clients serve which clauses, and what to add for the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_wa_settings.testbed.offer import Offer
from pytest_wa_settings.verdicts import load_catalog
from pytest_wa_settings.verdicts.plan import Ground, Step, clause_lines, lack_lines, plan, plan_lines

OLD = Offer(
    "old",
    version="2.40.1",
    may_restore=True,
    may_change=True,
    restart=True,
    restart_policy="no",
    user=True,
    consumer=True,
    max_restores=20,
)
NEW = Offer("new", state="unregistered", version="2.57.2", may_restore=True, reset=True, max_restores=200)
TWO = replace(OLD, name="two shards", setup=(2, True))
FOUR = replace(OLD, name="four shards", setup=(4, True))
ANCIENT = replace(OLD, name="ancient", version="2.29.1")
ALL = (OLD, NEW, TWO, FOUR, ANCIENT)


def ground(*offers: Offer, profile: str = "full", webhook: bool = True) -> Ground:
    return Ground(offers, webhook, profile)


def planned(*offers: Offer, **more: Any) -> dict[str, Step]:
    return {step.clause.id: step for step in plan(load_catalog(), ground(*offers, **more))}


def lines(*offers: Offer, **more: Any) -> list[str]:
    where = ground(*offers, **more)
    return plan_lines(plan(load_catalog(), where), where)


def test_with_everything_declared_every_clause_can_be_tested() -> None:
    assert {step.can for step in planned(*ALL).values()} == {"yes"}


def test_a_step_names_the_clients_that_serve_it() -> None:
    steps = planned(*ALL)
    assert steps["BACKUP-1"].clients == ("old",)
    assert steps["BACKUP-2"].clients == ("new",)
    assert steps["SHARD-2"].clients == ("two shards", "four shards")
    assert steps["RESTORE-12"].clients == ("old", "new")


def test_a_client_that_serves_nothing_is_said_to_be_unneeded() -> None:
    spare = replace(OLD, name="spare")
    assert "spare (registered, a single instance, version 2.40.1): not needed" in lines(*ALL, spare)


@pytest.mark.parametrize(
    ("left_out", "clause", "what_to_add"),
    [
        (NEW, "RESTORE-9", "unregistered"),
        (NEW, "BACKUP-2", "unregistered"),
        (FOUR, "SHARD-2", "shards = 4"),
        (TWO, "SHARD-2", "shards = 2"),
        (ANCIENT, "CODE-4", "before v2.31.4"),
    ],
)
def test_what_a_missing_client_leaves_untested_says_which_to_add(
    left_out: Offer, clause: str, what_to_add: str
) -> None:
    step = planned(*(offer for offer in ALL if offer != left_out))[clause]
    assert step.can == "no"
    assert "add" in str(step.reason)
    assert what_to_add in str(step.reason)


@pytest.mark.parametrize(
    ("change", "clause", "key"),
    [
        ({"restart": False}, "RESTORE-10", "`restart`"),
        ({"user": False, "may_change": False}, "ACCESS-2", "`user`"),
        ({"consumer": False}, "CODE-1", "`consumer`"),
        ({"may_restore": False}, "RESTORE-5", "may_restore"),
    ],
)
def test_what_a_missing_key_leaves_untested_names_the_key(
    change: dict[str, Any], clause: str, key: str
) -> None:
    step = planned(replace(OLD, **change), replace(NEW))[clause]
    assert (step.can, key in str(step.reason)) == ("no", True)


def test_a_restart_by_nobody_known_is_not_sure() -> None:
    step = planned(replace(OLD, restart=False, restart_policy=None))["RESTORE-11"]
    assert (step.can, step.reason) == (
        "perhaps",
        "only if old comes back by itself; add `restart` to its entry",
    )


def test_an_unknown_version_is_not_sure() -> None:
    assert planned(replace(OLD, version=None), NEW)["RESTORE-12"].can == "perhaps"


def test_the_suite_makes_a_user_where_it_may_change_the_client() -> None:
    assert planned(replace(OLD, user=False))["ACCESS-2"].can == "yes"


def test_one_alternative_of_a_clauses_needs_is_enough() -> None:
    assert planned(OLD, NEW, webhook=False)["BACKUP-7"].can == "yes"
    assert planned(OLD, NEW, webhook=False)["BACKUP-8"].can == "no"


def test_in_profile_backup_nothing_is_restored_and_no_message_sent() -> None:
    safe = replace(OLD, may_restore=False, may_change=False)
    told = lines(safe, profile="backup")
    assert "no message is sent" in told
    assert any("nothing changed; no restore" in line for line in told)
    assert not any("every contact" in line for line in told)
    assert planned(safe, profile="backup")["RESTORE-5"].reason == "not in profile backup"
    assert any("clauses are not in profile backup; add may_restore = true" in line for line in told)


def test_the_plan_bounds_restores_and_counts_the_one_that_puts_back() -> None:
    told = "\n".join(lines(OLD, NEW))
    assert "at most 20 restores, the one that puts it back among them" in told
    assert "at most 200 restores, a reset after each use" in told


def test_a_new_machine_without_reset_is_used_once() -> None:
    assert any(
        line.startswith("new") and "used once" in line for line in lines(OLD, replace(NEW, reset=False))
    )


def test_every_clause_has_a_line_with_its_level() -> None:
    steps = plan(load_catalog(), ground(OLD))
    assert [line.split()[:2] for line in clause_lines(steps)] == [
        [clause.id, clause.level] for clause in load_catalog().judged("full")
    ]


def lacks(*offers: Offer, **more: Any) -> list[str]:
    where = ground(*offers, **more)
    return lack_lines(plan(load_catalog(), where), where)


def test_nothing_is_lacking_where_every_client_is_declared() -> None:
    assert lacks(*ALL) == []


def test_what_is_lacking_is_told_once_for_all_clauses_that_lack_it() -> None:
    told = lacks(OLD)
    assert "will not be tested: RESTORE-12: no unregistered client of a newer version" in "\n".join(told)
    (line,) = (line for line in told if "RESTORE-9" in line)
    assert line.startswith("will not be tested: BACKUP-2, ")
    assert line.endswith("no unregistered client is declared; add one (a single instance) to clients.toml")


def test_what_shows_only_while_the_run_goes_on_may_be_left_untested() -> None:
    told = lacks(*(replace(one, restart=False, restart_policy=None) for one in ALL))
    assert any(line.startswith("may be left untested: ") and "`restart`" in line for line in told)


def test_clauses_outside_the_profile_are_not_lacking() -> None:
    assert lacks(replace(OLD, may_restore=False), NEW, profile="backup") == [
        "will not be tested: BACKUP-3: in profile backup nothing stops old; choose another and "
        "add may_restore = true to its entry (--wa-allow-restore for one given by its address)"
    ]


def test_a_testbed_tells_itself_why_it_starts_no_client_of_a_state() -> None:
    offers = (replace(NEW, managed=True),)
    steps = plan(load_catalog(), Ground(offers, True, "full", {"registered": "name its number"}))
    assert {step.reason for step in steps if step.clause.id == "BACKUP-1"} == {"name its number"}


def test_a_new_code_is_judged_only_where_the_version_is_known() -> None:
    step = planned(replace(OLD, version=None), NEW)["CODE-1"]
    assert (step.can, "add `version`" in str(step.reason)) == ("perhaps", True)
