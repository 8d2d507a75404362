"""The testbed of declared clients: they run already, are taken as they are, and are put back at the end."""

from __future__ import annotations

import atexit
import contextlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pytest_wa_settings.api.versions import same_version, version_order
from pytest_wa_settings.testbed.base import (
    PROFILES,
    Need,
    Settings,
    Setup,
    State,
    Testbed,
    setup_text,
)
from pytest_wa_settings.testbed.client import Client
from pytest_wa_settings.testbed.comeback import last_answer
from pytest_wa_settings.testbed.consumer import Consumer, ConsumerError
from pytest_wa_settings.testbed.entry import Entry, shared
from pytest_wa_settings.testbed.errors import NotBack, TestbedError, Unavailable, UsageError
from pytest_wa_settings.testbed.interrupts import first_interrupt_waits
from pytest_wa_settings.testbed.journal import Journal, journals, state_folder
from pytest_wa_settings.testbed.life import Budget
from pytest_wa_settings.testbed.offer import Offer, offer_of, setup_of
from pytest_wa_settings.testbed.opening import slot_of
from pytest_wa_settings.testbed.preflight import Found, preflight
from pytest_wa_settings.testbed.slot import Slot
from pytest_wa_settings.testbed.surroundings import Surroundings
from pytest_wa_settings.testbed.webhook import Receiver, ReceiverError
from pytest_wa_settings.wire import Recorder, WireError

TIMEOUT, READY_TIMEOUT = 30.0, 120.0


