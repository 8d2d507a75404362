"""Runs over several processes, and runs that are cut off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from small_suite import FakeSuite, last_line

SLOW = "import time; time.sleep(60)"


def test_workers_give_the_same_report_as_one_process(suite: FakeSuite) -> None:
    suite.write(
        SEA1="raise finding('SEA-1', example='\\ud800')",
        SEA2="raise NotTested('add a consumer')",
        SKY1="raise finding('SKY-1')",
        EARTH1="wa_case.remark('slow'); wa_case.count_examples(3)",
    )
    suite.run("--wa-report=out")
    alone = suite.report()
    result = suite.run_apart("-n", "2", "--wa-report=out")
    assert result.ret == 1
    for key in ("verdict", "reason", "sums", "clauses", "clients"):
        assert suite.report()[key] == alone[key]
    assert last_line(result).startswith("non-conformant: SEA-1 fails")


def test_workers_tell_a_pass_without_evidence_from_one_with_it(suite: FakeSuite) -> None:
    suite.write(SEA1="return")
    result = suite.run_apart("-n", "2", "--wa-report=out")
    assert result.ret == 1
    told = suite.clause("SEA-1")
    assert (told["verdict"], told["kind"]) == ("not tested", "no evidence")
    (entered,) = suite.clause("SEA-2")["evidence"]
    assert (entered["test"], entered["judgement"]) == ("test_fake.py::test_sea_two", "refused")


def test_each_worker_has_its_own_managed_testbed_and_closes_it(suite: FakeSuite) -> None:
    suite.write(SEA1="import time; time.sleep(0.5)", SEA2="import time; time.sleep(0.5)")
    assert suite.run_apart("-n", "2").ret == 0
    assert sorted(suite.events()) == ["close mock:"] * 3 + ["open mock:"] * 3


def test_a_declared_client_stays_on_one_worker(suite: FakeSuite) -> None:
    command = suite.command("--wa-url", "https://wa.example", "--wa-profile=full", "-n", "2")
    assert suite.pytester.run(*command, timeout=60).ret == 0
    once = ["open https://wa.example", "close https://wa.example"]
    assert suite.events() == once * 2


def test_a_worker_that_dies_leaves_only_its_own_test_in_error(suite: FakeSuite) -> None:
    suite.write(SEA1="import os; os._exit(9)")
    result = suite.run_apart("-n", "1", "--wa-report=out")
    assert result.ret == 1
    assert suite.verdicts() == {
        "SEA-1": "error",
        "SEA-2": "pass",
        "SKY-1": "pass",
        "EARTH-1": "pass",
        "TALE-1": "not tested",
    }
    assert "SEA-1 (the process that ran it died" in last_line(result)


def test_a_testbed_that_a_worker_cannot_open_is_an_error(suite: FakeSuite) -> None:
    source = suite.folder / "conftest_free.py"
    source.touch()
    (suite.folder / "test_fake.py").write_text(
        "import fake_suite, os\n"
        "if 'PYTEST_XDIST_WORKER' in os.environ:\n"
        "    def preflight(self): raise fake_suite.room.TestbedError('no engine', 'start it')\n"
        "    fake_suite.FakeTestbed.preflight = preflight\n" + (suite.folder / "test_fake.py").read_text()
    )
    result = suite.run_apart("-n", "1", "--wa-report=out")
    assert result.ret == 1
    assert last_line(result).endswith("(no engine; start it)")


def test_a_suite_that_does_not_match_its_catalog_is_not_run_by_workers(suite: FakeSuite) -> None:
    suite.write(extra="def test_stray(): pass")
    result = suite.run_apart("-n", "1")
    assert result.ret == 1
    assert last_line(result).endswith("test_fake.py::test_stray names no clause")


def test_x_stops_workers_too(suite: FakeSuite) -> None:
    suite.write(SEA1="raise finding('SEA-1')", EARTH1="import time; time.sleep(2)")
    result = suite.run_apart("-n", "1", "-x", "--wa-report=out")
    assert result.ret == 1
    assert suite.verdicts()["SEA-1"] == "fail"
    assert last_line(result).startswith("non-conformant: SEA-1")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_closes_the_testbed_and_reports_what_was_done(
    suite: FakeSuite, number: signal.Signals
) -> None:
    suite.write(SEA2=f"open('{suite.log}.slow', 'w').close(); {SLOW}")
    process = subprocess.Popen(
        suite.command("--wa-url", "mock:", "--wa-report=out"), stdout=subprocess.PIPE, text=True
    )
    waiting = suite.log.with_name("log.slow")
    deadline = time.monotonic() + 30
    while not waiting.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert suite.events() == ["open mock:", "close mock:"]
    assert suite.verdicts()["SEA-1"] == "pass"
    assert suite.report()["clauses"][1]["reason"] == "the run was interrupted"
    assert output.splitlines()[-1].startswith("inconclusive: 2 of 3 MUST clauses are not tested")


def test_xdist_is_neither_needed_nor_imported(suite: FakeSuite) -> None:
    program = "import sys, pytest; print(pytest.main(sys.argv[1:]).value, 'xdist' in sys.modules)"
    blocked = ("-p", "no:xdist", "-p", "no:xdist.looponfail")
    command = [sys.executable, "-c", program, "-p", "fake_suite", *blocked, "--wa-url", "mock:"]
    assert suite.pytester.run(*command, timeout=60).outlines[-1] == "0 False"
