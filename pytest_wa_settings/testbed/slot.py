"""One declared client in its testbed: made ready for a lease, guarded before changes, put back at the end."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pytest_wa_settings.api.health import registered_by, statuses
from pytest_wa_settings.api.resources import BACKUP, number_of
from pytest_wa_settings.testbed.accounts import delete_users
from pytest_wa_settings.testbed.beforehand import journal_of
from pytest_wa_settings.testbed.client import Client
from pytest_wa_settings.testbed.comeback import last_answer
from pytest_wa_settings.testbed.earlier import left_changed, used_by_another, was_stopped_by
from pytest_wa_settings.testbed.entry import Entry
from pytest_wa_settings.testbed.errors import GivenUp, NotBack, StartFailed, TestbedError, Unavailable
from pytest_wa_settings.testbed.identity import Identity, identity_of
from pytest_wa_settings.testbed.interrupts import first_interrupt_waits
from pytest_wa_settings.testbed.journal import Journal
from pytest_wa_settings.testbed.locks import ClientLock
from pytest_wa_settings.testbed.permission import Permission
from pytest_wa_settings.testbed.putback import ChangedMeanwhile, NotPutBack, last_words, put_back
from pytest_wa_settings.testbed.witness import Witness
from pytest_wa_settings.wire import Answer

_A_MOMENT = 5.0
_USERS = "/v1/users"


@dataclass
class Slot:
    """A declared client and what the testbed knows about it.

    `dirty`: an unregistered client that a restore was made on; it must be reset before it is used as one
    again. `broken`: why it did not serve when it was last made ready. `before_move` is called with it before
    a restore, which may take the number of another client.
    """

    entry: Entry
    client: Client
    locks: list[ClientLock]
    permission: Permission
    say: Callable[[str], None]
    leased: bool = False
    dirty: bool = False
    broken: Unavailable | None = None
    journal: Journal | None = None
    witness: Witness = field(default_factory=Witness, repr=False)
    before_move: Callable[[Slot], None] = field(default=lambda _: None, repr=False)
    _unsafe: Unavailable | None = field(default=None, repr=False)
    _putting_back: bool = field(default=False, repr=False)
    _guarding: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _number: str | None = field(default=None, repr=False)
    _gave_backup: bool = field(default=False, repr=False)
    _may_lose_number: bool = field(default=False, repr=False)

    @property
    def born_registered(self) -> bool:
        """Whether it was registered before the run."""
        return self.entry.state != "unregistered"

    @property
    def used_up(self) -> bool:
        """Whether it was an unregistered client once, and nothing makes it one again."""
        return self.dirty and not self.client.life.can_reset

    # before changes

    def before_sending(self, method: str, path: str, body: bytes) -> None:
        """Sees to what a request needs before it leaves: permission, then a journal of the state before.

        Raises:
            NotPermitted: it may not be sent. Unavailable: the state before it cannot be noted.
        """
        effect = self.permission.effect(method, path, body)
        if effect == "reads" or self._putting_back:
            return
        if effect == "restores":
            self.before_move(self)
        self.witness.sent(method, path, body)
        restoring = effect == "restores"
        with self._guarding:
            self.guard(restoring)
            if self.journal is not None:
                if method == "POST" and path == _USERS:
                    self._note_user(self.journal, body)
                self.journal.enter("changed", f"{method} {path.partition('?')[0]}", restored=restoring)
            self.client.touched = self.client.touched or restoring

    def after_answer(self, answer: Answer) -> None:
        """Takes in what an answer shows of the client, and whether a backup of it is about."""
        self._gave_backup = self._gave_backup or (answer.path == BACKUP and answer.data is not None)
        self.witness.answered(answer)

    def note_move(self) -> None:
        """Notes, before it is, that a backup of this client may be restored on another machine.

        Raises:
            Unavailable: the state before cannot be noted, so that the number could not be given back.
        """
        if not self.born_registered or not self._gave_backup or self._putting_back:
            return
        self._may_lose_number = True
        if self.client.may_restore:
            with self._guarding:
                self.guard(restoring=True)
                if self.journal is not None:
                    self.journal.enter("changed", "its number may go to another machine", moved=True)

    def _note_user(self, journal: Journal, body: bytes) -> None:
        with contextlib.suppress(ValueError, AttributeError):
            name = json.loads(body).get("username")
            if isinstance(name, str):
                journal.add_user(name)

    def guard(self, restoring: bool) -> None:
        """Notes the state of a registered client before its first change; raises Unavailable."""
        if not self.born_registered or self._putting_back:
            return
        with self._guarding:
            if self.journal is None:
                self._open_journal()
            if restoring and self._unsafe is not None:
                raise self._unsafe.again()

    def _open_journal(self) -> None:
        client = self.client
        journal, self._unsafe = journal_of(client, self.entry)
        journal.write()
        # after that, so that of two runs that come here at one time neither is overlooked
        try:
            other = used_by_another(client)
        except BaseException:  # nothing was changed: nothing is to be put back
            journal.close()
            raise
        if other is not None:
            journal.close()
            raise Unavailable(
                f"another run is using {client.name} ({other}), so nothing is changed",
                "wait until it has ended, then run again",
            )
        self.journal = journal
        if journal.data:
            self.say(f"the state of {client.name} before the run, and its password, are in {journal.path}")

    # what an earlier run left

    @property
    def identity(self) -> Identity:
        """Which client it is, as far as that can be read."""
        return identity_of(self.client)

    def take_identity_lock(self) -> None:
        """Locks the client under its number and key, too, however others reach it; raises TestbedError.

        Not under its number alone: emulators on one machine may share a sample number.
        """
        identity = self.identity if self.born_registered else None
        if identity is not None and identity.number and identity.key:
            lock = ClientLock(f"number {identity.number}, {identity.key}", self.entry.url, several=True)
            lock.take()
            self.locks.append(lock)

    def left_changed(self) -> Journal | None:
        """The journal of an earlier run that changed this client and did not put it back.

        Raises:
            TestbedError: a run that goes on has the client, or may have it.
        """
        return left_changed(self.client) if self.born_registered else None

    def start_if_left_stopped(self, left: Iterable[Journal]) -> None:
        """Starts a client that does not answer, where one of these journals' runs may have stopped it."""
        client = self.client
        stopped = any(was_stopped_by(journal, client) for journal in left)
        if stopped and self.entry.state != "unregistered" and client.can_restart:
            with contextlib.suppress(Unavailable):  # the preflight says what is wrong
                # one that answers anything, or slowly, runs: its command acts like a kill
                if client.probe().failure_kind in ("refused", "closed"):
                    client.start_again()
                    client.wait_answering(client.testbed.ready_timeout)

    def put_earlier_back(self, journal: Journal) -> list[str]:
        """Puts back what an earlier run left; returns lines for the terminal.

        Raises:
            TestbedError: it may not be, or could not be.
        """
        client = self.client
        restores = journal.restored or journal.moved
        needs = "restored on" if restores else "changed"
        may = client.may_restore if restores else client.may_change
        if not may:
            raise TestbedError(
                f"{journal.summary()}, and {client.name} may not be {needs}",
                f"put it back first: {journal.command()}",
            )
        self._putting_back = True
        limit = 2 * client.testbed.ready_timeout
        doing = f"putting {client.name} back as before an earlier run, which takes {limit:g} s at most"
        try:
            with first_interrupt_waits(doing):
                journal.take_over()
                client.pending = "unknown" if journal.restored else None
                lines = put_back(client, journal)
        except (NotPutBack, Unavailable) as error:
            last_words(journal, error.problem)
            raise TestbedError(
                f"{journal.summary()}, and it could not be put back now: {error.problem}",
                f"put it back by hand: {journal.command()}",
            ) from None
        except BaseException:
            last_words(journal, "putting it back was broken off")
            raise
        finally:
            self._putting_back = False
        return [f"{client.name} was put back as it was before an earlier run", *lines]

    # around a lease

    def make_ready(self, free_numbers: Callable[[], None]) -> None:
        """Sees that the client serves as declared, and helps where it can; raises Unavailable.

        `free_numbers` resets other clients that may hold this one's number.
        """
        if self.dirty:
            self._reset_once()
        wanted = self.born_registered
        client = self.client
        if client.pending is not None or client.killed:
            with contextlib.suppress(NotBack):
                client.come_back(expect_registered=wanted)
        lost = self._has_lost_its_number()
        if not lost and client.serves(wanted):
            client.given_up = self.broken = None
            return
        if self.broken is not None:
            raise self.broken.again()
        if not lost and client.wait_serving(min(_A_MOMENT, client.testbed.ready_timeout), wanted):
            return
        free_numbers()
        if self._helped(wanted, lost) or self._serves(wanted):
            return
        self.broken = self._why_broken(wanted)
        raise self.broken.again()

    def _why_broken(self, wanted: bool) -> Unavailable:
        client, why = self.client, self.client.given_up
        if why is not None and (client.pending is not None or client.killed):
            told = f"{client.name} was given up: {why.problem}", why.remedy
            started = wanted and client.can_restart and not isinstance(why, StartFailed)
            return GivenUp(*told) if started and client.pending == "accepted" else Unavailable(*told)
        state = "connected" if wanted else "unregistered"
        last, remedy = last_answer(client)
        return Unavailable(
            f"{client.name} is not {state} ({last}), and nothing made it so",
            remedy or "start it again by hand, or add `reset` to its entry in clients.toml",
        )

    def _has_lost_its_number(self) -> bool:
        """Whether it runs, but another client has its number, restart or no.

        Then health only says `disconnected`; where it says nothing, the number is no longer shown.
        """
        if not self.born_registered:
            return False
        if found := set(statuses(self.client.probe())):
            return found == {"disconnected"}
        settings = self.client.calls.application()
        number = number_of(settings)
        self._number = self._number or number
        return settings.ok and number is None and self._number is not None

    def _serves(self, wanted: bool) -> bool:
        return self.client.wait_serving(None, wanted) and not self._has_lost_its_number()

    def _helped(self, wanted: bool, lost: bool) -> bool:
        """Whether a restart, a reset or the safety backup made it serve."""
        client = self.client
        ways: list[Callable[[], None]] = []
        if self._may_reset:
            ways.append(client.reset)
        # What is pending still was waited for in vain, and started again meanwhile.
        if client.can_restart and client.pending is None and not client.killed:
            if lost:
                ways.append(self._start_without_its_number)
            else:
                ways.insert(0, client.start_again)
        if self.journal is not None and self.journal.data and client.budget.left > 0:
            ways.append(self._restore_early)
        for way in ways:
            try:
                way()
            except Unavailable:
                continue
            if self._serves(wanted):
                return True
        return False

    def _start_without_its_number(self) -> None:
        """Starts it; raises Unavailable, with no long wait, where another machine has its number still."""
        client, limit = self.client, self.client.testbed.ready_timeout
        client.start_again()
        if client.wait_answering(limit):
            client.wait_serving(min(_A_MOMENT, limit), True)
        if self._has_lost_its_number():
            raise self._why_broken(True)

    def _restore_early(self) -> None:
        """Restores the state before the run, so that the client serves again; the journal stays open."""
        journal = self.journal
        assert journal is not None
        if self.client.probe().answered:
            answer = self.client.restore(journal.password, journal.data, fresh=True)
            if answer.ok or not answer.answered:
                self.client.come_back(expect_registered=True)

    def after_lease(self) -> None:
        """Notes what became of an unregistered client."""
        client = self.client
        if not self.born_registered and (client.touched or client.state == "registered"):
            # after a restore only health can say that it is still new
            still_new = client.serves(False) and registered_by(client.probe()) is False
            self.dirty = client.state == "registered" or not still_new
            client.touched = self.dirty

    def _reset(self) -> None:
        client = self.client
        client.reset()
        client.state = "registered" if self.born_registered else "unregistered"
        client.touched = self.dirty = False
        if not client.wait_serving(None, self.born_registered):
            self.dirty = not self.born_registered
            last, remedy = last_answer(client)
            limit = client.testbed.ready_timeout
            raise Unavailable(
                f"{client.name} is not {client.state} {limit:g} s after its reset ({last})",
                remedy or "run the reset command by hand to see why",
            )

    def _reset_once(self) -> None:
        """Resets it, unless that was in vain before; raises Unavailable."""
        if self.broken is None:
            try:
                self._reset()
            except Unavailable as error:
                self.broken = error
        if self.broken is not None:
            raise self.broken.again()

    # at the end

    def reset_if_dirty(self) -> list[str]:
        """Resets an unregistered client that was restored on; returns lines for the terminal."""
        if not self.dirty:
            return []
        name = self.client.name
        if not self.client.life.can_reset:
            return [f"{name} is registered now, with the number of the backup: reset it before its next use"]
        try:
            self._reset_once()
        except Unavailable as error:
            return [f"{name} could not be reset: {error.problem}"]
        return []

    def put_back(self) -> list[str]:
        """Puts a registered client back as it was before the run; returns lines for the terminal."""
        journal = self.journal
        if journal is None or journal.state == "opened":
            self._close_journal()
            return self._lost_for_good()
        self._putting_back = True
        try:
            lines = put_back(self.client, journal, witness=self.witness, give_up_early=True)
        except (NotPutBack, Unavailable) as error:
            if not isinstance(error, ChangedMeanwhile) and self._reset_instead():
                words = f"{self.client.name} was put back by its reset command ({error.problem})"
                return self._kept_after_reset(journal, words)
            return self.last_words(error.problem)
        except (KeyboardInterrupt, SystemExit):
            return self.last_words("the run was ended meanwhile")
        finally:
            self._putting_back = False
        self.journal, self.client.touched = None, False
        self.client.driver.made_users.clear()
        done = f"{self.client.name} was put back as it was before the run"
        return [*([done] if journal.restored else []), *lines]

    def _lost_for_good(self) -> list[str]:
        """Says that its number is another client's now, where nothing was noted that could bring it back."""
        if not self._may_lose_number or self.client.given_up or not self._has_lost_its_number():
            return []
        return [
            f"{self.client.name} has lost its number to a client that a backup of it was restored on; "
            "nothing may be restored on it, so give it its number back by hand"
        ]

    def _kept_after_reset(self, journal: Journal, words: str) -> list[str]:
        """A reset is the owner's own way back; what was before stays at hand where it was restored on."""
        self.client.touched = False
        if not journal.data:
            self._close_journal()
            return [words]
        self.journal = None
        return [f"{words}; its state from before the run stays in {journal.path}"]

    def _close_journal(self) -> None:
        journal, self.journal = self.journal, None
        self._unsafe = None
        if journal is not None:
            journal.close()

    @property
    def _may_reset(self) -> bool:
        """Whether a reset is at hand, and no harm to a client that is not for tests."""
        return self.client.life.can_reset and self.client.may_restore

    def _reset_instead(self) -> bool:
        if not self._may_reset or self.broken is not None:
            return False
        try:
            self._reset()
        except Unavailable:
            return False
        return True

    def last_words(self, why: str) -> list[str]:
        """Where the state from before is, when the client is left as it is; the journal stays."""
        journal, self.journal = self.journal, None
        return [] if journal is None else last_words(journal, why)

    def delete_users(self) -> list[str]:
        """Deletes the accounts that the suite made; returns lines for the terminal."""
        driver = self.client.driver
        if not driver.made_users:
            return []
        left = sorted(driver.made_users)
        if not self.client.given_up:
            self._putting_back = True
            left = delete_users(self.client, driver.made_users)
        driver.made_users.clear()
        return [f"{self.client.name}: delete the accounts {', '.join(left)} by hand"] if left else []

    def close(self) -> None:
        """Lets go of the client."""
        self.client.driver.close()
        for lock in self.locks:
            lock.release()
