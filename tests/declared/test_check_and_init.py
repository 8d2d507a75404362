"""`wa-settings init`, `wa-settings check`, `--wa-check` and the plan, against a client that runs already."""

from __future__ import annotations

import io
import re
import stat
import sys
from pathlib import Path

import pytest
from machine import PASSWORD, VARIABLE, Machine, Run, free_port

from pytest_wa_settings import cli
from pytest_wa_settings.testbed import Settings
from pytest_wa_settings.testbed.clientsfile import load_clients

RESTORABLE = "may_restore = true\nrestart = 'true'\n"


def entry(machine: Machine, more: str = "", name: str = "it") -> str:
    return f'[[client]]\nname = "{name}"\nurl = "{machine.url}"\nadmin_password_env = "{VARIABLE}"\n{more}'


def test_check_says_clause_by_clause_what_can_be_tested(run: Run, machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "clients.toml").write_text(entry(machine, RESTORABLE))
    done = run("wa-settings", "check", "--config", str(tmp_path / "clients.toml"))
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^it: http\S+, version 2\.57\.2, connected, a single instance", done.stdout, re.M)
    assert re.search(r"^RESTORE-5 +MUST +yes +on it$", done.stdout, re.M)
    assert re.search(r"^RESTORE-9 +MUST +no +no unregistered client is declared; add one", done.stdout, re.M)
    assert "at most 20 restores" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("nothing was restored or changed")


def test_check_changes_nothing_and_takes_no_backup(run: Run, machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "clients.toml").write_text(entry(machine, RESTORABLE))
    before = machine.state()
    assert run("wa-settings", "check", "--config", str(tmp_path / "clients.toml")).returncode == 0
    assert machine.state() == before
    assert not (tmp_path / "state").exists()
    assert list((tmp_path / "here").iterdir()) == []


def test_the_option_does_what_the_command_does(run: Run, machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "clients.toml").write_text(entry(machine))
    command = run("wa-settings", "check", "--config", str(tmp_path / "clients.toml"))
    option = run("pytest", "--wa-check", "--wa-config", str(tmp_path / "clients.toml"))
    without_times = [re.sub(r"\d+ ms", "", done.stdout) for done in (command, option)]
    assert option.returncode == 0
    assert without_times[0] == without_times[1]
    assert "profile backup" in option.stdout


def test_check_tells_of_every_client_that_cannot_be_used(run: Run, machine: Machine, tmp_path: Path) -> None:
    nobody = Machine(tmp_path / "nobody", free_port(), 0)
    file = tmp_path / "clients.toml"
    file.write_text(entry(nobody, name="a") + entry(machine, 'state = "unregistered"\n', name="b"))
    done = run("wa-settings", "check", "--config", str(file))
    assert done.returncode == 1
    assert "cannot be used: " + nobody.url in done.stdout
    assert "b is declared unregistered, but its health says it is registered" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_check_never_resets_a_client(run: Run, machine: Machine, tmp_path: Path) -> None:
    proof = tmp_path / "was-reset"
    more = f"may_restore = true\nstate = 'unregistered'\nreset = 'touch {proof}'\n"
    (tmp_path / "clients.toml").write_text(entry(machine, more))
    assert run("wa-settings", "check", "--config", str(tmp_path / "clients.toml")).returncode == 1
    assert not proof.exists()


