"""Restores on the way to a judgement: sent, and found out about where no answer came; then the way back."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from pytest_wa_settings.api.health import registered_by
from pytest_wa_settings.api.versions import version_numbers
from pytest_wa_settings.conformance.arrange import Backup, a_password, take_backup, wait_until
from pytest_wa_settings.conformance.judgements import agree, came, changed_leaves
from pytest_wa_settings.conformance.snapshots import Snapshot, read, shown
from pytest_wa_settings.testbed import Client, Need, NotBack, Testbed
from pytest_wa_settings.verdicts import NotTested
from pytest_wa_settings.wire import Answer

_MOST_READINGS = 5
"""Readings of a client that goes on changing."""
_MOST_ATTEMPTS = 3
"""How often a restore is sent that a gateway answered, and that was found not to be carried out."""
_LOOK_FOR_A_STOP = 2.0
"""Seconds at most in which a restore without an answer shows by a stop."""
_RESTORES_FOR_THE_REST = 17
"""Restores that a declared client keeps for what cannot be judged without them."""
OF_A_NEWER_VERSION = (
    "an older client need not take a newer version's backup: add an unregistered client of the same version"
)


def need_not_take(client: Client, backup: Backup) -> bool:
    """Whether the backup is of a newer version than the client: what it does with one is left open."""
    theirs, own = version_numbers(backup.version), version_numbers(client.version)
    return theirs is not None and own is not None and theirs > own


def machine_for(testbed: Testbed, source: Client, need: Need) -> Need:
    """The need for a new machine that must take this client's backups: of its version or a newer one."""
    own = version_numbers(source.version)
    if testbed.managed or own is None:
        return need
    for version in testbed.versions:  # oldest first
        fitting = replace(need, version=version)
        if (version_numbers(version) or ()) >= own and testbed.why_not(fitting) is None:
            return fitting
    return need


def can_spare_restores(client: Client) -> bool:
    """Whether restores are left for what only widens a clause."""
    return client.managed or client.testbed.restores_left >= _RESTORES_FOR_THE_REST


@dataclass(frozen=True)
class RestoreAttempt:
    """A restore that a conforming client accepts, as it was sent.

    Attributes:
        answer: its last answer. refused: the client answered outside 2xx, and did not carry it out.
    """

    answer: Answer
    refused: bool


