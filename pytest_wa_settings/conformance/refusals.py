"""Calls that must be refused and leave the client as it is: sent one after another, and read in between."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from pytest_wa_settings.api.health import registered_by
from pytest_wa_settings.conformance.arrange import (
    Backup,
    a_password,
    plant_other_values,
    rng_of,
    take_backup,
)
from pytest_wa_settings.conformance.judgements import (
    agree,
    came,
    changed_leaves,
    died,
    lost,
    refused,
    taken_up_late,
    unchanged,
)
from pytest_wa_settings.conformance.restores import (
    attempt_restore,
    can_spare_restores,
    come_back,
    restore_accepted,
)
from pytest_wa_settings.conformance.snapshots import Snapshot, look, read
from pytest_wa_settings.testbed import Client, Need, NotBack, Unavailable
from pytest_wa_settings.verdicts import Case, Evidence, Finding, FindingError, NotTested
from pytest_wa_settings.wire import Answer

IN_A_ROW = 10
"""Calls of a long row after which the client is read."""
_UNCHANGED_WITHIN = 3.0
"""Seconds that a client may take to be as before: health may say `connecting` meanwhile."""
_MOST_TRIES = 3
"""How often a call is sent that a gateway answers in the client's place."""
_RESTORES_FOR_ROUND_TRIPS = 12
"""Restores of a declared client that are kept for what must be accepted."""
_FAST = 0.05
"""Seconds that a reading takes at most, on a client that is read after every call."""


def read_unchanged(
    clause: str,
    sent: str,
    client: Client,
    before: Snapshot,
    answers: tuple[Answer, ...],
    *,
    quick: bool = False,
) -> tuple[Snapshot, Evidence]:
    """Reads until the client is as before, for a few seconds at most; that reading, and what it rests on.

    A `quick` one begins with a look at the settings alone, a sixth of all that can be read.

    Raises:
        FindingError: it stays changed.
    """
    deadline = time.monotonic() + _UNCHANGED_WITHIN + 20 * client.testbed.latency
    after = look(client, before, "application") if quick else read(client)
    while True:
        judgement = unchanged(clause, sent, before, after, answers)
        if isinstance(judgement, Evidence):
            return after, judgement
        if time.monotonic() > deadline:
            raise FindingError(judgement)
        time.sleep(0.1)
        after = read(client)


def lost_registration(case: Case, clause: str, sent: str, client: Client, *, backups: int) -> Finding | None:
    """A client that says it is unregistered now, where another is not after so many backups and a start."""
    health = client.calls.health()
    if not case.testbed.managed or registered_by(health) is not False:
        return None
    with case.testbed.lease(Need(exclusive=True)) as control:
        for _ in range(backups):
            take_backup(control, a_password(rng_of(case)))
        try:
            control.restart()
        except NotBack:
            return None
    return Finding(clause, sent, "it is registered, as before", "health says `unregistered`", (health,))


