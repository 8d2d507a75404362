"""Gives a client a packed state as far as it takes it: of a text that it refuses, the parts it takes."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from pytest_wa_settings.conformance.arrange import changeable, plant, until_shown
from pytest_wa_settings.conformance.edges import BLANK_ENDS, LONGEST, Edge, Planting
from pytest_wa_settings.conformance.fields import Leaf
from pytest_wa_settings.conformance.judgements import agree
from pytest_wa_settings.conformance.packing import State, Table, pack, tables
from pytest_wa_settings.conformance.snapshots import Snapshot, shown
from pytest_wa_settings.testbed import Client

_MOST_NAMES = 6


def plant_state(client: Client, state: State, before: Snapshot) -> tuple[Snapshot, State]:
    """The reading after it, and what was planted: what the client refuses is left out, at once from then on.

    So is what it takes and cannot show afterwards. `before` is the last reading.

    Raises:
        Unavailable: the client must not be changed.
    """
    wanted = {leaf: _not_refused(client, leaf, one) for leaf, one in state.items()}
    wanted = {leaf: one for leaf, one in wanted.items() if one.edges}
    taken = plant(client, _values(wanted, before), exact=True)
    after = until_shown(client, _values({leaf: wanted[leaf] for leaf in taken}, before), before)
    unread = after.unread.keys() - before.unread.keys()
    again = [leaf for leaf in wanted if leaf not in taken or _resource(leaf) in unread]
    if not again:
        return after, wanted
    _put_back(client, [leaf for leaf in again if leaf in taken], before)
    planted = {leaf: one for leaf, one in wanted.items() if leaf not in again}
    for leaf in again:
        one = wanted[leaf]
        alone = leaf not in taken and len(one.edges) == 1
        kept: tuple[Edge, ...] = () if alone else _taken_of(client, leaf, one, before)
        client.refused_edges |= {(leaf, edge.name) for edge in one.edges if edge not in kept}
        if kept:
            planted[leaf] = one.only(kept)
    return until_shown(client, _values(planted, before), before), planted


def _not_refused(client: Client, leaf: Leaf, one: Planting) -> Planting:
    return one.only([edge for edge in one.edges if (leaf, edge.name) not in client.refused_edges])


def _values(state: State, before: Snapshot) -> dict[Leaf, object]:
    """The values; a number as a text where the client shows it so (api 5.1)."""
    return {
        leaf: str(value)
        if isinstance(value := one.value, int) and isinstance(before.found.get(leaf), str)
        else value
        for leaf, one in state.items()
    }


def _resource(leaf: Leaf) -> str:
    return leaf.split(":")[0]


def _put_back(client: Client, leaves: Sequence[Leaf], before: Snapshot) -> None:
    plant(client, {leaf: before.found[leaf] for leaf in leaves if leaf in before.found})


def _taken_of(client: Client, leaf: Leaf, one: Planting, before: Snapshot) -> tuple[Edge, ...]:
    """The edges that the client takes in one value, and shows; it has that value then, or the old one."""

    def accepts(edges: Sequence[Edge]) -> bool:
        taken = plant(client, _values({leaf: one.only(edges)}, before), exact=True)
        if taken and _resource(leaf) in shown(client, _resource(leaf)).unread:
            _put_back(client, [leaf], before)
            return False
        return bool(taken)

    kept = halved(one.edges, accepts)
    while kept and not accepts(kept):  # each is taken, and not all of them in one text
        kept = kept[: len(kept) // 2]
    if not kept:
        _put_back(client, [leaf], before)  # a half may have been taken on the way
    return kept


def halved(edges: Sequence[Edge], accepts: Callable[[Sequence[Edge]], bool]) -> tuple[Edge, ...]:
    """The edges that are taken; those that are refused are found by halves."""
    if not edges or accepts(edges):
        return tuple(edges)
    half = len(edges) // 2
    return (*halved(edges[:half], accepts), *halved(edges[half:], accepts)) if half else ()


def packed_states(now: Snapshot, rng: random.Random, *, most: int) -> tuple[Table, list[State]]:
    """The edges of all fields that this reading shows and the suite may change, and `most` states of them."""
    table = tables(changeable(now, "application", "about", "business"), rng)
    return table, pack(table, most)


def lost_edges(planted: State, wanted: Mapping[Leaf, object], found: Mapping[Leaf, object]) -> str | None:
    """Which edges of planted fields did not come back, by name, never by value; None if none did."""
    told = []
    for leaf, value in wanted.items():
        if leaf not in planted or agree([leaf], wanted, found):
            continue
        edges, now = planted[leaf].edges, found.get(leaf)
        if isinstance(value, str) and isinstance(now, str):
            gone = [edge for edge in edges if str(edge.value) in value and str(edge.value) not in now]
            ends = [edge for edge in edges if edge in (LONGEST, BLANK_ENDS)]
            edges = tuple(gone or ends or edges)
        told.append(f"{leaf}: {names(edges)}")
    return "; ".join(told) or None


def names(edges: Sequence[Edge]) -> str:
    """The names of edges, not more than a reader wants."""
    more = f" and {len(edges) - _MOST_NAMES} more" if len(edges) > _MOST_NAMES else ""
    return ", ".join(edge.name for edge in edges[:_MOST_NAMES]) + more
