"""Mutants of what contacts see of a restore (CODE-1 to CODE-4); some are deviations of the network's side."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from pytest_wa_settings.reference.backups import Backups
from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.deviations import mutant, replace, wrap
from pytest_wa_settings.reference.errors import Refusal
from pytest_wa_settings.reference.http import Call, Reply
from pytest_wa_settings.reference.mutants.tools import Handle, at_the_starts_of_a_moved_machine
from pytest_wa_settings.reference.network import Account, Contact, Network, timestamp
from pytest_wa_settings.reference.options import Options, parse_version
from pytest_wa_settings.reference.registration import new_identity
from pytest_wa_settings.reference.vault import Opened

NO_CHANGE = {"CODE-2": "where no code changes, no contact is told of a change"}


def _identity(choose: Callable[[Coreapp, Opened, bool], dict[str, Any]]) -> None:
    """Give the restored registration an identity of `choose`, told whether the client was registered."""

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        existing = coreapp.registration.number is not None
        clean(coreapp, opened)
        if coreapp.options.new_code_on_restore:
            kept = coreapp.registration.details() or {}
            coreapp.store.put("registration", {**kept, **choose(coreapp, opened, existing)})

    wrap(Coreapp, "commit", commit)


def _old(opened: Opened) -> dict[str, Any]:
    kept = opened.state["registration"]
    return {name: kept[name] for name in ("identity", "identity_timestamp")}


@mutant("CODE-1", also=NO_CHANGE)
def code_restored() -> None:
    """The identity comes back from the backup, and with it the security code, as before v2.31.4."""
    _identity(lambda coreapp, opened, existing: _old(opened))


@mutant("CODE-1", also=NO_CHANGE)
def code_restored_on_a_new_machine() -> None:
    """On a new machine the identity comes back from the backup; an existing app makes a new one."""
    _identity(lambda coreapp, opened, existing: {} if existing else _old(opened))


@mutant("CODE-1", also=NO_CHANGE)
def code_restored_on_multiconnect() -> None:
    """In a multiconnect set-up the identity comes back from the backup: each shard has it already."""
    _identity(lambda coreapp, opened, existing: _old(opened) if coreapp.options.multiconnect else {})


@mutant("CODE-1")
def code_restored_from_old_backups() -> None:
    """A backup from before v2.31.4 brings its identity back: the rule goes by the backup's version."""
    _identity(
        lambda coreapp, opened, existing: (
            _old(opened) if parse_version(opened.setup.version) < (2, 31, 4) else {}
        )
    )


@mutant("CODE-1")
def code_made_of_the_backup() -> None:
    """The new identity is made of the backed-up one: a second restore of a backup brings no new code."""

    def derived(coreapp: Coreapp, opened: Opened, existing: bool) -> dict[str, Any]:
        old = _old(opened)["identity"]
        return {"identity": hashlib.sha256(f"restored {old}".encode()).hexdigest()}

    _identity(derived)


@mutant("CODE-1")
def code_restored_by_the_first_version_of_the_rule() -> None:
    """The rule begins after v2.31.4 and not with it, by a comparison that leaves the version itself out."""

    def restored(options: Options) -> bool:
        return options.release > (2, 31, 4)

    replace(Options, "new_code_on_restore", property(restored))


def _for_some(changed: Callable[[Network, Contact], bool]) -> None:
    """Show the code of the first identity to the contacts that are not `changed`."""
    first: dict[str, str] = {}

    def register(
        clean: Any, network: Network, number: str, session: str, identity: str, pin: str | None
    ) -> None:
        first.setdefault(number, identity)
        clean(network, number, session, identity, pin)

    def security_code(clean: Any, network: Network, wa_id: str, business: str | None) -> Any:
        account = network.accounts.get(business or "")
        if account is None or changed(network, network.contact(wa_id)):
            return clean(network, wa_id, business)
        now, account.identity = account.identity, first.get(account.number, account.identity)
        try:
            return clean(network, wa_id, business)
        finally:
            account.identity = now

    wrap(Network, "register", register)
    wrap(Network, "security_code", security_code)


@mutant("CODE-1", place="network")
def code_new_for_those_who_are_told() -> None:
    """Only contacts with security notifications get a new code."""
    _for_some(lambda network, contact: contact.security_notifications)


