"""The driver asks once, logs in when it must, and never sends twice what may be sent only once."""

from __future__ import annotations

import json
import threading
from base64 import b64decode

import pytest
from raw_servers import answer

from pytest_wa_settings.api import Driver
from pytest_wa_settings.wire import ADMIN, NO_TOKEN, Recorder, WireError

LOGIN = json.dumps({"users": [{"token": "first.token.aaaa", "expires_after": "2030-01-01 00:00:00+00:00"}]})
SECOND = LOGIN.replace("first", "second")
REFUSED = answer('{"errors": [{"code": 1005, "title": "Access denied"}]}', "401 Unauthorized")


def test_an_answer_is_read_whatever_its_content_type_says(scripted, drive):
    server = scripted(answer('{"settings": {"data": "abc"}}', "200 OK", "Content-Type: text/plain"))
    got = drive(server).backup("password")
    assert (got.ok, got.data, got.header("CONTENT-type"), got.failure) == (True, "abc", "text/plain", None)


def test_many_requests_share_one_connection(scripted, drive):
    server = scripted(answer())
    driver = drive(server)
    driver.health()
    for _ in range(5):
        assert driver.health().ok
        assert driver.restore("p", "d").ok
    assert server.connections == 1


def test_an_http_1_0_server_that_closes_is_served_by_new_connections(scripted, drive):
    server = scripted(b"HTTP/1.0 200 OK\r\n\r\n{}", keep=False)
    driver = drive(server)
    assert [driver.backup("p").body for _ in range(3)] == [{}, {}, {}]
    assert server.connections == 3


def test_a_chunked_answer_is_put_together(scripted, drive):
    server = scripted(
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n4;x=y\r\n":1}\r\n0\r\n\r\n'
    )
    assert drive(server).health().body == {"a": 1}


@pytest.mark.parametrize("status", ["204 No", "301 Moved", "404 Not Found", "500 Oops", "599 X", "999 Y"])
def test_no_status_raises(scripted, drive, status):
    got = drive(scripted(answer(b"", status, "Location: http://127.0.0.1:1/"))).health()
    assert (got.status, got.failure) == (int(status[:3]), None)


def test_a_redirect_is_not_followed(scripted, drive):
    elsewhere = scripted(answer())
    server = scripted(answer(b"", "307 Temporary Redirect", f"Location: {elsewhere.url}/v1/health"))
    assert drive(server).health().status == 307
    assert elsewhere.connections == 0


def test_the_first_call_logs_in_and_later_ones_reuse_the_token(scripted, drive):
    server = scripted(answer(LOGIN), answer())
    driver = drive(server, token=None, password="Adm1n-password")
    driver.health()
    driver.health()
    assert [r.split(b" ", 2)[1] for r in server.received] == [
        b"/v1/users/login",
        b"/v1/health",
        b"/v1/health",
    ]
    assert b"Bearer first.token.aaaa" in server.received[1]
    basic = server.received[0].split(b"Basic ")[1].split(b"\r\n")[0]
    assert b64decode(basic) == b"admin:Adm1n-password"


def test_a_refused_token_is_renewed_once_and_the_call_repeated_once(scripted, drive):
    server = scripted(answer(LOGIN), REFUSED, answer(SECOND), answer('{"a": 1}'))
    driver = drive(server, token=None, password="Adm1n-password")
    assert driver.health().body == {"a": 1}
    assert driver.session_token() == "second.token.aaaa"


def test_a_call_refused_with_a_new_token_too_stays_refused(scripted, drive):
    server = scripted(answer(LOGIN), REFUSED, answer(SECOND), REFUSED)
    driver = drive(server, token=None, password="Adm1n-password")
    assert driver.health().status == 401
    assert len(server.received) == 4


def test_a_call_with_a_token_of_its_own_never_logs_in(scripted, drive):
    server = scripted(REFUSED)
    driver = drive(server, token=None, password="Adm1n-password")
    assert driver.backup("p", token="invalid").codes == [1005]
    assert driver.backup("p", token=NO_TOKEN).status == 401
    assert b"uthorization" not in server.received[1]
    assert len(server.received) == 2


def test_a_refused_login_is_told_apart_from_a_refused_call(scripted, drive):
    driver = drive(scripted(REFUSED), token=None, password="Adm1n-password")
    got = driver.backup("p")
    assert (got.status, got.failure, got.failure_kind) == (None, "login failed: status 401", "login")


def test_a_login_without_a_token_is_a_failed_login(scripted, drive):
    driver = drive(scripted(answer("<html>welcome</html>")), token=None, password="Adm1n-password")
    assert driver.health().failure == "login failed: status 200 without a usable token"


