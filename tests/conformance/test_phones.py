"""What contacts' phones show, and where two views of them do not agree (CODE-1 to CODE-4)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from shown_client import answer

from pytest_wa_settings.conformance.phones import Phones, Seen, new_codes, views_differ
from pytest_wa_settings.verdicts import Evidence, Finding

CONTACTS = ("1555", "1556")


class View:
    """The consumer view of one network: the code of the business, by contact."""

    def __init__(self, **codes: str | None) -> None:
        self.codes = codes

    def contact(self, wa_id: str, business: str | None) -> Any:
        return SimpleNamespace(security_code=self.codes.get(f"c{wa_id}"), notices=(), messages=())


def phones_of(view: Any) -> Phones:
    client: Any = SimpleNamespace()
    return Phones(client, view, "15550001111", CONTACTS[:1], CONTACTS[1:], 0.0)


def test_two_views_of_one_network_agree() -> None:
    one, other = View(c1555="A", c1556="B"), View(c1555="A", c1556="B")
    assert views_differ(phones_of(one), other) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other", [View(), View(c1555="A"), View(c1555="A", c1556="X"), View(c1555="X", c1556="Y")]
)
def test_views_that_look_at_two_networks_are_told_in_a_sentence(other: View) -> None:
    said = views_differ(phones_of(View(c1555="A", c1556="B")), other)  # type: ignore[arg-type]
    assert "do not agree on this business: they look at two networks" in str(said)


def test_one_view_for_both_machines_is_not_asked_twice() -> None:
    view: Any = View(c1555="A")
    assert views_differ(phones_of(view), view) is None


@pytest.mark.parametrize(("phones", "view"), [(None, View()), (phones_of(View(c1555="A")), None)])
def test_where_there_are_no_two_views_none_can_differ(phones: Phones | None, view: Any) -> None:
    assert views_differ(phones, view) is None


def judged(before: dict[str, Seen], after: dict[str, Seen]) -> Any:
    phones = phones_of(View())
    phones.before, phones.after = before, after
    return new_codes(phones, answer(200), "a restore")


def test_another_code_at_every_contact_is_evidence_with_a_control() -> None:
    evidence = judged({"1555": Seen("A", 0)}, {"1555": Seen("B", 1)})
    assert isinstance(evidence, Evidence)
    assert (evidence.missing, evidence.control) == (None, "1 contacts saw a code before")


@pytest.mark.parametrize("code", ["A", None, ""])
def test_the_same_code_or_none_is_found(code: str | None) -> None:
    assert isinstance(judged({"1555": Seen("A", 0)}, {"1555": Seen(code, 1)}), Finding)


@pytest.mark.parametrize("after", [None, "A"])
def test_contacts_that_saw_no_code_are_no_evidence_of_new_codes(after: str | None) -> None:
    evidence = judged({"1555": Seen(None, 0)}, {"1555": Seen(after, 1)})
    assert "no contact saw a code before" in evidence.missing


def test_a_contact_that_saw_no_code_hides_no_other_whose_code_stays() -> None:
    before = {"1555": Seen(None, 0), "1556": Seen("A", 0)}
    assert isinstance(judged(before, {"1555": Seen("B", 1), "1556": Seen("A", 1)}), Finding)


def test_no_contact_is_no_evidence_of_new_codes() -> None:
    assert "no contact saw a code" in judged({}, {}).missing
