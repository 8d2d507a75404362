"""The suite against containers certifies the clean reference, and catches what it catches elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from suite import begin, ended, owned_by, run

FEW = ("--wa-examples", "2")
MIGRATION = "newer_version or gives_every_contact or contacts_who_want or messages_are or callbacks_are"
# ten mutants, one of each way to be wrong: the clause, and the tests that decide it
MUTANTS = [
    ("backup-without-token", "ACCESS-1", "backup_without_a_valid_token"),
    ("data-signed-not-encrypted", "BACKUP-4", "nothing_can_be_read"),
    ("backup-of-a-stopped-app", "BACKUP-3", "a_stopped_client"),
    ("callbacks-in-the-backup", "BACKUP-8", "callbacks_are_not"),
    ("password-cut-at-8-characters", "RESTORE-5", "near_miss"),
    ("tag-not-checked", "RESTORE-6", "directed_damage"),
    ("app-does-not-stop", "RESTORE-10", "existing_app_stops"),
    ("only-backups-of-its-own-version-restore", "RESTORE-12", "newer_version"),
    ("shards-not-checked", "SHARD-2", "on_another_number_of_shards"),
    ("code-restored", "CODE-1", "gives_every_contact"),
]


def test_a_migration_between_two_containers_is_certified(tmp_path: Path) -> None:
    outcome = run(tmp_path, "docker:", "-k", MIGRATION)
    assert outcome.verdicts("not tested", "not applicable") == dict.fromkeys(
        ["BACKUP-7", "BACKUP-8", "RESTORE-12", "CODE-1", "CODE-2"], "pass"
    )


@pytest.mark.parametrize("policy", ["no", "unless-stopped"])
def test_every_restart_policy_is_certified(tmp_path: Path, policy: str) -> None:
    picked = "existing_app_stops or comes_back_connected or initializes_itself"
    outcome = run(tmp_path, f"docker:restart-policy={policy}", *FEW, "-k", picked)
    assert outcome.verdicts("not tested", "not applicable") == dict.fromkeys(
        ["RESTORE-9", "RESTORE-10", "RESTORE-11"], "pass"
    )


@pytest.mark.parametrize(("mutant", "clause", "tests"), MUTANTS, ids=[name for name, _, _ in MUTANTS])
def test_a_mutant_is_caught_in_a_container(tmp_path: Path, mutant: str, clause: str, tests: str) -> None:
    outcome = run(tmp_path, f"docker:mutant={mutant}", *FEW, "--wa-ready-timeout", "10", "-k", tests)
    assert outcome.status == 1
    assert outcome.verdicts("not tested", "not applicable", "pass") == {clause: "fail"}


def test_a_red_clause_has_the_log_of_its_container(tmp_path: Path) -> None:
    outcome = run(tmp_path, "docker:mutant=backup-answers-201", "-k", "client_gives_a_backup")
    (finding,) = outcome.clause("BACKUP-1")["findings"]
    (log,) = finding["logs"].values()
    assert '"event": "serving"' in log
    assert "logged last" in outcome.terminal


def test_a_variants_own_restart_policy_is_dockers(tmp_path: Path) -> None:
    outcome = run(tmp_path, "docker:variant=restarts-in-50-ms", *FEW, "-k", "comes_back_connected")
    assert outcome.verdicts("not tested", "not applicable") == {"RESTORE-11": "pass"}


def test_two_runs_at_once_do_not_meet(tmp_path: Path, engine: Any) -> None:
    folders = [tmp_path / "one", tmp_path / "other"]
    runs = [begin(folder, "docker:", *FEW, "-k", "comes_back_connected") for folder in folders]
    for outcome in [ended(one, folder) for one, folder in zip(runs, folders, strict=True)]:
        assert outcome.verdicts("not tested", "not applicable") == {"RESTORE-11": "pass"}
        assert owned_by(engine, outcome.pid) == []


def test_each_worker_has_containers_of_its_own(tmp_path: Path) -> None:
    outcome = run(
        tmp_path, "docker:shards=2", "-n", "2", *FEW, "-k", "comes_back_connected or gives_a_backup"
    )
    assert outcome.verdicts("not tested", "not applicable") == dict.fromkeys(
        ["BACKUP-1", "RESTORE-11"], "pass"
    )
