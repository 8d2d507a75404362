"""Whole restores, made once a testbed and judged by several clauses: restores are dear, evidence is not.

An episode arranges and records; it judges nothing. What it could not reach is a *not tested* for every
clause that asks for it.
"""

from __future__ import annotations

import random
from contextlib import nullcontext
from dataclasses import dataclass

from pytest_wa_settings.conformance.arrange import (
    ALL,
    Backup,
    a_password,
    changeable,
    on_multiconnect,
    plant,
    plant_other_values,
    take_backup,
    until_shown,
)
from pytest_wa_settings.conformance.fields import Leaf, another_value
from pytest_wa_settings.conformance.judgements import agree, came, changed_leaves
from pytest_wa_settings.conformance.once import once
from pytest_wa_settings.conformance.phones import Phones, gives_new_code
from pytest_wa_settings.conformance.restores import attempt_restore, can_spare_restores, restore_accepted
from pytest_wa_settings.conformance.serving import A_BACKUP, A_CHANGE, not_served, once_more
from pytest_wa_settings.conformance.snapshots import Snapshot, read
from pytest_wa_settings.conformance.traffic import Traffic
from pytest_wa_settings.testbed import Client, Need, NotBack, StartFailed, Unavailable
from pytest_wa_settings.testbed.restoring import LET_IT_RESTORE
from pytest_wa_settings.verdicts import Case, NotTested
from pytest_wa_settings.wire import Answer


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

    @property
    def changed(self) -> list[Leaf]:
        """The application settings that differed just before the restore: they show what it did."""
        return changed_leaves(self.backup.at.values, self.before.values)

    @property
    def is_made(self) -> bool | None:
        """Whether the state afterwards shows that the restore was carried out; None where nothing tells."""
        after = self.after
        if after is None or not self.changed:
            return None
        return any(agree([leaf], self.backup.at.values, after.values) for leaf in self.changed)


def existing_app(case: Case) -> ExistingApp:
    """The record of a restore on an existing app; made once."""
    return once(case, "existing app", lambda: _existing_app(case))


def _existing_app(case: Case) -> ExistingApp:
    rng = random.Random(f"{case.seed} existing app")
    with case.testbed.lease(Need(exclusive=True)) as client:
        if not client.may_restore:
            raise Unavailable("the suite may not restore on this client", LET_IT_RESTORE)
        if not client.can_restart and client.restart_policy == "no":
            raise Unavailable("nothing starts this client again", "add --wa-restart-command")
        phones = Phones.of(case, client)
        password = a_password(rng)
        sent_before = _sends(case, client)
        earlier = plant_other_values(client, rng, *ALL)  # else a default might be taken for it
        take_backup(client, password, at=earlier)
        middle = plant_other_values(client, rng, *ALL, now=earlier)
        second = take_backup(client, password, at=middle)
        kept = read(client)
        if not kept.serving and client.wait_serving():
            kept = read(client)
        traffic = _messages(case, client)
        sent = traffic.send(client) if traffic else None
        at = _change_nested(client, rng, kept)
        backup = take_backup(client, password, at=at)
        before = plant_other_values(client, rng, *ALL, now=at)
        sends, silenced = _sends(case, client), False
        if sends is False and client.can_restart:
            silenced = bool(sent_before) and not _sends(case, client)
            # an earlier test's restore may be what keeps it from sending
            sends = once_more(client) is not None and _sends(case, client)
        if phones:
            phones.look_before()
        answer = restore_accepted(client, backup, "RESTORE-8", before=before)
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
        _not_refused(record, record.after)
        if phones:
            phones.look_after(restores=int(gives_new_code(client.version) is not False), too_many=False)
        record.mute = bool(sends) and not any(_sends(case, client) for _ in range(2))
        with phones.leaving_out() if phones else nullcontext():
            record.copy = client.backup(password)
            if record.after.serving:
                changed = changed_leaves(at.values, before.values)
                asked = [*([] if record.copy.ok else [A_BACKUP]), *([A_CHANGE] if changed else [])]
                for _ in range(2):  # it had time
                    asked = not_served(client, None, password, changed, asked)
                record.refuses = tuple(asked)
        record.again = once_more(client)
        if phones:
            phones.look_later()
        if traffic and sent:
            record.copies = traffic.copies(sent.text)
        return record


def _not_refused(record: ExistingApp, after: Snapshot) -> None:
    """An error to a restore, and the state from before it: that was a refusal, whatever stopped meanwhile.

    Raises:
        NotTested: it was one.
    """
    leaves = changed_leaves(record.backup.at.values, record.before.values)
    error = record.answer.answered and not record.answer.ok
    if error and leaves and agree(leaves, record.before.values, after.values):
        raise NotTested(f"the restore was refused ({came(record.answer)}): see RESTORE-8")


def _messages(case: Case, client: Client) -> Traffic | None:
    """Traffic by which a message can be seen to arrive; None where nobody can see that."""
    traffic = Traffic.of(case, client)
    return traffic if traffic is not None and traffic.consumer is not None else None


def _sends(case: Case, client: Client) -> bool | None:
    """Whether a message that the client is given arrives at a contact; None where nobody can see that."""
    traffic = _messages(case, client)
    return None if traffic is None else traffic.send(client) is not None


def _change_nested(client: Client, rng: random.Random, now: Snapshot) -> Snapshot:
    """Changes the settings that stand in others, and no other; returns a reading after it."""
    nested = [one for one in changeable(now, "application") if len(one.path) > 1]
    wanted = {one.leaf: another_value(one, now.values[one.leaf], rng) for one in nested}
    taken = plant(client, wanted)
    return until_shown(client, {leaf: wanted[leaf] for leaf in taken}, now)


def _watch_the_stop(client: Client, record: ExistingApp) -> None:
    """Waits for the app to be down, and asks the stopped app for a backup.

    Where something brings it back, nobody need see it down.
    """
    stays_down = client.restart_policy == "no"
    down = client.wait_down(client.testbed.ready_timeout if stays_down else client.stop_grace())
    if stays_down:
        record.went_down = down
    if down:
        record.while_down = client.backup_at_once(record.backup.password)


@dataclass
class MulticonnectApp:
    """A restore on a registered multiconnect client, of the fewest shards that are offered.

    Attributes:
        sent: what was done, in words.
        earlier: the reading at a first backup, under the same password.
        backup: the one that was restored; its `at` is the reading that must come back.
        before: the reading just before the restore. refused: it was refused.
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
    refused: bool
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
        attempt = attempt_restore(client, backup, before=before)
        sent = f"restore on an existing app of {client.setup[0]} shards"
        record = MulticonnectApp(sent, earlier, backup, before, attempt.answer, attempt.refused, phones)
        if attempt.refused:
            return record
        if client.restart_policy == "no":
            record.stopped = client.wait_down(case.testbed.ready_timeout)
            record.while_down = client.backup_at_once(backup.password) if record.stopped else None
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
