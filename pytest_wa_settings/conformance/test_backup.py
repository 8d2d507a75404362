"""What a backup is, holds and does not hold (BACKUP-1 to BACKUP-13)."""

from __future__ import annotations

import random
import secrets
from contextlib import ExitStack
from functools import partial

import pytest

from pytest_wa_settings.api.health import registered_by
from pytest_wa_settings.conformance.arrange import (
    ALL,
    a_password,
    change_values,
    changed_since,
    give_photo,
    multiconnect_setups,
    on_multiconnect,
    picture,
    plant,
    plant_other_values,
    rng_of,
    take_backup,
    until_shown,
)
from pytest_wa_settings.conformance.bodies import WRONG_TYPES
from pytest_wa_settings.conformance.draws import few, for_all, how_many
from pytest_wa_settings.conformance.episodes import existing_app
from pytest_wa_settings.conformance.fields import FIELDS, PHOTO_DIGEST, Leaf, canary, needle
from pytest_wa_settings.conformance.judgements import (
    PASSWORD,
    accepted_backup,
    agree,
    came,
    changed_leaves,
    current,
    nothing_sent_again,
    planted_texts,
    refused,
    refused_while_down,
    sealed,
    stale,
    unchanged,
)
from pytest_wa_settings.conformance.migration import make_user, new_machine
from pytest_wa_settings.conformance.negative import BrokenBody, lacking, mistyped
from pytest_wa_settings.conformance.passwords import base_passwords, passwords
from pytest_wa_settings.conformance.planting import packed_states, plant_state
from pytest_wa_settings.conformance.providers import PATH, drop_provider, make_provider
from pytest_wa_settings.conformance.refusals import IN_A_ROW, Refusals, lost_registration, read_unchanged
from pytest_wa_settings.conformance.restores import can_spare_restores, restore_and_read
from pytest_wa_settings.conformance.snapshots import Snapshot, read
from pytest_wa_settings.testbed import Client, Need, NotBack, Unavailable
from pytest_wa_settings.verdicts import Case, Evidence, Finding, NotTested
from pytest_wa_settings.wire import Answer

_LOOKS = 3
_ALWAYS = ("about:text", "business:address", "business:description", "application:webhooks.url")
"""Texts that are planted where the client shows none, too, if it can be restored to that."""


@pytest.mark.wa_clause("BACKUP-1")
def test_a_registered_client_gives_a_backup(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need()) as client:
        answer = client.backup(a_password(rng_of(wa_case)))
        wa_case.judge(accepted_backup(answer, "backup with a password of 24 characters"))


@pytest.mark.wa_clause("BACKUP-1")
def test_whatever_password_is_accepted_gives_a_backup(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need()) as client:
        refusals = 0

        def given(password: str) -> None:
            nonlocal refusals
            answer = client.backup(password)
            if not answer.ok:
                refusals += 1
            else:
                wa_case.judge(
                    accepted_backup(answer, f"backup with a password of {len(password)} characters")
                )

        directed = base_passwords(rng_of(wa_case)).values()
        for password in directed:
            given(password)
        judged = len(directed) + for_all(wa_case, passwords(), given, most=how_many(wa_case))
        if refusals:
            wa_case.remark(f"the client refused {refusals} of {judged} passwords, which it may")


@pytest.mark.wa_clause("BACKUP-2")
def test_an_unregistered_client_gives_no_backup(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need("unregistered")) as client:
        _judge_unregistered(wa_case, client, "backup on a client that is not registered")
    for shards, multiconnect in multiconnect_setups(wa_case.testbed)[:1]:
        need = Need("unregistered", shards=shards, multiconnect=multiconnect)
        with ExitStack() as leases:
            try:
                client = leases.enter_context(wa_case.testbed.lease(need))
            except Unavailable:
                continue
            sent = "backup on a client that is not registered, in a multiconnect set-up"
            _judge_unregistered(wa_case, client, sent)


def _judge_unregistered(case: Case, client: Client, sent: str) -> None:
    answer = client.backup(a_password(rng_of(case)))
    if answer.ok and registered_by(client.probe()) is None:
        raise NotTested("nothing but its declaration tells that the client is not registered", "no evidence")
    # a client whose health changes meanwhile may have been registered when it was asked
    if answer.ok and not all(client.serves(registered=False) for _ in range(_LOOKS)):
        raise NotTested("health says `unregistered` before the backup, but not for some time after it")
    case.judge(refused("BACKUP-2", sent, answer))


