"""A client is treated with patience, and comes back after a restore whatever way it goes down."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from fake_client import NUMBER, FakeClient, busy, until

from pytest_wa_settings.testbed import Client, Need, NotBack, Unavailable, comeback
from pytest_wa_settings.testbed.declared import DeclaredTestbed

Fake = Callable[..., FakeClient]
Declare = Callable[..., DeclaredTestbed]
Command = Callable[[Callable[[], None]], str]
Lease = Callable[..., tuple[FakeClient, Client]]
PASSWORD = "backup-password"


@pytest.fixture
def lease(fake: Fake, declare: Declare) -> Iterator[Lease]:
    """Leases a declared client for the length of the test; keys are those of its entry."""
    with ExitStack() as leases:
        taken: list[FakeClient] = []

        def take(
            one: FakeClient | None = None, need: Need | None = None, **keys: Any
        ) -> tuple[FakeClient, Client]:
            one = one or fake()
            taken.append(one)
            testbed = declare((one, keys))
            testbed.preflight()
            return one, leases.enter_context(testbed.lease(need or Need(exclusive=True)))

        yield take
        for one in taken:  # so that it is put back without waiting
            one.start()
            one.after_restore = "blinks"


def restore(client: Client) -> Any:
    return client.restore(PASSWORD, client.backup(PASSWORD).data)


# patience


def test_a_busy_answer_is_waited_out(lease: Lease) -> None:
    one, client = lease()
    one.scripted["POST /v1/settings/backup"] = busy(429, 1, {"Retry-After": "0"}) + busy(503, 2)
    assert client.backup(PASSWORD).ok


def test_a_token_that_ran_out_is_replaced(lease: Lease) -> None:
    one, client = lease()
    one.tokens.clear()
    assert client.ask("GET", "/v1/settings/application").ok


def test_a_restore_that_was_not_taken_yet_is_sent_again_and_counted_once(lease: Lease) -> None:
    one, client = lease()
    data = client.backup(PASSWORD).data
    one.scripted["POST /v1/settings/restore"] = busy(503, 1)
    assert client.restore(PASSWORD, data).ok
    assert client.budget.spent == 1


# what may be sent


def test_a_client_that_may_not_be_restored_on_gets_no_restore(lease: Lease) -> None:
    one, client = lease(may_restore=False)
    with pytest.raises(Unavailable, match="may not restore"):
        client.restore(PASSWORD, "data")
    with pytest.raises(Unavailable, match="may not restore"):
        client.ask("POST", "/v1/settings/restore", json={})
    assert "POST /v1/settings/restore" not in one.seen


def test_refused_restores_do_not_count(lease: Lease) -> None:
    _, client = lease()
    data = client.backup(PASSWORD).data
    assert client.restore("another", data).status == 400
    assert client.budget.spent == 0


def test_when_the_restores_are_used_up_none_is_sent(lease: Lease) -> None:
    one, client = lease(max_restores=2)
    one.after_restore = "blinks"
    restore(client)
    client.come_back()
    with pytest.raises(Unavailable, match="restores that this client may take are used up"):
        client.restore(PASSWORD, "data")
    assert client.testbed.restores_left == 0


def test_an_answer_that_never_arrives_counts(lease: Lease) -> None:
    one, client = lease()
    client.backup(PASSWORD)
    client.prepare_restore()
    one.down = True
    client.restore(PASSWORD, "data")
    assert (client.budget.spent, client.pending) == (1, "unknown")
    one.start()


# coming back


def test_a_client_that_stops_is_started_by_its_command(fake: Fake, lease: Lease, command: Command) -> None:
    one = fake()
    _, client = lease(one, restart=command(one.start), restart_policy="no")
    restore(client)
    client.come_back()
    assert client.serves(registered=True)


def test_a_client_that_comes_back_by_itself_needs_no_command(lease: Lease) -> None:
    one, client = lease()
    one.after_restore = "blinks"
    restore(client)
    client.come_back()
    assert client.serves(registered=True)
    assert one.logins


def test_a_client_that_was_never_seen_down_is_taken_as_back(lease: Lease) -> None:
    one, client = lease(restart_policy="always", ready_timeout=1.0)
    one.after_restore = "stays"
    restore(client)
    client.come_back()
    assert client.habits.stayed_up == 1


def test_a_client_under_a_policy_is_not_started_while_it_comes_back(
    fake: Fake, lease: Lease, command: Command
) -> None:
    one, calls = fake(), []
    one.after_restore = "blinks"
    _, client = lease(one, restart=command(lambda: calls.append(1)), restart_policy="always")
    restore(client)
    client.come_back()
    assert calls == []


def test_a_policy_that_does_not_bring_it_back_is_helped_by_the_command(
    fake: Fake, lease: Lease, command: Command
) -> None:
    one = fake()
    _, client = lease(one, restart=command(one.start), restart_policy="always", ready_timeout=0.6)
    restore(client)
    client.come_back()
    assert client.serves(registered=True)


def test_a_policy_is_waited_for_no_longer_than_its_client_says(
    fake: Fake, lease: Lease, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, limits = fake(), []
    monkeypatch.setattr(comeback, "_returns", lambda client, limit: limits.append(limit))
    _, client = lease(one, restart=command(one.start), restart_policy="always")
    client.life.policy_within = 0.2
    restore(client)
    client.come_back()
    assert limits == [0.2]


def test_a_client_that_stays_down_is_not_back(lease: Lease) -> None:
    one, client = lease(ready_timeout=0.5)
    restore(client)
    with pytest.raises(NotBack) as caught:
        client.come_back()
    assert "is not connected 0.5 s after the restore (the connection was closed" in caught.value.problem
    assert "--wa-restart-command" in caught.value.remedy
    one.start()


def test_a_client_that_connects_slowly_is_waited_for(lease: Lease) -> None:
    one, client = lease()
    one.after_restore = "blinks"
    restore(client)
    one.status = "connecting"
    threading.Timer(0.4, setattr, (one, "status", None)).start()
    client.come_back()
    assert one.status is None


def test_a_command_that_fails_is_the_reason(fake: Fake, lease: Lease) -> None:
    one = fake()
    _, client = lease(one, restart="echo no such container; exit 1")
    restore(client)
    with pytest.raises(NotBack, match="no such container"):
        client.come_back()
    one.start()


def test_a_new_machine_initializes_itself(lease: Lease, fake: Fake) -> None:
    old, new = fake(), fake(registered=False)
    _, client = lease(new, Need("unregistered", consumes=True))
    backup = old._authorized("POST", "/v1/settings/backup", {"password": PASSWORD})
    assert backup is not None
    client.restore(PASSWORD, backup[1]["settings"]["data"])
    client.come_back()
    assert (client.state, client.number()) == ("registered", NUMBER)


def test_a_new_machine_that_shuts_down_is_started(lease: Lease, fake: Fake, command: Command) -> None:
    old, new = fake(), fake(registered=False)
    _, client = lease(new, Need("unregistered", consumes=True), restart=command(new.start), ready_timeout=1.0)
    backup = old._authorized("POST", "/v1/settings/backup", {"password": PASSWORD})
    assert backup is not None
    client.restore(PASSWORD, backup[1]["settings"]["data"])
    new.down = True
    client.come_back()
    assert client.state == "registered"


def test_a_client_is_seen_down_and_up(lease: Lease) -> None:
    one, client = lease()
    assert not client.is_down()
    one.down = True
    assert client.is_down()
    assert client.wait_down(1.0)
    threading.Timer(0.05, one.start).start()
    assert client.wait_serving(2.0, registered=True)


def test_a_cluster_serves_when_as_many_nodes_are_connected_as_it_has_shards(fake: Fake, lease: Lease) -> None:
    one = fake()
    one.nodes = {"a:1": "connected", "b:1": "connected", "c:1": "disconnected"}
    _, client = lease(one, Need(shards=2, exclusive=True), shards=2, multiconnect=True)
    assert client.serves(registered=True)
    one.nodes["b:1"] = "disconnected"
    assert not client.serves(registered=True)


def test_a_new_machine_that_shows_no_settings_serves(fake: Fake, lease: Lease) -> None:
    one = fake(registered=False)
    _, client = lease(one, Need("unregistered"))
    one.scripted["GET /v1/settings/application"] = [(400, {"errors": [{"code": 1011}]}, {})] * 2
    assert client.serves(registered=False)
    assert not client.serves(registered=True)


@pytest.mark.parametrize(
    ("body", "serves"),
    [([{"heartbeat_interval": 5}], True), (b"\xff\xfe", True), (b"<!doctype html>", False)],
)
def test_only_a_web_page_in_place_of_settings_says_that_it_does_not_serve(
    lease: Lease, body: object, serves: bool
) -> None:
    one, client = lease()
    one.scripted["GET /v1/settings/application"] = [(200, body, {})]
    assert client.serves(registered=True) is serves


def test_a_kill_by_command_brings_the_client_back(fake: Fake, lease: Lease, command: Command) -> None:
    one = fake()
    _, client = lease(one, restart=command(one.start))
    one.down = True
    client.kill_after(0.0)
    client.come_back()
    assert client.serves(registered=True)


def test_restores_of_all_shapes_are_sent(lease: Lease) -> None:
    one, client = lease()
    one.refuses_restores = True
    data = client.backup(PASSWORD).data
    assert [a.status for a in client.restore_at_once([(PASSWORD, data), (PASSWORD, data)])] == [400, 400]
    client.restore_in_background(PASSWORD, data)
    assert client.restore_and_close(PASSWORD, data or "", fraction=0.5).failure
    assert client.pending == "unknown"
    client.come_back()
    assert client.pending is None


# gateways

GATEWAY = (502, b"<html>Bad Gateway</html>", {"Content-Type": "text/html"})


@pytest.fixture
def forwarding() -> Callable[[FakeClient, str], None]:
    """Has a gateway answer one call in the client's place once, after the client carried it out."""

    def put_before(one: FakeClient, call: str) -> None:
        proper, lost = one.reply, [call]

        def reply(method: str, path: str, body: bytes, headers: Any) -> Any:
            answer = proper(method, path, body, headers)
            if f"{method} {path}" in lost:
                lost.clear()
                return GATEWAY
            return answer

        one.reply = reply  # type: ignore[method-assign]

    return put_before


