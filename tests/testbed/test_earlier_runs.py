"""What another run left on a client, or does on it now: put back, waited for, or left to its owner."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_client import FakeClient

from pytest_wa_settings.testbed import Need, TestbedError, Unavailable
from pytest_wa_settings.testbed.declared import DeclaredTestbed
from pytest_wa_settings.testbed.identity import Identity, place_of
from pytest_wa_settings.testbed.journal import Journal, journals

Fake = Callable[..., FakeClient]
Declare = Callable[..., DeclaredTestbed]
PROGRAM = (
    "from pytest_wa_settings.testbed.owners import Owner; import sys;"
    "print(Owner.this(), flush=True); sys.stdin.read()"
)
ELSEWHERE = "another-host 00000000-0000-0000-0000-000000000000 1 4711 12"


@pytest.fixture
def other_run() -> Iterator[subprocess.Popen[str]]:
    """A process that goes on; its first line is what a journal calls it."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.communicate()


@pytest.fixture
def dead_run(other_run: subprocess.Popen[str]) -> str:
    """What a journal calls a process that has ended."""
    said, _ = other_run.communicate()
    return said.strip()


def leave_changed(testbed: DeclaredTestbed, owner: str) -> Journal:
    """Changes the only client, and leaves it so with its journal, as one who was killed then does."""
    with testbed.lease(Need()) as client:
        client.ask("PATCH", "/v1/settings/application", json={"heartbeat_interval": 9})
    for slot in testbed._slots:
        slot.journal = None
    testbed.close()
    (journal,) = journals()
    journal.run["owner"] = owner
    journal.write()
    return journal


def test_what_a_run_left_changed_is_put_back_by_the_next(
    fake: Fake, declare: Declare, state_home: Path, dead_run: str
) -> None:
    one = fake()
    before = dict(one.settings)
    leave_changed(declare(one), dead_run)
    assert one.settings["heartbeat_interval"] == 9
    lines = declare(one).preflight()
    assert "client 1 was put back as it was before an earlier run" in lines
    assert one.settings == before
    assert not list(state_home.rglob("*.json"))


def test_a_client_that_a_run_is_using_is_left_to_it(
    fake: Fake, declare: Declare, other_run: subprocess.Popen[str]
) -> None:
    assert other_run.stdout is not None
    one = fake()
    leave_changed(declare(one), other_run.stdout.readline().strip())
    with pytest.raises(TestbedError, match="another run is using client 1"):
        declare(one).preflight()
    assert one.settings["heartbeat_interval"] == 9


def test_a_change_is_not_sent_where_another_run_has_begun_meanwhile(
    fake: Fake, declare: Declare, state_home: Path, other_run: subprocess.Popen[str]
) -> None:
    assert other_run.stdout is not None
    one = fake()
    later = declare(one)
    later.preflight()
    theirs = Journal(
        state_home / "wa-settings" / "theirs.json",
        "theirs",
        Identity(place_of(one.url)),
        {},
        {"url": one.url},
        run={"owner": other_run.stdout.readline().strip(), "pid": other_run.pid},
    )
    theirs.write()
    with later.lease(Need()) as client, pytest.raises(Unavailable, match="another run is using client 1"):
        client.ask("PATCH", "/v1/settings/application", json={"heartbeat_interval": 9})
    assert one.settings["heartbeat_interval"] == 5
    assert [journal.path for journal in journals()] == [theirs.path]


def test_what_a_run_on_another_machine_left_is_not_put_back_unasked(fake: Fake, declare: Declare) -> None:
    one = fake()
    journal = leave_changed(declare(one), ELSEWHERE)
    with pytest.raises(TestbedError, match="may go on still") as caught:
        declare(one).preflight()
    assert journal.command() in caught.value.remedy
    assert one.settings["heartbeat_interval"] == 9


