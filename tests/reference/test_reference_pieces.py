"""The reference in pieces, in separate processes that meet in a real PostgreSQL database."""

from __future__ import annotations

import itertools
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from driving import code
from pieces import NUMBER, Database, Pieces, binaries, run, until

NAMES = itertools.count(1)
BUSY = ("coreapp", "connected")
IDLE = ("coreapp", "disconnected")
LEADS = ("primary_master", "connected")
WAITS = ("secondary_master", "disconnected")


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    """One server for the tests of a worker."""
    programs = binaries()
    if programs is None:
        why = "PostgreSQL is not installed (apt-get install postgresql)"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    # Not below pytest's own folder, which another user may not enter.
    with tempfile.TemporaryDirectory(prefix="wa-postgres-") as folder:
        made = Database(Path(folder), programs)
        yield made
        made.stop()


@pytest.fixture(scope="module")
def maker(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Pieces]]:
    """Makes clients that have not started yet."""
    made: list[Pieces] = []

    def make() -> Pieces:
        name = f"client{next(NAMES)}"
        database.create(name)
        made.append(Pieces(database, name, tmp_path_factory.mktemp(name)))
        return made[-1]

    yield make
    for pieces in made:
        pieces.close()


@pytest.fixture
def new_pieces(maker: Callable[[], Pieces]) -> Iterator[Callable[[], Pieces]]:
    """Makes clients of the test's own."""
    made: list[Pieces] = []

    def make() -> Pieces:
        made.append(maker())
        return made[-1]

    yield make
    for pieces in made:
        pieces.close()


@pytest.fixture(scope="module")
def shared(maker: Callable[[], Pieces]) -> Pieces:
    """A client of two masters and two shards, with a coreapp to spare."""
    made = maker()
    made.set_up(masters=2, coreapps=3, shards=2)
    made.enter()
    return made


@pytest.fixture
def pieces(shared: Pieces) -> Pieces:
    """That client, whole and registered, whatever another test has done to it."""
    shared.heal()
    assert shared.comes_to(LEADS, WAITS, BUSY, BUSY, IDLE), shared.logs()
    return shared


def test_health_has_an_entry_for_each_node_with_its_role(pieces: Pieces) -> None:
    nodes = pieces.ask("GET", "/v1/health").json()["health"]
    assert len(nodes) == 5
    assert all(name.partition(":")[2] for name in nodes)
    with_key = pieces.http.get("/v1/health", headers={"Authorization": "Apikey monitoring-key"})
    assert with_key.json()["health"] == nodes


def test_before_its_registration_every_node_is_unregistered(new_pieces: Callable[[], Pieces]) -> None:
    made = new_pieces()
    made.set_up(masters=1, coreapps=1)
    made.enter()
    assert made.comes_to(("primary_master", "unregistered"), ("coreapp", "unregistered"))
    assert made.ask("POST", "/v1/settings/backup", json={"password": "x"}).status_code == 409


def test_with_one_shard_one_coreapp_is_connected_and_nothing_else(new_pieces: Callable[[], Pieces]) -> None:
    made = new_pieces()
    made.set_up(masters=1, coreapps=2)
    made.enter()
    made.register()
    assert made.comes_to(("primary_master", "disconnected"), BUSY, IDLE)


def test_the_coreapp_to_spare_takes_the_shard_of_a_killed_one(pieces: Pieces) -> None:
    owner = pieces.owner(0)
    pieces.kill(owner)
    assert until(lambda: pieces.owner(0) not in (owner, ""))
    assert pieces.comes_to(LEADS, WAITS, BUSY, BUSY, IDLE)
    assert pieces.backup()


def test_with_fewer_coreapps_than_shards_nothing_is_served(pieces: Pieces) -> None:
    pieces.kill("wacore1")
    pieces.kill("wacore2")
    assert pieces.comes_to(LEADS, WAITS, BUSY, IDLE, IDLE)
    for method, path in (("POST", "/v1/settings/backup"), ("POST", "/v1/messages")):
        answer = pieces.ask(method, path, json={"password": "x"})
        assert (answer.status_code, code(answer)) == (503, 1011)
    pieces.start("wacore1")
    assert until(pieces.serves)


def test_the_second_master_leads_after_the_death_of_the_first(pieces: Pieces) -> None:
    data = pieces.backup()
    pieces.kill(pieces.primary())
    assert pieces.comes_to(LEADS, ("secondary_master", "disconnected"), BUSY, BUSY, IDLE)
    assert pieces.backup() != data


def test_only_the_primary_master_does_what_is_a_masters_work(pieces: Pieces) -> None:
    leader = pieces.primary()
    for name in ("master1", "master2", "wacore1"):
        port = pieces.port(name, 2)
        answer = pieces.ask("POST", "/v1/settings/backup", port=port, json={"password": "x"})
        if name == leader:
            assert answer.status_code == 200
        else:
            assert code(answer) == 1017
            assert code(pieces.ask("GET", "/v1/settings/application", port=port)) == 1017


def test_a_coreapp_asks_for_a_token_itself(pieces: Pieces) -> None:
    answer = httpx.post(
        f"http://127.0.0.1:{pieces.port(pieces.primary(), 2)}/v1/settings/backup",
        json={"password": "x"},
        trust_env=False,
    )
    assert answer.status_code == 401


def test_a_message_goes_through_the_owner_of_its_recipients_shard(pieces: Pieces) -> None:
    for recipient in ("16315550101", "16315550102", "16315550103", "16315550104"):
        body = {"to": recipient, "type": "text", "text": {"body": f"to {recipient}"}}
        assert pieces.ask("POST", "/v1/messages", json=body).status_code == 200
        others = [
            pieces.ask("POST", "/v1/messages", port=pieces.port(f"wacore{n}", 0), json=body)
            for n in (1, 2, 3)
        ]
        assert sorted(answer.status_code for answer in others) == [200, 503, 503]
        assert {code(answer) for answer in others if answer.status_code == 503} == {1018}
        view = f"/contacts/{recipient}"
        assert until(lambda view=view: len(pieces.network.get(view).json()["messages"]) == 2)