def test_a_user_that_a_gateway_did_not_let_through_is_made_again(lease: Lease) -> None:
    one, client = lease()
    one.scripted["POST /v1/users"] = [GATEWAY]
    assert client.make_user("wa-one", "aA1!password-of-a-user").made
    assert list(one.users) == ["wa-one"]
    assert one.seen.count("POST /v1/users") == 2


def test_a_user_that_was_made_behind_a_gateways_answer_is_not_made_again(
    lease: Lease, forwarding: Callable[[FakeClient, str], None]
) -> None:
    one, client = lease()
    forwarding(one, "POST /v1/users")
    assert client.make_user("wa-one", "aA1!password-of-a-user").made
    assert one.seen.count("POST /v1/users") == 1


def test_a_restore_that_a_gateway_answers_is_sent_once_and_may_have_been_made(lease: Lease) -> None:
    one, client = lease()
    data = client.backup(PASSWORD).data
    one.scripted["POST /v1/settings/restore"] = [GATEWAY]
    assert client.restore(PASSWORD, data).from_gateway
    assert (one.seen.count("POST /v1/settings/restore"), client.pending) == (1, "unknown")
    client.come_back()


def test_a_backup_that_a_gateway_answers_once_is_asked_for_again(lease: Lease) -> None:
    one, client = lease()
    one.scripted["POST /v1/settings/backup"] = [GATEWAY]
    assert client.backup(PASSWORD).ok


