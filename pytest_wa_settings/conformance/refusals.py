"""Calls that must be refused and leave the client as it is: sent one after another, and read in between."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from pytest_wa_settings.conformance.arrange import (
    Backup,
    a_password,
    can_spare_restores,
    come_back,
    plant_other_values,
    restore_accepted,
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
    settle,
    taken_up_late,
    unchanged,
)
from pytest_wa_settings.conformance.snapshots import Snapshot, gateway_statuses, look, read
from pytest_wa_settings.testbed import Client, Need, NotBack, Unavailable
from pytest_wa_settings.verdicts import Case, Finding, FindingError, NotTested
from pytest_wa_settings.wire import Answer

IN_A_ROW = 10
"""Calls of a long row after which the client is read."""
_UNCHANGED_WITHIN = 3.0
"""Seconds that a client may take to be as before: health may say `connecting` meanwhile."""
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
) -> Snapshot:
    """Reads until the client is as before, for a few seconds at most; returns that reading.

    A `quick` one begins with a look at the settings alone, a sixth of all that can be read.

    Raises:
        FindingError: it stays changed.
    """
    deadline = time.monotonic() + _UNCHANGED_WITHIN + 20 * client.testbed.latency
    after = look(client, before, "application") if quick else read(client)
    while True:
        finding = unchanged(clause, sent, before, after, answers)
        if finding is None:
            return after
        if time.monotonic() > deadline:
            settle(finding)
        time.sleep(0.1)
        after = read(client)


def lost_registration(case: Case, clause: str, sent: str, client: Client, *, backups: int) -> Finding | None:
    """A client that says it is unregistered now, where another is not after so many backups and a start."""
    health = client.driver.health()
    if not case.testbed.managed or "unregistered" not in gateway_statuses(health):
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
        self._count = 0
        self._last: deque[Answer] = deque(maxlen=2)
        self._unread = self._unread_whole = 0
        self.seconds = 0.0

    def judge(
        self, sent: str, call: Callable[[], Answer], *, example: str | None = None, every: int = 1
    ) -> Answer:
        """One call that must be refused; the client is looked at after every so many of them.

        Raises:
            FindingError: it was accepted (then the client is made to serve again), or it changed the client.
        """
        start = time.monotonic()
        answer = call()
        if not answer.answered:
            answer = self._again(sent, call, answer)
        finding = refused(self._clause, sent, answer, example=example)
        if finding is not None:
            self._recover()
            settle(finding)
        self._count += 1
        self._last.append(answer)
        self._unread += 1
        self._unread_whole += 1
        if self._each and self._unread >= every:
            told = sent if every == 1 else f"{self._unread} calls, the last one: {sent}"
            self._check(told, (answer,), quick=True)
        self.seconds = time.monotonic() - start
        return answer

    def finish(self, backup: Backup | None = None) -> bool:
        """The reading at the end, and that `backup`, taken before the refusals, still restores.

        Returns:
            Whether it was restored.
        """
        self._check_unread()
        if backup is None:
            return False
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
                settle(taken_up_late(self._clause, sent, len(leaves), after))
        try:
            self._before = read_unchanged(self._clause, sent, self._client, self._before, ())
        except FindingError:
            if self._keeps_over_a_start():
                raise
            self._before = read(self._client)

    def _judge_lost_registration(self) -> None:
        if self._registered:
            sent = f"{self._count} calls that were refused, then one more start"
            settle(lost_registration(self._case, self._clause, sent, self._client, backups=1))

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
            return unchanged(self._clause, "a start", changed, after) is None
        leaves = changed_leaves(backup.at.values, changed.values)
        return not agree(leaves, backup.at.values, after.values)

    def _still_restores(self, backup: Backup) -> None:
        answer = self._client.restore(backup.password, backup.data, fresh=True)
        accepted = answer.ok or not answer.answered
        if not accepted:
            fresh = take_backup(self._client, backup.password)
            control = restore_accepted(self._client, fresh, "RESTORE-8")
            come_back(self._client, registered=self._registered)
            settle(lost(self._clause, self._count, (answer, control)))
        come_back(self._client, registered=self._registered)

    def _again(self, sent: str, call: Callable[[], Answer], first: Answer) -> Answer:
        """Asks once more where no answer came: a running client owes one (a 2xx would be a finding)."""
        if not self._client.wait_serving(registered=None):
            settle(died(self._clause, sent, first))
        answer = call()
        if not answer.answered:
            self._unanswered += 1
            if self._unanswered == 1:
                self._case.remark(f"{came(answer)} to {sent}: taken as a refusal")
        return answer

    def _check_unread(self) -> None:
        if self._unread_whole:
            self._check(f"{self._unread_whole} calls that were refused", tuple(self._last))
            self._unread_whole = 0

    def _check(self, sent: str, answers: tuple[Answer, ...], *, quick: bool = False) -> None:
        self._unread = 0
        try:
            self._before = read_unchanged(
                self._clause, sent, self._client, self._before, answers, quick=quick
            )
        except Exception:
            self._recover()
            raise

    def _recover(self) -> None:
        """Makes the client serve again, so that what comes next is not judged on a stopped client."""
        try:
            self._client.come_back(expect_registered=self._registered)
        except Unavailable as error:
            self._case.remark(f"the client did not serve again: {error.problem}")