def test_a_restore_brings_the_settings_back_and_restarts_every_node(pieces: Pieces) -> None:
    path, delay = "/v1/settings/application", "callback_backoff_delay_ms"
    assert pieces.ask("PATCH", path, json={delay: 4001}).status_code == 200
    data = pieces.backup()
    assert pieces.ask("PATCH", path, json={delay: 4002}).status_code == 200
    assert pieces.restore(data).status_code == 200
    nodes = ["master1", "master2", "wacore1", "wacore2", "wacore3"]
    assert until(lambda: pieces.ended() == nodes), pieces.ended()
    answer = pieces.ask("POST", "/v1/settings/backup", json={"password": "x"})
    assert (answer.status_code, code(answer)) == (503, 1011)
    assert pieces.health() == [IDLE, IDLE, IDLE, ("secondary_master", "disconnected"), WAITS]
    for name in nodes:
        pieces.start(name)
    assert pieces.comes_to(LEADS, WAITS, BUSY, BUSY, IDLE)
    assert pieces.ask("GET", path).json()["settings"]["application"][delay] == 4001


def test_a_new_machine_initializes_itself_after_a_restore(
    pieces: Pieces, new_pieces: Callable[[], Pieces]
) -> None:
    made = new_pieces()
    made.environment["WA_REFERENCE_NETWORK"] = str(pieces.network.base_url)
    made.set_up(masters=1, coreapps=2, shards=2)
    made.enter()
    assert made.restore(pieces.backup()).status_code == 200
    assert made.comes_to(LEADS, BUSY, BUSY), made.logs()
    assert not made.ended()
    assert made.ask("GET", "/v1/settings/application").json()["settings"]["application"]["wa_id"] == NUMBER
    lost = ("secondary_master", "disconnected"), ("primary_master", "disconnected")
    assert pieces.comes_to(*lost, IDLE, IDLE, IDLE)


def test_a_backup_of_other_shards_is_refused(pieces: Pieces, new_pieces: Callable[[], Pieces]) -> None:
    single = new_pieces()
    single.set_up_single()
    single.enter()
    answer = single.restore(pieces.backup())
    assert (answer.status_code, code(answer)) == (400, 1025)


def test_a_single_instance_runs_with_one_coreapp(new_pieces: Callable[[], Pieces]) -> None:
    made = new_pieces()
    made.set_up_single()
    made.enter()
    made.register()

    def status() -> str:
        found: str = made.ask("GET", "/v1/health").json()["health"]["gateway_status"]
        return found

    assert until(lambda: status() == "connected"), made.logs()
    assert made.restore(made.backup()).status_code == 200
    assert until(lambda: made.ended() == ["wacore"])
    assert status() == "disconnected"
    made.start("wacore")
    assert until(lambda: status() == "connected")
    support = made.ask("GET", "/v1/support").json()["support"]
    assert (support["db_engine"], support["debug_info"]) == ("PGSQL", NUMBER)


def unread(port: int) -> int:
    """How many bytes wait for a process that listens at a port (Linux)."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    mine = [row for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01"]
    return sum(int(row[4].partition(":")[2], 16) for row in mine)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux, to see when a request has come")
def test_where_a_coreapps_answer_is_lost_the_web_hangs_up(pieces: Pieces) -> None:
    leader = pieces.primary()
    pieces.processes[leader].send_signal(signal.SIGSTOP)
    with ThreadPoolExecutor(1) as hands:
        answer = hands.submit(pieces.backup)
        assert until(lambda: unread(pieces.port(leader, 2)) > 0)
        pieces.kill(leader)
        with pytest.raises(httpx.RemoteProtocolError):
            answer.result()


def test_users_and_their_tokens_outlive_the_coreapps(pieces: Pieces) -> None:
    user = {"username": "agent", "password": "Agent-Pass-1"}
    assert pieces.ask("POST", "/v1/users", json=user).status_code == 201
    for name in list(pieces.roles)[1:]:
        pieces.kill(name)
    answer = pieces.http.post("/v1/users/login", auth=("agent", "Agent-Pass-1"))
    assert answer.status_code == 200
    token = answer.json()["users"][0]["token"]
    refused = pieces.http.post("/v1/settings/backup", headers={"Authorization": f"Bearer {token}"}, json={})
    assert refused.status_code == 403


def test_the_set_shards_call_changes_how_many_coreapps_are_at_work(pieces: Pieces) -> None:
    body = {"cc": NUMBER[:1], "phone_number": NUMBER[1:], "shards": 1, "cert": "UmVmZXJlbmNl"}
    assert pieces.ask("POST", "/v1/account/shards", json=body).status_code == 201
    assert pieces.comes_to(("primary_master", "disconnected"), WAITS, BUSY, IDLE, IDLE)
    assert pieces.ask("POST", "/v1/account/shards", json={**body, "shards": 2}).status_code == 201


def test_a_database_of_another_make_is_refused_in_one_line() -> None:
    environment = {"WA_DB_ENGINE": "MYSQL", "WEBAPP_HOSTNAME": "waweb"}
    assert run("launch", **environment) == (
        1,
        "wa-settings: The reference client keeps its state in PostgreSQL, not in MYSQL. "
        "Set WA_DB_ENGINE=PGSQL, with a PostgreSQL server at WA_DB_HOSTNAME.\n",
    )
