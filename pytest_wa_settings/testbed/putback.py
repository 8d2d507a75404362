"""The way back of a changed client: its journal's state is restored, set again, and proved by reading."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pytest_wa_settings.api.resources import RESTORE, SUPPORT, TEXTS, content, number_of
from pytest_wa_settings.testbed.accounts import delete_users
from pytest_wa_settings.testbed.errors import NotBack, StartFailed, Unavailable
from pytest_wa_settings.testbed.journal import Journal, leave_words
from pytest_wa_settings.testbed.readings import come_since, reads_as_before, set_again
from pytest_wa_settings.testbed.witness import Witness

if TYPE_CHECKING:
    from pytest_wa_settings.testbed.client import Client

_MOST_RESTORES = 3
"""How often the safety backup is restored where no answer of the client came and it reads otherwise."""


class NotPutBack(Exception):
    """The client could not be put back, or nothing proves that it was.

    Attributes:
        problem: why, in one clause.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class ChangedMeanwhile(NotPutBack):
    """Somebody else changed the client: nothing of this run's may overwrite that."""


def put_back(
    client: Client, journal: Journal, *, witness: Witness | None = None, give_up_early: bool = False
) -> list[str]:
    """Puts a client back as its journal says, and closes the journal; returns lines for the terminal.

    It ends only by proof: the client was read after the last act, and reads as before, field by field.

    Args:
        witness: what this run has sent and read; what reads otherwise is somebody else's change.
        give_up_early: a client that was waited for in vain during the run is not waited for again.

    Raises:
        NotPutBack: it does not read as before, or it cannot be seen; the journal stays. ChangedMeanwhile
            where that is somebody else's doing.
        Unavailable: what is about to be done cannot be noted in the journal.
    """
    journal.enter("putting back", "restore" if journal.restored else "set again")
    known = copy.deepcopy(witness)  # as it is now: what is read from here on is what may be somebody else's
    _make_it_serve(client, give_up_early=give_up_early)
    if known is not None:
        _not_somebody_elses(client, journal, known)
    if journal.moved and journal.data and _has_lost_its_number(client, journal):
        journal.enter("putting back", "restore", restored=True)
    if journal.restored and journal.data:
        _restore(client, journal)
    left = _set_again(client, journal)
    more = [] if left else come_since(client, journal.readings)
    if more and journal.data and not journal.restored:
        # what was not set before is unset by a restore alone
        journal.enter("putting back", "restore", restored=True)
        _restore(client, journal)
        left = _set_again(client, journal)
        more = [] if left else come_since(client, journal.readings)
    if left:
        raise NotPutBack(f"this reads otherwise than before: {', '.join(left)}")
    users = _delete(client, journal.users)
    unread = [] if journal.readings else ["nothing of it could be read, before or after"]
    unread += [f"there now, and not set before the run: {', '.join(more)}"] if more else []
    journal.close()
    # the number's owner, and nobody else, may tell whether what cannot be read is as before
    return [*users, *(f"{client.name}: {line}" for line in unread)]


def _make_it_serve(client: Client, *, give_up_early: bool) -> None:
    """Makes it take calls, in whatever state; raises NotPutBack."""
    try:
        if client.pending is not None or client.killed:
            _bring_back(client)
        elif not client.serves(True):
            if give_up_early and client.given_up is not None:
                raise NotPutBack(client.given_up.problem)
            client.given_up = None
            client.habits.came_back()
            if not client.wait_serving(registered=True):
                _bring_back(client)
    except NotBack as error:
        raise NotPutBack(error.problem) from None


def _has_lost_its_number(client: Client, journal: Journal) -> bool:
    """Whether another machine has the number now; health says so, or the number is no longer shown."""
    if not client.serves(True):
        return True
    known, settings = journal.identity.number, client.calls.application()
    shown = number_of(settings) or number_of(client.ask("GET", SUPPORT))
    if shown is None:  # one that never showed it among its settings may have it all the same
        return settings.ok and "wa_id" in (journal.readings.get("application") or {})
    return known is not None and shown != known


def _not_somebody_elses(client: Client, journal: Journal, witness: Witness) -> None:
    """Sees that nothing reads as neither this run nor the time before it left it; raises NotPutBack."""
    for resource in TEXTS:
        if resource.name in journal.readings:
            now = content(resource, client.ask("GET", resource.path)) or {}
            found = witness.strange(resource.name, now)
            if found:
                raise ChangedMeanwhile(
                    f"somebody else changed it meanwhile: {resource.title} ({', '.join(found)}), which is "
                    "not overwritten"
                )


def _bring_back(client: Client) -> None:
    try:
        client.come_back(expect_registered=False)
    except StartFailed:
        # Nobody waited for it yet, and it may come back by itself.
        client.given_up = None
        if not client.wait_serving():
            raise
        client.settled()
    except NotBack:
        # One that does not even answer was started again while it was waited for.
        if not client.can_restart or not client.probe().answered:
            raise
        client.start_again()
        if not client.wait_serving():
            raise
        client.settled()


def _restore(client: Client, journal: Journal) -> None:
    """Restores the safety backup, again where no answer of the client came and it reads otherwise."""
    for _ in range(_MOST_RESTORES):
        answer = client.retry.call(
            f"POST {RESTORE}",
            lambda: client.noted(client.driver.restore(journal.password, journal.data, fresh=True)),
            repeatable=False,
        )
        if answer.answered and not answer.ok:
            raise NotPutBack(f"{client.name} refused its own safety backup (status {answer.status})")
        try:
            if client.pending is None:
                raise NotPutBack(f"{client.name} cannot be reached ({answer.failure})")
            client.come_back(expect_registered=True)
        except NotBack as error:
            raise NotPutBack(f"{client.name} took its safety backup, but {error.problem}") from None
        # a lost answer is no restore: settings that are set again would not show what else is missing
        if answer.ok or _reads_as_before(client, journal):
            return
    if answer.from_gateway:
        came = f"a gateway answered in its place (status {answer.status})"
    else:
        came = f"no answer came ({answer.failure})"
    raise NotPutBack(f"at the restore of its safety backup {came}, and it reads otherwise than before")


def _reads_as_before(client: Client, journal: Journal) -> bool:
    try:
        return reads_as_before(client, journal.readings)
    except Unavailable:
        return False


def _set_again(client: Client, journal: Journal) -> list[str]:
    try:
        left = set_again(client, journal.readings)
        if not left and not client.serves(True):
            left = ["it does not serve"]
    except Unavailable as error:
        raise NotPutBack(error.problem) from None
    return left


def _delete(client: Client, users: Iterable[str]) -> list[str]:
    left = delete_users(client, users)
    return [f"{client.name}: delete the accounts {', '.join(left)} by hand"] if left else []


def last_words(journal: Journal, why: str) -> list[str]:
    """Where the state from before is, and the way back; also written beside the journal and to stderr."""
    lines = [
        f"{journal.client} could not be put back as it was before the run: {why}",
        f"its state before the run"
        f"{', with the password to its backup,' if journal.data else ''} is in {journal.path}",
        "to put it back, with the administrator's password in WA_ADMIN_PASSWORD"
        + (
            " (it restores, so that the client stops and must be started again):" if journal.restored else ":"
        ),
        f"  {journal.command()}",
    ]
    if journal.users:
        lines.append(f"the accounts that the suite made are deleted by that, too: {', '.join(journal.users)}")
    leave_words(journal, lines)
    journal.give_up()
    stream = sys.__stderr__
    try:
        if stream is not None:
            stream.write("".join(f"wa-settings: {line}\n" for line in lines))
            stream.flush()
    except (OSError, ValueError):
        pass
    return lines
