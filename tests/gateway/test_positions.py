"""Positions are drawn as wanted, and what one bad answer changed is seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from one_bad_answer import Seen, kind_of
from positions import Run, changes, complaints, drawn

READ, CHANGE, RESTORE = "GET /v1/health", "PATCH /v1/settings/application", "POST /v1/settings/restore"


def seen(number: int, test: str, kind: str, **more: object) -> Seen:
    """An exchange that the client answered 200."""
    restore = "its body" if kind == RESTORE else None
    return replace(Seen(number, test, "one", kind, restore, None, 200), **more)  # type: ignore[arg-type]


def a_run(*exchanges: Seen, **tests: str) -> Run:
    """A run of these tests."""
    return Run((), "conformant", "", exchanges, {}, {"RESTORE-8": "pass"}, {"RESTORE-8": ""}, tests)


PLAIN = a_run(
    *(seen(number, "a", READ) for number in range(1, 9)),
    seen(9, "a", CHANGE),
    seen(10, "b", RESTORE),
    seen(11, "b", RESTORE),
    a="pass",
    b="pass",
)


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/v1/health", "GET /v1/health"),
        ("DELETE", "/v1/users/wa1f2e3d4c", "DELETE /v1/users/NAME"),
        ("POST", "/v1/users/logout", "POST /v1/users/logout"),
        (
            "DELETE",
            "/v1/media/providers/wa-settings-0a1b2c3d4e5f",
            "DELETE /v1/media/providers/wa-settings-ID",
        ),
    ],
)
def test_what_only_names_one_thing_is_no_part_of_a_kind(method: str, path: str, kind: str) -> None:
    assert kind_of(method, path) == kind


def test_backup_and_login_are_no_change_and_a_restore_is_one() -> None:
    assert [
        changes(f"POST /v1/{path}") for path in ("settings/backup", "users/login", "settings/restore")
    ] == [
        False,
        False,
        True,
    ]


def test_every_kind_of_call_is_drawn_and_those_that_change_something_first() -> None:
    kinds = [one.kind for one in drawn(PLAIN, 3, 0)]
    assert (set(kinds[:2]), kinds[2]) == ({CHANGE, RESTORE}, READ)


def test_both_ways_are_drawn() -> None:
    assert {one.way for one in drawn(PLAIN, 2, 0)} == {"before", "after"}


def test_draws_are_the_same_with_one_seed() -> None:
    assert drawn(PLAIN, 5, "x") == drawn(PLAIN, 5, "x")


def test_a_run_that_says_the_same_is_right() -> None:
    bad = a_run(*PLAIN.exchanges[:8], seen(9, "a", CHANGE, bad="after"), **PLAIN.tests)
    assert complaints(PLAIN, bad) == []


def test_a_run_in_which_nothing_went_wrong_shows_nothing() -> None:
    assert complaints(PLAIN, PLAIN) == ["no exchange was answered by the gateway: "]


def test_another_verdict_of_a_clause_and_of_a_test_are_seen() -> None:
    bad = replace(PLAIN, exchanges=[seen(1, "a", READ, bad="before")], tests={"a": "fail", "b": "pass"})
    bad = replace(bad, clauses={"RESTORE-8": "fail"}, reasons={"RESTORE-8": "refused"})
    assert complaints(PLAIN, bad) == ["RESTORE-8 is fail, not pass: refused", "a says 'fail', not 'pass'"]


def test_of_a_run_of_some_tests_each_test_is_compared() -> None:
    bad = replace(PLAIN, exchanges=[seen(1, "a", READ, bad="before")], tests={"a": "pass"})
    assert complaints(PLAIN, replace(bad, clauses={"RESTORE-8": "not tested"})) == []


def test_a_restore_that_is_sent_twice_is_seen() -> None:
    twice = (seen(1, "b", RESTORE, bad="after"), seen(2, "b", RESTORE), seen(3, "b", RESTORE))
    assert complaints(PLAIN, a_run(*twice, **PLAIN.tests)) == ["b made 3 restores, not 2"]


def test_a_restore_that_the_gateway_kept_is_rightly_sent_again() -> None:
    kept = seen(1, "b", RESTORE, bad="before", status=None)
    again = (kept, seen(2, "b", RESTORE), seen(3, "b", RESTORE))
    assert complaints(PLAIN, a_run(*again, **PLAIN.tests)) == []


def test_tests_that_judge_one_episode_are_run_together() -> None:
    plain = replace(
        PLAIN, episodes={"a": {"new machine"}, "c": {"new machine"}}, tests=dict.fromkeys("abc", "")
    )
    assert (plain.together("c"), plain.together("b")) == (["a", "c"], ["b"])