class DeclaredTestbed(Testbed):
    """One or several clients that run already; each is leased to one test at a time."""

    managed = False

    def __init__(self, name: str, address: str, entries: Sequence[Entry], settings: Settings) -> None:
        self.name = name
        self.address = address
        self._entries = tuple(entries)
        self._settings = settings
        profile = shared(entries, "profile")
        if profile is not None and profile not in PROFILES:
            raise UsageError("there is no such profile", f"give one of {', '.join(PROFILES)}")
        may_restore = any(entry.may_restore for entry in entries)
        self.profile = profile or ("full" if may_restore else "backup")
        self.timeout = max((entry.timeout for entry in entries if entry.timeout), default=TIMEOUT)
        self.ready_timeout = max(
            (entry.ready_timeout for entry in entries if entry.ready_timeout), default=READY_TIMEOUT
        )
        self.recorder = Recorder()
        self.contacts = tuple(dict.fromkeys(number for entry in entries for number in entry.contacts))
        self._slots: list[Slot] = []
        self._around: Surroundings | None = None
        self._warnings: list[str] = []
        self._closing: list[str] | None = None

    # opening

    def open(self) -> None:
        """Locks the clients and makes their drivers; sends nothing. Raises TestbedError."""
        atexit.register(self._close_at_exit)
        try:
            for entry in self._entries:
                slot = slot_of(entry, self, self._settings)
                slot.before_move = self._note_moves
                self._slots.append(slot)
            for slot in self._slots:
                for lock in slot.locks:
                    lock.take()
            self._around = Surroundings(
                self._slots, self._settings, contacts=self.contacts, timeout=self.timeout
            )
        except (WireError, ReceiverError, ConsumerError) as error:
            self.close()
            raise TestbedError(error.problem, error.remedy) from None
        except BaseException:
            self.close()
            raise

    # preflight

    def preflight(self) -> list[str]:
        """Looks at every client, and at the consumer view; raises TestbedError."""
        lines = []
        for slot in self._slots:
            slot.start_if_left_stopped(journals())
            found = self._look(slot)
            self.latency = max(self.latency, found.latency)
            self._warnings += found.warnings
            lines += found.lines
            slot.take_identity_lock()
            journal = slot.left_changed()
            if journal is not None:
                lines += slot.put_earlier_back(journal)
                self._look(slot)  # what it is may have come back, too
        if self._around is not None:
            self._around.check()
        return lines + self._what_will_be_done()

    def _note_moves(self, restored_on: Slot) -> None:
        for slot in self._slots:
            if slot is not restored_on:
                slot.note_move()

    def recover(self, journal: Journal) -> list[str]:
        """Puts the only client back as a journal says, and lets go of it; returns lines for the terminal.

        Raises:
            TestbedError: it cannot be reached, is another client, or could not be put back.
        """
        try:
            self.open()
            (slot,) = self._slots
            slot.start_if_left_stopped([journal])
            # whatever state a broken-off run left it in, it is put back from there
            self.latency = preflight(slot.client).latency
            slot.take_identity_lock()
            if journal.owner_lives() and not journal.is_ours:
                raise TestbedError(
                    f"the run that changed {slot.client.name} goes on (process {journal.run.get('pid')})",
                    "wait until it has put the client back, or end it",
                )
            number, known = slot.identity.number, journal.identity.number
            there = slot.identity.place == journal.identity.place
            other = number is not None and known is not None and number != known
            if other and not (there and journal.restored):  # a restore may have brought another number
                raise TestbedError(
                    f"{slot.client.name} has another business number than the client of {journal.path}",
                    "give the address of that client with --url",
                )
            return slot.put_earlier_back(journal)
        finally:
            self.close()

    def look(self) -> tuple[list[str], list[TestbedError]]:
        """Looks at every client, also after one that cannot be used, and at the consumer view."""
        lines: list[str] = []
        errors: list[TestbedError] = []
        for slot in self._slots:
            try:
                lines += self._look(slot).lines
                journal = slot.left_changed()
                if journal is not None:
                    lines.append(f"{journal.summary()}; put it back: {journal.command()}")
            except TestbedError as error:
                errors.append(error)
        try:
            if self._around is not None:
                self._around.check()
        except TestbedError as error:
            errors.append(error)
        return lines, errors

    def _look(self, slot: Slot) -> Found:
        """The preflight of one client, which fills in what was not declared."""
        client, entry = slot.client, slot.entry
        found = preflight(client)
        state: State = "unregistered" if "unregistered" in found.statuses else "registered"
        if entry.state is not None and found.statuses and entry.state != state:
            found = self._reset_to_declared(slot, state)
        elif entry.state is None:
            slot.entry = replace(entry, state=state)
            client.state = state
        client.version = client.version or found.version
        client.shards, client.multiconnect = setup_of(entry, multi=found.multi)
        reserved = 1 if slot.born_registered else 0
        client.budget = Budget(entry.max_restores - reserved, client.budget.spent)
        if found.multi and entry.shards is None and client.may_restore:
            self._warnings.append(f"{client.name} runs in multiconnect: add `shards` for the shard clauses")
        return found

    def _reset_to_declared(self, slot: Slot, state: State) -> Found:
        client = slot.client
        problem = f"{client.name} is declared {slot.entry.state}, but its health says it is {state}"
        if not client.life.can_reset or not client.may_restore or self._settings.check:
            raise TestbedError(problem, "correct `state` in its entry, or reset the client")
        try:
            client.reset()
        except NotBack as error:
            raise TestbedError(error.problem, error.remedy) from None
        if not client.wait_serving(None, slot.born_registered):
            last, remedy = last_answer(client)
            raise TestbedError(
                f"{problem}, also after its reset ({last})",
                remedy or "run the reset command by hand to see why",
            )
        return preflight(client)

    def _what_will_be_done(self) -> list[str]:
        """What the user should know before the first test."""
        restored = [slot for slot in self._slots if slot.client.may_restore]
        if restored:
            told = ", ".join(f"{slot.client.name} (at most {slot.entry.max_restores})" for slot in restored)
            lines = [
                f"restores will be made on {told}; each may stop the client, and from v2.31.4 gives every "
                "contact a new security code"
            ]
            if any(slot.born_registered for slot in restored):
                lines.append(
                    f"the state before the run will be kept in {state_folder()}, and put back at the end"
                )
            return lines
        if any(slot.client.may_change for slot in self._slots):
            return ["nothing will be restored; settings will be changed, and set back at the end"]
        return ["nothing will be restored, and no setting changed; --wa-allow-restore lets the suite do more"]

    # what is offered

    def offers(self) -> tuple[Offer, ...]:
        """The declared clients, with what was found out about those that were looked at."""
        found = {slot.entry.url: slot for slot in self._slots}
        return tuple(offer_of(entry, found.get(entry.url), self.profile) for entry in self._entries)

    @property
    def reaches_receiver(self) -> bool:
        """Whether the clients can call the suite back, as far as that is declared."""
        return all(entry.on_loopback for entry in self._entries) or any(e.webhook for e in self._entries)

    @property
    def _default(self) -> Slot | None:
        registered = [slot for slot in self._slots if slot.born_registered]
        return next(iter(registered or self._slots), None)

    @property
    def _default_setup(self) -> Setup:
        return self._default.client.setup if self._default else (1, False)

    @property
    def shard_setups(self) -> tuple[Setup, ...]:
        """The setups of the declared clients."""
        return tuple(sorted({slot.client.setup for slot in self._slots}))

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions of the declared clients, where they are known."""
        known = {slot.client.version for slot in self._slots if slot.client.version}
        return tuple(sorted(known, key=version_order))

    @property
    def consumer(self) -> Consumer | None:
        """The declared view; where there are several, each business is asked of its own."""
        return self._around.consumer if self._around else None

    def consumer_for(self, client: Client) -> Consumer | None:
        """The view that the client's own entry declares, else the one of the testbed."""
        return self._around.consumer_for(client) if self._around else None

    @property
    def webhook(self) -> Receiver | None:
        """A receiver at the declared address; on loopback where all clients are there."""
        return self._around.webhook if self._around else None

    @property
    def restores_left(self) -> int:
        """How many restores the default client may still take, the one that puts it back aside."""
        return self._default.client.budget.left if self._default else 0

    def why_not(self, need: Need) -> str | None:
        """None where a declared client fits; else one sentence on what to add."""
        return None if self._fitting(need) else "; ".join(self._lack(need))

    def _fitting(self, need: Need) -> list[Slot]:
        setup = need.setup(self._default_setup)
        return [
            slot
            for slot in self._slots
            if slot.born_registered == (need.state == "registered")
            and not slot.used_up
            and slot.client.setup == setup
            and (need.version is None or same_version(need.version, slot.client.version))
        ]

    def _lack(self, need: Need) -> tuple[str, str]:
        """What keeps a client from being offered, and what to add."""
        setup = need.setup(self._default_setup)
        of_state = [slot for slot in self._slots if slot.born_registered == (need.state == "registered")]
        of_setup = [slot for slot in of_state if slot.client.setup == setup]
        used = next((slot for slot in of_setup if slot.used_up), None)
        if used is not None and need.version is None:
            problem = (
                f"the {need.state} client {used.client.name} was restored on already, and cannot be reset"
            )
            return problem, "add `reset` to its entry in clients.toml"
        declared = "clients.toml" if self._settings.config else "a clients.toml and give it with --wa-config"
        odd = "" if setup == self._default_setup else f" with {setup_text(setup)}"
        version = f" of version {need.version}" if need.version else ""
        kind = f"{need.state} client{odd}{version}"
        return f"no {kind} is declared", f"add one to {declared}"

    # leases

    @contextmanager
    def lease(self, need: Need) -> Iterator[Client]:
        """A declared client for a while, shared or exclusive alike; raises Unavailable."""
        fitting = self._fitting(need)
        if not fitting:
            raise Unavailable(*self._lack(need))
        free = [slot for slot in fitting if not slot.leased]
        if not free:
            raise Unavailable(
                f"the test needs one more {need.state} client at the same time",
                "add another such client to clients.toml",
            )
        slot = self._ready(free)
        slot.leased = True
        try:
            yield slot.client
        finally:
            slot.leased = False
            slot.after_lease()

    def _ready(self, slots: Sequence[Slot]) -> Slot:
        """The first of the clients that serves; raises Unavailable with why the first of all does not."""
        stopped: Unavailable | None = None
        for slot in slots:
            try:
                slot.make_ready(self._free_numbers)
                return slot
            except Unavailable as error:
                stopped = stopped or error
        assert stopped is not None
        raise stopped

    def _free_numbers(self) -> None:
        """Resets the clients that may hold a number that belongs to another one."""
        for slot in self._slots:
            if slot.dirty and not slot.leased:
                slot.reset_if_dirty()

    # closing

    def close(self) -> list[str]:
        """Puts every client back, deletes the accounts that were made, and lets go of all; never raises."""
        if self._closing is None:
            self._closing = []
            try:
                with first_interrupt_waits(self._putting_back()):
                    self._put_all_back(self._closing)
            finally:
                atexit.unregister(self._close_at_exit)
                if self._around is not None:
                    self._around.close()
                for slot in self._slots:
                    slot.close()
        return self._closing

    def _putting_back(self) -> str:
        """What is done at the end, and for how long, in words."""
        names = [slot.client.name for slot in self._slots if slot.journal is not None or slot.dirty]
        what = ", ".join(names) or "what was changed"
        return f"putting {what} back as before the run, which takes {2 * self.ready_timeout:g} s at most"

    def _put_all_back(self, lines: list[str]) -> None:
        # Those that took another one's number first, so that it can go back.
        unregistered = [slot for slot in self._slots if not slot.born_registered]
        registered = [slot for slot in self._slots if slot.born_registered]
        steps = [slot.reset_if_dirty for slot in unregistered]
        steps += [slot.put_back for slot in registered]
        steps += [slot.delete_users for slot in unregistered]
        for step in steps:
            try:
                lines += step()
            except (KeyboardInterrupt, SystemExit):
                break
            except Exception as error:  # noqa: BLE001 - one client's trouble must not keep others from their state
                problem = getattr(error, "problem", None) or type(error).__name__
                lines.append(self.recorder.scrub(f"{problem}, while clients were put back"))
        for slot in registered:
            lines += slot.last_words("putting it back was broken off")

    def _close_at_exit(self) -> None:
        """The last resort of a process that ends without a close."""
        lines = self.close()
        with contextlib.suppress(OSError, ValueError, AttributeError):
            for line in lines:
                print(line, file=sys.__stderr__)

    # what the report says

    def clients_info(self) -> list[dict[str, Any]]:
        """The declared clients, in their order."""
        return [
            {
                "name": slot.client.name,
                "testbed": self.name,
                "address": slot.entry.url,
                "version": slot.client.version,
                "state": "registered" if slot.born_registered else "unregistered",
                "shards": slot.client.shards,
                "multiconnect": slot.client.multiconnect,
            }
            for slot in self._slots
        ]

    def warnings(self) -> list[str]:
        """What the preflight found odd."""
        return list(self._warnings)