def test_a_login_that_asks_for_patience_is_handed_on(scripted, drive):
    driver = drive(scripted(answer("{}", "503 Starting")), token=None, password="Adm1n-password")
    assert (driver.health().status, driver.health().failure) == (503, None)


def test_a_first_login_sets_the_new_password(scripted, drive):
    server = scripted(answer(LOGIN), REFUSED, answer(SECOND), answer())
    driver = drive(server, token=None, password="secret")
    assert driver.login(new_password="N3w-password").token == "first.token.aaaa"
    assert server.received[0].endswith(b'{"new_password":"N3w-password"}')
    assert driver.health().ok
    basic = server.received[2].split(b"Basic ")[1].split(b"\r\n")[0]
    assert b64decode(basic) == b"admin:N3w-password"


def test_another_accounts_login_is_not_remembered(scripted, drive):
    driver = drive(scripted(answer(LOGIN)), token=None, password="Adm1n-password")
    assert driver.login("agent", "Ag3nt-password").token == "first.token.aaaa"
    assert driver.session_token() is None


def test_a_driver_without_password_and_token_says_what_to_give(scripted, drive):
    with pytest.raises(WireError, match="give the administrator's password or a fixed token"):
        drive(scripted(answer()), token=None).health()


def test_a_connection_closed_unannounced_costs_no_request(serve, drive):
    def handler(connection, number):
        server.request(connection)
        connection.sendall(answer())

    server = serve(handler)
    driver = drive(server)
    driver.health()
    for _ in range(10):
        assert driver.restore("p", "d").ok
        assert driver.health().ok
    assert len(server.received) == 21


@pytest.mark.parametrize(("method", "expected", "seen"), [("GET", None, 4), ("POST", "connection closed", 3)])
def test_a_dead_keep_alive_connection_is_retried_for_get_only(serve, drive, method, expected, seen):
    def handler(connection, number):
        server.request(connection)
        connection.sendall(answer())
        if number == 1:
            server.request(connection)
            connection.sendall(answer())
            server.request(connection)
        else:
            while server.request(connection):
                connection.sendall(answer())

    server = serve(handler)
    driver = drive(server)
    driver.health()
    driver.health()
    assert driver.request(method, "/v1/x").failure == expected
    assert len(server.received) == seen


def test_a_fresh_request_goes_out_on_a_new_connection(scripted, drive):
    server = scripted(answer())
    driver = drive(server)
    driver.health()
    driver.request("POST", "/v1/x", fresh=True)
    assert server.connections == 2


def test_any_json_value_can_be_sent_as_password_and_data(scripted, drive):
    server = scripted(answer())
    driver = drive(server)
    for value in (None, 7, 1.5, [], {"a": [True]}, "ü\0", "\ud800", ""):
        driver.restore(value, value)
        sent = json.loads(server.received[-1].split(b"\r\n\r\n", 1)[1])
        assert sent == {"password": value, "data": value}


def test_what_json_cannot_carry_is_refused_before_it_is_sent(scripted, drive):
    server = scripted(answer())
    with pytest.raises(WireError, match="cannot be carried by JSON"):
        drive(server).backup(float("nan"))
    assert server.connections == 0


def test_a_token_with_a_line_break_is_refused_without_being_shown(scripted, drive):
    with pytest.raises(WireError) as caught:
        drive(scripted(answer())).health(token="abc\r\nX-Evil: 1")
    assert "abc" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_null_is_sent_as_a_body_and_no_body_is_not(scripted, drive):
    server = scripted(answer())
    driver = drive(server)
    driver.request("POST", "/v1/x", json=None)
    driver.request("POST", "/v1/x")
    assert server.received[0].endswith(b"\r\n\r\nnull")
    assert server.received[1].endswith(b"\r\n\r\n")


def test_a_path_prefix_and_extra_headers_go_with_every_request(scripted, drive):
    server = scripted(answer())
    driver = drive(server.url + "/gateway/", headers={"X-Api-Key": "gateway-key"})
    driver.health()
    assert server.received[0].startswith(b"GET /gateway/v1/health HTTP/1.1\r\n")
    assert b"X-Api-Key: gateway-key\r\n" in server.received[0]


