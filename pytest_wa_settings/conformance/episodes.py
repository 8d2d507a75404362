"""Whole restores, made once a testbed and judged by several clauses: restores are dear, evidence is not.

An episode arranges and records; it judges nothing. What it could not reach is a *not tested* for every
clause that asks for it.
"""

from __future__ import annotations

import random
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TypeVar

from pytest_wa_settings.conformance.arrange import (
    ALL,
    OF_A_NEWER_VERSION,
    Backup,
    a_password,
    can_spare_restores,
    change_values,
    changeable,
    machine_for,
    need_not_take,
    on_multiconnect,
    plant,
    plant_other_values,
    restore_accepted,
    retired,
    take_backup,
    until_shown,
    wait_until,
)
from pytest_wa_settings.conformance.fields import Leaf, another_value
from pytest_wa_settings.conformance.judgements import changed_leaves
from pytest_wa_settings.conformance.phones import Phones, gives_new_code
from pytest_wa_settings.conformance.snapshots import Snapshot, read, shown
from pytest_wa_settings.conformance.traffic import SERVED, Traffic
from pytest_wa_settings.testbed import Client, Need, NotBack, StartFailed, Testbed, Unavailable
from pytest_wa_settings.verdicts import Case, NotTested
from pytest_wa_settings.wire import NO_TOKEN, Answer

_BACKUP_WITHIN = 3.0
"""Seconds that a machine that is connected may go on refusing backups."""
_A_BACKUP, _A_CHANGE = "a backup", "a change of a setting"
Record = TypeVar("Record")
_made: weakref.WeakKeyDictionary[Testbed, dict[str, object]] = weakref.WeakKeyDictionary()


def once(case: Case, name: str, make: Callable[[], Record]) -> Record:
    """The record of an episode, made at its first use; what stopped it is raised again at every later one."""
    records = _made.setdefault(case.testbed, {})
    if name not in records:
        try:
            records[name] = make()
        except (NotTested, Unavailable) as stopped:
            records[name] = stopped
    record = records[name]
    if isinstance(record, NotTested):
        raise NotTested(record.reason)
    if isinstance(record, Unavailable):
        raise record.again()
    return record  # type: ignore[return-value]


@dataclass
class ExistingApp:
    """A restore on the machine that the backup came from.

    Attributes:
        earlier: the reading at a first backup, under the same password.
        second: a second one, where all had changed since; then only nested settings did.
        kept: the reading just after it.
        backup: the one that was restored; its `at` is the reading that must come back.
        before: the reading just before the restore, other in every field.
        went_down: whether it was seen down; None where something brings it back by itself.
        while_down: what backup answered then.
        back: why it did not come back; None if it did.
        no_fault: whether that is the surroundings' doing: nothing started it again.
        after: the reading after it came back; `again` after one more start.
        silenced: whether messages arrived before the backup, none after it, and again after one more start.
        mute: whether no message that it was given arrived any more after it came back, twice.
        refuses: what it refused after it came back, twice, and took before the restore.
        copy: a backup of the restored state.
        copies: how often a contact has a message from before the backup, at the end; None where none arrived.
    """

    client: Client
    earlier: Snapshot
    second: Backup
    kept: Snapshot
    backup: Backup
    before: Snapshot
    answer: Answer
    phones: Phones | None
    went_down: bool | None = None
    while_down: Answer | None = None
    back: str | None = None
    no_fault: bool = False
    after: Snapshot | None = None
    silenced: bool = False
    mute: bool = False
    refuses: tuple[str, ...] = ()
    copy: Answer | None = None
    copies: int | None = None
    again: Snapshot | None = None


def existing_app(case: Case) -> ExistingApp:
    """The record of a restore on an existing app; made once."""
    return once(case, "existing app", lambda: _existing_app(case))


