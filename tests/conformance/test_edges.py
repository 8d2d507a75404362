"""Edges: the table, how it is packed into states, and what is left of a state that a client refuses."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from pytest_wa_settings.conformance.edge_states import how_many_states
from pytest_wa_settings.conformance.edges import FORMS, PARTS, Edge, Planting, plantings, whole
from pytest_wa_settings.conformance.fields import BY_LEAF, FIELDS, Field
from pytest_wa_settings.conformance.judgements import planted_texts
from pytest_wa_settings.conformance.packing import State, Table, left_out, pack, tables
from pytest_wa_settings.conformance.planting import halved, lost_edges, plant_state
from pytest_wa_settings.conformance.snapshots import Snapshot, shown
from pytest_wa_settings.testbed import Client
from pytest_wa_settings.testbed.life import Habits
from pytest_wa_settings.testbed.retry import Change
from pytest_wa_settings.wire import Answer

PLANTED = [one for one in FIELDS if one.planted]
TEXTS = [one for one in PLANTED if one.kind == "text" and not one.choices]
ENOUGH = 100


def table(seed: int = 0) -> Table:
    return tables(PLANTED, random.Random(seed))


def edges_of(states: list[State], leaf: str) -> set[str]:
    return {edge.name for state in states for edge in state[leaf].edges}


@pytest.mark.parametrize("leaf", [one.leaf for one in PLANTED])
def test_every_edge_of_a_field_is_planted_where_states_are_enough(leaf: str) -> None:
    known = table()
    assert edges_of(pack(known, ENOUGH), leaf) == {edge.name for one in known[leaf] for edge in one.edges}


def test_all_parts_and_forms_of_texts_stand_in_some_state() -> None:
    states = pack(table(), ENOUGH)
    names = set().union(*(edges_of(states, one.leaf) for one in TEXTS))
    assert {edge.name for edge in (*PARTS, *FORMS)} <= names


def test_every_text_has_every_part() -> None:
    states = pack(table(), ENOUGH)
    for one in TEXTS:
        assert {edge.name for edge in PARTS} <= edges_of(states, one.leaf)


@pytest.mark.parametrize("most", [1, 4, 7])
def test_no_more_states_are_made_than_a_client_has_restores_for(most: int) -> None:
    assert len(pack(table(), most)) == most


def test_no_more_states_are_made_than_are_needed() -> None:
    known = table()
    assert len(pack(known, ENOUGH)) == max(map(len, known.values()))


@pytest.mark.parametrize("most", [1, 2, 4])
def test_the_most_telling_edges_come_first(most: int) -> None:
    known = table()
    states = pack(known, most)
    for leaf, listed in known.items():
        first = {edge.name for one in listed[:most] for edge in one.edges}
        assert edges_of(states, leaf) == first


def test_one_state_has_every_part_of_a_text() -> None:
    (state,) = pack(table(), 1)
    assert {edge.name for edge in PARTS} <= {edge.name for one in TEXTS for edge in state[one.leaf].edges}


def test_no_two_switches_of_four_states_turn_all_at_once() -> None:
    states = pack(table(), 4)
    for state in states:
        assert {state[one.leaf].value for one in PLANTED if one.kind == "bool"} == {True, False}


@pytest.mark.parametrize("most", [1, 4, ENOUGH])
def test_what_no_state_has_is_counted(most: int) -> None:
    known = table()
    states = pack(known, most)
    gone, every = left_out(known, states)
    assert every == sum(len({e.name for one in listed for e in one.edges}) for listed in known.values())
    assert every - gone == sum(len(edges_of(states, leaf)) for leaf in known)
    assert (gone == 0) is (most == ENOUGH)


def test_states_are_the_same_at_one_seed_and_others_at_another() -> None:
    def values(seed: int) -> list[dict[str, object]]:
        return [{leaf: one.value for leaf, one in state.items()} for state in pack(table(seed), ENOUGH)]

    assert values(1) == values(1)
    assert values(1) != values(2)


VALID: dict[str, Callable[[Field, Any], bool]] = {
    "bool": lambda one, value: isinstance(value, bool),
    "int": lambda one, value: type(value) is int and one.low <= value <= one.high,
    "choice": lambda one, value: value in one.choices,
    "subset": lambda one, value: set(value) <= set(one.choices) and len(set(value)) == len(value),
    "text": lambda one, value: (
        one.low <= len(value) <= one.high and (not one.choices or set(value) <= set(one.choices))
    ),
    "url": lambda one, value: not value or is_address(value, one.high, ("https",)),
    "urls": lambda one, value: (
        one.low <= len(value) <= one.high and all(is_address(each, 256, ("http", "https")) for each in value)
    ),
    "email": lambda one, value: not value or is_email(value, one.high),
}


def is_address(value: str, longest: int, schemes: tuple[str, ...]) -> bool:
    parts = urlsplit(value)
    safe = not re.search(r"[\x00-\x20\x7f]", value)
    named = parts.hostname is not None and parts.hostname.endswith(".invalid") and parts.username is None
    return parts.scheme in schemes and named and safe and len(value) <= longest


def is_email(value: str, longest: int) -> bool:
    local, _, domain = value.rpartition("@")
    return (
        1 <= len(local) <= 64 and domain.endswith(".invalid") and domain.islower() and len(value) <= longest
    )


@pytest.mark.parametrize("one", PLANTED, ids=lambda one: one.leaf)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_value_is_valid_by_the_documented_limits(one: Field, seed: int) -> None:
    for planting in plantings(one, random.Random(seed)):
        assert VALID[one.kind](one, planting.value), planting.edges[0].name


@pytest.mark.parametrize("one", TEXTS, ids=lambda one: one.leaf)
def test_a_text_is_planted_at_its_longest_in_characters_and_in_bytes(one: Field) -> None:
    values = [str(planting.value) for planting in plantings(one, random.Random(0))]
    assert max(map(len, values)) == one.high
    assert {127, 128, 255, 256} <= {len(value.encode()) for value in values}


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (1, 60, {1, 2, 7, 8, 9, 10, 31, 32, 60}),
        (61, 600, {61, 99, 100, 127, 128, 255, 256, 511, 512, 600}),
        (1, 2**33, {32767, 32768, 65535, 65536, 2**24 + 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 10**9}),
    ],
)
def test_a_number_is_planted_beside_the_powers_of_its_range(low: int, high: int, wanted: set[int]) -> None:
    values = {one.value for one in plantings(Field("application:n", "int", low, high), random.Random(0))}
    assert wanted <= values


def test_a_number_that_a_narrower_type_loses_comes_first() -> None:
    first = plantings(BY_LEAF["application:max_callback_backoff_delay_ms"], random.Random(0))[0].value
    assert isinstance(first, int)
    assert first & 0xFFFF != first


def test_the_best_state_holds_texts_that_chance_never_writes() -> None:
    (state,) = pack(table(), 1)
    at = Snapshot({leaf: one.value for leaf, one in state.items()})
    assert {f"the field {one.leaf}" for one in TEXTS} <= planted_texts(at, Snapshot({})).keys()


def test_digits_that_repeat_are_no_text_that_chance_never_writes() -> None:
    assert planted_texts(Snapshot({"application:on_call_pager": "0" * 15}), Snapshot({})) == {}


# Splitting.

MANY = tuple(Edge(str(number), str(number)) for number in range(20))


@pytest.mark.parametrize(
    "refused", [set(), {"0"}, {"19"}, {"3", "4"}, {"0", "7", "19"}, set(map(str, range(20)))]
)
def test_halving_leaves_out_just_what_is_refused(refused: set[str]) -> None:
    kept = halved(MANY, lambda edges: not refused & {edge.name for edge in edges})
    assert [edge.name for edge in kept] == [edge.name for edge in MANY if edge.name not in refused]


def test_halving_asks_once_where_nothing_is_refused() -> None:
    asked = []
    halved(MANY, lambda edges: not asked.append(edges))  # type: ignore[func-returns-value]
    assert len(asked) == 1


@dataclass
class FakeClient:
    """A client with an about text: it takes what `takes` says, and shows no more once `shows` says no."""

    takes: Callable[[str], bool] = lambda text: True
    shows: Callable[[str], bool] = lambda text: True
    may_change: bool = True
    text: str = "as it was"
    sent: list[str] = field(default_factory=list)
    refused_edges: set[tuple[str, str]] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    habits: Habits = field(default_factory=Habits)
    testbed: Any = field(default_factory=lambda: SimpleNamespace(latency=0.0))

    def ask(self, method: str, path: str, *, json: Any = None) -> Answer:
        if method == "GET":
            body = {"settings": {"profile": {"about": {"text": self.text}}}}
            return answer(200, body if self.shows(self.text) else None)
        self.sent.append(json["text"])
        if not self.takes(json["text"]):
            return answer(400, {})
        self.text = json["text"]
        return answer(200, {})

    def change(self, call: Callable[[], Answer], look: Callable[[], bool | None]) -> Change:
        made = call()
        return Change(made, made.ok)


def answer(status: int, body: object) -> Answer:
    content = json.dumps(body).encode() if body is not None else b'{"settings": "\x00"}'
    return Answer("GET", "/v1/settings/profile/about", status, (), content, None, 0.0, cast(Any, None))


def planted(fake: FakeClient, one: Planting) -> tuple[Snapshot, State]:
    client = cast(Client, fake)
    return plant_state(client, {"about:text": one}, shown(client, "about"))


JOINED = plantings(BY_LEAF["about:text"], random.Random(0))[0]


def test_what_is_taken_whole_is_asked_for_once() -> None:
    fake = FakeClient()
    at, state = planted(fake, JOINED)
    assert fake.sent == [JOINED.value]
    assert state == {"about:text": JOINED}
    assert at.values == {"about:text": JOINED.value}


def test_of_a_text_that_is_refused_the_parts_are_planted_that_are_taken() -> None:
    fake = FakeClient(takes=lambda text: "\0" not in text and "\t" not in text)
    at, state = planted(fake, JOINED)
    names = {edge.name for edge in JOINED.edges}
    assert {edge.name for edge in state["about:text"].edges} == names - {"U+0000", "a tab"}
    assert at.values == {"about:text": state["about:text"].value}


def test_what_was_refused_once_is_not_offered_again() -> None:
    fake = FakeClient(takes=lambda text: "\0" not in text)
    planted(fake, JOINED)
    fake.sent.clear()
    planted(fake, JOINED)
    assert len(fake.sent) == 1


def test_what_can_be_refused_only_whole_is_left_out() -> None:
    fake = FakeClient(takes=lambda text: text != "007")
    at, state = planted(fake, whole("digits", "007"))
    assert state == {}
    assert at.values == {"about:text": "as it was"}


def test_of_a_text_that_is_too_long_as_many_parts_are_planted_as_the_client_takes() -> None:
    fake = FakeClient(takes=lambda text: len(text.encode()) <= 60)
    at, state = planted(fake, JOINED)
    assert len(str(at.values["about:text"]).encode()) <= 60
    assert len(state["about:text"].edges) > 1
    assert at.values["about:text"] == state["about:text"].value == fake.text


def test_a_field_of_which_nothing_is_planted_is_as_it_was() -> None:
    taken = iter([False, False, True])  # the whole text twice, then a half of it, and nothing after that
    fake = FakeClient(takes=lambda text: text == "as it was" or next(taken, False))
    at, state = planted(fake, JOINED)
    assert state == {}
    assert at.values["about:text"] == fake.text == "as it was"


def test_a_text_that_a_client_takes_and_cannot_show_is_left_out() -> None:
    fake = FakeClient(shows=lambda text: "\0" not in text)
    at, state = planted(fake, JOINED)
    assert {edge.name for edge in state["about:text"].edges} == {
        edge.name for edge in JOINED.edges if edge.name != "U+0000"
    }
    assert at.values == {"about:text": state["about:text"].value}


def test_a_value_that_a_client_takes_and_cannot_show_is_put_back() -> None:
    fake = FakeClient(shows=lambda text: text != "\0")
    at, state = planted(fake, whole("U+0000", "\0"))
    assert state == {}
    assert at.values == {"about:text": "as it was"}


# What is said of a loss.


def test_a_loss_names_the_parts_that_did_not_come_back_and_no_value() -> None:
    value = str(JOINED.value)
    told = lost_edges({"about:text": JOINED}, {"about:text": value}, {"about:text": value.replace("\0", "")})
    assert told == "about:text: U+0000"


def test_a_text_that_was_cut_is_said_to_have_been_too_long() -> None:
    value = str(JOINED.value)
    joined = plantings(BY_LEAF["business:address"], random.Random(0))[0]
    text = str(joined.value)
    told = lost_edges(
        {"business:address": joined}, {"business:address": text}, {"business:address": text[:-1]}
    )
    assert told is not None
    assert "as long as it may be" in told
    assert value not in told


def test_what_came_back_is_not_said_to_be_lost() -> None:
    assert lost_edges({"about:text": JOINED}, {"about:text": "a"}, {"about:text": "a"}) is None


@pytest.mark.parametrize(
    ("managed", "left", "states"),
    [(True, 0, 20), (False, 20, 4), (False, 5, 4), (False, 3, 2), (False, 1, 0)],
)
def test_a_declared_client_gets_four_states_at_most(managed: bool, left: int, states: int) -> None:
    testbed = SimpleNamespace(restores_left=left)
    assert how_many_states(cast(Client, SimpleNamespace(managed=managed, testbed=testbed))) == states
