"""Other plugins supply testbeds and consumer views."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_suite import SECRET
from small_suite import FakeSuite, last_line

from pytest_wa_settings.session.options import Options
from pytest_wa_settings.session.run import Run
from pytest_wa_settings.testbed import Consumer

FARM = """
from dataclasses import replace
from fake_suite import FakeTestbed
from pytest_wa_settings.testbed import UsageError

def pytest_wa_settings_testbed(address, settings):
    if not address.startswith("farm:"):
        return None
    if address == "farm:":
        raise UsageError("no pool is named", "give farm:POOL")
    made = FakeTestbed(settings)
    made.managed = "owned" not in address
    return made
"""


@pytest.fixture
def farm(suite: FakeSuite) -> FakeSuite:
    """The small suite, with a plugin that knows addresses such as `farm:eu`."""
    suite.pytester.makepyfile(farm=FARM)
    suite.pytester.syspathinsert()
    return suite


def test_a_plugin_supplies_the_testbed_of_its_own_kind_of_address(farm: FakeSuite) -> None:
    result = farm.pytester.runpytest_inprocess("-p", "farm", "--wa-url=farm:eu", "--wa-report=out")
    assert result.ret == 0
    assert last_line(result).startswith("conformant")
    assert farm.report()["clients"][0]["address"] == "farm:eu"
    assert farm.events() == ["open farm:eu", "close farm:eu"]


def test_it_leaves_other_addresses_to_the_kinds_of_the_package(farm: FakeSuite) -> None:
    assert farm.pytester.runpytest_inprocess("-p", "farm", "--wa-url=mock:").ret == 0
    assert farm.events() == ["open mock:", "close mock:"]


def test_what_it_says_against_an_address_is_a_usage_error(farm: FakeSuite) -> None:
    result = farm.pytester.runpytest_inprocess("-p", "farm", "--wa-url=farm:")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: no pool is named; give farm:POOL"])


def test_own_tests_get_its_clients_too(farm: FakeSuite) -> None:
    farm.pytester.makepyfile(test_own="def test_own(wa_client): assert wa_client.name == 'fake'")
    result = farm.pytester.runpytest_inprocess("-p", "farm", "--wa-url=farm:eu", "test_own.py")
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(("address", "opened"), [("farm:eu", 3), ("farm:owned", 2)])
def test_managed_says_whether_each_worker_has_one(farm: FakeSuite, address: str, opened: int) -> None:
    command = farm.command("-p", "farm", "--wa-url", address, "-n2")
    assert farm.pytester.run(*command, timeout=60).ret == 0
    assert farm.events().count(f"open {address}") == opened  # once by the leading process, for its preflight


def test_a_plugin_supplies_the_view_of_a_client_that_declares_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    view = Consumer("http://127.0.0.1:9")
    asked: list[str] = []

    class Hook:
        def pytest_wa_settings_testbed(self, **_: Any) -> None:
            return None

        def pytest_wa_settings_consumer(self, client: Any) -> Consumer:
            asked.append(client.driver.base_url)
            return view

    config = tmp_path / "clients.toml"
    config.write_text(
        '[[client]]\nname = "a"\nurl = "http://127.0.0.1:1"\n'
        '[[client]]\nname = "b"\nurl = "http://127.0.0.1:2"\nconsumer = "http://127.0.0.1:3"\n'
    )
    testbed = Run(Options(config=config), hook=Hook()).parse()
    testbed.open()
    try:
        assert asked == ["http://127.0.0.1:1"]
        assert [offer.consumer for offer in testbed.offers()] == [True, True]
        assert testbed.consumer_for(vars(testbed)["_slots"][0].client) is view
    finally:
        testbed.close()


WATCHER = """
import pytest

SEEN = {}

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    SEEN[report.nodeid, report.when] = report.outcome, report.longreprtext
    return report

def pytest_runtest_logreport(report):
    seen = SEEN[report.nodeid, report.when]
    print("AS REPORTED" if seen == (report.outcome, report.longreprtext) else f"OTHERWISE {seen}")
    print(f"SHOWN TO HOOKS: {seen[1]}")
