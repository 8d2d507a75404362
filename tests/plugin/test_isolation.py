"""Nothing of the folder changes a suite run, and a suite run changes nothing in the folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from small_suite import FakeSuite, last_line

from pytest_wa_settings.session.nested import nested_arguments

HOSTILE_INI = """
[pytest]
python_files = check_*.py
python_functions = check_*
addopts = --strict-config -W error -p no:cacheprovider --no-such-option -k nothing --wa-strict elsewhere
testpaths = elsewhere
usefixtures = breaking
filterwarnings = error
xfail_strict = true
no_such_key = 1
"""
HOSTILE_CONFTEST = """
import pytest, warnings

@pytest.fixture(autouse=True)
def breaking():
    raise RuntimeError("hostile fixture")

def pytest_collection_modifyitems(items):
    items.reverse()
    del items[1:]

def pytest_runtest_setup(item):
    raise RuntimeError("hostile hook")
"""
WARNING = "import warnings; warnings.warn('old', DeprecationWarning); raise finding('SKY-1')"


def hostile(path: Path, conftest: str = HOSTILE_CONFTEST) -> None:
    (path / "pytest.ini").write_text(HOSTILE_INI)
    (path / "conftest.py").write_text(conftest)
    (path / "check_own.py").write_text("def check_own(): assert False")


def content(path: Path) -> set[str]:
    return {str(one.relative_to(path)) for one in path.rglob("*")}


@pytest.mark.parametrize("flags", [[], ["-W", "error"], ["-c", "pytest.ini"]])
def test_a_hostile_folder_gives_the_same_verdict(suite: FakeSuite, flags: list[str]) -> None:
    suite.write(SKY1=WARNING)
    suite.run("--wa-report=out")
    friendly = suite.report()
    hostile(suite.pytester.path)
    result = suite.run("--wa-report=out", *flags)
    assert result.ret == 0
    for key in ("verdict", "reason", "sums", "clauses"):
        assert suite.report()[key] == friendly[key]


def test_a_conftest_that_cannot_be_imported_is_not_imported(suite: FakeSuite) -> None:
    hostile(suite.pytester.path, "raise RuntimeError('imported')")
    assert suite.run_apart().ret == 0


def test_the_environments_options_reach_the_run_but_its_paths_do_not(
    suite: FakeSuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.write(SEA1="raise finding('SEA-1')")
    suite.pytester.makepyfile(test_own="def test_own(): pass")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-W error --wa-report=out test_own.py")
    result = suite.run()
    assert result.ret == 1
    result.assert_outcomes(failed=1, passed=3)
    assert suite.verdicts()["SEA-1"] == "fail"


DRAWING = """
from hypothesis import given, strategies as st

@pytest.mark.wa_clause("SEA-1")
def test_drawn(wa_case):
    given(st.text(max_size=3))(lambda text: proven(wa_case))()
"""
REPORTS = ["--wa-report=out", "--junitxml=out/junit.xml"]


@pytest.mark.parametrize("flags", [["--lf"], ["-p", "no:cacheprovider"], ["-p", "no:xdist", "-v"], REPORTS])
def test_nothing_but_the_report_is_left_in_the_folder(suite: FakeSuite, flags: list[str]) -> None:
    before = content(suite.pytester.path)
    assert suite.run(*flags).ret == 0
    asked_for = {"out", "out/report.json", "out/junit.xml"} if flags == REPORTS else set()
    assert content(suite.pytester.path) - before == asked_for


@pytest.mark.parametrize("flags", [[], ["-n", "2"]])
def test_nothing_is_left_by_hypothesis_or_by_workers(suite: FakeSuite, flags: list[str]) -> None:
    suite.write(extra=DRAWING)
    before = content(suite.pytester.path)
    assert suite.run_apart(*flags).ret == 0
    assert content(suite.pytester.path) - before == {"stdout", "stderr"}  # pytester's own


def test_an_existing_report_is_overwritten_and_its_neighbours_stay(suite: FakeSuite) -> None:
    (suite.pytester.path / "out").mkdir()
    (suite.pytester.path / "out" / "notes.txt").touch()
    (suite.pytester.path / "out" / "report.json").write_text("old")
    suite.run("--wa-report=out")
    assert suite.report()["verdict"] == "conformant"
    assert (suite.pytester.path / "out" / "notes.txt").exists()


def test_an_address_in_the_ini_file_runs_the_suite(suite: FakeSuite) -> None:
    suite.pytester.makeini("[pytest]\nwa_url = mock:\nwa_report = out\nwa_strict = true\nwa_seed = 5")
    suite.write(SKY1="raise finding('SKY-1')")
    result = suite.pytester.runpytest_inprocess()
    assert result.ret == 1
    assert last_line(result).startswith("non-conformant: SKY-1")
    assert suite.report()["run"]["seed"] == 5


def test_an_address_in_the_ini_file_leaves_own_test_paths_alone(suite: FakeSuite) -> None:
    suite.pytester.makeini("[pytest]\nwa_url = mock:\ntestpaths = own")
    (suite.pytester.path / "own").mkdir()
    (suite.pytester.path / "own" / "test_own.py").write_text("def test_own(wa_client): assert wa_client")
    suite.pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_path_of_the_ini_file_is_relative_to_it(suite: FakeSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    suite.pytester.makeini("[pytest]\nwa_url = mock:\nwa_report = out")
    below = suite.pytester.mkdir("below")
    monkeypatch.chdir(below)
    suite.pytester.runpytest_inprocess("--rootdir=..", "-c", "../tox.ini")
    assert suite.report()["verdict"] == "conformant"


INERT = """
import sys
import pytest