@mutant("CODE-1", place="network")
def code_new_for_the_first_contact() -> None:
    """Only the first contact gets a new code."""
    _for_some(lambda network, contact: contact is next(iter(network.contacts.values())))


# Notices.


def _notices(tell: Callable[[Network, Account, dict[str, Any]], None]) -> None:
    def tell_contacts(clean: Any, network: Network, account: Account) -> None:
        tell(
            network, account, {"type": "security_code_changed", "business": account.number, "at": timestamp()}
        )

    wrap(Network, "tell_contacts", tell_contacts)


def _told(network: Network) -> list[Contact]:
    return [contact for contact in network.contacts.values() if contact.security_notifications]


@mutant("CODE-2", place="network")
def no_notice() -> None:
    """Nobody is told of the new code."""
    _notices(lambda network, account, notice: None)


@mutant("CODE-2", place="network")
def notice_twice() -> None:
    """Who wants to know of the new code is told twice."""

    def tell(network: Network, account: Account, notice: dict[str, Any]) -> None:
        for contact in _told(network):
            contact.notices += [notice, dict(notice)]

    _notices(tell)


@mutant("CODE-2", place="network")
def notice_to_everybody() -> None:
    """Contacts with security notifications off are told, too."""

    def tell(network: Network, account: Account, notice: dict[str, Any]) -> None:
        for contact in network.contacts.values():
            contact.notices.append(notice)

    _notices(tell)


@mutant("CODE-2", place="network")
def notice_names_no_business() -> None:
    """The notice does not say whose code has changed."""

    def tell(network: Network, account: Account, notice: dict[str, Any]) -> None:
        for contact in _told(network):
            contact.notices.append({**notice, "business": ""})

    _notices(tell)


def _another_identity_at_the_start(on: Callable[[Coreapp], bool] = lambda coreapp: True) -> None:
    async def start(clean: Any, coreapp: Coreapp) -> None:
        kept = coreapp.registration.details()
        if on(coreapp) and coreapp.store.get("restored") and kept is not None:
            await coreapp.connect()
            with coreapp.store.change():
                coreapp.store.drop("restored")
                coreapp.registration.keep({**kept, **new_identity()})
        await clean(coreapp)

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        clean(coreapp, opened)
        coreapp.store.put("restored", coreapp.options.new_code_on_restore)

    wrap(Coreapp, "start", start)
    wrap(Coreapp, "commit", commit)


@mutant("CODE-2")
def notice_at_every_start() -> None:
    """The first start after a restore makes a new identity, too, so that contacts are told twice."""
    _another_identity_at_the_start()


@mutant("CODE-2")
def notice_once_a_shard() -> None:
    """On two shards contacts are told twice: each shard makes an identity when it starts."""
    _another_identity_at_the_start(lambda coreapp: coreapp.options.multiconnect)


# Without a restore.


async def _new_code(coreapp: Coreapp) -> None:
    kept = coreapp.registration.details()
    if kept is not None:
        with coreapp.store.change():
            coreapp.registration.keep({**kept, **new_identity()})
        await coreapp.hold()
        await coreapp.connect()
        coreapp.relay()


@mutant("CODE-3")
def code_new_after_a_refused_restore() -> None:
    """The new identity is made before the password is checked."""

    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        try:
            opened: Opened = await clean(coreapp, password, data)
        except Refusal:
            await _new_code(coreapp)
            raise
        return opened

    wrap(Coreapp, "unseal", unseal)


@mutant("CODE-3")
def code_new_after_a_backup() -> None:
    """A backup makes a new identity for the client that goes on."""

    async def backup(clean: Any, coreapp: Coreapp, password: str) -> str:
        data: str = await clean(coreapp, password)
        await _new_code(coreapp)
        return data

    wrap(Coreapp, "backup", backup)


@mutant("CODE-3")
def code_new_after_another_setup() -> None:
    """The new identity is made before it is seen that the backup is from another set-up."""

    async def restore(clean: Any, coreapp: Coreapp, password: str, data: str) -> None:
        try:
            await clean(coreapp, password, data)
        except Refusal as refusal:
            if "setup" in refusal.details:
                await _new_code(coreapp)
            raise

    wrap(Coreapp, "restore", restore)


@mutant("CODE-3")
def code_new_after_a_refused_backup() -> None:
    """A new identity is made for the backup, before its password is looked at."""

    async def backup(clean: Handle, backups: Backups, call: Call) -> Reply:
        try:
            return await clean(backups, call)
        except Refusal:
            await _new_code(backups.coreapp)
            raise

    wrap(Backups, "backup", backup)


