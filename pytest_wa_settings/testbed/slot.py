"""One declared client in its testbed: made ready for a lease, guarded before changes, put back at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from pytest_wa_settings.api.health import registered_by, statuses
from pytest_wa_settings.api.resources import number_of
from pytest_wa_settings.testbed.accounts import Accounts, ClientDriver, delete_made_users
from pytest_wa_settings.testbed.base import Settings, Testbed
from pytest_wa_settings.testbed.client import Client
from pytest_wa_settings.testbed.comeback import last_answer
from pytest_wa_settings.testbed.commands import CommandLife
from pytest_wa_settings.testbed.entry import Entry
from pytest_wa_settings.testbed.errors import GivenUp, NotBack, StartFailed, Unavailable
from pytest_wa_settings.testbed.keepsake import Keepsake, take_keepsake
from pytest_wa_settings.testbed.life import Budget
from pytest_wa_settings.testbed.locks import ClientLock
from pytest_wa_settings.testbed.offer import setup_of
from pytest_wa_settings.testbed.safety import SafetyBackup, take_safety_backup
from pytest_wa_settings.wire import Tls

_A_MOMENT = 5.0


@dataclass
class Slot:
    """A declared client and what the testbed knows about it.

    `dirty`: an unregistered client that a restore was made on; it must be reset before it is used as one
    again. `broken`: why it did not serve when it was last made ready.
    """

    entry: Entry
    client: Client
    lock: ClientLock
    say: Callable[[str], None]
    leased: bool = False
    dirty: bool = False
    broken: Unavailable | None = None
    keepsake: Keepsake | None = None
    safety: SafetyBackup | None = None
    _unsafe: Unavailable | None = field(default=None, repr=False)
    _guarding: bool = field(default=False, repr=False)
    _number: str | None = field(default=None, repr=False)

    @property
    def born_registered(self) -> bool:
        """Whether it was registered before the run."""
        return self.entry.state != "unregistered"

    @property
    def used_up(self) -> bool:
        """Whether it was an unregistered client once, and nothing makes it one again."""
        return self.dirty and not self.client.life.can_reset

    # before changes

    def guard(self, restoring: bool) -> None:
        """Sees a registered client before it is changed for the first time; raises Unavailable."""
        if not self.born_registered or self._guarding:
            return
        self._guarding = True
        try:
            if self.keepsake is None:
                self.keepsake = take_keepsake(self.client)
                # Not only before a restore: the backup must hold the state before the first change.
                if self.client.may_restore:
                    self._take_safety_backup()
            if restoring and self._unsafe is not None:
                raise self._unsafe.again()
        finally:
            self._guarding = False

    def _take_safety_backup(self) -> None:
        try:
            self.safety = take_safety_backup(self.client)
        except Unavailable as error:
            self._unsafe = error
            return
        self.say(
            f"the state of {self.client.name} before the run, and its password, are in {self.safety.path}"
        )

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
        if self.safety is not None and client.budget.left > 0:
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
        assert self.safety is not None
        if self.client.probe().answered:
            self.safety.put_back(self.client, self._reads_as_before)

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
        lines: list[str] = []
        try:
            if self.client.touched and self.safety is not None:
                lines = self._restore_safety()
            if self.keepsake is not None and self.client.serves(True):
                lines += self._set_back(self.keepsake)
            if self.safety is not None:
                if self.client.touched:
                    lines.append(f"{self.client.name} was put back as it was before the run")
                self._let_go_of_safety()
        except (KeyboardInterrupt, SystemExit):
            lines += self.last_words("the run was ended meanwhile")
        self.keepsake = self._unsafe = None
        return lines

    def _let_go_of_safety(self) -> None:
        if self.safety is not None:
            self.safety.remove()
        self.safety, self.client.touched = None, False

    def _set_back(self, keepsake: Keepsake) -> list[str]:
        """Reads whether it is as before, sets again what is not, and tells of what cannot be."""
        left = ", ".join(keepsake.put_back(self.client))
        if not left:
            return []
        if self._reset_instead():
            self._let_go_of_safety()
            return [f"{self.client.name} was reset, as this could not be set back: {left}"]
        if self.safety is not None:
            return self.last_words(f"this reads otherwise than before: {left}")
        return [f"{self.client.name}: not as before the run: {left}"]

    def _restore_safety(self) -> list[str]:
        """Restores the safety backup, or resets the client; returns lines only where that was not to be."""
        assert self.safety is not None
        client = self.client
        try:
            if client.pending is not None or client.killed or not client.serves(True):
                self._serve_for_put_back()
            self.safety.put_back(client, self._reads_as_before)
        except Unavailable as error:
            if not self._reset_instead():
                return self.last_words(error.problem)
            words = f"{client.name} was put back by its reset command ({error.problem})"
            kept = f"its backup from before the run is kept in {self.safety.path}"
            self.safety, client.touched = None, False
            return [f"{words}; {kept}"]
        return []

    def _reads_as_before(self) -> bool:
        return self.keepsake is not None and self.keepsake.reads_as_before(self.client)

    def _serve_for_put_back(self) -> None:
        """Makes it take a restore, in whatever state; raises NotBack."""
        client = self.client
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
            if not client.can_restart or self.broken is not None or not client.probe().answered:
                raise
            client.start_again()
            if not client.wait_serving():
                raise
            client.settled()

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
        """Where the safety backup is, when the client is left as it is; the file stays."""
        safety, self.safety = self.safety, None
        return [] if safety is None else safety.last_words(self.client.name, why)

    def delete_users(self) -> list[str]:
        """Deletes the accounts that the suite made; returns lines for the terminal."""
        driver = self.client.driver
        if not driver.made_users:
            return []
        left = sorted(driver.made_users) if self.client.given_up else delete_made_users(self.client)
        driver.made_users.clear()
        return [f"{self.client.name}: delete the accounts {', '.join(left)} by hand"] if left else []

    def close(self) -> None:
        """Lets go of the client."""
        self.client.driver.close()
        self.lock.release()


def slot_of(entry: Entry, testbed: Testbed, settings: Settings) -> Slot:
    """The slot of an entry, with a driver that has not sent anything yet; raises WireError."""
    driver = ClientDriver(
        entry.url,
        name=entry.name,
        recorder=testbed.recorder,
        admin=entry.admin,
        password=entry.admin_password,
        tls=Tls(verify=entry.verify, ca=entry.ca, client_cert=entry.client_cert),
        timeout=testbed.timeout,
        token=entry.token,
        headers=entry.headers,
        proxy=entry.proxy,
    )
    if entry.user_password:
        testbed.recorder.add_secret(entry.user_password)
    life = CommandLife(
        entry.name,
        restart=entry.restart,
        reset=entry.reset,
        limit=testbed.ready_timeout,
        folder=entry.folder,
        scrub=testbed.recorder.scrub,
    )
    new = entry.state == "unregistered"
    accounts = Accounts(
        entry.admin_password,
        user=entry.user,
        user_password=entry.user_password,
        may_make=entry.may_change and not settings.check,
        first_login=(new or entry.may_change) and not settings.check,
    )
    slots: list[Slot] = []
    client = Client(
        name=entry.name,
        testbed=testbed,
        driver=driver,
        state=entry.state or "registered",
        setup=setup_of(entry, multi=False),
        version=entry.version,
        life=life,
        accounts=accounts,
        restart_policy=entry.restart_policy,
        may_change=entry.may_change,
        may_restore=entry.may_restore and testbed.profile != "backup",
        budget=Budget(entry.max_restores),
        guard=lambda restoring: slots[0].guard(restoring),
    )
    slots.append(Slot(entry, client, ClientLock(entry.url), settings.say))
    return slots[0]
