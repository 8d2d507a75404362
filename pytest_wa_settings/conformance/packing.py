"""Packs the edges of many fields into few states: different edges in different fields at once."""

from __future__ import annotations

import random
from collections.abc import Sequence

from pytest_wa_settings.conformance.edges import FORMS, Planting, plantings
from pytest_wa_settings.conformance.fields import Field, Leaf

State = dict[Leaf, Planting]
Table = dict[Leaf, list[Planting]]
BLOCK = 4
"""States that begin with the most telling edges of each field; the next ones go on where they end."""


def tables(fields: Sequence[Field], rng: random.Random) -> Table:
    """What each field is to be given; the forms of texts are shared between the texts."""
    texts = [one.leaf for one in fields if one.kind == "text" and not one.choices]
    shares = {leaf: FORMS[turn :: len(texts)] for turn, leaf in enumerate(texts)}
    return {one.leaf: plantings(one, rng, shares.get(one.leaf, FORMS)) for one in fields}


def pack(table: Table, most: int) -> list[State]:
    """As few states as hold everything, `most` at most, the same at every run with one seed.

    Of a field with more plantings than states the first ones are taken; of one with fewer some come again.
    """
    states = min(most, max(map(len, table.values()), default=0))
    return [
        {leaf: listed[_place(number, turn, len(listed), states)] for turn, (leaf, listed) in rows}
        for number in range(states)
        for rows in [list(enumerate(table.items()))]
    ]


def _place(number: int, turn: int, length: int, states: int) -> int:
    """Which planting stands in this state, of a field's list; `turn` moves it within its block."""
    if number >= length:
        return (number + turn) % length
    block = number - number % min(BLOCK, states)
    width = min(BLOCK, states, length - block)
    return block + (number - block + turn) % width


def left_out(table: Table, planted: Sequence[State]) -> tuple[int, int]:
    """How many edges stand in none of the states, and how many there are."""
    every = {(leaf, edge) for leaf, listed in table.items() for one in listed for edge in _named(one)}
    held = {(leaf, edge) for state in planted for leaf, one in state.items() for edge in _named(one)}
    return len(every - held), len(every)


def _named(one: Planting) -> list[str]:
    return [edge.name for edge in one.edges]