def test_a_run_that_gave_up_leaves_its_client_to_the_next_in_its_own_process(
    fake: Fake, declare: Declare
) -> None:
    one = fake()
    first = declare(one)
    with first.lease(Need()) as client:
        client.ask("PATCH", "/v1/settings/application", json={"heartbeat_interval": 9})
        one.scripted["PATCH /v1/settings/application"] = [(400, {}, {})] * 20
    assert "could not be put back" in "\n".join(first.close())
    one.scripted.clear()
    assert "client 1 was put back as it was before an earlier run" in declare(one).preflight()


def test_a_client_that_a_dead_run_left_stopped_is_started_and_put_back(
    fake: Fake, declare: Declare, command: Callable[[Callable[[], None]], str], dead_run: str
) -> None:
    one = fake()
    journal = leave_changed(declare(one), dead_run)
    journal.enter("changed", "POST /v1/settings/restore", restored=True)
    one.down = True
    lines = declare((one, {"restart": command(one.start)})).preflight()
    assert "client 1 was put back as it was before an earlier run" in lines
    assert one.settings["heartbeat_interval"] == 5


def test_a_client_that_is_up_is_not_started_again(
    fake: Fake, declare: Declare, command: Callable[[Callable[[], None]], str], dead_run: str
) -> None:
    one = fake()
    journal = leave_changed(declare(one), dead_run)
    journal.enter("changed", "POST /v1/settings/restore", restored=True)
    started: list[int] = []
    one.password = "Another-Password-1"  # it refuses the login, but it runs
    with pytest.raises(TestbedError):
        declare((one, {"restart": command(lambda: started.append(1))})).preflight()
    assert started == []


def test_a_client_that_a_run_elsewhere_may_use_is_not_started(
    fake: Fake, declare: Declare, command: Callable[[Callable[[], None]], str]
) -> None:
    one = fake()
    journal = leave_changed(declare(one), ELSEWHERE)
    journal.enter("changed", "POST /v1/settings/restore", restored=True)
    started: list[int] = []
    one.down = True
    with pytest.raises(TestbedError):
        declare((one, {"restart": command(lambda: started.append(1)), "ready_timeout": 0.5})).preflight()
    assert started == []


def test_a_journal_from_before_moves_were_noted_is_read(fake: Fake, declare: Declare, dead_run: str) -> None:
    one = fake()
    journal = leave_changed(declare(one), dead_run)
    content = json.loads(journal.path.read_text())
    del content["moved"]
    journal.path.write_text(json.dumps(content))
    declare(one).preflight()
    assert one.settings["heartbeat_interval"] == 5


def test_a_dead_run_that_had_changed_nothing_is_not_put_back(
    fake: Fake, declare: Declare, dead_run: str
) -> None:
    one = fake()
    journal = leave_changed(declare(one), dead_run)
    journal.state = "opened"
    journal.write()
    one.settings["heartbeat_interval"] = 42  # by its owner, since
    declare(one).preflight()
    assert one.settings["heartbeat_interval"] == 42
    assert list(journals()) == []


def test_a_run_elsewhere_that_began_meanwhile_keeps_changes_from_being_sent(
    fake: Fake, declare: Declare, state_home: Path
) -> None:
    one = fake()
    later = declare(one)
    later.preflight()
    place, run = Identity(place_of(one.url)), {"owner": ELSEWHERE, "pid": 4711}
    Journal(
        state_home / "wa-settings" / "theirs.json", "theirs", place, {}, {"url": one.url}, run=run
    ).write()
    with later.lease(Need()) as client, pytest.raises(Unavailable, match="another run is using client 1"):
        client.ask("PATCH", "/v1/settings/application", json={"heartbeat_interval": 9})
    assert one.settings["heartbeat_interval"] == 5


