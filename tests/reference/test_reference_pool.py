"""The pool: its orders, the lives of its clients, and that nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from driving import ADMIN_PASSWORD, Pool, Reference
from receiving import wait_until


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    """Whether a process runs, as more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_client_keeps_address_state_and_number_over_all_its_lives(client: Reference) -> None:
    client.patch(heartbeat_interval=12)
    for generation in (2, 3, 4):
        answer = client.pool.ask("start_again", client=client.key)
        assert (answer["url"], answer["generation"]) == (client.url, generation)
        assert client.application()["heartbeat_interval"] == 12


@pytest.mark.parametrize("op", ["kill", "term"])
@pytest.mark.parametrize("policy", ["no", "always", "unless-stopped"])
def test_a_client_that_was_ended_stays_down(pool: Pool, op: str, policy: str) -> None:
    client = pool.start(restart_policy=policy)
    pool.ask(op, client=client.key)
    time.sleep(0.05)
    assert pool.ask("status", client=client.key) == {"running": False, "generation": 1}
    with pytest.raises(httpx.ConnectError):
        client.http.get("/v1/health")
    client.start_again()
    assert client.status() == "connected"


def test_a_client_that_dies_of_itself_is_brought_back_by_its_policy(pool: Pool) -> None:
    client = pool.start(restart_policy="always")
    os.kill(client.pid, signal.SIGKILL)
    answer = pool.ask("wait", client=client.key, generation=2, seconds=5)
    assert answer == {"running": True, "generation": 2}


def test_waiting_ends_with_its_time(client: Reference) -> None:
    started = time.monotonic()
    answer = client.pool.ask("wait", client=client.key, generation=2, seconds=0.1)
    assert answer == {"running": True, "generation": 1}
    assert time.monotonic() - started < 2


def test_clients_share_no_open_files(pool: Pool) -> None:
    clients = [pool.start() for _ in range(3)]
    for client in clients:
        targets = [os.readlink(entry) for entry in Path(f"/proc/{client.pid}/fd").iterdir() if entry.exists()]
        databases = {target for target in targets if target.endswith(".sqlite")}
        assert len(databases) == 1
    pool.ask("kill", client=clients[0].key)
    with pytest.raises(httpx.ConnectError):
        clients[0].http.get("/v1/health")


def test_a_client_of_its_own_folder_finds_its_state_again(pool: Pool, tmp_path: Path) -> None:
    first = pool.start(state_dir=str(tmp_path / "state"))
    first.patch(heartbeat_interval=13)
    number = first.number
    pool.clean()
    second = pool.start(state_dir=str(tmp_path / "state"), number=number)
    assert second.application()["heartbeat_interval"] == 13
    assert second.status() == "connected"


def test_plain_http_is_there_on_request(pool: Pool) -> None:
    client = pool.start(http=True)
    assert client.url.startswith("http://")
    assert client.status() == "connected"


@pytest.mark.parametrize(
    "options",
    [
        {"shards": 99, "multiconnect": True},
        {"shards": 2},
        {"shards": True},
        {"version": "x"},
        {"kdf": "none"},
        {"number": "1"},
        {"unknown": 1},
        {"mutant": "x"},
        {"variant": "x"},
        {"sparse": "x"},
        {"state_dir": "/proc/nowhere"},
        {"network": None},
    ],
)
def test_an_order_that_cannot_be_carried_out_is_one_line(pool: Pool, options: dict[str, object]) -> None:
    answer = pool.ask("start", options={"network": pool.network, **options})
    assert list(answer) == ["error"]
    assert "\n" not in answer["error"]


def test_nonsense_is_answered_and_the_pool_goes_on(pool: Pool) -> None:
    assert "error" in pool.ask("nothing")
    assert "error" in pool.ask("kill", client="nobody")
    assert pool.process.stdin is not None
    assert pool.process.stdout is not None
    for line in ("nonsense", "[]", "1", ""):
        pool.process.stdin.write(line + "\n")
        pool.process.stdin.flush()
        assert "error" in json.loads(pool.process.stdout.readline())
    assert pool.start().status() == "connected"


