"""What contacts see of a restore: a new security code, and a notice (CODE-1 to CODE-4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import pytest

from pytest_wa_settings.conformance.arrange import (
    Backup,
    a_password,
    another_setup,
    change_values,
    changed_since,
    on_multiconnect,
    rng_of,
    take_backup,
)
from pytest_wa_settings.conformance.episodes import (
    ExistingApp,
    MulticonnectApp,
    existing_app,
    multiconnect_app,
)
from pytest_wa_settings.conformance.judgements import came
from pytest_wa_settings.conformance.migration import NewMachine, new_machine
from pytest_wa_settings.conformance.phones import Phones, Seen, gives_new_code, new_codes
from pytest_wa_settings.conformance.restores import (
    can_spare_restores,
    come_back,
    restore_accepted,
    until_answered,
)
from pytest_wa_settings.testbed import Client, Need, NotBack, Unavailable
from pytest_wa_settings.verdicts import Case, Evidence, Finding, Judgement, NotApplicable, NotTested
from pytest_wa_settings.wire import Answer

_ADD_CONSUMER = "needs a view of what contacts see: add consumer to clients.toml"


Watched = tuple[Phones, Answer, str]


def _watched(case: Case) -> list[Watched]:
    """The restores with phones that watched them, on the existing app and on a new machine.

    Raises:
        NotApplicable: no client of this testbed has the rule (versions before v2.31.4).
        NotTested: no restore could be watched.
    """
    found: list[Watched] = []
    stopped: NotTested | Unavailable | None = None
    for episode in (_on_the_existing_app, _on_a_new_machine):
        try:
            found.append(_phones(*episode(case)))
        except NotApplicable:
            raise
        except (NotTested, Unavailable) as error:
            stopped = stopped or error
    if not found:
        assert stopped is not None
        raise stopped
    return found


def _on_the_existing_app(case: Case) -> tuple[ExistingApp, Client, str]:
    record = existing_app(case)
    return record, record.client, "restore on an existing app"


def _on_a_new_machine(case: Case) -> tuple[NewMachine, Client, str]:
    record = new_machine(case)
    return record, record.new, "restore on a new machine"


def _phones(record: ExistingApp | NewMachine, client: Client, where: str) -> Watched:
    if gives_new_code(client.version) is False:
        raise NotApplicable(f"version {client.version} is before v2.31.4, where the rule begins")
    if record.phones is None:
        raise NotTested(_ADD_CONSUMER)
    if client.version is None:
        raise NotTested("the client's version is unknown: add version to its entry in clients.toml")
    if record.after is None:
        raise NotTested(f"{record.back}: see RESTORE-11")
    before, after = record.backup.at.number, record.after.number
    if before and after and before != after:
        raise NotTested("another phone number came back: see RESTORE-3")
    if not all(seen.code for seen in record.phones.before.values()):
        raise NotTested("the consumer view showed no security code before the restore", "no evidence")
    if isinstance(record, NewMachine) and record.views_differ:
        raise NotTested(record.views_differ, "surroundings")
    if record.is_made is False:
        raise NotTested("the state from before the restore came back: see RESTORE-10")
    return record.phones, record.answer, where


@pytest.mark.wa_clause("CODE-1", uses_up="new machine")
def test_a_restore_gives_every_contact_a_new_code(wa_case: Case) -> None:
    for phones, answer, sent in _watched(wa_case):
        wa_case.judge(new_codes(phones, answer, sent))


@pytest.mark.wa_clause("CODE-1", "CODE-2", uses_up="restores", widens=True)
@pytest.mark.parametrize("version", [None, "2.31.4"])
def test_each_restore_of_one_backup_gives_a_new_code_and_a_notice(wa_case: Case, version: str | None) -> None:
    if gives_new_code(wa_case.testbed.pinned_version) is False:
        raise NotApplicable("the rule begins with v2.31.4")
    with wa_case.testbed.lease(Need(exclusive=True, version=version)) as client:
        phones = Phones.of(wa_case, client)
        if phones is None:
            raise NotTested(_ADD_CONSUMER)
        if not gives_new_code(client.version):
            raise NotTested("the client's version is unknown, or from before the rule")
        if not can_spare_restores(client):
            raise NotTested("restores are saved for what cannot be judged without them")
        rng = rng_of(wa_case)
        backup = take_backup(client, a_password(rng))
        earlier: list[dict[str, Seen]] = []
        for times in ("once", "twice"):
            before = change_values(client, rng, "application") if client.may_change else backup.at
            phones.look_before()
            earlier.append(phones.before)
            answer = restore_accepted(client, backup, "RESTORE-8", before=before)
            come_back(client)
            phones.look_after(restores=1, too_many=False)
            sent = f"one backup restored {times} (version {client.version})"
            for phones.before in earlier:
                wa_case.judge(new_codes(phones, answer, sent))
            phones.before = earlier[-1]
            wa_case.judge(_one_notice(phones, answer, sent))


@pytest.mark.wa_clause("CODE-2", uses_up="new machine")
def test_contacts_who_want_to_know_get_one_notice_and_others_none(wa_case: Case) -> None:
    for phones, answer, sent in _watched(wa_case):
        wa_case.judge(_one_notice(phones, answer, sent))


def _one_notice(phones: Phones, answer: Answer, sent: str) -> Judgement:
    for contacts, wanted, who in ((phones.told, 1, "on"), (phones.untold, 0, "off")):
        counts = [phones.after[contact].notices - phones.before[contact].notices for contact in contacts]
        if any(count != wanted for count in counts):
            expected = (
                f"contacts with security notifications {who} get {wanted} notice that names the business"
            )
            observed = f"they got {', '.join(map(str, counts))}"
            return Finding("CODE-2", sent, expected, observed, (answer,))
    missing = None if phones.told else "no contact is known that can have its security notifications on"
    return Evidence("CODE-2", "one notice, or none", len(phones.after), missing=missing)


@pytest.mark.wa_clause("CODE-1", uses_up="restores", widens=True)
def test_a_restore_on_an_existing_multiconnect_app_gives_a_new_code(wa_case: Case) -> None:
    record = multiconnect_app(wa_case)
    wa_case.judge(new_codes(_phones_of(record), record.answer, record.sent))


@pytest.mark.wa_clause("CODE-2", uses_up="restores", widens=True)
def test_contacts_of_multiconnect_get_one_notice(wa_case: Case) -> None:
    record = multiconnect_app(wa_case)
    wa_case.judge(_one_notice(_phones_of(record), record.answer, record.sent))


def _phones_of(record: MulticonnectApp) -> Phones:
    if record.after is None:
        raise NotTested(
            f"{record.back or came(record.answer)}: see {'RESTORE-11' if record.back else 'SHARD-1'}"
        )
    if record.phones is None or not all(seen.code for seen in record.phones.before.values()):
        raise NotTested("no view of the contacts, no security code in it, or a version without the rule")
    return record.phones


@pytest.mark.wa_clause("CODE-3")
@pytest.mark.wa_breaks("backup-request")
def test_a_refused_restore_and_a_backup_leave_the_code(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        _judge_kept(wa_case, client)


@pytest.mark.wa_clause("CODE-3", widens=True)
@pytest.mark.wa_breaks("backup-request")
def test_a_refused_restore_and_a_backup_leave_the_code_of_multiconnect(wa_case: Case) -> None:
    with wa_case.testbed.lease(on_multiconnect(wa_case.testbed)) as client:
        _judge_kept(wa_case, client)


def _judge_kept(case: Case, client: Client) -> None:
    """Judges that a backup and calls that are refused leave the code, at once and at the next start."""
    phones = Phones.of(case, client)
    if phones is None:
        raise NotTested(_ADD_CONSUMER)
    phones.look_before()
    backup = take_backup(client, a_password(rng_of(case)))
    sent, answer = "backup", backup.answer
    phones.after = phones.look()
    case.judge(_same_codes(phones, sent, answer))
    for name, call in _refused_calls(case, client, backup):
        answer = until_answered(client, call)
        if answer.ok:
            come_back(client)
            raise NotTested(f"{name} was accepted, which another clause judges")
        phones.after = phones.look()
        case.judge(_same_codes(phones, name, answer))
        sent += f", {name}"
    phones.look_after(restores=0)  # a notice may take a moment
    case.judge(_same_codes(phones, sent, answer))
    if client.can_restart and _starts(client, phones) and _differing(phones):
        kept, phones.before = phones.before, phones.after
        if not _starts(client, phones) or _differing(phones):
            raise NotTested("the code changes at a start alone, of which no clause speaks")
        phones.before = kept
        case.judge(_same_codes(phones, f"{sent}, start again", answer))


def _starts(client: Client, phones: Phones) -> bool:
    """Looks once more when the client was started again; whether that could be done."""
    try:
        client.restart()
    except NotBack:
        return False
    phones.after = phones.look()
    return True


def _refused_calls(case: Case, client: Client, backup: Backup) -> Iterator[tuple[str, Callable[[], Answer]]]:
    """Calls of each kind that a client refuses."""
    password, data = backup.password, backup.data
    yield "backup without password", partial(client.ask, "POST", "/v1/settings/backup", json={})
    user = None
    with suppress(Unavailable):
        user = client.user_token()
        yield "backup with a non-admin account's token", partial(client.backup, password, token=user)
    if not client.may_restore:
        return
    if user is not None:
        call = partial(client.restore, password, data, token=user)
        yield "restore with a non-admin account's token", call
    yield "restore with a wrong password", partial(client.restore, password[::-1], data)
    yield "restore of damaged data", partial(client.restore, password, data[: len(data) // 2])
    setup = another_setup(client)
    if setup is not None:
        with suppress(Unavailable, NotTested):
            with case.testbed.lease(Need(shards=setup[0], multiconnect=setup[1])) as source:
                other = take_backup(source, password)
            call = partial(client.restore, password, other.data)
            yield "restore of a backup from another set-up", call


def _differing(phones: Phones) -> list[str]:
    """The contacts that see another code or a notice."""
    return [contact for contact, seen in phones.before.items() if phones.after[contact] != seen]


def _same_codes(phones: Phones, sent: str, answer: Answer) -> Judgement:
    changed = _differing(phones)
    if changed:
        observed = f"{len(changed)} of {len(phones.before)} contacts see another code or a notice"
        return Finding("CODE-3", sent, "codes and notices as before", observed, (answer,))
    return Evidence("CODE-3", "codes as before", missing=_no_code(phones))


def _no_code(phones: Phones) -> str | None:
    """What is missing where no contact sees a code that could have become another one."""
    seen_codes = any(seen.code for seen in phones.before.values())
    return None if seen_codes else "no contact sees a security code of the business"


@pytest.mark.wa_clause("CODE-4", uses_up="restores")
def test_before_the_security_update_a_restore_keeps_the_code(wa_case: Case) -> None:
    version = _before_the_update(wa_case)
    with wa_case.testbed.lease(Need(exclusive=True, version=version)) as client:
        _judge_kept_by_a_restore(wa_case, client, client, "RESTORE-8")


@pytest.mark.wa_clause("CODE-4", uses_up="new machine", widens=True)
def test_before_the_security_update_a_new_machine_keeps_the_code(wa_case: Case) -> None:
    version = _before_the_update(wa_case)
    new = Need("unregistered", exclusive=True, consumes=True, version=version)
    with (
        wa_case.testbed.lease(Need(exclusive=True, version=version)) as client,
        wa_case.testbed.lease(new) as machine,
    ):
        _judge_kept_by_a_restore(wa_case, client, machine, "RESTORE-9")


def _before_the_update(case: Case) -> str:
    """The newest version before v2.31.4 that can be had; raises NotTested or NotApplicable."""
    testbed = case.testbed
    older = [version for version in testbed.versions if gives_new_code(version) is False]
    pinned = testbed.pinned_version
    if pinned is not None:
        if gives_new_code(pinned):
            raise NotApplicable(f"version {pinned} is not before v2.31.4")
        older = [pinned]
    if not older:
        raise NotTested("needs a client of a version before v2.31.4: add one to clients.toml")
    offered = [v for v in older if testbed.why_not(Need(exclusive=True, version=v)) is None]
    return (offered or older)[-1]


def _judge_kept_by_a_restore(case: Case, source: Client, target: Client, see: str) -> None:
    phones = Phones.of(case, source)
    if phones is None:
        raise NotTested(_ADD_CONSUMER)
    phones.look_before()
    backup, before = changed_since(source, rng_of(case), a_password(rng_of(case)))
    answer = restore_accepted(target, backup, see, before=before if source is target else None)
    come_back(target, see=see)
    if phones.business and target.number() not in (None, phones.business):
        raise NotTested("another phone number came back: see RESTORE-3")
    phones.look_after(restores=0)
    changed = [c for c, seen in phones.before.items() if phones.after[c].code != seen.code]
    if changed:
        observed = f"{len(changed)} of {len(phones.before)} contacts see another code ({came(answer)})"
        where = "" if source is target else " on a new machine"
        sent = f"restore of a backup on version {target.version}{where}"
        finding = Finding("CODE-4", sent, "every contact sees the code from before", observed, (answer,))
        case.judge(finding)
    case.judge(Evidence("CODE-4", "codes as before", missing=_no_code(phones)))
