"""A restore on a new machine, made once a testbed and judged by several clauses.

It arranges and records, and judges nothing.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field

from pytest_wa_settings.conformance.arrange import (
    ALL,
    Backup,
    a_password,
    plant_other_values,
    retired,
    take_backup,
)
from pytest_wa_settings.conformance.fields import BY_LEAF, Leaf
from pytest_wa_settings.conformance.judgements import agree, changed_leaves
from pytest_wa_settings.conformance.once import once
from pytest_wa_settings.conformance.packing import State, left_out
from pytest_wa_settings.conformance.phones import Phones, gives_new_code, views_differ
from pytest_wa_settings.conformance.planting import packed_states, plant_state
from pytest_wa_settings.conformance.restores import (
    OF_A_NEWER_VERSION,
    machine_for,
    need_not_take,
    restore_accepted,
)
from pytest_wa_settings.conformance.serving import A_BACKUP, A_CHANGE, not_served, once_more, takes_a_change
from pytest_wa_settings.conformance.snapshots import Snapshot, read
from pytest_wa_settings.conformance.traffic import SERVED, Traffic
from pytest_wa_settings.testbed import Client, Need, NotBack, StartFailed, Unavailable
from pytest_wa_settings.verdicts import Case, NotTested
from pytest_wa_settings.wire import NO_TOKEN, Answer


@dataclass
class NewMachine:
    """A restore on a running client without registration.

    Attributes:
        earlier: the old machine's reading before the last changes.
        blank: the new machine's reading before the restore.
        stayed_up: whether it went on answering (then it must serve without a restart).
        back: why it did not begin to serve; None if it did.
        no_fault: whether that is the surroundings' doing.
        restarted: the reading after a start by hand, where it had not begun to serve by itself.
        served: the reading before one more start, after a backup and all else that it was asked for.
        again: the reading after that start.
        planted: the edges that the old machine took, and had at the backup.
        left_out: how many edges one state left out, of how many.
        retired: settings that its version, which is another one, does not have.
        late: what it gave or did only after that start, and the old machine at once.
        never: what it did not give after that start either.
        copy: a backup of the restored state; open_to_all: what one without a token gives.
        views_differ: why what contacts see cannot be judged: the machines' views do not show one network.
        user_login: what logging in as the old machine's user gives on the new one.
        user_token: what the old machine's user token gives there.
    """

    old: Client
    new: Client
    earlier: Snapshot
    blank: Snapshot
    backup: Backup
    number: str | None
    answer: Answer
    phones: Phones | None
    traffic: Traffic | None
    back: str | None = None
    no_fault: bool = False
    restarted: Snapshot | None = None
    after: Snapshot | None = None
    served: Snapshot | None = None
    again: Snapshot | None = None
    stayed_up: bool | None = None
    planted: State = field(default_factory=dict)
    left_out: tuple[int, int] = (0, 0)
    retired: frozenset[Leaf] = frozenset()
    late: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    copy: Answer | None = None
    open_to_all: Answer | None = None
    views_differ: str | None = None
    user_login: Answer | None = None
    user_token: Answer | None = None
    remarks: list[str] = field(default_factory=list)

    @property
    def before(self) -> dict[Leaf, object]:
        """What was read just before the restore; of what the blank machine does not show, before the changes.

        A value that the suite drew for the old machine cannot be there by itself.
        """
        return {**self.earlier.values, **self.blank.values}

    @property
    def is_made(self) -> bool | None:
        """Whether the state afterwards shows that the restore was carried out; None where nothing tells."""
        if self.after is None:
            return None
        if self.blank.registered is False and self.after.registered:
            return True
        changed = changed_leaves(self.backup.at.values, self.before)
        if not changed:
            return None
        return any(agree([leaf], self.backup.at.values, self.after.values) for leaf in changed)


def new_machine(case: Case) -> NewMachine:
    """The record of a restore on a new machine; made once."""
    return once(case, "new machine", lambda: _new_machine(case))


def _new_machine(case: Case) -> NewMachine:
    rng = random.Random(f"{case.seed} new machine")
    with ExitStack() as leases:
        old = leases.enter_context(case.testbed.lease(Need(exclusive=True)))
        need = Need("unregistered", exclusive=True, consumes=True)
        new = leases.enter_context(case.testbed.lease(machine_for(case.testbed, old, need)))
        if not new.may_restore:
            raise Unavailable(
                "the suite may not restore on the new machine", "add may_restore = true to its entry"
            )
        phones = Phones.of(case, old)
        user = make_user(old, rng)
        earlier = plant_other_values(old, rng, *ALL)
        at = plant_other_values(old, rng, *ALL, now=earlier)
        table, states = packed_states(at, rng, most=1)
        edged, planted = _plant_edges(old, states, at)
        at = edged
        traffic = Traffic.of(case, old)
        if traffic:
            traffic.before_the_backup()
            at = read(old)
        backup = take_backup(old, a_password(rng), at=at)
        if traffic:
            traffic.after_the_backup()
        if phones:
            phones.look_before()
        # what it has by itself must not outlive the restore
        blank = plant_other_values(new, rng, "application") if new.may_change else read(new)
        answer = restore_accepted(new, backup, "RESTORE-9", before=blank)
        record = NewMachine(old, new, earlier, blank, backup, at.number, answer, phones, traffic)
        record.planted = {leaf: one for leaf, one in planted.items() if agree([leaf], edged.found, at.found)}
        record.left_out = left_out(table, [planted])
        record.stayed_up = not new.is_down()
        try:
            new.come_back(expect_registered=True)
        except NotBack as error:
            if need_not_take(new, backup):
                raise NotTested(OF_A_NEWER_VERSION) from None
            record.back = f"{error.problem}; {error.remedy}"
            record.no_fault = isinstance(error, StartFailed) or (new.is_down() and not new.can_restart)
            record.restarted = once_more(new)
            return record
        record.after = read(new)
        if new.version != old.version:
            record.retired = retired(new, at, record.after)
        if phones:
            phones.look_after(restores=int(gives_new_code(new.version) is not False), too_many=False)
        looked = time.monotonic()
        view = case.testbed.consumer_for(new)
        record.views_differ = views_differ(phones, view)
        served = list(traffic.on_the_new_machine(new, view).items()) if traffic else []
        if phones:  # before the backup, which has no business with codes
            phones.look_later(since=looked)
        with phones.leaving_out() if phones else nullcontext():
            record.copy = new.backup(backup.password)
        record.open_to_all = new.backup(backup.password, token=NO_TOKEN)
        served.append((A_BACKUP, record.copy.ok))
        changed = changed_leaves(at.values, earlier.values)
        if changed:
            served.append((A_CHANGE, takes_a_change(new, changed)))
        if user is not None:
            name, password, token = user
            record.user_login = new.login(name, password)
            record.user_token = new.log_out(token).answer
        missing = [what for what, given in served if not given]
        missing = not_served(new, traffic, backup.password, changed, missing)  # in vain twice: it had time
        record.served = read(new)
        record.again = once_more(new)
        if traffic:
            traffic.after_a_start(new)
        if record.again and record.again.serving:
            still = not_served(new, traffic, backup.password, changed, missing)
            record.late = tuple(what for what in missing if what not in still)
            # messages and callbacks may be lost between the machines of a user's testbed
            record.never = tuple(what for what in still if new.managed or what not in SERVED)
        if traffic:
            traffic.look_later()
        if phones:
            phones.after = phones.look()  # a start makes no new code, and nobody is told of one
        return record


def _plant_edges(client: Client, states: Sequence[State], now: Snapshot) -> tuple[Snapshot, State]:
    """The best state of edges, on top of values that are new; those of few choices stay, so that they are."""
    few = ("bool", "choice", "subset")
    state = {leaf: one for leaf, one in states[0].items() if BY_LEAF[leaf].kind not in few} if states else {}
    return plant_state(client, state, now)


def make_user(client: Client, rng: random.Random) -> tuple[str, str, str] | None:
    """A user on this client alone, with a password and a token; None where the suite cannot make one."""
    name, password = f"wa{secrets.token_hex(4)}", a_password(rng)  # no earlier run made one of this name
    if not client.may_change or not client.make_user(name, password).made:
        return None
    login = client.login(name, password)
    return (name, password, login.token) if login.ok and login.token else None