status = pytest.main(["-q", "-p", "no:hypothesispytest", "test_own.py"])  # that one imports hypothesis itself
heavy = ("httpx", "hypothesis", "jsonschema", "testcontainers", "tomllib")
loaded = [name for name in heavy if name in sys.modules]
loaded += [name for name in sys.modules if name.startswith("pytest_wa_settings.")]
print(status.value, sorted(set(loaded)))
"""


def test_without_an_option_nothing_heavy_is_imported(suite: FakeSuite) -> None:
    suite.pytester.makepyfile(test_own="def test_own(): pass", inert=INERT)
    result = suite.pytester.run(sys.executable, "-I", "inert.py", timeout=60)
    light = ["fixtures", "hooks", "plugin", "session", "session.options"]
    assert result.outlines[-1] == f"0 {[f'pytest_wa_settings.{name}' for name in light]}"


def test_without_an_option_no_output_is_changed(suite: FakeSuite) -> None:
    suite.pytester.makepyfile(test_own="def test_own(): pass")
    result = suite.pytester.runpytest_inprocess("-v")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*wa-settings:*")


def test_help_lists_the_options_and_runs_nothing(suite: FakeSuite) -> None:
    result = suite.run("--help")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*--wa-url=ADDRESS*", "*wa_report (string):*"])
    assert suite.events() == []


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        (["-o", "wa_seed=3", "-x"], ["-x"]),
        (["-owa_seed=3", "-Werror", "-cpytest.ini"], []),
        (["--rootdir=.", "--override-ini", "wa_seed=3", "-k", "one"], ["-k", "one"]),
        (["-olog_cli=true", "-x"], ["-x", "-o", "log_cli=true"]),
        (["--override-ini=junit_family=xunit1"], ["-o", "junit_family=xunit1"]),
        (["--confcutdir", ".", "--collect-only", "-p", "no:cov"], ["--collect-only", "-p", "no:cov"]),
    ],
)
def test_options_that_bring_the_folders_settings_back_are_left_out(
    arguments: list[str], kept: list[str], tmp_path: Path
) -> None:
    assert nested_arguments(arguments, tmp_path)[: len(kept) + 1] == [*kept, "-c"]


@pytest.mark.parametrize(
    "given",
    [
        ("-o", "xfail_strict=true"),
        ("-oaddopts=-x",),
        ("-qo", "python_functions=x"),
        ("--override-ini=filterwarnings=error",),
    ],
)
def test_an_override_that_might_change_a_verdict_is_refused(suite: FakeSuite, given: tuple[str, ...]) -> None:
    result = suite.run(*given)
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        ["ERROR: -o * does not reach the suite, as it might change a verdict; leave it *"]
    )


def test_an_override_of_the_form_reaches_the_suite(suite: FakeSuite) -> None:
    assert suite.run("-o", "junit_suite_name=ours", "--junitxml=junit.xml").ret == 0
    assert 'name="ours"' in (suite.pytester.path / "junit.xml").read_text()


def test_warnings_as_errors_decide_nothing(suite: FakeSuite) -> None:
    suite.write(SEA1="import warnings; warnings.warn('old')")
    assert suite.run("-W", "error").ret == 0


@pytest.mark.parametrize("way", ["--pdb", "--trace"])
def test_a_debugger_can_read_what_is_typed(suite: FakeSuite, way: str) -> None:
    suite.write(SEA1="raise finding('SEA-1')")
    command = suite.command("--wa-url=mock:", way, "-k", "sea_one")
    result = suite.pytester.run(*command, timeout=60, stdin=b"p 6*7\nq\n")
    assert "42" in result.stdout.str()
    assert "reading from stdin" not in result.stdout.str()


def test_it_works_where_plugins_are_not_loaded_by_themselves(
    suite: FakeSuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    assert suite.run("-p", "pytest_wa_settings.plugin").ret == 0