def _existing_app(case: Case) -> ExistingApp:
    rng = random.Random(f"{case.seed} existing app")
    with case.testbed.lease(Need(exclusive=True)) as client:
        if not client.may_restore:
            raise Unavailable("the suite may not restore on this client", "add --wa-allow-restore")
        if not client.can_restart and client.restart_policy == "no":
            raise Unavailable("nothing starts this client again", "add --wa-restart-command")
        phones = Phones.of(case, client)
        password = a_password(rng)
        sent_before = _sends(case, client, rng)
        earlier = plant_other_values(client, rng, *ALL)  # else a default might be taken for it
        take_backup(client, password, at=earlier)
        middle = plant_other_values(client, rng, *ALL, now=earlier)
        second = take_backup(client, password, at=middle)
        kept = read(client)
        if not kept.serving and client.wait_serving():
            kept = read(client)
        traffic = _messages(case, client, rng)
        sent = traffic.send(client) if traffic else None
        at = _change_nested(client, rng, kept)
        backup = take_backup(client, password, at=at)
        before = plant_other_values(client, rng, *ALL, now=at)
        sends, silenced = _sends(case, client, rng), False
        if sends is False and client.can_restart:
            silenced = bool(sent_before) and not _sends(case, client, rng)
            # an earlier test's restore may be what keeps it from sending
            sends = _once_more(client) is not None and _sends(case, client, rng)
        if phones:
            phones.look_before()
        answer = restore_accepted(client, backup, "RESTORE-8")
        record = ExistingApp(client, earlier, second, kept, backup, before, answer, phones)
        record.silenced = silenced and bool(sends)
        _watch_the_stop(client, record)
        try:
            client.come_back(expect_registered=True)
        except NotBack as error:
            record.back = f"{error.problem}; {error.remedy}"
            record.no_fault = isinstance(error, StartFailed) or not client.can_restart
            return record
        record.after = read(client)
        if phones:
            phones.look_after(restores=int(gives_new_code(client.version) is not False), too_many=False)
        record.mute = bool(sends) and not any(_sends(case, client, rng) for _ in range(2))
        record.copy = client.backup(password)
        if record.after.serving:
            changes = changed_leaves(at.values, before.values)
            refused = _not_served(client, None, password, (_A_BACKUP, _A_CHANGE) if changes else (_A_BACKUP,))
            record.refuses = tuple(_not_served(client, None, password, refused))
        record.again = _once_more(client)
        if phones:
            phones.look_later()
        if traffic and sent:
            record.copies = traffic.copies(sent.text)
        return record


def _messages(case: Case, client: Client, rng: random.Random) -> Traffic | None:
    """Traffic by which a message can be seen to arrive; None where nobody can see that."""
    traffic = Traffic.of(case, client, rng)
    return traffic if traffic is not None and traffic.consumer is not None else None


def _sends(case: Case, client: Client, rng: random.Random) -> bool | None:
    """Whether a message that the client is given arrives at a contact; None where nobody can see that."""
    traffic = _messages(case, client, rng)
    return None if traffic is None else traffic.send(client) is not None


def _change_nested(client: Client, rng: random.Random, now: Snapshot) -> Snapshot:
    """Changes the settings that stand in others, and no other; returns a reading after it."""
    nested = [one for one in changeable(now, "application") if len(one.path) > 1]
    wanted = {one.leaf: another_value(one, now.values[one.leaf], rng) for one in nested}
    taken = plant(client, wanted)
    return until_shown(client, {leaf: wanted[leaf] for leaf in taken}, now)


def _once_more(client: Client) -> Snapshot | None:
    """The reading after one more start; None where the testbed cannot start it, or it does not answer."""
    if not client.can_restart:
        return None
    try:
        client.restart()
    except NotBack:
        return None if client.probe().status is None else read(client)
    return read(client)


def _watch_the_stop(client: Client, record: ExistingApp) -> None:
    """Sees the app down where nothing brings it back, and asks the stopped app for a backup."""
    if client.restart_policy != "no":
        if client.is_down():
            record.while_down = client.driver.backup(record.backup.password)
        return
    record.went_down = client.wait_down(client.testbed.ready_timeout)
    if record.went_down:
        record.while_down = client.driver.backup(record.backup.password)


