"""The operator's commands are run within limits, and what they leave running is left alone."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from fake_client import until

from pytest_wa_settings.testbed import NotBack
from pytest_wa_settings.testbed.commands import CommandLife, run_command
from pytest_wa_settings.testbed.environment import named_in, withheld


def test_a_command_runs_in_its_folder_and_its_output_is_kept(tmp_path: Path) -> None:
    ran = run_command("pwd; echo oops >&2; exit 3", limit=10, folder=tmp_path)
    assert (ran.status, ran.ok) == (3, False)
    assert ran.output.split("\n") == [str(tmp_path.resolve()), "oops"]


def test_a_command_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    ran = run_command("sleep 30 & echo $! > child; wait", limit=0.3, folder=tmp_path)
    assert not ran.ok
    assert "did not end within 0.3 s" in ran.why
    child = int((tmp_path / "child").read_text())
    assert until(lambda: not _lives(child))


def test_a_server_that_a_command_leaves_running_is_left_alone(tmp_path: Path) -> None:
    began = time.monotonic()
    ran = run_command("sleep 5 & echo $! > child", limit=4, folder=tmp_path)
    assert ran.ok
    assert time.monotonic() - began < 3
    child = int((tmp_path / "child").read_text())
    assert _lives(child)
    os.kill(child, 9)


def test_only_the_end_of_much_output_is_kept(tmp_path: Path) -> None:
    ran = run_command(f"{sys.executable} -c \"print('x' * 100000); print('end')\"", limit=20, folder=tmp_path)
    assert ran.output.endswith("end")
    assert len(ran.output) < 10_000


def test_output_is_scrubbed_and_shown_when_a_command_fails(tmp_path: Path) -> None:
    life = CommandLife(
        "old machine",
        restart="echo the password is hunter2; exit 1",
        reset=None,
        limit=5,
        folder=tmp_path,
        scrub=lambda text: text.replace("hunter2", "***"),
    )
    with pytest.raises(NotBack) as caught:
        life.restart()
    assert "restart command of old machine failed: it ended with status 1" in caught.value.problem
    assert "the password is ***" in caught.value.problem


def test_a_command_gets_no_secret_and_no_variable_of_the_suite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WA_ADMIN_PASSWORD", "hunter2-hunter2")
    monkeypatch.setenv("GATEWAY", "key-of-the-gateway")
    monkeypatch.setenv("LOGIN", "admin:key-of-the-gateway")
    monkeypatch.setenv("HARMLESS", "yes")
    ran = run_command("env", limit=10, folder=tmp_path, secrets=["key-of-the-gateway"])
    names = {line.partition("=")[0] for line in ran.output.splitlines()}
    assert "HARMLESS" in names
    assert not names & {"WA_ADMIN_PASSWORD", "GATEWAY", "LOGIN"}


@pytest.mark.parametrize("text", ["$GATEWAY", "${GATEWAY}", "${GATEWAY:-none}", '"$GATEWAY"'])
def test_a_command_gets_a_secret_that_its_text_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("GATEWAY", "key-of-the-gateway")
    ran = run_command(f"echo {text}", limit=10, folder=tmp_path, secrets=["key-of-the-gateway"])
    assert ran.output == "key-of-the-gateway"


def test_names_are_found_as_each_shell_writes_them() -> None:
    assert named_in("a $ONE ${TWO}3 %THREE% $env:FOUR ${#FIVE} 100%") == {
        "ONE",
        "TWO",
        "THREE",
        "FOUR",
        "FIVE",
    }
    assert named_in("docker restart wacore waweb") == frozenset()


def test_a_short_secret_takes_no_variable_that_merely_holds_it() -> None:
    environment = {"HOME": "/home/admin", "ROLE": "admin", "PATH": "/usr/bin"}
    assert withheld(["admin"], environment=environment) == ["ROLE"]


def test_a_failed_command_names_what_it_did_not_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY", "key-of-the-gateway")
    life = CommandLife(
        "old machine",
        restart="exit 1",
        reset=None,
        limit=5,
        folder=tmp_path,
        scrub=str,
        secrets=["key-of-the-gateway"],
    )
    with pytest.raises(NotBack) as caught:
        life.restart()
    assert "GATEWAY" in caught.value.remedy
    assert "only where its own text names them" in caught.value.remedy


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "cannot be started" in run_command("true", limit=5, folder=tmp_path / "no").why


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