class OutcomeUnknown(NotTested):
    """A gateway answered a restore in the client's place, and nothing tells whether it was carried out."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(
            f"a gateway answered a restore in the client's place ({came(answer)}), and nothing that can be "
            "read shows whether it was carried out",
            "surroundings",
        )


def attempt_restore(client: Client, backup: Backup, *, before: Snapshot | None = None) -> RestoreAttempt:
    """Restores; again only where a gateway answered and the state shows that it was not carried out.

    `before` is the reading just before it, by which that shows; None where there is none. An answer that was
    lost with the connection counts as accepted. So does an error (5xx) to a restore that was carried out, as
    the state shows: that is for RESTORE-1 to judge.

    Raises:
        NotTested: a gateway answered in the client's place, again and again; OutcomeUnknown where it is not
            known what came of that.
    """
    for _ in range(_MOST_ATTEMPTS):
        answer = client.restore(backup.password, backup.data, fresh=True)
        refusal = answer.answered and not answer.ok
        error = refusal and (answer.status or 0) >= 500
        made = was_carried_out(client, backup, before) if error or answer.from_gateway else None
        if made:
            client.carried_out_after_all()
            return RestoreAttempt(answer, refused=False)
        if not answer.from_gateway:
            return RestoreAttempt(answer, refusal)
        if made is None:
            raise OutcomeUnknown(answer)
        client.settled()
    raise NotTested(
        f"a gateway answered a restore in the client's place ({came(answer)}), {_MOST_ATTEMPTS} times",
        "surroundings",
    )


def was_carried_out(client: Client, backup: Backup, before: Snapshot | None) -> bool | None:
    """Whether a restore without an answer of the client's was carried out; None where nothing tells.

    A client that stops or registers itself then does so for that.
    """
    leaves = changed_leaves(backup.at.values, before.values) if before is not None else []
    # where no field tells, the stop alone does
    limit = min(_LOOK_FOR_A_STOP, client.stop_grace()) if leaves else _LOOK_FOR_A_STOP
    if _stops(client, before, limit):
        return True
    if not client.wait_serving():
        return None
    if client.state == "unregistered":
        registered = registered_by(client.probe())
        if registered is not None:
            return registered
    if not leaves:
        return None
    now = shown(client, "application").values
    if agree(leaves, backup.at.values, now):
        return True
    return False if before is not None and agree(leaves, before.values, now) else None


def _stops(client: Client, before: Snapshot | None, limit: float) -> bool:
    """Whether it is seen to stop; one that lost its number to another machine is down by health already."""
    if before is None or before.serving:
        return client.wait_down(limit)
    return wait_until(lambda: not client.probe().ok, limit)


def until_answered(client: Client, call: Callable[[], Answer]) -> Answer:
    """The answer to a restore that must be refused; again where a gateway answered, and nothing came of it.

    One that was carried out makes an app stop, and registers a new machine: then it is not sent again.
    """
    was_new = client.state == "unregistered"
    answer = call()
    for _ in range(_MOST_ATTEMPTS - 1):
        if not answer.from_gateway or client.wait_down(_LOOK_FOR_A_STOP) or not client.wait_serving():
            break
        if was_new and registered_by(client.probe()) is not False:
            break
        client.settled()
        answer = call()
    return answer


def restore_its_own_state(client: Client, rng: random.Random, see: str) -> Answer:
    """The answer to a restore of a backup with no change in between.

    Where a gateway answers nothing but the stop tells whether it was carried out; without one another backup
    is taken and restored, so that none is sent twice.

    Raises:
        NotTested: as `restore_accepted`.
    """
    for _ in range(_MOST_ATTEMPTS - 1):
        backup = take_backup(client, a_password(rng))
        try:
            return restore_accepted(client, backup, see)
        except OutcomeUnknown:
            client.settled()
    return restore_accepted(client, take_backup(client, a_password(rng)), see)


def restore_accepted(client: Client, backup: Backup, see: str, *, before: Snapshot | None = None) -> Answer:
    """The answer to a restore that a conforming client accepts; `before` is the reading just before it.

    Raises:
        NotTested: it was refused, which the clause `see` judges.
    """
    attempt = attempt_restore(client, backup, before=before)
    if attempt.refused:
        if need_not_take(client, backup):
            raise NotTested(OF_A_NEWER_VERSION, "not declared")
        raise NotTested(f"the restore was refused ({came(attempt.answer)}): see {see}")
    return attempt.answer


def refused_by_both(source: Client, backup: Backup, here: str) -> str:
    """The control after a refusal on another machine: RESTORE-8 where its own client refuses it, too."""
    return "RESTORE-8" if attempt_restore(source, backup).refused else here


def come_back(client: Client, *, registered: bool = True, see: str = "RESTORE-11") -> None:
    """Makes the client serve again after a restore.

    Raises:
        NotTested: it did not come back, which the clause `see` judges.
    """
    try:
        client.come_back(expect_registered=registered)
    except NotBack as error:
        raise NotTested(f"{error.problem}: see {see}") from None


def read_settled(client: Client) -> Snapshot:
    """Comes back, and reads until two readings agree: a restore may still be carried out during the first."""
    come_back(client)
    before = read(client)
    for _ in range(_MOST_READINGS):
        after = read(client)
        if after.serving and after.values == before.values:
            return after
        come_back(client)
        before = after
    return before


def not_an_earlier_state(at: Snapshot, after: Snapshot, *earlier: Snapshot) -> None:
    """What came back as a whole from before the backup's last change is BACKUP-9's.

    Raises:
        NotTested: it is such a state.
    """
    for one in earlier:
        changed = changed_leaves(at.values, one.values)
        if changed and agree(changed, one.values, after.values):
            raise NotTested("the state of an earlier moment came back: see BACKUP-9")


def restore_and_read(
    client: Client, backup: Backup, *, before: Snapshot | None = None, see: str = "RESTORE-8"
) -> tuple[Answer, Snapshot]:
    """Restores, comes back and reads; `before` is the reading just before it."""
    answer = restore_accepted(client, backup, see, before=before)
    come_back(client)
    return answer, read(client)