@dataclass
class MulticonnectApp:
    """A restore on a registered multiconnect client, of the fewest shards that are offered.

    Attributes:
        sent: what was done, in words.
        earlier: the reading at a first backup, under the same password.
        backup: the one that was restored; its `at` is the reading that must come back.
        before: the reading just before the restore.
        stopped: whether it was seen down; None where something brings it back by itself.
        while_down: what backup answered then.
        back: why it did not come back; None if it did, or where the restore was refused.
        no_fault: whether that is the surroundings' doing: nothing started it again.
        after: the reading after it came back.
    """

    sent: str
    earlier: Snapshot
    backup: Backup
    before: Snapshot
    answer: Answer
    phones: Phones | None
    stopped: bool | None = None
    while_down: Answer | None = None
    back: str | None = None
    no_fault: bool = False
    after: Snapshot | None = None


def multiconnect_app(case: Case) -> MulticonnectApp:
    """The record of a restore on an existing multiconnect app; made once."""
    return once(case, "multiconnect app", lambda: _multiconnect_app(case))


def _multiconnect_app(case: Case) -> MulticonnectApp:
    rng = random.Random(f"{case.seed} multiconnect app")
    with case.testbed.lease(on_multiconnect(case.testbed)) as client:
        if not can_spare_restores(client):
            raise NotTested("restores are saved for what cannot be judged without them")
        phones = Phones.of(case, client) if gives_new_code(client.version) else None
        password = a_password(rng)
        earlier = plant_other_values(client, rng, "application")
        take_backup(client, password, at=earlier)
        at = plant_other_values(client, rng, "application", now=earlier)
        backup = take_backup(client, password, at=at)
        before = plant_other_values(client, rng, "application", now=at)
        if phones:
            phones.look_before()
        answer = client.restore(backup.password, backup.data, fresh=True)
        sent = f"restore on an existing app of {client.setup[0]} shards"
        record = MulticonnectApp(sent, earlier, backup, before, answer, phones)
        if answer.answered and not answer.ok:
            return record
        if client.restart_policy == "no":
            record.stopped = client.wait_down(case.testbed.ready_timeout)
            record.while_down = client.driver.backup(backup.password) if record.stopped else None
        try:
            client.come_back(expect_registered=True)
        except NotBack as error:
            record.back = f"{error.problem}; {error.remedy}"
            record.no_fault = isinstance(error, StartFailed) or not client.can_restart
            return record
        record.after = read(client)
        if phones:
            phones.look_after(restores=1)
        return record


