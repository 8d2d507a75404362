"""A red clause's examples are sent again from its report, with no more leave than a person gives anew."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from small_suite import FakeSuite

from pytest_wa_settings import schemas
from pytest_wa_settings.cli import main
from pytest_wa_settings.session.options import OptionError, Options
from pytest_wa_settings.session.repeats import options_of
from pytest_wa_settings.session.replay import asks, replay_arguments

CLIENT = "http://127.0.0.1:9"
LACKING = (
    "the run that found this was allowed to restore; add --wa-allow-restore (or may_restore = true in a "
    "clients' file (--wa-config))"
)


def report(
    folder: Path,
    verdict: str = "fail",
    addresses: tuple[str, ...] = ("mock:mutant=x",),
    options: dict[str, Any] | None = None,
) -> Path:
    clause: dict[str, Any] = {
        "id": "RESTORE-5",
        "verdict": verdict,
        "tests": ["test_refusals.py::test_one", "test_refusals.py::test_two"],
        "findings": [],
    }
    content = {
        "run": {"seed": 7, "examples": 20, "profile": "full", **({"options": options} if options else {})},
        "clients": [{"address": address} for address in addresses],
        "clauses": [clause],
    }
    path = folder / "report.json"
    path.write_text(json.dumps(content), "utf-8")
    return path


def test_the_same_tests_run_with_the_same_draws_on_the_same_client(tmp_path: Path) -> None:
    arguments = replay_arguments(report(tmp_path), "restore-5")
    pairs = dict(pairwise(arguments))
    assert pairs["-k"] == "test_one or test_two"
    assert pairs["--wa-seed"] == "7"
    assert pairs["--wa-examples"] == "20"
    assert arguments[-2:] == ["--wa-url", "mock:mutant=x"]
    assert pairs["--wa-profile"] == "full"


def test_another_client_can_be_named(tmp_path: Path) -> None:
    arguments = replay_arguments(report(tmp_path).parent, "RESTORE-5", ["--wa-url=mock:"])
    assert "mock:mutant=x" not in arguments
    assert arguments[-1] == "--wa-url=mock:"


@pytest.mark.parametrize(
    ("verdict", "clause", "addresses", "problem"),
    [
        ("pass", "RESTORE-5", ("mock:",), "is pass"),
        ("fail", "RESTORE-99", ("mock:",), "no clause"),
        ("fail", "RESTORE-5", ("https://a", "https://b"), "several clients"),
    ],
)
def test_what_cannot_be_repeated_is_said(
    tmp_path: Path, verdict: str, clause: str, addresses: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(OptionError, match=problem):
        replay_arguments(report(tmp_path, verdict, addresses), clause)


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_a_file_that_is_no_report_is_said(tmp_path: Path, content: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(content, "utf-8")
    with pytest.raises(OptionError, match="no report of this suite"):
        replay_arguments(path, "RESTORE-5")


GIVEN = Options(
    url="https://wa.example",
    admin="chief",
    ca=Path("/etc/wa-ca.pem"),
    insecure=True,
    timeout=5.0,
    max_restores=7,
    allow_restore=True,
    restart_command="docker login -p hunter2 && docker restart wa",
    webhook="https://me:hunter2@here.example/hook",
    admin_password="hunter2",
    budget=90.0,
    strict=True,
)


def test_a_report_holds_what_a_replay_needs_and_no_secret() -> None:
    options = options_of(GIVEN)
    assert "hunter2" not in json.dumps(options)
    assert (options["restart_command"], options["webhook"], options["allow_restore"]) == (True, True, True)
    assert set(options_of(Options(url="mock:"))) == set(options)


def test_what_needs_no_leave_is_taken_from_the_report(tmp_path: Path) -> None:
    arguments = replay_arguments(report(tmp_path, options=options_of(GIVEN)), "RESTORE-5")
    pairs = dict(pairwise(arguments))
    wanted = {"--wa-url": "https://wa.example", "--wa-admin": "chief", "--wa-ca": "/etc/wa-ca.pem"}
    wanted |= {"--wa-timeout": "5.0", "--wa-max-restores": "7", "--wa-budget": "90.0"}
    assert pairs.items() >= wanted.items()
    assert "--wa-strict" in arguments


def test_leave_to_change_or_to_trust_a_client_is_never_taken_from_a_report(tmp_path: Path) -> None:
    path = report(tmp_path, options=options_of(GIVEN))
    arguments = " ".join(replay_arguments(path, "RESTORE-5"))
    assert "allow-restore" not in arguments
    assert "insecure" not in arguments
    asked = asks(path)
    assert asked is not None
    assert asked.startswith(
        "the run that found this was allowed to restore, did not check the client's certificate, had a "
    )
    assert asked.endswith(", --wa-insecure (or --wa-ca FILE), --wa-restart-command CMD and --wa-webhook URL")


def test_what_was_given_anew_is_not_asked_for(tmp_path: Path) -> None:
    path = report(tmp_path, options=options_of(GIVEN))
    given = ["--wa-allow-restore", "--wa-insecure", "--wa-restart-command", "make start"]
    assert asks(path, [*given, "--wa-webhook=https://here.example"]) is None
    assert asks(path, ["--wa-url", "mock:"]) is None
    assert asks(report(tmp_path)) is None


def test_the_clients_file_of_the_run_is_used_again(tmp_path: Path) -> None:
    file = tmp_path / "clients.toml"
    path = report(tmp_path, addresses=("https://a", "https://b"), options=options_of(Options(config=file)))
    with pytest.raises(OptionError, match="is not there; add --wa-config FILE"):
        replay_arguments(path, "RESTORE-5")
    file.touch()
    arguments = replay_arguments(path, "RESTORE-5")
    assert arguments[-2:] == ["--wa-config", str(file)]
    assert "--wa-profile" not in arguments


def test_a_clause_that_is_red_on_one_of_several_testbeds_is_replayed(tmp_path: Path) -> None:
    path = report(tmp_path)
    content = json.loads(path.read_text())
    content["clauses"].insert(0, {**content["clauses"][0], "verdict": "pass", "tests": ["a.py::test_zero"]})
    path.write_text(json.dumps(content))
    assert replay_arguments(path, "RESTORE-5")[1] == "test_one or test_two"


RED = "raise finding('SEA-1')"


def found(suite: FakeSuite, *arguments: str) -> None:
    """A run that finds SEA-1 red and leaves its report in `out`; afterwards the suite passes."""
    suite.write(SEA1=RED)
    suite.pytester.runpytest_inprocess(*arguments, "--wa-report=out")
    assert suite.verdicts()["SEA-1"] == "fail"
    suite.write()


def replayed(suite: FakeSuite, *more: str) -> pytest.RunResult:
    path = suite.pytester.path / "out"
    arguments = replay_arguments(path, "SEA-1", ["--wa-report=out", *more])
    if "-n2" in more:
        return suite.pytester.run(*suite.command(*arguments), timeout=60)
    return suite.pytester.runpytest_inprocess(*arguments)


def sea_one(suite: FakeSuite) -> set[tuple[str, str | None]]:
    return {(one["verdict"], one["reason"]) for one in suite.report()["clauses"] if one["id"] == "SEA-1"}


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_without_the_leave_that_the_run_had_a_clause_is_not_tested(
    suite: FakeSuite, workers: tuple[str, ...]
) -> None:
    found(suite, "--wa-url", CLIENT, "--wa-allow-restore")
    result = replayed(suite, *workers)
    assert sea_one(suite) == {("not tested", LACKING)}
    result.assert_outcomes(skipped=1, deselected=0 if workers else 3)
    result.stdout.fnmatch_lines(["replay: the run that found this was allowed to restore; add *"])
    assert schemas.problems("report", suite.report()) == []


def test_with_it_the_clause_passes(suite: FakeSuite) -> None:
    found(suite, "--wa-url", CLIENT, "--wa-allow-restore")
    result = replayed(suite, "--wa-allow-restore")
    assert sea_one(suite) == {("pass", None)}
    assert "replay:" not in result.stdout.str()


def test_a_replay_that_finds_it_again_is_red_without_it(suite: FakeSuite) -> None:
    found(suite, "--wa-url", CLIENT, "--wa-allow-restore")
    suite.write(SEA1=RED)
    assert replayed(suite).ret == 1
    assert {verdict for verdict, _ in sea_one(suite)} == {"fail"}


def test_leave_that_a_clients_file_gave_counts_and_each_testbed_is_replayed(suite: FakeSuite) -> None:
    lines = ('name = "{0}"', 'url = "http://127.0.0.1:{0}"', 'testbed = "lab {0}"', "may_restore = true")
    entry = "\n".join(["[[client]]", *lines, ""])
    file = suite.pytester.path / "clients.toml"
    file.write_text(entry.format(1) + entry.format(2))
    found(suite, "--wa-config=clients.toml")
    assert [one["testbed"] for one in suite.report()["run"]["offers"]] == ["lab 1", "lab 2"]
    replayed(suite)
    assert sea_one(suite) == {("pass", None)}
    found(suite, "--wa-config=clients.toml")
    file.write_text(file.read_text().replace("true", "false"))
    replayed(suite)
    assert sea_one(suite) == {("not tested", LACKING)}
    assert len([one for one in suite.report()["clauses"] if one["id"] == "SEA-1"]) == 2


def test_another_client_that_may_be_restored_lacks_nothing(suite: FakeSuite) -> None:
    found(suite, "--wa-url", CLIENT, "--wa-allow-restore")
    replayed(suite, "--wa-url", "mock:")
    assert sea_one(suite) == {("pass", None)}


def test_a_report_that_does_not_say_what_its_run_had_is_taken_to_have_restored(suite: FakeSuite) -> None:
    found(suite, "--wa-url", CLIENT, "--wa-allow-restore")
    content = suite.report()
    del content["run"]["options"], content["run"]["offers"]
    content["run"]["profile"] = "full"
    (suite.pytester.path / "out" / "report.json").write_text(json.dumps(content))
    replayed(suite)
    assert sea_one(suite) == {("not tested", LACKING)}


def test_a_report_to_repeat_that_cannot_be_read_is_a_wrong_call(suite: FakeSuite) -> None:
    result = suite.run("--wa-replay=missing.json")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: *missing.json cannot be read (*); name a report.json"])


def test_the_command_asks_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = report(tmp_path, options=options_of(GIVEN))
    ran: list[list[str]] = []

    def run(command: list[str], check: bool) -> Any:
        ran.append(command)
        return type("Done", (), {"returncode": 1})

    monkeypatch.setattr("pytest_wa_settings.cli.subprocess.run", run)
    assert main(["replay", str(path), "RESTORE-5", "--wa-insecure"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("wa-settings: the run that found this was allowed to restore, had a command ")
    assert said.endswith("what passes without it is not tested\n")
    assert ran[0][-1] == "--wa-insecure"