def test_check_of_an_address_takes_the_password_from_the_environment(
    run: Run, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WA_ADMIN_PASSWORD", PASSWORD)
    done = run("wa-settings", "check", machine.url, "--allow-restore")
    assert done.returncode == 0
    assert "profile full" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr


def test_check_without_a_target_is_a_wrong_call(run: Run) -> None:
    done = run("wa-settings", "check")
    assert done.returncode == 4
    assert "--config" in done.stderr


def test_collect_only_shows_the_plan_and_connects_to_nobody(run: Run, tmp_path: Path) -> None:
    nobody = Machine(tmp_path / "nobody", free_port(), 0)
    (tmp_path / "clients.toml").write_text(entry(nobody, RESTORABLE))
    done = run("pytest", "--collect-only", "--wa-config", str(tmp_path / "clients.toml"))
    assert done.returncode == 0
    assert "plan: it (registered, a single instance): " in done.stdout
    assert "at most 20 restores" in done.stdout


def test_init_writes_what_the_client_shows_of_itself(run: Run, machine: Machine, tmp_path: Path) -> None:
    done = run("wa-settings", "init", machine.url, "--password-env", VARIABLE, "--restart", 'a "b"')
    assert (done.returncode, done.stderr) == (0, "")
    file = tmp_path / "here" / "clients.toml"
    assert PASSWORD not in file.read_text() + done.stdout
    (made,) = load_clients(file, Settings(config=file))
    assert (made.url, made.state, made.may_restore, made.restart) == (
        machine.url,
        "registered",
        False,
        'a "b"',
    )
    assert '# version = "2.57.2"' in file.read_text()


def test_what_init_wrote_can_be_checked_at_once(run: Run, machine: Machine) -> None:
    assert run("wa-settings", "init", machine.url, "--password-env", VARIABLE).returncode == 0
    assert run("wa-settings", "check", "--config", "clients.toml").returncode == 0


def test_every_key_that_init_comments_out_is_one(run: Run, machine: Machine, tmp_path: Path) -> None:
    run("wa-settings", "init", machine.url, "--no-probe")
    file = tmp_path / "here" / "clients.toml"
    text = file.read_text()
    for line in re.findall(r"^# ([a-z_]+ = .*)$", text, re.M):
        if not line.startswith("token_env"):
            text += f"{line}\n"
    file.write_text(text)
    environment = pytest.MonkeyPatch()
    with environment.context() as patch:
        patch.setenv("WA_ADMIN_PASSWORD", PASSWORD)
        patch.setenv("WA_USER_PASSWORD", PASSWORD)
        (made,) = load_clients(file, Settings(config=file))
    assert made.reset


def test_init_leaves_a_file_that_is_there_alone_unless_told_to_add(
    run: Run, machine: Machine, tmp_path: Path
) -> None:
    call = ("wa-settings", "init", machine.url, "--password-env", VARIABLE)
    run(*call)
    refused = run(*call, "--name", "second")
    assert (refused.returncode, "--add" in refused.stderr) == (4, True)
    other = ("wa-settings", "init", "http://127.0.0.1:9", "--no-probe", "--password-env", VARIABLE)
    assert run(*other, "--add", "--name", "second").returncode == 0
    file = tmp_path / "here" / "clients.toml"
    assert [one.name for one in load_clients(file, Settings(config=file))][1:] == ["second"]


def test_init_writes_nothing_for_a_client_that_it_cannot_use(run: Run, tmp_path: Path) -> None:
    done = run("wa-settings", "init", f"http://127.0.0.1:{free_port()}", "--password-env", VARIABLE)
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be reached" in done.stderr
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize("address", ["mock:", "wa.example:9090"])
def test_init_wants_the_address_of_a_client_that_runs(run: Run, address: str) -> None:
    done = run("wa-settings", "init", address)
    assert done.returncode == 4
    assert "does not begin with https:// or http://" in done.stderr


def test_init_names_options_as_it_has_them_itself(run: Run, machine: Machine) -> None:
    wrong = run("wa-settings", "init", machine.url, "--password-env", "PATH")
    assert wrong.returncode == 1
    assert "--wa-" not in wrong.stderr


def test_on_a_terminal_init_asks_what_it_does_not_know(
    machine: Machine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    typed = io.StringIO(f"{VARIABLE}\ny\ndocker restart wa\n")
    monkeypatch.setattr(typed, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", typed)
    monkeypatch.setenv(VARIABLE, PASSWORD)
    file = tmp_path / "clients.toml"
    assert cli.main(["init", machine.url, "--output", str(file)]) == 0
    (made,) = load_clients(file, Settings(config=file))
    assert (made.may_restore, made.restart) == (True, "docker restart wa")
    assert capsys.readouterr().out.count("]: ") >= 2
    assert stat.S_ISREG(file.stat().st_mode)


def test_the_check_the_collection_and_the_header_say_what_the_run_then_leaves_untested(
    run: Run, machine: Machine, tmp_path: Path
) -> None:
    (tmp_path / "clients.toml").write_text(entry(machine))
    config = ("--wa-config", str(tmp_path / "clients.toml"))
    checked = run("wa-settings", "check", "--config", str(tmp_path / "clients.toml")).stdout
    foreseen = dict(re.findall(r"^([A-Z]+-\d+) +\w+ +(yes|perhaps|no)\b", checked, re.M))
    said = re.findall(r"^will not be tested: .*", run("pytest", "--collect-only", *config).stdout, re.M)
    assert said
    done = run("pytest", *config, "--wa-examples", "1", "-v")
    number = f"{len(said)} things are" if len(said) > 1 else "1 thing is"
    assert f"not all can be tested: {number} missing here, see wa-settings check" in done.stdout
    found = dict(re.findall(r"^([A-Z]+-\d+) +\w+ +(pass|fail|not tested|not in profile)", done.stdout, re.M))
    assert {clause for clause, can in foreseen.items() if can == "yes"} == {
        clause for clause, verdict in found.items() if verdict in ("pass", "fail")
    }
    untested = {clause for clause, verdict in found.items() if verdict == "not tested"}
    assert untested == set(re.findall(r"[A-Z]+-\d+(?=, |: )", "\n".join(said)))
