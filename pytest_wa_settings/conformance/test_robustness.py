"""What a client bears: odd requests, and several at once (ROBUST-1 to ROBUST-4)."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import pytest

from pytest_wa_settings.api.codes import is_rate_limit, not_now
from pytest_wa_settings.conformance.arrange import (
    Backup,
    a_password,
    another_setup,
    change_values,
    plant_other_values,
    rng_of,
    take_backup,
)
from pytest_wa_settings.conformance.bodies import NOT_OBJECTS
from pytest_wa_settings.conformance.draws import for_all, how_many
from pytest_wa_settings.conformance.judgements import (
    accepted_backup,
    callers_mistake,
    came,
    made_again,
    not_echoed,
    whole,
)
from pytest_wa_settings.conformance.negative import odd_bodies
from pytest_wa_settings.conformance.odd_requests import PASSWORD, OddRequests, Request
from pytest_wa_settings.conformance.restores import (
    attempt_restore,
    come_back,
    read_settled,
    restore_accepted,
    restore_and_read,
)
from pytest_wa_settings.conformance.snapshots import shown
from pytest_wa_settings.testbed import Client, Need, Unavailable
from pytest_wa_settings.verdicts import Case, Evidence, Finding, NotTested
from pytest_wa_settings.wire import Answer

_JSON = {"Content-Type": "application/json"}
_DEEP = b'{"password": ' + b"[" * 5000 + b"]" * 5000 + b"}"
_MANY = json.dumps({"password": "aA1!wa-settings-0000", **{f"member_{at}": at for at in range(200)}}).encode()
_MULTIPART = b'--wa\r\nContent-Disposition: form-data; name="password"\r\n\r\naA1!in-a-part\r\n--wa--\r\n'
_ODD_DATA: tuple[tuple[str, str], ...] = (
    ("no character", ""),
    ("one character", "A"),
    ("five characters of base64", "QUFBQ"),
    ("padding only", "===="),
    ("a NUL", "QUFB\0QUFB"),
    ("characters beyond ASCII", "\u00e9\u4e2d\U0001f511"),
    ("a million characters of base64", "QUFB" * 250_000),
)
_DIRECTED: tuple[tuple[str, bytes, dict[str, str]], ...] = (
    ("nested lists, 5,000 deep", _DEEP, _JSON),
    ("a member said twice", b'{"password": "aA1!wa-settings-one", "password": 7}', _JSON),
    ("a password of a million characters", b'{"password": "' + b"x" * 1_000_000 + b'"}', _JSON),
    ("an empty password", b'{"password": ""}', _JSON),
    ("a byte order mark before it", b'\xef\xbb\xbf{"password": "aA1!wa-settings-0000"}', _JSON),
    ("bytes that are no UTF-8", b'{"password": "\xff\xfe\xfa"}', _JSON),
    ("a NUL in the password", b'{"password": "aA1!wa\\u0000settings-0000"}', _JSON),
    ("half a surrogate pair as password", b'{"password": "\\ud800"}', _JSON),
    ("a number beyond a double", b'{"password": 1e999}', _JSON),
    ("NaN", b'{"password": NaN}', _JSON),
    ("an integer of 5,000 digits", b'{"password": ' + b"9" * 5000 + b"}", _JSON),
    ("200 members that nobody knows", _MANY, _JSON),
    ("a body that is called XML", b'{"password": 7}', {"Content-Type": "application/xml"}),
    ("a body without a content type", b'{"password": 7}', {}),
    ("a form", b"password=aA1!in-a-form", {"Content-Type": "application/x-www-form-urlencoded"}),
    ("a form in parts", _MULTIPART, {"Content-Type": "multipart/form-data; boundary=wa"}),
    (
        "a charset that nobody knows",
        b'{"password": 7}',
        {"Content-Type": "application/json; charset=nobody-knows"},
    ),
)


def _paths(case: Case, client: Client) -> list[str]:
    safe = case.testbed.profile == "backup" or not client.may_restore
    return ["/v1/settings/backup"] if safe else ["/v1/settings/backup", "/v1/settings/restore"]


def _message(path: str) -> str:
    return "restore-request" if path.endswith("restore") else "backup-request"


def _limit(case: Case) -> float:
    return max(10.0, 10 * case.testbed.latency)


@pytest.mark.wa_clause("ROBUST-1")
@pytest.mark.wa_breaks("backup-request", "restore-request")
def test_no_request_makes_the_client_answer_5xx_hang_or_die(wa_case: Case) -> None:
    limit = _limit(wa_case)
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        odd = OddRequests(wa_case, client, limit=limit)

        def post(path: str, content: bytes, headers: dict[str, str]) -> Callable[[], Answer]:
            made_up: tuple[str, ...] = ()  # no secret of anybody's is in these bodies
            return partial(
                client.ask, "POST", path, content=content, secrets=made_up, headers=headers, timeout=limit
            )

        for path in _paths(wa_case, client):
            odd.judge_tame(path)
            unread = tuple((name, content, _JSON) for name, content in NOT_OBJECTS)
            for name, content, headers in (*_DIRECTED, *unread):
                odd.judge(Request(f"POST {path} with {name}", post(path, content, headers)), path)

            def bear(content: bytes, path: str = path) -> None:
                sent = f"POST {path} with an odd body of {len(content)} bytes"
                odd.judge(Request(sent, post(path, content, _JSON), repr(content[:120])), path)

            for_all(
                wa_case,
                odd_bodies(_message(path)),
                bear,
                most=how_many(wa_case, seconds=wa_case.testbed.latency),
            )
            if path.endswith("restore"):
                _bears_odd_data(client, odd, path, limit)
            # what PUT and DELETE do there is not documented: no change allowed, neither is sent
            for method in ("GET", "OPTIONS", *(("PUT", "DELETE") if client.may_change else ())):
                ask = partial(client.ask, method, path, timeout=limit)
                odd.judge(Request(f"{method} {path}", ask), path)
        odd.finish()


def _bears_odd_data(client: Client, odd: OddRequests, path: str, limit: float) -> None:
    """Judges restores of texts that are no backup; a client that fails at any of them is ERROR-2's."""
    if isinstance(callers_mistake(client.restore(PASSWORD, "this is no backup"), ""), Finding):
        return
    cases = [(f"{name} as data", PASSWORD, data) for name, data in _ODD_DATA]
    cases.append(("a password of a million characters, and data", "x" * 1_000_000, "QUFB"))
    for name, word, data in cases:
        odd.judge(Request(f"restore with {name}", partial(client.restore, word, data, timeout=limit)), path)