"""


@pytest.mark.parametrize(
    "ending", ["raise NotTested('too small')", "raise finding('SEA-1')", "raise finding('SKY-1')"]
)
def test_other_plugins_see_a_report_as_the_suite_says_it(suite: FakeSuite, ending: str) -> None:
    suite.pytester.makepyfile(watcher=WATCHER)
    suite.pytester.syspathinsert()
    suite.write(**{"SKY1" if "SKY" in ending else "SEA1": ending})
    result = suite.run("-p", "watcher", "-s")
    assert "AS REPORTED" in result.stdout.str()
    result.stdout.no_fnmatch_line("*OTHERWISE*")


def test_other_plugins_see_no_secret_of_a_users_own_test(suite: FakeSuite) -> None:
    suite.pytester.makepyfile(
        watcher=WATCHER,
        test_own=f"def test_own(wa_backup):\n    wa_backup({SECRET!r})\n    raise RuntimeError({SECRET!r})\n",
    )
    suite.pytester.syspathinsert()
    result = suite.pytester.runpytest_inprocess("-p", "watcher", "-s", "--wa-url=mock:", "test_own.py")
    result.assert_outcomes(failed=1)
    assert "SHOWN TO HOOKS: " in result.stdout.str()
    assert SECRET not in result.stdout.str()


BROKEN = """
from fake_suite import FakeTestbed

def pytest_wa_settings_testbed(address, settings):
    made = FakeTestbed(settings)
    def fail():
        raise {error}
    made.{step} = fail
    return made
"""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("AttributeError('no api')", "the testbed could not be built (AttributeError: no api); see that "),
        (
            "PermissionError(13, 'Permission denied', '/keys')",
            "(PermissionError: /keys: Permission denied); ",
        ),
    ],
)
def test_whatever_goes_wrong_when_a_testbed_is_opened_is_a_sentence_and_a_report(
    suite: FakeSuite, error: str, told: str
) -> None:
    suite.pytester.makepyfile(broken=BROKEN.format(error=error, step="open"))
    suite.pytester.syspathinsert()
    result = suite.pytester.runpytest_inprocess("-p", "broken", "--wa-url=odd:", "--wa-report=out")
    assert last_line(result).startswith("inconclusive: nothing was tested: ")
    assert told in last_line(result)
    assert suite.report()["verdict"] == "inconclusive"
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


COMMANDS = "\n::error::injected\n##vso[task.complete result=Failed]\n##teamcity[testFailed]\x1b[2J\u202e"


def test_no_command_of_a_ci_system_reaches_a_terminal_or_a_report(suite: FakeSuite) -> None:
    suite.write(
        SEA1=f"raise finding('SEA-1', example={COMMANDS!r})",
        SEA2=f"print({COMMANDS!r}); raise ValueError({COMMANDS!r})",
        EARTH1=f"raise NotTested({COMMANDS!r})",
    )
    result = suite.run("--wa-report=out", "--junitxml=junit.xml", "-rA")
    files = [(suite.pytester.path / name).read_text() for name in ("out/report.json", "junit.xml")]
    for text in (result.stdout.str(), *files):
        assert "injected" in text
        for forbidden in ("\n::error", "##vso[", "##teamcity[", "\x1b[2J", "\u202e"):
            assert forbidden not in text


def test_no_command_of_a_ci_system_reaches_the_report_of_a_users_own_test(suite: FakeSuite) -> None:
    suite.pytester.makepyfile(
        test_own=f"def test_own(wa_client):\n    print({COMMANDS!r})\n    raise ValueError({COMMANDS!r})\n"
    )
    result = suite.pytester.runpytest_inprocess("--wa-url=mock:", "test_own.py", "-rA")
    assert "injected" in result.stdout.str()
    for forbidden in ("\n::error", "##vso["):
        assert forbidden not in result.stdout.str()