class Refusals:
    """Sends restores that must be refused, and judges that nothing changed.

    One client, one clause. At a client that answers fast the settings are looked at after every call, or
    after every so many of a long row of calls; all that can be read is read once, at the end.
    """

    def __init__(self, case: Case, clause: str, client: Client, *, registered: bool = True) -> None:
        self._case, self._clause, self._client = case, clause, client
        self._registered = registered
        # Also after a reading that planting made: a client may take a moment to show all of what it took.
        self._before = read(client)
        if not self._before.serving and not client.wait_serving():
            raise NotTested("the client does not serve any more after what was arranged: see ROBUST-1")
        if self._before.seconds >= _FAST or not self._before.serving:
            self._before = read(client)  # the first one may have held a login and a handshake
        self._each = self._before.seconds < _FAST
        self._unanswered = 0
        self._answered = 0
        self._count = 0
        self._evidence: Evidence | None = None
        self._last: deque[Answer] = deque(maxlen=2)
        self._unread = self._unread_whole = 0
        self.seconds = 0.0

    def judge(
        self, sent: str, call: Callable[[], Answer], *, example: str | None = None, every: int = 1
    ) -> Answer:
        """One call that must be refused; the client is looked at after every so many of them.

        Raises:
            FindingError: it was accepted, or it changed the client. The client is then made to serve again,
                and what comes next is judged by a new reading of it.
        """
        start = time.monotonic()
        self._save_restores()
        answer = call()
        if not answer.answered:
            answer = self._again(sent, call, answer)
        judgement = refused(self._clause, sent, answer, example=example)
        if isinstance(judgement, Finding):
            self._client.habits.wrongly_accepted += 1
            self._start_over()
            raise FindingError(judgement)
        if judgement.missing is None:
            self._answered += 1
            self._case.judge(judgement)
        self._count += 1
        self._last.append(answer)
        self._unread += 1
        self._unread_whole += 1
        if self._each and self._unread >= every:
            told = sent if every == 1 else f"{self._unread} calls, the last one: {sent}"
            self._check(told, (answer,), quick=True)
        self.seconds = time.monotonic() - start
        return answer

    def _save_restores(self) -> None:
        """Sends no more that must be refused to a declared client which takes it, and so loses its restores.

        Raises:
            NotTested: such calls were accepted before, and the restores that are left are for other clauses.
        """
        client = self._client
        if client.managed or not client.habits.wrongly_accepted:
            return
        if client.budget.left < _RESTORES_FOR_ROUND_TRIPS:
            raise NotTested(
                "the client takes restores that it must refuse; those that are left are for other clauses: "
                "raise --wa-max-restores",
                "no evidence",
            )

    def finish(self, backup: Backup | None = None, *, widens: bool = False) -> bool:
        """The reading at the end, and that `backup`, taken before the refusals, still restores.

        Args:
            widens: where no evidence is to be had, the clause is left to the other tests of it.

        Returns:
            Whether the backup was restored.

        Raises:
            NotTested: no field could have changed, or no call was answered.
        """
        self._check_unread()
        restored = backup is not None and self._restores_still(backup)
        if self._count and not self._answered and not widens:
            raise NotTested(f"the client answered none of {self._count} calls", "no evidence")
        if self._evidence is not None and not (widens and self._evidence.missing):
            self._case.judge(self._evidence)
        return restored

    def _restores_still(self, backup: Backup) -> bool:
        """Judges that the backup still restores; whether that could be done."""
        if not self._client.can_restart:
            self._case.remark(
                "that an earlier backup still restores was not checked: the client cannot be restarted"
            )
        elif not can_spare_restores(self._client):
            self._case.remark("that an earlier backup still restores was not checked, to save restores")
        else:
            self._still_restores(backup)
            return True
        return False

    def survives_a_start(self, *backups: Backup) -> None:
        """Judges that the next start takes up nothing of the refused backups: that would be a change.

        A start may heal what only memory holds: where that counts, `finish` comes in a test of its own.
        """
        self._check_unread()
        taken_up = [(one, changed_leaves(one.at.values, self._before.values)) for one in backups]
        if not self._client.can_restart or not any(leaves for _, leaves in taken_up):
            return
        try:
            self._client.restart()
        except NotBack as error:
            self._judge_lost_registration()
            self._case.remark(f"that the next start takes up nothing was not checked: {error.problem}")
            return
        after = read(self._client)
        sent = f"{self._count} calls that were refused, then one more start"
        for backup, leaves in taken_up:
            if leaves and agree(leaves, backup.at.values, after.values) and self._keeps_over_a_start(backup):
                raise FindingError(taken_up_late(self._clause, sent, len(leaves), after))
        try:
            self._before, _ = read_unchanged(self._clause, sent, self._client, self._before, ())
        except FindingError:
            if self._keeps_over_a_start():
                raise
            self._before = read(self._client)

    def _judge_lost_registration(self) -> None:
        if self._registered:
            sent = f"{self._count} calls that were refused, then one more start"
            finding = lost_registration(self._case, self._clause, sent, self._client, backups=1)
            if finding is not None:
                raise FindingError(finding)

    def _keeps_over_a_start(self, backup: Backup | None = None) -> bool:
        """The control: whether a change outlives a start at all, which no clause demands.

        With `backup`: whether at least the values of that backup do not come back.
        """
        changed = plant_other_values(self._client, rng_of(self._case), "application")
        try:
            self._client.restart()
        except NotBack:
            return False
        after = read(self._client)
        if backup is None:
            return isinstance(unchanged(self._clause, "a start", changed, after), Evidence)
        leaves = changed_leaves(backup.at.values, changed.values)
        return not agree(leaves, backup.at.values, after.values)

    def _still_restores(self, backup: Backup) -> None:
        attempt = attempt_restore(self._client, backup, before=self._before)
        if attempt.refused:
            fresh = take_backup(self._client, backup.password)
            control = restore_accepted(self._client, fresh, "RESTORE-8")
            come_back(self._client, registered=self._registered)
            raise FindingError(lost(self._clause, self._count, (attempt.answer, control)))
        come_back(self._client, registered=self._registered)

    def _again(self, sent: str, call: Callable[[], Answer], first: Answer) -> Answer:
        """Asks again where no answer came: a running client owes one (a 2xx would be a finding).

        What was sent may have been carried out all the same, so the client is read before it is sent again.
        """
        answer = first
        for _ in range(_MOST_TRIES if first.from_gateway else 1):
            if not self._client.wait_serving(registered=None):
                raise FindingError(died(self._clause, sent, answer))
            self._check(sent, (answer,))
            answer = call()
            if answer.answered:
                break
        if not answer.answered:
            self._unanswered += 1
            if self._unanswered == 1:
                self._case.remark(f"{came(answer)} to {sent}: taken as a refusal, and as no evidence of one")
        return answer

    def _check_unread(self) -> None:
        if self._unread_whole:
            self._check(f"{self._unread_whole} calls that were refused", tuple(self._last))
            self._unread_whole = 0

    def _check(self, sent: str, answers: tuple[Answer, ...], *, quick: bool = False) -> None:
        self._unread = 0
        try:
            self._before, evidence = read_unchanged(
                self._clause, sent, self._client, self._before, answers, quick=quick
            )
        except Exception:
            self._start_over()
            raise
        self._evidence = evidence if self._evidence is None else self._evidence.joined(evidence)

    def _start_over(self) -> None:
        """Makes the client serve again, and takes what it shows now for the state that must stay."""
        self._recover()
        self._before = read(self._client)
        self._unread = self._unread_whole = 0

    def _recover(self) -> None:
        """Makes the client serve again, so that what comes next is not judged on a stopped client."""
        try:
            self._client.come_back(expect_registered=self._registered)
        except Unavailable as error:
            self._case.remark(f"the client did not serve again: {error.problem}")
