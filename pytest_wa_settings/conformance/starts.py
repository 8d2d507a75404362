"""The control of round trips over a start: what does not outlive a start alone is held against no restore."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from pytest_wa_settings.conformance.arrange import plant_other_values
from pytest_wa_settings.conformance.fields import Leaf
from pytest_wa_settings.conformance.judgements import agree
from pytest_wa_settings.conformance.once import once
from pytest_wa_settings.conformance.snapshots import shown
from pytest_wa_settings.testbed import Client, Need, Unavailable
from pytest_wa_settings.verdicts import Case, Finding, Judgement


def judged_over_a_start(
    case: Case,
    wanted: Mapping[Leaf, object],
    judge: Callable[[Mapping[Leaf, object]], Judgement],
    client: Client | None = None,
) -> Judgement:
    """What `judge` finds of the wanted values; where a start alone loses some, of the others only.

    No clause says that settings outlive a start; a restore has one in it. `client`: the one that is leased
    already; where it is declared, its settings may be others afterwards.
    """
    judgement = judge(wanted)
    if not isinstance(judgement, Finding):
        return judgement
    lost = once(case, "lost by a start", lambda: _lost_by_a_start(case, client)) & wanted.keys()
    if not lost:
        return judgement
    case.remark(f"not judged, as a start alone loses it: {', '.join(sorted(lost))}")
    return judge({leaf: value for leaf, value in wanted.items() if leaf not in lost})


def _lost_by_a_start(case: Case, leased: Client | None) -> frozenset[Leaf]:
    """Application settings that a start with no restore changes; none where nothing can start the client."""
    try:
        with ExitStack() as leases:
            # one that was never restored on, where there can be one: a restore may come again at each start
            client = leased
            if client is None or client.managed:
                client = leases.enter_context(case.testbed.lease(Need(exclusive=True)))
            if not (client.can_restart and client.may_change):
                return frozenset()
            rng = random.Random(f"{case.seed} lost by a start")
            changed = plant_other_values(client, rng, "application").of("application")
            client.restart()
            after = shown(client, "application").values
            return frozenset(leaf for leaf in changed if not agree([leaf], changed, after))
    except Unavailable:
        return frozenset()