@mutant("CODE-4")
def code_new_in_old_versions_too() -> None:
    """Versions before v2.31.4 make a new identity at a restore, too."""
    replace(Options, "new_code_on_restore", property(lambda options: True))


@mutant("CODE-4")
def code_new_from_2_31_on() -> None:
    """The rule begins with v2.31.0, by a comparison that looks at two parts of a version only."""

    def compared(options: Options) -> bool:
        return options.release[:2] >= (2, 31)

    replace(Options, "new_code_on_restore", property(compared))


@mutant("CODE-2")
def notice_at_the_second_start() -> None:
    """The second start after a restore makes a new identity, too, so that contacts are told again."""

    async def start(clean: Any, coreapp: Coreapp) -> None:
        starts = coreapp.store.get("starts")
        kept = coreapp.registration.details()
        if starts is not None and kept is not None:
            coreapp.store.put("starts", starts + 1)
            if starts == 1:
                coreapp.registration.keep({**kept, **new_identity()})
        await clean(coreapp)

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        clean(coreapp, opened)
        coreapp.store.put("starts", 0)

    wrap(Coreapp, "start", start)
    wrap(Coreapp, "commit", commit)


@mutant("CODE-2")
def notice_at_a_new_machines_next_start() -> None:
    """A new machine makes one more identity at its next start after a restore: contacts are told twice."""

    def renew(coreapp: Coreapp) -> None:
        kept = coreapp.registration.details()
        if kept is not None:
            coreapp.registration.keep({**kept, **new_identity()})

    at_the_starts_of_a_moved_machine(renew)


@mutant("CODE-3")
def code_new_after_a_refused_restore_on_multiconnect() -> None:
    """In a multiconnect set-up the new identity is handed to the shards before the password is checked."""

    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        try:
            opened: Opened = await clean(coreapp, password, data)
        except Refusal:
            if coreapp.options.multiconnect:
                await _new_code(coreapp)
            raise
        return opened

    wrap(Coreapp, "unseal", unseal)


@mutant("CODE-3")
def code_new_at_the_start_after_a_refused_restore() -> None:
    """A restore that was refused is noted as begun, and the next start makes a new identity for it."""

    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        try:
            opened: Opened = await clean(coreapp, password, data)
        except Refusal:
            coreapp.store.put("begun", True)
            raise
        return opened

    async def start(clean: Any, coreapp: Coreapp) -> None:
        kept = coreapp.registration.details()
        if coreapp.store.get("begun") and kept is not None:
            with coreapp.store.change():
                coreapp.store.drop("begun")
                coreapp.registration.keep({**kept, **new_identity()})
        await clean(coreapp)

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        clean(coreapp, opened)
        coreapp.store.drop("begun")

    wrap(Coreapp, "unseal", unseal)
    wrap(Coreapp, "start", start)
    wrap(Coreapp, "commit", commit)


@mutant("CODE-4")
def code_new_on_new_machines_of_old_versions() -> None:
    """Versions before v2.31.4 make a new identity on a new machine."""

    def commit(clean: Any, coreapp: Coreapp, opened: Opened) -> None:
        new_machine = coreapp.registration.number is None
        clean(coreapp, opened)
        kept = coreapp.registration.details()
        if new_machine and not coreapp.options.new_code_on_restore and kept is not None:
            coreapp.store.put("registration", {**kept, **new_identity()})

    wrap(Coreapp, "commit", commit)


@mutant("CODE-2", place="network")
def notice_at_the_first_restore_only() -> None:
    """Contacts are told once of a business that was restored, and not when it is restored again."""
    known: set[str] = set()

    def tell(network: Network, account: Account, notice: dict[str, Any]) -> None:
        if account.number not in known:
            known.add(account.number)
            for contact in _told(network):
                contact.notices.append(notice)

    _notices(tell)


@mutant("CODE-1")
def code_of_the_backup_at_every_second_restore() -> None:
    """A restore after a restore brings the identity of the backup back, the new one being spent."""

    def chosen(coreapp: Coreapp, opened: Opened, existing: bool) -> dict[str, Any]:
        times = coreapp.store.get("times", 0)
        coreapp.store.put("times", times + 1)
        return _old(opened) if times % 2 else {}

    _identity(chosen)
