"""What is kept of an ended test."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_wa_settings.testbed import TestbedError, Unavailable
from pytest_wa_settings.verdicts import (
    Case,
    Evidence,
    Finding,
    FindingError,
    NotApplicable,
    NotTested,
)
from pytest_wa_settings.verdicts.entries import OWN_ASSERTIONS, Means, PlannedTest, entry_of, plain
from pytest_wa_settings.wire import Exchange

PLANNED = PlannedTest(test="test_a.py::test_b", clauses=["SEA-1", "SEA-2"], widens=["SKY-1"], left_out=None)


def case() -> Case:
    return Case(testbed=None)  # type: ignore[arg-type]


def finding(clause: str = "SEA-1", observed: str = "it was let in", **more: Any) -> Finding:
    return Finding(clause, "a wave", "a refusal", observed, **more)


def group(*errors: BaseException) -> BaseException:
    """An exception group as Hypothesis raises one, on any Python."""
    error = Exception("several")
    error.exceptions = errors  # type: ignore[attr-defined]
    return error


def test_a_test_without_an_error_passes() -> None:
    entry = entry_of(PLANNED, case(), None, seconds=0.25)
    assert (entry["outcome"], entry["reason"], entry["findings"], entry["seconds"]) == (
        "pass",
        None,
        [],
        0.25,
    )


def test_a_finding_fails_its_own_clause() -> None:
    entry = entry_of(PLANNED, case(), FindingError(finding()))
    assert entry["outcome"] == "fail"
    assert [one["clause"] for one in entry["findings"]] == ["SEA-1"]
    assert entry["reason"] == "see SEA-1"


@pytest.mark.parametrize("error", [AssertionError("x"), KeyError("x"), TestbedError("down", "start it")])
def test_any_other_exception_is_an_error_and_no_finding(error: Exception) -> None:
    entry = entry_of(PLANNED, case(), error)
    assert (entry["outcome"], entry["findings"]) == ("error", [])


def test_a_skip_is_not_tested_with_its_reason() -> None:
    assert entry_of(PLANNED, case(), NotTested("add a consumer"))["reason"] == "add a consumer"
    assert entry_of(PLANNED, case(), pytest.skip.Exception("no"))["outcome"] == "not tested"


def test_what_the_testbed_lacks_is_not_tested_with_problem_and_remedy() -> None:
    entry = entry_of(PLANNED, None, Unavailable("no unregistered client.", "add one"))
    assert (entry["outcome"], entry["reason"]) == ("not tested", "no unregistered client; add one")


def test_not_applicable_is_told_apart_from_not_tested() -> None:
    assert entry_of(PLANNED, case(), NotApplicable("before v2.31.4"))["outcome"] == "not applicable"


def test_a_recorded_finding_fails_though_hypothesis_calls_it_flaky() -> None:
    ran = case()
    ran.record(finding(observed="first"))
    ran.record(finding(observed="smaller"))
    entry = entry_of(PLANNED, ran, RuntimeError("Flaky"))
    assert entry["outcome"] == "fail"
    assert [one["observed"] for one in entry["findings"]] == ["smaller"]


def test_a_recorded_finding_stands_against_a_later_skip() -> None:
    ran = case()
    ran.record(finding())
    assert entry_of(PLANNED, ran, NotTested("the client is gone"))["outcome"] == "fail"


def test_each_member_of_an_exception_group_counts() -> None:
    error = group(FindingError(finding("SEA-1")), group(FindingError(finding("SKY-1")), ValueError("x")))
    entry = entry_of(PLANNED, case(), error)
    assert {one["clause"] for one in entry["findings"]} == {"SEA-1", "SKY-1"}


def test_a_group_of_skips_and_an_error_is_an_error() -> None:
    assert entry_of(PLANNED, case(), group(NotTested("a"), ValueError("b")))["outcome"] == "error"


def test_a_finding_for_a_clause_that_the_test_does_not_name_is_an_error() -> None:
    entry = entry_of(PLANNED, case(), FindingError(finding("EARTH-1")))
    assert (entry["outcome"], entry["findings"]) == ("error", [])
    assert "EARTH-1" in str(entry["reason"])


def test_remarks_and_examples_of_the_case_are_kept() -> None:
    ran = case()
    ran.remark("slow")
    ran.remark("slow")
    ran.count_examples(7)
    entry = entry_of(PLANNED, ran, None)
    assert (entry["remarks"], entry["examples"]) == (["slow"], 7)


def test_an_entry_survives_json_whatever_was_drawn() -> None:
    entry = entry_of(
        PLANNED, case(), FindingError(finding(observed="got \ud800 and \x1b[2J", example="'\udfff'"))
    )
    assert json.loads(json.dumps(entry).encode("utf-8")) == entry
    assert "\x1b" not in entry["findings"][0]["observed"]


def test_secrets_are_scrubbed_from_every_text() -> None:
    ran = case()
    ran.remark("used hunter2!")
    error = FindingError(finding(observed="hunter2! came back", example="hunter2!"))
    entry = entry_of(PLANNED, ran, error, means=Means(lambda text: text.replace("hunter2!", "<secret>")))
    assert "hunter2!" not in json.dumps(entry)


def test_long_texts_are_cut() -> None:
    assert len(plain("x" * 100_000)) < 5000


def test_the_suites_own_words_stay_in_its_own_sentences() -> None:
    ran = case()
    ran.remark("the admin was slow")
    means = Means(lambda text: text.replace("admin", "<secret>"), wording=str, log_of=lambda name: "admin in")
    error = FindingError(finding(observed="the admin was let in", answers=(answered(),)))
    entry = entry_of(PLANNED, ran, error, means=means)
    found = entry["findings"][0]
    assert (found["observed"], entry["remarks"]) == ("the admin was let in", ["the admin was slow"])
    assert found["logs"] == {"client": "<secret> in"}
    assert entry_of(PLANNED, None, ValueError("admin"), means=means)["reason"] == "ValueError: <secret>"


def answered(body: bytes = b"") -> Any:
    """An answer with its exchange, whose request had this body."""
    exchange = Exchange(1, "client", "POST", "https://x/a", (), "", 200, (), "", None, 0.0, 0.1, body=(body,))
    return SimpleNamespace(exchange=exchange)


def test_a_long_body_travels_with_the_entry_to_the_process_that_writes_the_report(tmp_path: Path) -> None:
    error = FindingError(finding(answers=(answered(b"\0" * 5000),)))
    found = entry_of(PLANNED, case(), error, means=Means(report=tmp_path))["findings"][0]
    ((name, content),) = found["bodies"].items()
    assert b64decode(content) == b"\0" * 5000
    assert f"{tmp_path}" in str(found["curl"])
    assert f"/bodies/{name}" in str(found["curl"])
    assert "bodies" not in entry_of(PLANNED, case(), error)["findings"][0]


def judged(*evidence: Evidence) -> Case:
    ran = case()
    ran.judge(*evidence)
    return ran


def test_what_was_entered_is_kept_with_the_test_that_entered_it() -> None:
    ran = judged(Evidence("SEA-1", "unchanged", 3, ("about:text",), "a wave was taken"))
    assert entry_of(PLANNED, ran, None)["evidence"] == [
        {
            "clause": "SEA-1",
            "test": "test_a.py::test_b",
            "judgement": "unchanged",
            "exchanges": 3,
            "fields": ["about:text"],
            "control": "a wave was taken",
        }
    ]


def test_a_clause_that_was_planned_and_not_judged_is_unproven() -> None:
    assert entry_of(PLANNED, judged(Evidence("SEA-1", "refused")), None)["unproven"] == ["SEA-2"]


def test_a_clause_that_is_only_widened_is_never_unproven() -> None:
    assert "SKY-1" not in entry_of(PLANNED, case(), None)["unproven"]


def test_of_a_client_with_a_thousand_fields_a_hundred_are_named() -> None:
    ran = judged(Evidence("SEA-1", "unchanged", fields=tuple(f"field {one}" for one in range(1000))))
    assert len(entry_of(PLANNED, ran, None)["evidence"][0]["fields"]) == 100


def test_secrets_are_scrubbed_from_evidence() -> None:
    ran = judged(Evidence("SEA-1", "hunter2!", fields=("hunter2!",), control="hunter2!"))
    entry = entry_of(PLANNED, ran, None, means=Means(lambda text: text.replace("hunter2!", "<secret>")))
    assert "hunter2!" not in json.dumps(entry)


def test_a_users_own_test_rests_on_its_assertions() -> None:
    entry = entry_of(PLANNED, None, None, own=True)
    told = [(one["clause"], one["judgement"]) for one in entry["evidence"]]
    assert told == [(name, OWN_ASSERTIONS) for name in ("SEA-1", "SEA-2", "SKY-1")]
    assert entry["unproven"] == []


@pytest.mark.parametrize("error", [NotTested("no phone"), ValueError("x"), FindingError(finding())])
def test_a_users_own_test_that_did_not_pass_asserted_nothing(error: Exception) -> None:
    assert entry_of(PLANNED, case(), error, own=True)["evidence"] == []


def test_a_users_own_test_may_enter_evidence_of_its_own() -> None:
    entry = entry_of(PLANNED, judged(Evidence("SEA-1", "refused")), None, own=True)
    assert [one["judgement"] for one in entry["evidence"] if one["clause"] == "SEA-1"] == ["refused"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotTested("add a consumer"), "not offered"),
        (NotTested("it was refused: see SEA-2"), "blocked by"),
        (NotTested("see the manual"), "not offered"),
        (NotTested("no field: see SEA-2", "no evidence"), "no evidence"),
        (NotTested("a gateway answered", "surroundings"), "surroundings"),
        (Unavailable("no such client", "add one"), "not offered"),
        (pytest.skip.Exception("no"), "not offered"),
        (NotApplicable("before v2.31.4"), None),
        (FindingError(finding()), None),
        (ValueError("x"), None),
        (None, None),
    ],
)
def test_only_what_is_not_tested_has_a_kind(error: BaseException | None, kind: str | None) -> None:
    assert entry_of(PLANNED, case(), error)["kind"] == kind