@dataclass
class NewMachine:
    """A restore on a running client without registration.

    Attributes:
        earlier: the old machine's reading before anything was planted.
        stayed_up: whether it went on answering (then it must serve without a restart).
        back: why it did not begin to serve; None if it did.
        no_fault: whether that is the surroundings' doing.
        restarted: the reading after a start by hand, where it had not begun to serve by itself.
        served: the reading before one more start, after a backup and all else that it was asked for.
        again: the reading after that start.
        retired: settings that its version, which is another one, does not have.
        late: what it gave or did only after that start, and the old machine at once.
        never: what it did not give after that start either.
        copy: a backup of the restored state; open_to_all: what one without a token gives.
        user_login: what logging in as the old machine's user gives on the new one.
        user_token: what the old machine's user token gives there.
    """

    old: Client
    new: Client
    earlier: Snapshot
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
    retired: frozenset[Leaf] = frozenset()
    late: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    copy: Answer | None = None
    open_to_all: Answer | None = None
    user_login: Answer | None = None
    user_token: Answer | None = None
    remarks: list[str] = field(default_factory=list)


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
        traffic = Traffic.of(case, old, rng)
        if traffic:
            traffic.before_the_backup()
            at = read(old)
        backup = take_backup(old, a_password(rng), at=at)
        if traffic:
            traffic.after_the_backup()
        if phones:
            phones.look_before()
        if new.may_change:
            change_values(new, rng, "application")  # what it has by itself must not outlive the restore
        answer = restore_accepted(new, backup, "RESTORE-9")
        record = NewMachine(old, new, earlier, backup, at.number, answer, phones, traffic)
        record.stayed_up = not new.is_down()
        try:
            new.come_back(expect_registered=True)
        except NotBack as error:
            if need_not_take(new, backup):
                raise NotTested(OF_A_NEWER_VERSION) from None
            record.back = f"{error.problem}; {error.remedy}"
            record.no_fault = isinstance(error, StartFailed) or (new.is_down() and not new.can_restart)
            record.restarted = _once_more(new)
            return record
        record.after = read(new)
        if new.version != old.version:
            record.retired = retired(new, at, record.after)
        if phones:
            phones.look_after(restores=int(gives_new_code(new.version) is not False), too_many=False)
        looked = time.monotonic()
        served = list(traffic.on_the_new_machine(new).items()) if traffic else []
        if phones:  # before the backup, which has no business with codes
            phones.look_later(since=looked)
        record.copy = new.backup(backup.password)
        record.open_to_all = new.backup(backup.password, token=NO_TOKEN)
        served.append((_A_BACKUP, record.copy.ok))
        if changed_leaves(at.values, earlier.values):
            served.append((_A_CHANGE, _takes_a_change(new)))
        if user:
            name, password, token = user
            record.user_login = new.driver.login(name, password, remember=False)
            record.user_token = new.driver.logout(token) if token else None
        missing = [what for what, given in served if not given]
        missing = _not_served(new, traffic, backup.password, missing)  # in vain twice: it had time
        record.served = read(new)
        record.again = _once_more(new)
        if traffic:
            traffic.after_a_start(new)
        if record.again and record.again.serving:
            still = _not_served(new, traffic, backup.password, missing)
            record.late = tuple(what for what in missing if what not in still)
            # messages and callbacks may be lost between the machines of a user's testbed
            record.never = tuple(what for what in still if new.managed or what not in SERVED)
        if traffic:
            traffic.look_later()
        if phones:
            phones.after = phones.look()  # a start makes no new code, and nobody is told of one
        return record


def _takes_a_change(client: Client) -> bool:
    """Whether it takes a setting, to which the value is given that it has; so, too, where it shows none."""
    if not client.may_change:
        return True
    now = shown(client, "application")
    fields = changeable(now, "application")
    return not fields or bool(plant(client, {fields[0].leaf: now.values[fields[0].leaf]}))


def _not_served(new: Client, traffic: Traffic | None, password: str, asked: Sequence[str]) -> list[str]:
    """Of what was asked of the new machine: what it does not give now."""
    left = []
    for what in asked:
        if traffic and what in SERVED:
            given = traffic.serves(new, what)
        elif what == _A_CHANGE:
            given = wait_until(lambda: _takes_a_change(new), _BACKUP_WITHIN, 0.2)
        else:
            given = wait_until(lambda: new.backup(password).ok, _BACKUP_WITHIN, 0.2)
        left += [] if given else [what]
    return left


def make_user(client: Client, rng: random.Random) -> tuple[str, str, str | None] | None:
    """A user on this client alone, with a password and a token; None where the suite cannot make one."""
    name, password = f"wa{rng.getrandbits(32):08x}", a_password(rng)
    if not client.may_change or not client.driver.create_user(name, password).ok:
        return None
    login = client.driver.login(name, password, remember=False)
    return name, password, login_token(login)


def login_token(answer: Answer) -> str | None:
    """The token of a login answer."""
    body = answer.body
    users = body.get("users") if isinstance(body, dict) else None
    first = users[0] if isinstance(users, list) and users else None
    token = first.get("token") if isinstance(first, dict) else None
    return token if answer.ok and isinstance(token, str) else None


__all__ = [
    "ExistingApp",
    "MulticonnectApp",
    "NewMachine",
    "existing_app",
    "login_token",
    "make_user",
    "multiconnect_app",
    "new_machine",
    "once",
]