def test_a_backup_of_a_stopped_client_is_asked_for_again_where_a_gateway_answers(lease: Lease) -> None:
    one, client = lease()
    one.scripted["POST /v1/settings/backup"] = [GATEWAY] * 2
    assert client.backup_at_once(PASSWORD).ok


def test_a_gateway_that_goes_on_answering_says_that_the_client_is_down(lease: Lease) -> None:
    one, client = lease()
    one.scripted["GET /v1/health"] = [GATEWAY] * 9
    assert client.is_down()
    one.scripted["GET /v1/health"] = [GATEWAY]
    assert not client.is_down()


def test_a_503_says_at_once_that_the_client_is_down(lease: Lease) -> None:
    one, client = lease()
    one.scripted["POST /v1/settings/backup"] = busy(503, 1)
    assert client.backup_at_once(PASSWORD).status == 503


# accounts


def test_a_made_user_that_must_change_its_password_does(lease: Lease) -> None:
    one, client = lease()
    refused = (401, {"errors": [{"code": 1024, "title": "New password"}]}, {})
    login = one.scripted.setdefault("POST /v1/users/login", [])
    made = one.reply

    def reply(method: str, path: str, body: bytes, headers: Any) -> Any:
        if (method, path) == ("POST", "/v1/users"):
            login.append(refused)
        elif path == "/v1/users/login" and b"new_password" in body:
            (name,) = one.users
            one.users[name] = json.loads(body)["new_password"]
            return 200, {"users": [{"token": "token-of-a-user"}]}, {}
        return made(method, path, body, headers)

    one.reply = reply
    assert client.user_token() == "token-of-a-user"


