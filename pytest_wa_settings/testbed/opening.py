"""A declared client as its testbed takes it up: its driver, what it permits, its accounts and commands."""

from __future__ import annotations

from pytest_wa_settings.testbed.accounts import Accounts, ClientDriver
from pytest_wa_settings.testbed.base import Settings, Testbed
from pytest_wa_settings.testbed.client import Client
from pytest_wa_settings.testbed.commands import CommandLife
from pytest_wa_settings.testbed.entry import Entry
from pytest_wa_settings.testbed.identity import place_of
from pytest_wa_settings.testbed.life import Budget
from pytest_wa_settings.testbed.locks import ClientLock
from pytest_wa_settings.testbed.offer import setup_of
from pytest_wa_settings.testbed.permission import Permission
from pytest_wa_settings.testbed.slot import Slot
from pytest_wa_settings.wire import Tls


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
        scrub=testbed.recorder.scrub_of_client,
        secrets=entry.withheld | entry.secrets,
    )
    new = entry.state == "unregistered"
    accounts = Accounts(
        entry.admin_password,
        user=entry.user,
        user_password=entry.user_password,
        may_make=entry.may_change and not settings.check,
        first_login=(new or entry.may_change) and not settings.check,
    )
    may_restore = entry.may_restore and testbed.profile != "backup"
    permission = Permission(
        entry.name,
        change=entry.may_change and not settings.check,
        restore=may_restore and not settings.check,
        first_login=accounts.first_login,
    )
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
        may_restore=may_restore,
        budget=Budget(entry.max_restores),
    )
    slot = Slot(entry, client, [ClientLock(place_of(entry.url), entry.url)], permission, settings.say)
    client.guarded_by(slot.guard)
    driver.before_sending = slot.before_sending
    driver.after_answer = slot.after_answer
    return slot