_LONG = 4_000_000
"""Characters of `data` from which on four of them at once are too much to hold."""


@pytest.mark.wa_clause("ROBUST-2", uses_up="restores")
def test_backups_taken_at_the_same_time_all_succeed_and_restore(wa_case: Case) -> None:
    rng = rng_of(wa_case)
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        first = take_backup(client, a_password(rng))
        at = first.at
        passwords = [a_password(rng) for _ in range(4 if len(first.data) < _LONG else 2)]
        del first
        drivers = [client.driver.clone() for _ in passwords]
        try:
            with ThreadPoolExecutor(len(passwords)) as pool:
                calls = zip(drivers, passwords, strict=True)
                answers = list(pool.map(lambda call: call[0].backup(call[1]), calls))
        finally:
            for driver in drivers:
                driver.close()
        # what is no judgement yet is asked for again, with patience
        answers = [
            client.backup(password) if not_now(answer) else answer
            for password, answer in zip(passwords, answers, strict=True)
        ]
        sent = f"{len(passwords)} backups at the same time, each with its own password"
        for answer in answers:
            if is_rate_limit(answer):
                raise NotTested("the client limits backups made at the same time (429)")
            judgement = accepted_backup(answer, sent)
            if isinstance(judgement, Finding) and not (answer.ok and answer.data):
                finding = Finding("ROBUST-2", sent, judgement.expected, judgement.observed, tuple(answers))
                wa_case.judge(finding)
        wa_case.judge(Evidence("ROBUST-2", "backups at the same time", len(answers)))
        if wa_case.testbed.profile == "backup" or not client.may_restore:
            wa_case.remark("that each restores was not checked: restores are not in the profile")
            return
        most = len(passwords) if client.managed else 2
        now = at
        for password, answer in list(zip(passwords, answers, strict=True))[:most]:
            backup = Backup(password, answer.data or "", at, answer, client.version)
            before = change_values(client, rng, "application", now=now) if client.may_change else now
            attempt = attempt_restore(client, backup, before=before)
            if attempt.refused:
                _restores_one_after_another(client, rng)
                told, last = f"{sent}, then a restore of one", attempt.answer
                wa_case.judge(Finding("ROBUST-2", told, "it is accepted", came(last), (answer, last)))
            come_back(client)
            now = shown(client, "application")
            wa_case.judge(made_again("ROBUST-2", at, before, now))


def _restores_one_after_another(client: Client, rng: random.Random) -> None:
    """The control: restores of two backups, the newer one first, taken one by one. Raises NotTested."""
    older, newer = (take_backup(client, a_password(rng)) for _ in range(2))
    for backup in (newer, older):
        restore_accepted(client, backup, "RESTORE-8")
        come_back(client)