@pytest.mark.wa_clause("BACKUP-3", uses_up="restores")
def test_a_stopped_client_gives_no_backup(wa_case: Case) -> None:
    if wa_case.testbed.managed and wa_case.testbed.profile == "backup":
        answer = _backup_of_an_ended_one(wa_case)
        wa_case.judge(refused_while_down("backup on a client that was ended", answer))
        return
    record = existing_app(wa_case)
    while_down = record.while_down
    if while_down is None and record.went_down is False:
        raise NotTested("the app did not stop after the restore: see RESTORE-10")
    if while_down is None and record.client.managed:
        while_down = _backup_of_an_ended_one(wa_case)
    if while_down is None:
        raise NotTested(
            'the app was not seen stopped: add restart_policy = "no" where nothing brings it back'
        )
    if record.went_down or not while_down.ok:
        wa_case.judge(refused_while_down("backup on a client that a restore had stopped", while_down))


def _backup_of_an_ended_one(case: Case) -> Answer:
    """What a client that the testbed can end at any moment answers then."""
    with case.testbed.lease(Need(exclusive=True)) as client:
        client.kill()
        return client.backup_at_once(a_password(rng_of(case)))


@pytest.mark.wa_clause("BACKUP-4")
def test_nothing_can_be_read_out_of_data(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        _plant_and_judge_sealed(wa_case, client)


@pytest.mark.wa_clause("BACKUP-4", widens=True)
def test_nothing_can_be_read_out_of_data_of_multiconnect(wa_case: Case) -> None:
    with wa_case.testbed.lease(on_multiconnect(wa_case.testbed)) as client:
        _plant_and_judge_sealed(wa_case, client)


@pytest.mark.wa_clause("BACKUP-4", uses_up="new machine", widens=True)
def test_nothing_can_be_read_out_of_data_of_a_client_that_was_restored(wa_case: Case) -> None:
    judged, reason = 0, "no client gave a backup after a restore: see BACKUP-1"
    for episode in (existing_app, new_machine):
        try:
            record = episode(wa_case)
        except (NotTested, Unavailable) as stopped:
            reason = str(stopped)
            continue
        if record.copy is not None and record.copy.ok and record.copy.data:
            needles = planted_texts(record.backup.at, record.earlier)
            needles[PASSWORD] = record.backup.password[4:]
            wa_case.judge(sealed(record.copy.data, needles, (record.copy,)))
            judged += 1
    if not judged:
        raise NotTested(reason)


def _plant_and_judge_sealed(wa_case: Case, client: Client) -> None:
    rng = rng_of(wa_case)
    earlier = read(client)
    held: dict[Leaf, tuple[str, object]] = {}
    planted: dict[str, str] = {}
    if client.may_change:
        # what is unset is unset again by a restore alone
        held = {
            one.leaf: found
            for one in FIELDS
            if one.planted
            and (
                client.managed
                or one.leaf in earlier.values
                or (client.may_restore and _unset(one.leaf, earlier))
            )
            if (found := needle(one, rng))
        }
        taken = plant(client, {leaf: value for leaf, (_, value) in held.items()})
        held = {leaf: found for leaf, found in held.items() if leaf in taken}
        planted = {f"the field {leaf}": text for leaf, (text, _) in held.items()}
        if client.managed or client.touched:
            text = canary(rng)
            if give_photo(client, picture(rng, text)):
                planted["the photo"] = text
    name, token = f"wa-settings-{secrets.token_hex(6)}", canary(rng)
    # only where it shows that there is none: whether a client adds to its list or replaces it is open
    none = any(answer.path == PATH and answer.ok for answer in earlier.answers)
    none = none and not any(leaf.startswith("providers:") for leaf in earlier.values)
    provider = bool(planted) and none and make_provider(client, name, token)
    if provider:
        planted |= {"a media provider's name": name, "a media provider's token": token}
    try:
        _judge_sealed(wa_case, client, planted)
    finally:
        if provider and not drop_provider(client, name):
            wa_case.remark(f"the media provider {name} could not be deleted again: delete it by hand")
        if client.may_change and not client.managed:
            _put_back(client, {leaf: earlier.values[leaf] for leaf in held if leaf in earlier.values})


def _unset(leaf: Leaf, reading: Snapshot) -> bool:
    """Whether a text that is planted everywhere is not set; no where its resource cannot be read."""
    resource = leaf.split(":")[0]
    return leaf in _ALWAYS and resource not in reading.unread and bool(reading.of(resource))


def _put_back(client: Client, kept: dict[Leaf, object]) -> None:
    now = read(client)
    taken = plant(client, kept)
    until_shown(client, {leaf: kept[leaf] for leaf in taken}, now)


def _judge_sealed(wa_case: Case, client: Client, planted: dict[str, str]) -> None:
    password = a_password(rng_of(wa_case))
    now = read(client)
    backup = take_backup(client, password, at=now)
    needles = planted or _long_texts(now)
    if now.number and len(now.number) >= 10:
        # the country's code may stand apart: it has three digits at most
        needles["the phone number"] = now.number[-max(9, len(now.number) - 3) :]
    if not planted:
        wa_case.remark(
            "no text was planted, as the client must not be changed: judged by what it already holds"
        )
    # of the password its letters and digits, which no escaping changes
    held = _held(now, needles)
    wa_case.judge(sealed(backup.data, {**needles, PASSWORD: password[4:]}, (backup.answer,), held=held))
    for other in _passwords_of_other_kinds(rng_of(wa_case)):
        answer = client.backup(other)
        if answer.ok and answer.data:
            wa_case.judge(sealed(answer.data, needles, (answer,), held=held))


def _held(now: Snapshot, needles: dict[str, str]) -> list[str]:
    """The needles that can be read of the client, so that its backup must hold them."""
    shown = {
        f"the field {leaf}"
        for leaf, value in now.values.items()
        if needles.get(f"the field {leaf}", "\0") in str(value)
    }
    return [name for name in needles if name in shown or not name.startswith("the field ")]


def _passwords_of_other_kinds(rng: random.Random) -> tuple[str, ...]:
    base = base_passwords(rng)
    return "a", "aA1!b2?", base["300 characters"], base["32 characters, some beyond ASCII"]


def _long_texts(now: Snapshot) -> dict[str, str]:
    texts = {
        leaf: value for leaf, value in now.values.items() if isinstance(value, str) and leaf != PHOTO_DIGEST
    }
    return {f"the field {leaf}": value for leaf, value in texts.items() if len(value) >= 12}


@pytest.mark.wa_clause("BACKUP-5")
@pytest.mark.wa_breaks("backup-request")
def test_backup_without_a_password_is_refused(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need()) as client:
        take_backup(client, a_password(rng_of(wa_case)))
        refusals = Refusals(wa_case, "BACKUP-5", client)
        for name, body in (
            ("an empty object as body", {}),
            ("another member than `password`", {"passwort": "aA1!wa-settings-0000"}),
        ):
            refusals.judge(
                f"backup with {name}", partial(client.ask, "POST", "/v1/settings/backup", json=body)
            )

        def refuse(drawn: BrokenBody) -> None:
            call = partial(client.ask, "POST", "/v1/settings/backup", json=drawn.body)
            refusals.judge(f"backup {drawn.how}", call, every=IN_A_ROW)

        good = {"password": a_password(rng_of(wa_case))}
        for_all(wa_case, lacking("backup-request", good), refuse, most=few(wa_case))
        refusals.finish()


@pytest.mark.wa_clause("BACKUP-6")
@pytest.mark.wa_breaks("backup-request")
def test_backup_with_a_password_that_is_no_string_is_refused(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need()) as client:
        take_backup(client, a_password(rng_of(wa_case)))
        for name, value in WRONG_TYPES:
            wa_case.judge(refused("BACKUP-6", f"backup with {name} as password", client.backup(value)))

        def refuse(drawn: BrokenBody) -> None:
            answer = client.backup(drawn.body["password"])
            wa_case.judge(refused("BACKUP-6", f"backup {drawn.how}", answer, example=drawn.how))

        good = {"password": a_password(rng_of(wa_case))}
        for_all(wa_case, mistyped("backup-request", good), refuse, most=few(wa_case))


@pytest.mark.wa_clause("BACKUP-7", uses_up="new machine")
def test_messages_are_not_in_the_backup(wa_case: Case) -> None:
    record = new_machine(wa_case)
    traffic = record.traffic
    if traffic is None:
        raise NotTested(
            "needs a consumer or a webhook: add consumer, or webhook and contacts, to clients.toml"
        )
    if record.back:
        raise NotTested(f"{record.back}: see RESTORE-9")
    if traffic.no_messages and traffic.no_callbacks:
        raise NotTested(f"{traffic.no_messages}; {traffic.no_callbacks}")
    if record.views_differ:
        raise NotTested(record.views_differ, "surroundings")
    sent = "a message sent, a message received, backup, restore on a new machine"
    wa_case.judge(nothing_sent_again(sent, traffic.sent_copies, record.answer))
    if traffic.received and any(traffic.received.encode() in body for body in traffic.late_calls):
        observed = "the message received before the backup was called back again by the new machine"
        wa_case.judge(Finding("BACKUP-7", sent, "it is not delivered again", observed, (record.answer,)))
    if traffic.received and not traffic.no_callbacks:
        control = "a new callback arrived from the new machine"
        wa_case.judge(Evidence("BACKUP-7", "no message delivered again", control=control))


@pytest.mark.wa_clause("BACKUP-7", uses_up="restores", widens=True)
def test_a_restore_on_the_same_machine_sends_no_message_again(wa_case: Case) -> None:
    record = existing_app(wa_case)
    if record.after is None:
        raise NotTested(f"{record.back}: see RESTORE-11")
    if not record.copies:
        raise NotTested("no message was seen to arrive at a contact before the backup", "no evidence")
    sent = "a message sent, backup, restore on the same machine, start again"
    wa_case.judge(nothing_sent_again(sent, record.copies, record.answer))


@pytest.mark.wa_clause("BACKUP-8", uses_up="new machine")
def test_callbacks_are_not_in_the_backup(wa_case: Case) -> None:
    record = new_machine(wa_case)
    traffic = record.traffic
    if traffic is None:
        raise NotTested(
            "needs a webhook: add webhook (and consumer or contacts) to clients.toml, or --wa-webhook"
        )
    if record.back:
        raise NotTested(f"{record.back}: see RESTORE-9")
    if traffic.no_callbacks or not traffic.pending:
        raise NotTested(
            traffic.no_callbacks or "no callback could be left pending before the backup", "no evidence"
        )
    if not traffic.pending_came():
        control = "a new callback arrived from the new machine"
        wa_case.judge(Evidence("BACKUP-8", "no pending callback delivered", control=control))
        return
    if traffic.received and any(traffic.received.encode() in body for body in traffic.late_calls):
        raise NotTested("old messages were delivered again, so callbacks cannot be told apart: see BACKUP-7")
    sent = "a callback left pending, backup, restore on a new machine"
    observed = "the new machine delivered the callback that was pending before the backup"
    wa_case.judge(Finding("BACKUP-8", sent, "only callbacks of its own", observed, (record.answer,)))


@pytest.mark.wa_clause("BACKUP-9", uses_up="restores")
def test_a_backup_holds_the_state_at_its_call(wa_case: Case) -> None:
    record = existing_app(wa_case)
    if record.after is None:
        raise NotTested(f"{record.back}: see RESTORE-11")
    at, before, after = record.backup.at.values, record.before.values, record.after.values
    changed = changed_leaves(at, record.earlier.values)
    if not changed:
        raise NotTested(
            "no application setting could be changed, so states cannot be told apart", "no evidence"
        )
    for which, earlier in (("first", record.earlier.values), ("second", record.second.at.values)):
        found = stale(at, before, after, earlier)
        if which == "first" and agree(changed, earlier, after):
            found = changed
        if found:
            sent = "three backups under one password, with changes in between, restore of the third"
            expected = "all changes made before the third backup"
            observed = f"the state of the {which} backup ({len(found)} changed fields read as then)"
            answers = (record.backup.answer, *record.after.answers)
            wa_case.judge(Finding("BACKUP-9", sent, expected, observed, answers))
    wa_case.judge(current(at, record.earlier.values, after))


@pytest.mark.wa_clause("BACKUP-9", uses_up="restores", widens=True)
def test_a_backup_after_a_restore_holds_the_state_at_its_call(wa_case: Case) -> None:
    rng = rng_of(wa_case)
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        if not can_spare_restores(client):
            raise NotTested("the restores that are left are for other clauses: raise --wa-max-restores")
        earlier = _judge_a_changed_profile(wa_case, client, rng)
        backup, before = changed_since(client, rng, a_password(rng))
        answer, after = restore_and_read(client, backup, before=before)
        changed = changed_leaves(backup.at.values, earlier.values)
        if changed and agree(changed, earlier.values, after.values):
            sent = "a restore, a change, backup, another change, restore of that backup"
            expected = "the change made after the first restore"
            observed = f"the state of the first restore ({len(changed)} changed fields read as after it)"
            wa_case.judge(Finding("BACKUP-9", sent, expected, observed, (answer, *after.answers)))
        wa_case.judge(current(backup.at.values, earlier.values, after.values))


def _judge_a_changed_profile(case: Case, client: Client, rng: random.Random) -> Snapshot:
    """Restores a backup before which nothing but the profile was changed; the reading after it."""
    first = plant_other_values(client, rng, *ALL) if client.may_change else read(client)
    take_backup(client, a_password(rng), at=first)
    at = plant_other_values(client, rng, "about", "business", now=first) if client.may_change else first
    backup = take_backup(client, a_password(rng), at=at)
    before = change_values(client, rng, *ALL, now=at) if client.may_change else at
    answer, after = restore_and_read(client, backup, before=before)
    found = stale(at.values, before.values, after.values, first.values)
    if found:
        sent = "two backups, between them a change of the profile alone, restore of the second"
        observed = f"the state of the first ({len(found)} changed fields read as then)"
        expected = "the profile as it was at the second"
        case.judge(Finding("BACKUP-9", sent, expected, observed, (answer, *after.answers)))
    return after


@pytest.mark.wa_clause("BACKUP-10")
def test_a_backup_changes_nothing(wa_case: Case) -> None:
    rng = rng_of(wa_case)
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        user = make_user(client, rng)
        if client.managed:
            make_provider(client, f"wa-settings-{secrets.token_hex(6)}", canary(rng))
        evidence = []
        before = read(client)
        states = packed_states(before, rng, most=2)[1] if client.may_change else []
        for state in states or [{}]:
            if state:
                plant_state(client, state, before)
                before = read(client)
            answers = tuple(take_backup(client, a_password(rng), at=before).answer for _ in range(2))
            evidence.append(read_unchanged("BACKUP-10", "two backups", client, before, answers)[1])
        if user is not None:
            name, password, token = user
            sessions = (
                ("the token", client.log_out(token).answer),
                ("the login", client.login(name, password)),
            )
            for what, answer in sessions:
                if answer.status == 401:
                    observed = f"{what} of a user is refused: {came(answer)}"
                    expected = "users and their sessions as before"
                    wa_case.judge(Finding("BACKUP-10", "backups", expected, observed, (*answers, answer)))
        if wa_case.testbed.managed and wa_case.testbed.profile != "backup":  # elsewhere there is no control
            try:
                client.restart()
            except NotBack:
                sent = "backups, then one more start"
                wa_case.judge(lost_registration(wa_case, "BACKUP-10", sent, client, backups=0))
        wa_case.judge(*evidence)


@pytest.mark.wa_clause("BACKUP-10", uses_up="restores", widens=True)
def test_a_backup_of_changed_values_leaves_them(wa_case: Case) -> None:
    record = existing_app(wa_case)
    wa_case.judge(unchanged("BACKUP-10", "backup", record.second.at, record.kept, (record.second.answer,)))
    if record.silenced:
        observed = "none arrived, twice; one did before any backup, and after one more start"
        sent = "backup, a message to a contact"
        wa_case.judge(Finding("BACKUP-10", sent, "the message arrives", observed, (record.backup.answer,)))


@pytest.mark.wa_clause("BACKUP-10", widens=True)
def test_a_backup_of_multiconnect_changes_nothing(wa_case: Case) -> None:
    with wa_case.testbed.lease(on_multiconnect(wa_case.testbed)) as client:
        before = read(client)
        backup = take_backup(client, a_password(rng_of(wa_case)), at=before)
        answers = (backup.answer,)
        wa_case.judge(read_unchanged("BACKUP-10", "backup on multiconnect", client, before, answers)[1])


@pytest.mark.wa_clause("BACKUP-11")
def test_two_backups_of_one_state_differ(wa_case: Case) -> None:
    with wa_case.testbed.lease(Need()) as client:
        password = a_password(rng_of(wa_case))
        first = take_backup(client, password)
        second = take_backup(client, password)
        if first.data == second.data:
            answers = (first.answer, second.answer)
            sent = "two backups of one state with one password"
            expected = "two values of `data` that differ"
            wa_case.judge(Finding("BACKUP-11", sent, expected, "twice the same", answers))
        wa_case.judge(Evidence("BACKUP-11", "two backups that differ", exchanges=2))


@pytest.mark.wa_clause("BACKUP-13", uses_up="new machine")
def test_users_and_tokens_are_not_in_the_backup(wa_case: Case) -> None:
    record = new_machine(wa_case)
    if record.back:
        raise NotTested(f"{record.back}: see RESTORE-9")
    if record.user_login is None:
        raise NotTested("the suite could not make a user on the old machine", "not offered")
    sent = "a user on the old machine, backup, restore on a new machine"
    for what, answer in (
        ("logging in as that user", record.user_login),
        ("that user's token", record.user_token),
    ):
        if answer is not None and answer.ok:
            observed = f"{what} is accepted: {came(answer)}"
            expected = "the new machine does not know that user"
            wa_case.judge(Finding("BACKUP-13", sent, expected, observed, (answer,)))
    if not record.user_login.answered:
        raise NotTested(f"the login on the new machine was not answered ({came(record.user_login)})")
    control = "the user could log in on the old machine"
    wa_case.judge(Evidence("BACKUP-13", "the user is unknown", control=control))
