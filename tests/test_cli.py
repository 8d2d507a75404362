"""The wa-settings command, run as users run it: in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_wa_settings import __version__, cli
from pytest_wa_settings.verdicts.catalog import load_catalog

RUN = [sys.executable, "-c", "import sys; from pytest_wa_settings.cli import main; sys.exit(main())"]


def wa_settings(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*RUN, *arguments],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        timeout=60,
        check=False,
    )


@pytest.fixture
def as_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a program that prints its arguments in the reference's place."""
    monkeypatch.setattr(cli, "REFERENCE", [sys.executable, "-c", "import sys; print(sys.argv[1:])"])


def test_clauses_prints_a_line_for_every_clause() -> None:
    done = wa_settings("clauses")
    ids = re.findall(r"^([A-Z]+-\d+) ", done.stdout, re.MULTILINE)
    assert (done.returncode, done.stderr) == (0, "")
    assert ids == [clause.id for clause in load_catalog()]


def test_clauses_says_how_many_there_are_of_each_level() -> None:
    levels = [clause.level for clause in load_catalog()]
    expected = ", ".join(f"{levels.count(level)} {level}" for level in ("MUST", "SHOULD", "INFO"))
    assert wa_settings("clauses").stdout.splitlines()[-1] == f"catalog 1.0: {expected}"


def test_clauses_wrap_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert cli.main(["clauses"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 60


def test_clauses_as_json_hold_all_that_the_catalog_holds() -> None:
    content = json.loads(wa_settings("clauses", "--format", "json").stdout)
    catalog = load_catalog()
    assert content["digest"] == catalog.digest
    assert [clause["id"] for clause in content["clauses"]] == [clause.id for clause in catalog]
    assert content["clauses"][0]["sentence"] == list(catalog.clauses[0].sentence)


def test_clauses_as_json_can_be_printed_in_an_ascii_world() -> None:
    done = wa_settings("clauses", "--format", "json", PYTHONIOENCODING="ascii")
    sentence = json.loads(done.stdout)["clauses"][0]["sentence"]
    assert sentence == list(load_catalog().clauses[0].sentence)


def test_clauses_as_markdown_are_a_table_of_seven_columns() -> None:
    lines = wa_settings("clauses", "--format", "md").stdout.splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == len(load_catalog()) + 2
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {8}


def test_clauses_of_another_catalog_can_be_listed(tmp_path: Path) -> None:
    text = Path(cli.__file__).with_name("verdicts").joinpath("catalog.toml").read_text(encoding="utf-8")
    own = tmp_path / "own.toml"
    own.write_text(text.replace('version = "1.0"', 'version = "2.0-draft"'), encoding="utf-8")
    assert "catalog 2.0-draft: " in wa_settings("clauses", "--catalog", str(own)).stdout


def test_a_bad_catalog_is_one_line_and_status_2(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text("version = ", encoding="utf-8")
    done = wa_settings("clauses", "--catalog", str(own))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("wa-settings: The catalog own.toml is not valid TOML")


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("clauses", "--format", "xml"), ("mutants", "x")])
def test_a_wrong_call_is_one_line_and_status_4(arguments: tuple[str, ...]) -> None:
    done = wa_settings(*arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (4, "", 1)
    assert done.stderr.startswith("wa-settings: ")


def test_help_lists_the_commands() -> None:
    done = wa_settings("--help")
    assert done.returncode == 0
    assert all(command in done.stdout for command in ("serve", "clauses", "mutants", "variants", "sparse"))


def test_the_version_is_the_packages() -> None:
    assert wa_settings("--version").stdout == f"pytest-wa-settings {__version__}\n"


def test_a_reader_that_leaves_early_is_no_error() -> None:
    process = subprocess.Popen(
        [*RUN, "clauses", "--format", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process:
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_serve_becomes_the_reference_and_hands_its_arguments_on(
    as_reference: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda program, arguments: called.append([program, *arguments]))
    cli.main(["serve", "--port", "0", "--help"])
    assert called == [[sys.executable, *cli.REFERENCE, "serve", "--port", "0", "--help"]]


@pytest.mark.parametrize("command", ["mutants", "variants", "sparse"])
def test_a_listing_of_the_reference_is_passed_on(
    as_reference: None, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command, "--format", "json"]) == 0
    assert capsys.readouterr().out == f"['{command}', '--format', 'json']\n"


def test_a_reference_that_fails_is_one_line_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "REFERENCE", [sys.executable, "-c", "raise SystemExit('first\\nlast')"])
    assert cli.main(["mutants"]) == 2
    assert capsys.readouterr().err == "wa-settings: The reference could not list its mutants: last\n"


@pytest.mark.parametrize("command", ["mutants", "variants", "sparse"])
def test_the_reference_lists_its_deviations(command: str) -> None:
    done = wa_settings(command, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


def test_the_command_imports_nothing_heavy() -> None:
    code = (
        "import sys, pytest_wa_settings.cli; heavy = {'httpx', 'hypothesis', 'jsonschema', 'pytest', "
        "'starlette', 'testcontainers'}; print(heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