@pytest.mark.wa_clause("ROBUST-3", uses_up="restores")
def test_two_restores_at_the_same_time_leave_one_state_whole(wa_case: Case) -> None:
    rng = rng_of(wa_case)
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        backups: list[Backup] = []
        for _ in range(2):
            at = plant_other_values(client, rng, "application", "about", "business")
            backups.append(take_backup(client, a_password(rng), at=at))
        rounds = 4 if client.managed else 1
        # what each restore reads as by itself, whatever it loses
        _, first = restore_and_read(client, backups[0], before=backups[1].at)
        _, second = restore_and_read(client, backups[1], before=first)
        states = [("the first backup", first), ("the second backup", second)]
        for _ in range(rounds):
            answers = client.restore_at_once([(backup.password, backup.data) for backup in backups])
            if not any(answer.ok or not answer.answered for answer in answers):
                raise NotTested(f"both restores were refused ({came(answers[0])}): see RESTORE-8")
            after = read_settled(client)
            wa_case.judge(whole("ROBUST-3", "two restores at the same time", after, *states))


@pytest.mark.wa_clause("ROBUST-4")
@pytest.mark.wa_breaks("backup-request", "restore-request")
def test_an_error_echoes_neither_password_nor_settings(wa_case: Case) -> None:
    rng = rng_of(wa_case)
    with wa_case.testbed.lease(Need(exclusive=True)) as client:
        secret = a_password(rng)
        if client.may_change:
            change_values(client, rng, "application", "about", "business")
        backup = take_backup(client, secret)
        settings = {
            f"the field {leaf}": value
            for leaf, value in backup.at.values.items()
            if isinstance(value, str) and len(value) >= 12 and leaf != "photo:digest"
        }
        wrong, long = a_password(rng), a_password(rng, 300)
        needles = {
            f"{part}{told}": text
            for told, whole_text in (("the password", secret), ("the wrong password", wrong))
            for part, text in (
                ("", whole_text),
                ("half of ", whole_text[: len(whole_text) // 2]),
                ("the end of ", whole_text[len(whole_text) // 2 :]),
            )
        }
        for text in needles.values():
            client.driver.recorder.add_volatile_secret(text)
        needles |= {"the long password": long, **settings}
        path = "/v1/settings/backup"
        calls = [
            ("backup with the password in a list", client.backup([secret])),
            ("backup with the password in an object", client.backup({"password": secret})),
            ("backup with another member", client.ask("POST", path, json={"pass": secret})),
            (
                "backup with a body cut short",
                client.ask(
                    "POST",
                    path,
                    content=f'{{"password": "{secret}'.encode(),
                    secrets=(secret,),
                    headers=_JSON,
                ),
            ),
            ("backup with an invalid token", client.backup(secret, token="made-up-token-0000")),
            ("backup with a password of 300 characters", client.backup(long)),
        ]
        with suppress(Unavailable):
            answer = client.backup(secret, token=client.user_token())
            calls.append(("backup with a non-admin account's token", answer))
        if wa_case.testbed.profile != "backup" and client.may_restore:
            calls += [
                ("restore with a wrong password", client.restore(wrong, backup.data)),
                ("restore of damaged data", client.restore(secret, backup.data[: len(backup.data) // 2])),
                ("restore with data in a list", client.restore(secret, [backup.data])),
                ("restore with the password in a list", client.restore([secret], backup.data)),
            ]
            calls += _on_another_setup(wa_case, client, backup)
        calls += _on_a_new_machine(wa_case, secret, wrong, backup)
        for sent, answer in calls:
            wa_case.judge(not_echoed(answer, sent, needles))


def _on_a_new_machine(case: Case, secret: str, wrong: str, backup: Backup) -> Iterator[tuple[str, Answer]]:
    """What a client refuses that is not registered."""
    with suppress(Unavailable), case.testbed.lease(Need("unregistered")) as new:
        yield "backup on an unregistered client", new.backup(secret)
        if case.testbed.profile != "backup" and new.may_restore:
            yield "restore with a wrong password on an unregistered client", new.restore(wrong, backup.data)


def _on_another_setup(case: Case, client: Client, backup: Backup) -> Iterator[tuple[str, Answer]]:
    """The backup restored where it does not fit: its settings are at hand there."""
    setup = another_setup(client)
    if setup is None:
        return
    with suppress(Unavailable), case.testbed.lease(Need(shards=setup[0], multiconnect=setup[1])) as other:
        if other.may_restore:
            yield "restore on another set-up", other.restore(backup.password, backup.data)
