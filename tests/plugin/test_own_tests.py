"""A user's own tests with the fixtures."""

from __future__ import annotations

import sys

from fake_suite import SECRET
from small_suite import FakeSuite


def run(suite: FakeSuite, *arguments: str, **files: str) -> object:
    suite.pytester.makepyfile(**files)
    return suite.pytester.runpytest_inprocess(*arguments)


def test_own_tests_get_clients_and_backups(suite: FakeSuite) -> None:
    suite.pytester.makepyfile(
        """
        def test_own(wa_client, wa_backup, wa_new_client, wa_testbed):
            assert wa_client.name == "fake"
            assert wa_backup("Passw0rd!") == "sealed with 9 characters"
            assert wa_new_client(state="registered") is not wa_client
            assert wa_testbed.managed
        """
    )
    result = suite.pytester.runpytest_inprocess("--wa-url=mock:", "test_own_tests_get_clients_and_backups.py")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*conformant*")
    assert suite.events() == ["open mock:", "close mock:"]


def test_own_tests_use_the_folders_conftest_and_ini(suite: FakeSuite) -> None:
    suite.pytester.makeconftest("import pytest\n\n@pytest.fixture\ndef own(): return 1")
    suite.pytester.makeini("[pytest]\npython_functions = check_*\naddopts = --wa-url=mock:")
    suite.pytester.makepyfile(test_own="def check_own(own, wa_client): assert own == 1")
    suite.pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_no_testbed_is_opened_for_tests_that_want_none(suite: FakeSuite) -> None:
    suite.pytester.makepyfile(test_own="def test_own(): pass")
    suite.pytester.runpytest_inprocess("--wa-url=mock:", "test_own.py").assert_outcomes(passed=1)
    assert suite.events() == []


def test_a_client_that_is_not_offered_skips_the_test_and_says_what_to_add(suite: FakeSuite) -> None:
    suite.pytester.makepyfile(test_own="def test_own(wa_new_client): wa_new_client(state='unregistered')")
    result = suite.pytester.runpytest_inprocess("--wa-url=mock:", "-rs", "test_own.py")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*no unregistered client; add an unregistered client"])


def test_a_fixture_without_an_address_says_what_to_give(suite: FakeSuite) -> None:
    suite.pytester.makepyfile(test_own="def test_own(wa_client): pass")
    result = suite.pytester.runpytest_inprocess("test_own.py")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["no client to test: give --wa-url ADDRESS *"])


def test_a_client_that_cannot_be_used_is_an_error_in_one_line(suite: FakeSuite) -> None:
    suite.pytester.makepyfile(test_own="def test_own(wa_client): pass")
    result = suite.pytester.runpytest_inprocess("--wa-url=https://closed", "test_own.py")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["connection refused; start the client (not <secret>)"])
    result.stdout.no_fnmatch_line("*def *")


def test_an_unknown_kind_of_address_is_a_usage_error_there_too(suite: FakeSuite) -> None:
    suite.pytester.makepyfile(test_own="def test_own(wa_client): pass")
    result = suite.pytester.runpytest_inprocess("--wa-url=bad:", "test_own.py")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: no kind of testbed is called bad; *"])


def test_secrets_are_kept_out_of_tracebacks_and_captured_output(suite: FakeSuite) -> None:
    suite.pytester.makepyfile(
        test_own=f"""
        def test_own(wa_testbed):
            password = {SECRET!r}
            print(password)
            assert password == ""
        """
    )
    result = suite.pytester.runpytest_inprocess("--wa-url=mock:", "test_own.py", "--showlocals", "-rA")
    result.assert_outcomes(failed=1)
    assert SECRET not in result.stdout.str()


def test_a_finding_of_an_own_test_reads_like_one_of_the_suite(suite: FakeSuite) -> None:
    suite.pytester.makepyfile(
        test_own="""
        from pytest_wa_settings.verdicts import Finding, FindingError

        def test_own(wa_case):
            raise FindingError(Finding("SEA-1", "a wave", "a refusal", "it was let in"))
        """
    )
    result = suite.pytester.runpytest_inprocess("--wa-url=mock:", "test_own.py")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["SEA-1 (MUST): The text of SEA-1.", "*observed: it was let in"])


def test_own_tests_on_a_declared_client_stay_on_one_worker(suite: FakeSuite) -> None:
    suite.pytester.makepyfile(test_a="def test_a(wa_client): pass", test_b="def test_b(wa_client): pass")
    command = suite.command("--wa-url=https://wa.example", "-n2", "test_a.py", "test_b.py")
    assert suite.pytester.run(*command, timeout=60).ret == 0
    assert suite.events() == ["open https://wa.example", "close https://wa.example"]


def test_fixtures_are_documented(suite: FakeSuite) -> None:
    result = suite.pytester.run(sys.executable, "-m", "pytest", "--fixtures", "-v", timeout=60)
    for name in ("wa_testbed", "wa_client", "wa_new_client", "wa_backup", "wa_case"):
        result.stdout.fnmatch_lines([f"{name}*-- *fixtures.py*", "    [A-Z]*"])


def test_an_address_in_addopts_without_tests_says_what_to_write_instead(suite: FakeSuite) -> None:
    suite.pytester.makeini("[pytest]\naddopts = --wa-url=mock:")
    result = suite.pytester.runpytest_inprocess()
    assert result.ret == 5
    result.stdout.fnmatch_lines(
        ["wa-settings: no tests of your own were found, *write wa_url = mock: into *"]
    )


def test_an_address_on_the_command_line_says_nothing_of_addopts(suite: FakeSuite) -> None:
    suite.pytester.makepyfile(test_own="")
    result = suite.pytester.runpytest_inprocess("--wa-url=mock:", "test_own.py")
    result.stdout.no_fnmatch_line("*into the ini file*")


def test_an_address_of_the_ini_file_says_nothing_of_addopts(suite: FakeSuite) -> None:
    suite.pytester.makeini("[pytest]\nwa_url = mock:\ntestpaths = own")
    suite.pytester.mkdir("own")
    suite.pytester.runpytest_inprocess().stdout.no_fnmatch_line("*in addopts*")