def test_a_clone_shares_token_and_recorder_but_not_the_connection(scripted, drive, recorder):
    server = scripted(answer(LOGIN), answer())
    driver = drive(server, token=None, password="Adm1n-password")
    driver.health()
    twins = driver.parallel(3)
    threads = [threading.Thread(target=twin.health) for twin in twins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
        twins.pop().close()
    assert server.connections == 4
    assert sum(b"users/login" in request for request in server.received) == 1
    assert sorted(e.number for e in recorder.exchanges) == [1, 2, 3, 4, 5]


def test_raw_bytes_are_sent_as_they_are(scripted, drive):
    server = scripted(answer('{"errors": []}', "400 Bad Request"))
    got = drive(server).send_raw(b"POST /v1/x HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n")
    assert got.status == 400
    assert (got.exchange.method, got.exchange.request_body) == ("POST", "<61 raw bytes>")


def test_a_cut_off_request_ends_after_so_many_bytes(serve, drive):
    whole = threading.Event()
    got = []

    def handler(connection, number):
        while piece := connection.recv(100):
            got.append(piece)
        whole.set()

    driver = drive(serve(handler))
    data = driver.compose("POST", "/v1/settings/restore", json={"password": "p", "data": "d"})
    assert data.endswith(b'\r\n\r\n{"password":"p","data":"d"}')
    assert driver.send_raw(data, cut_after=50).failure == "cut off by the suite"
    assert whole.wait(5)
    assert b"".join(got) == data[:50]


def test_the_typed_calls_use_the_documented_paths_and_bodies(scripted, drive):
    server = scripted(answer())
    driver = drive(server)
    driver.set_photo(b"\x89PNG", "image/png")
    driver.patch_about("hello")
    driver.set_business_profile({"email": "a@b.example"})
    driver.patch_application({"heartbeat_interval": 5})
    driver.contacts(["+15550100000"])
    driver.send_text("15550100000", "hi")
    driver.create_user("agent", "Ag3nt-password")
    driver.delete_user("a b/c")
    driver.logout()
    lines = [request.split(b" HTTP/1.1", 1)[0].decode() for request in server.received]
    assert lines == [
        "POST /v1/settings/profile/photo",
        "PATCH /v1/settings/profile/about",
        "POST /v1/settings/business/profile",
        "PATCH /v1/settings/application",
        "POST /v1/contacts",
        "POST /v1/messages",
        "POST /v1/users",
        "DELETE /v1/users/a%20b%2Fc",
        "POST /v1/users/logout",
    ]
    assert b"Content-Type: image/png" in server.received[0]


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("ftp://x", "must begin with"),
        ("https://u:pw@x", "more than host"),
        ("http://[::1", "no URL"),
        ("x", "begin"),
    ],
)
def test_an_address_that_is_none_is_refused(recorder, address, why):
    with pytest.raises(WireError, match=why) as caught:
        Driver(address, name="client", recorder=recorder)
    assert "pw" not in str(caught.value)


def test_a_fixed_token_is_what_the_administrator_sends(scripted, drive):
    server = scripted(answer())
    drive(server).request("GET", "/v1/x", token=ADMIN)
    assert b"Authorization: Bearer fixed-token" in server.received[0]


def test_an_answers_repr_shows_no_secret(scripted):
    server = scripted(answer('{"settings": {"data": "backup-data-abcdefgh"}}'))
    with Driver(server.url, name="client", recorder=Recorder(), token="fixed-token") as driver:
        text = repr(driver.backup("a-password-of-mine"))
    assert "200" in text
    assert not any(secret in text for secret in ("backup-data", "a-password", "fixed-token"))


@pytest.mark.parametrize("word", ["settings", "backup", "v1/settings/backup", "gateway_status", "password"])
def test_the_record_is_not_rewritten_by_what_a_client_calls_its_token(scripted, drive, word):
    said = (
        f'{{"settings": {{"gateway_status": 1, "data": "{word}"}}, "errors": [{{"details": "bad {word}"}}]}}'
    )
    server = scripted(answer(LOGIN.replace("first.token.aaaa", word)), answer(said))
    driver = drive(server, token=None, password="Admin-Word-1")
    exchange = driver.backup("a password").exchange
    assert exchange.url == f"{server.url}/v1/settings/backup"
    assert list(json.loads(exchange.request_body)) == ["password"]
    shown = json.loads(exchange.response_body)
    assert list(shown["settings"]) == ["gateway_status", "data"]
    assert shown["errors"][0]["details"] == "bad <secret>"
    assert "$WA_TOKEN" in exchange.curl()
    assert driver.recorder.scrub(f"{word} is a word of ours") == f"{word} is a word of ours"


def test_a_connection_whose_request_was_answered_before_it_was_sent_is_not_used_again(serve, drive):
    def handler(connection, number):
        got = b""
        while b"\r\n\r\n" not in got:
            got += connection.recv(65536)
        connection.sendall(answer("{}", "401 Unauthorized" if number == 1 else "200 OK"))
        while connection.recv(65536):
            pass

    server = serve(handler)
    driver = drive(server)
    early = driver.request("POST", "/v1/settings/restore", content=b"x" * 10_000_000)
    assert (early.status, early.failure) == (401, None)
    again = driver.health()
    assert (again.status, again.failure) == (200, None)
    assert server.connections == 2