@pytest.mark.parametrize("end", ["close", "term", "kill"])
def test_with_the_pool_all_it_started_ends(tmp_path: Path, end: str) -> None:
    pool = Pool(tmp_path / "log")
    client = pool.start(admin_password=ADMIN_PASSWORD)
    client.http.close()
    # the network, the client and two processes forked ahead
    assert wait_until(lambda: len(children(pool.process.pid)) == 4)
    started = children(pool.process.pid)
    folder = Path(pool.ca).parent.parent
    if end == "close":
        assert pool.close() == 0
    else:
        pool.process.send_signal(signal.SIGTERM if end == "term" else signal.SIGKILL)
        pool.process.wait(5)
        pool.close()
    assert wait_until(lambda: not any(alive(pid) for pid in started))
    if end != "kill":
        assert not folder.exists()


def test_a_client_starts_although_the_process_forked_for_it_was_killed(tmp_path: Path) -> None:
    pool = Pool(tmp_path / "log")
    pool.start().http.close()
    assert wait_until(lambda: len(children(pool.process.pid)) == 4)
    ahead = sorted(children(pool.process.pid))[-2:]
    for pid in ahead:
        os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not any(alive(pid) for pid in ahead))
    client = pool.start()
    assert client.status() == "connected"
    client.http.close()
    assert pool.close() == 0


def test_the_end_of_stdin_cuts_a_wait_short(tmp_path: Path) -> None:
    pool = Pool(tmp_path / "log")
    client = pool.start()
    client.http.close()
    assert pool.process.stdin is not None
    order = {"id": 0, "op": "wait", "client": client.key, "generation": 9, "seconds": 60}
    pool.process.stdin.write(json.dumps(order) + "\n")
    started = time.monotonic()
    assert pool.close() == 0
    assert time.monotonic() - started < 3


def test_a_client_connects_once_its_network_is_there_again(tmp_path: Path) -> None:
    pool = Pool(tmp_path / "log")
    (network,) = children(pool.process.pid)
    os.kill(network, signal.SIGSTOP)
    client = pool.start()
    assert client.status() == "connecting"
    os.kill(network, signal.SIGCONT)
    assert wait_until(lambda: client.status() == "connected")
    client.http.close()
    assert pool.close() == 0


def test_a_pool_without_orders_ends_at_once(tmp_path: Path) -> None:
    (tmp_path / "orders").write_bytes(b"")
    command = [sys.executable, "-m", "pytest_wa_settings.reference", "pool"]
    for stdin in (Path(os.devnull), tmp_path / "orders"):
        with stdin.open("rb") as orders:
            run = subprocess.run(command, stdin=orders, capture_output=True, timeout=20)
        assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")


def test_a_process_whose_client_has_ended_takes_the_next_one(client: Reference) -> None:
    assert client.restore(client.data()).status_code == 200
    assert wait_until(lambda: not client.pool.ask("status", client=client.key)["running"])
    again = client.pool.ask("start_again", client=client.key)
    assert (again["pid"], again["generation"]) == (client.pid, 2)
    assert client.status() == "connected"


def test_a_killed_clients_process_takes_no_other(client: Reference) -> None:
    client.pool.ask("kill", client=client.key)
    assert client.pool.ask("start_again", client=client.key)["pid"] != client.pid


def test_a_signal_that_comes_after_a_clients_end_does_not_end_the_next(pool: Pool) -> None:
    first = pool.start()
    pool.ask("term", client=first.key)
    os.kill(first.pid, signal.SIGTERM)
    second = pool.start()
    assert second.pid == first.pid
    assert second.status() == "connected"


def test_a_clean_client_may_follow_a_deviating_one_in_its_process(pool: Pool) -> None:
    mutant = pool.start(mutant="backup-without-token")
    assert mutant.backup(token="").status_code == 200
    pool.ask("discard", client=mutant.key)
    clean = pool.start()
    assert clean.pid == mutant.pid
    assert clean.backup(token="").status_code == 401


def test_few_processes_wait_however_many_clients_were_there(tmp_path: Path) -> None:
    pool = Pool(tmp_path / "log")  # of its own: the one of all tests may have several networks
    clients = [pool.start() for _ in range(8)]
    assert len(children(pool.process.pid)) > 8
    for client in clients:
        pool.ask("discard", client=client.key)
        client.http.close()
    # the network, and four processes that wait: fewer where one that was slow to end had to be killed
    assert wait_until(lambda: len(children(pool.process.pid)) <= 5, seconds=20)
    assert pool.close() == 0