def test_a_user_is_made_logs_in_again_and_is_made_again_when_it_is_gone(lease: Lease) -> None:
    one, client = lease()
    first, second = client.user_token(), client.user_token()
    assert first != second
    (name,) = one.users
    assert name.startswith("adminwa")
    one.users.clear()
    assert client.user_token()
    assert len(one.users) == 1


def test_a_declared_user_is_preferred(fake: Fake, lease: Lease) -> None:
    one = fake()
    one.users["agent"] = "agent-password"
    _, client = lease(one, user="agent", user_password="agent-password")
    assert one.tokens[client.user_token()] == "agent"
    assert list(one.users) == ["agent"]


def test_no_user_is_made_on_a_client_that_must_not_change(lease: Lease) -> None:
    one, client = lease(may_restore=False, may_change=False)
    with pytest.raises(Unavailable, match="without administrator's rights"):
        client.user_token()
    assert one.users == {}


def test_a_fresh_administrators_token_leaves_the_own_one_in_use(lease: Lease) -> None:
    _, client = lease()
    own = client.driver.session_token()
    assert client.fresh_admin_token() != own
    assert client.driver.session_token() == own


def test_the_number_is_read_once_for_a_snapshot(lease: Lease) -> None:
    one, client = lease()
    client.ask("GET", "/v1/settings/application")
    before = len(one.seen)
    assert client.number() == NUMBER
    assert len(one.seen) == before


def test_a_client_out_of_the_box_after_a_reset_is_logged_in_to(
    fake: Fake, lease: Lease, command: Command
) -> None:
    one = fake()

    def reset() -> None:
        one.reset()
        one.factory = True

    _, client = lease(one, reset=command(reset))
    client.reset()
    assert client.ask("GET", "/v1/settings/application").ok
    assert not one.factory


def test_waits_end_with_their_limit(lease: Lease) -> None:
    one, client = lease()
    one.status = "connecting"
    began = time.monotonic()
    assert not client.wait_serving(0.3, registered=True)
    assert not client.wait_down(0.2)
    assert time.monotonic() - began < 2
    one.status = None
    assert until(lambda: client.serves(True))


def test_a_client_without_health_and_settings_serves_where_it_can_be_logged_in_to(lease: Lease) -> None:
    one, client = lease()
    nothing = (404, {}, {})
    one.scripted = {"GET /v1/health": [nothing] * 2, "GET /v1/settings/application": [nothing] * 2}
    assert client.serves(registered=True)
    one.scripted |= {"POST /v1/users/login": [nothing]}
    assert not client.serves(registered=True)


def test_a_stop_that_was_over_before_the_way_back_began_is_not_waited_for_again(
    fake: Fake, lease: Lease, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = fake()
    _, client = lease(one, restart=command(one.start), restart_policy="always")
    one.after_restore = "blinks"
    restore(client)
    assert client.wait_down(5.0)
    assert client.wait_serving(5.0)
    with monkeypatch.context() as patched:
        patched.setattr(comeback, "_stopped", lambda client, limit: pytest.fail("it waits for a stop"))
        client.come_back()
    assert client.habits.stayed_up == 0