def test_a_journal_that_was_broken_off_before_the_first_change_is_no_journal(
    fake: Fake, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(client: object) -> None:
        raise KeyboardInterrupt

    testbed = declare(fake())
    monkeypatch.setattr("pytest_wa_settings.testbed.slot.used_by_another", interrupted)
    with testbed.lease(Need()) as client, pytest.raises(KeyboardInterrupt):
        client.ask("PATCH", "/v1/settings/application", json={"heartbeat_interval": 9})
    assert list(journals()) == []


def test_a_number_that_a_dead_runs_restore_may_have_brought_is_not_passed_over(
    fake: Fake, declare: Declare, dead_run: str
) -> None:
    one = fake()
    journal = leave_changed(declare(one), dead_run)
    journal.enter("changed", "POST /v1/settings/restore", restored=True)
    one.number = "15559998888"
    with pytest.raises(TestbedError) as caught:
        declare(one).preflight()
    assert journal.command() in caught.value.remedy


# one number at two addresses, over plain HTTP


def at_another_address(fake: Fake, declare: Declare, owner: str) -> tuple[FakeClient, FakeClient, Journal]:
    """A client that was left changed, and one of another address and the same number."""
    one, other = fake(), fake()
    other._count = 100  # tokens of its own
    return one, other, leave_changed(declare(one), owner)


def test_a_client_that_takes_no_token_of_the_other_is_another_client(
    fake: Fake, declare: Declare, dead_run: str
) -> None:
    one, other, _ = at_another_address(fake, declare, dead_run)
    declare(other).preflight()
    assert (one.settings["heartbeat_interval"], other.settings["heartbeat_interval"]) == (9, 5)


def test_a_client_that_takes_the_others_tokens_is_the_same(
    fake: Fake, declare: Declare, dead_run: str
) -> None:
    one, other, _ = at_another_address(fake, declare, dead_run)
    other.tokens, other.settings = one.tokens, one.settings  # the same one, reached by another address
    other._count = one._count
    assert "client 1 was put back as it was before an earlier run" in declare(other).preflight()
    assert other.settings["heartbeat_interval"] == 5


@pytest.mark.parametrize("answer", [[(200, {}, {})] * 2, [(502, {}, {})] * 9])
def test_where_nothing_tells_them_apart_the_way_back_is_named(
    fake: Fake, declare: Declare, dead_run: str, answer: list[object]
) -> None:
    one, other, journal = at_another_address(fake, declare, dead_run)
    one.scripted["GET /v1/settings/application"] = answer  # type: ignore[assignment]
    with pytest.raises(TestbedError, match="nothing shows whether that is client 1") as caught:
        declare(other).preflight()
    assert journal.command() in caught.value.remedy
    assert (one.settings["heartbeat_interval"], other.settings["heartbeat_interval"]) == (9, 5)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("wa.example:1", "1", None), ("wa.example:1", "1", None), True),
        (("wa.example:1", "1", None), ("wa.example:1", "2", None), False),
        (("wa.example:1", "1", None), ("wa.example:2", "1", None), None),
        (("wa.example:1", "1", "a"), ("wa.example:2", "1", None), None),
        (("wa.example:1", "1", "a"), ("wa.example:2", "1", "a"), True),
        (("wa.example:1", "1", "a"), ("wa.example:2", "1", "b"), False),
        (("wa.example:1", "1", "a"), ("wa.example:1", "1", "b"), True),
        (("wa.example:1", None, "a"), ("wa.example:2", "1", "a"), True),
        (("wa.example:1", None, None), ("wa.example:1", "1", None), True),
        (("wa.example:1", None, None), ("wa.example:2", "1", None), False),
    ],
)
def test_number_address_and_key_tell_clients_apart(
    one: tuple[str, str | None, str | None], other: tuple[str, str | None, str | None], same: bool | None
) -> None:
    assert Identity(*one).is_of(Identity(*other)) is same
    assert Identity(*other).is_of(Identity(*one)) is same


@pytest.mark.parametrize("url", ["http://localhost:81/", "http://127.0.0.1:81", "http://[::1]:81"])
def test_this_machine_is_one_place_however_it_is_written(url: str) -> None:
    assert place_of(url) == "127.0.0.1:81"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://BÜCHER.example/wa/", "xn--bcher-kva.example:443/wa"),
        ("https://wa.example.:9090", "wa.example:9090"),
        ("http://[fe80::1%25eth0]", "fe80::1%eth0:80"),
    ],
)
def test_a_place_is_one_however_its_host_is_written(url: str, place: str) -> None:
    assert place_of(url) == place
