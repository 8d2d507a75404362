"""Several testbeds in one file: each is certified for itself, and the run's verdict is the worst."""

from __future__ import annotations

from typing import Any

import pytest
from small_suite import FakeSuite, last_line

from pytest_wa_settings import schemas


def config(suite: FakeSuite, *names: str) -> str:
    entries = [
        f'[[client]]\nname = "{number}"\nurl = "http://127.0.0.1:{number}"\ntestbed = "{name}"\n'
        for number, name in enumerate(names, 1)
    ]
    (suite.pytester.path / "clients.toml").write_text("".join(entries))
    return "--wa-config=clients.toml"


def run(suite: FakeSuite, *arguments: str, names: tuple[str, ...] = ("lab one", "lab two")) -> Any:
    command = suite.command(config(suite, *names), "--wa-report=out", *arguments)
    return suite.pytester.run(*command, timeout=60)


def verdicts(suite: FakeSuite) -> dict[str, str]:
    return {one["name"]: one["verdict"] for one in suite.report()["testbeds"]}


def test_each_testbed_gets_a_verdict_and_the_run_the_worst(suite: FakeSuite) -> None:
    suite.write(SEA1="if wa_case.testbed.name == 'lab two': raise finding('SEA-1')")
    result = run(suite)
    assert result.ret == 1
    assert verdicts(suite) == {"lab one": "conformant", "lab two": "non-conformant"}
    assert suite.report()["verdict"] == "non-conformant"
    assert last_line(result).startswith("non-conformant: 1 of 2 testbeds: lab two: SEA-1 fails")
    assert schemas.problems("report", suite.report()) == []


def test_all_that_are_conformant_make_the_run_so(suite: FakeSuite) -> None:
    result = run(suite)
    assert (result.ret, last_line(result)) == (0, "conformant: all 2 testbeds")


def test_every_clause_stands_in_the_report_once_for_each(suite: FakeSuite) -> None:
    run(suite)
    report = suite.report()
    clauses = [(one["testbed"], one["id"]) for one in report["clauses"]]
    assert len(clauses) == len(set(clauses)) == report["sums"]["clauses"] == 10
    assert {tuple(one["tests"]) for one in report["clauses"] if one["id"] == "SEA-1"} == {
        ("test_fake.py::test_sea_one",)
    }
    assert [one["testbed"] for one in report["clients"]] == ["lab one", "lab two"]


def test_without_workers_one_comes_after_the_other(suite: FakeSuite) -> None:
    result = run(suite, "-v")
    order = [line.partition("[")[2].partition("]")[0] for line in result.outlines if "PASSED" in line]
    assert order == ["lab one"] * 4 + ["lab two"] * 4


def test_workers_take_a_testbed_each_and_never_share_one(suite: FakeSuite) -> None:
    suite.write(SEA1="if wa_case.testbed.name == 'lab two': raise finding('SEA-1')")
    assert run(suite, "-n2").ret == 1
    assert verdicts(suite) == {"lab one": "conformant", "lab two": "non-conformant"}
    events = suite.log.read_text().splitlines()
    processes = {name: {line.split()[-1] for line in events if name in line} for name in ("one", "two")}
    # the leading process looks at both before it starts the workers
    assert [len(pids) for pids in processes.values()] == [2, 2]
    assert len(processes["one"] & processes["two"]) == 1


def test_one_that_cannot_be_used_does_not_keep_the_others_from_their_verdict(suite: FakeSuite) -> None:
    result = run(suite, names=("lab one", "closed"))
    assert result.ret == 1
    assert verdicts(suite) == {"lab one": "conformant", "closed": "inconclusive"}
    result.stdout.fnmatch_lines(["cannot be tested: connection refused; start the client *"])
    assert {one["verdict"] for one in suite.report()["clauses"] if one["testbed"] == "closed"} == {
        "error",
        "not tested",
    }


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_where_none_can_be_used_nothing_is_tested(suite: FakeSuite, workers: tuple[str, ...]) -> None:
    result = run(suite, *workers, names=("closed one", "closed two"))
    assert (result.ret, set(verdicts(suite).values())) == (1, {"inconclusive"})
    assert "nothing was tested" in last_line(result)


def test_a_test_draws_the_same_on_each(suite: FakeSuite) -> None:
    suite.write(SEA1="wa_case.remark(f'{wa_case.test} {wa_case.test_seed}')")
    run(suite)
    remarks = [tuple(one["remarks"]) for one in suite.report()["clauses"] if one["id"] == "SEA-1"]
    assert len(remarks) == 2
    assert len(set(remarks)) == 1


def test_names_of_any_characters_are_told_apart(suite: FakeSuite) -> None:
    names = ("Zürich - [a]", "Zürich - [b]", "Zürich / [a]")
    assert run(suite, "-n2", names=names).ret == 0
    assert list(verdicts(suite)) == list(names)


def test_own_tests_run_on_each(suite: FakeSuite) -> None:
    suite.pytester.makepyfile(
        test_own="""
        import pytest

        @pytest.mark.parametrize("size", [1, 2])
        def test_own(wa_client, wa_testbed, size): assert wa_testbed.name in ("lab one", "lab two")

        def test_apart(): pass
        """
    )
    result = run(suite, "test_own.py")
    result.assert_outcomes(passed=5)
    assert sorted(suite.events()) == ["close lab one", "close lab two", "open lab one", "open lab two"]
