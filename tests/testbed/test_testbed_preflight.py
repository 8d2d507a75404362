"""What is wrong around a client is told in one clear sentence before the first test, with a remedy."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import trustme
from fake_client import ADMIN_PASSWORD, FakeClient, busy

from pytest_wa_settings.testbed import TestbedError
from pytest_wa_settings.testbed.declared import DeclaredTestbed
from pytest_wa_settings.testbed.preflight import exposure

Fake = Callable[..., FakeClient]
Declare = Callable[..., DeclaredTestbed]
HTML = {"Content-Type": "text/html"}
PAGE = b"<!doctype html><title>hello</title>"


def refused(testbed: DeclaredTestbed) -> TestbedError:
    with pytest.raises(TestbedError) as caught:
        testbed.preflight()
    return caught.value


@pytest.fixture
def tls() -> tuple[trustme.CA, ssl.SSLContext]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return authority, context


def test_a_good_client_gives_one_line_of_what_was_found(fake: Fake, declare: Declare) -> None:
    testbed = declare(fake(), may_restore=False, may_change=False)
    line, promise = testbed.preflight()
    assert "client 1: http://127.0.0.1:" in line
    assert "version 2.57.2, connected, a single instance, slowest answer" in line
    assert promise.startswith("nothing will be restored, and no setting changed")
    assert testbed.latency > 0


@pytest.mark.parametrize(
    ("address", "verify", "told"),
    [
        ("http://127.0.0.1:9090", True, None),
        ("http://localhost:9090/wa", False, None),
        ("http://[::1]:9090", True, None),
        ("http://wa.example:9090", True, "plain HTTP beyond this machine"),
        ("http://10.0.0.5", False, "plain HTTP beyond this machine"),
        ("https://wa.example", True, None),
        ("https://wa.example", False, "its certificate is not checked"),
        ("https://127.0.0.1:9090", False, "its certificate is not checked"),
    ],
)
def test_an_address_that_exposes_what_is_sent_is_warned_of(
    address: str, verify: bool, told: str | None
) -> None:
    why = exposure(address, verify=verify)
    assert (why is None) if told is None else (why or "").startswith(told)


def test_a_certificate_that_is_not_checked_stands_in_the_header_and_in_the_look(
    fake: Fake, declare: Declare, tls: tuple[trustme.CA, ssl.SSLContext]
) -> None:
    testbed = declare((fake(context=tls[1]), {"verify": False}))
    lines, errors = testbed.look()
    assert not errors
    assert "client 1: its certificate is not checked: anybody may take its place" in lines
    assert "client 1: its certificate is not checked: anybody may take its place" in testbed.preflight()


def test_the_preflight_changes_nothing(fake: Fake, declare: Declare) -> None:
    one = fake()
    declare(one).preflight()
    assert {call for call in one.seen if not call.startswith("GET")} == {"POST /v1/users/login"}


def test_what_was_not_declared_is_filled_in(fake: Fake, declare: Declare) -> None:
    new, cluster = fake(registered=False), fake()
    cluster.nodes = {"a:1": "connected", "b:1": "disconnected"}
    testbed = declare(fake(), new, cluster)
    testbed.preflight()
    assert [info["state"] for info in testbed.clients_info()] == ["registered", "unregistered", "registered"]
    assert testbed.shard_setups == ((1, False), (1, True))
    assert testbed.versions == ("2.57.2",)
    assert testbed.warnings() == ["client 3 runs in multiconnect: add `shards` for the shard clauses"]


def test_a_closed_port_is_told(fake: Fake, declare: Declare) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        error = refused(declare((fake(), {"url": url})))
    assert f"{url} cannot be reached" in error.problem
    assert "nothing listens" in error.problem
    assert "check the address" in error.remedy


def test_an_untrusted_certificate_names_both_options(
    fake: Fake, declare: Declare, tls: tuple[trustme.CA, ssl.SSLContext]
) -> None:
    error = refused(declare(fake(context=tls[1])))
    assert error.problem.startswith("https://127.0.0.1")
    assert " cannot be reached over TLS: " in error.problem
    assert "--wa-ca FILE" in error.remedy
    assert "--wa-insecure" in error.remedy


@pytest.mark.parametrize("trust", ["ca", "verify"])
def test_a_certificate_that_is_declared_is_accepted(
    fake: Fake, declare: Declare, tls: tuple[trustme.CA, ssl.SSLContext], tmp_path: Path, trust: str
) -> None:
    tls[0].cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    key: dict[str, Any] = {"ca": tmp_path / "ca.pem"} if trust == "ca" else {"verify": False}
    assert declare((fake(context=tls[1]), key)).preflight()


def test_a_ca_that_is_not_there_is_told(fake: Fake, declare: Declare, tmp_path: Path) -> None:
    with pytest.raises(TestbedError, match=r"ca\.pem cannot be read"):
        declare((fake(), {"url": "https://127.0.0.1:1", "ca": tmp_path / "ca.pem"}))


def test_plain_http_on_a_tls_port_is_told(
    fake: Fake, declare: Declare, tls: tuple[trustme.CA, ssl.SSLContext]
) -> None:
    secure = fake(context=tls[1])
    error = refused(declare((secure, {"url": secure.url.replace("https:", "http:")})))
    assert "https://" in error.remedy


def test_tls_on_a_plain_port_is_told(fake: Fake, declare: Declare) -> None:
    plain = fake()
    error = refused(declare((plain, {"url": plain.url.replace("http:", "https:")})))
    assert "does not speak TLS" in error.problem
    assert "http://" in error.remedy


def test_a_web_page_is_no_client(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.scripted["GET /v1/health"] = [(200, PAGE, HTML)]
    error = refused(declare(one))
    assert "answers, but not as a WhatsApp Business API client: it sends a web page" in error.problem


def test_a_redirect_is_not_followed(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.scripted["GET /v1/health"] = [(302, b"", {"Location": "http://elsewhere.example/"})]
    assert "it redirects (status 302)" in refused(declare(one)).problem


@pytest.mark.parametrize("status", [404, 405, 501])
def test_another_api_is_no_client(fake: Fake, declare: Declare, status: int) -> None:
    one = fake()
    one.scripted["POST /v1/users/login"] = [(status, {"detail": "Not Found"}, {})]
    error = refused(declare(one))
    assert f"it has no /v1/users/login (status {status})" in error.problem
    assert "token_env" in error.remedy


def test_a_login_without_a_token_is_no_client(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.scripted["POST /v1/users/login"] = [(200, {}, {})]
    assert "its login gives no token" in refused(declare(one)).problem


def test_a_refusal_that_is_a_page_of_the_framework_is_no_web_page(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.scripted["GET /v1/health"] = [(401, PAGE, HTML)]
    assert declare(one).preflight()


def test_a_gateway_without_a_client_is_told(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.scripted["GET /v1/health"] = [(502, PAGE, HTML)] * 99
    error = refused(declare(one, ready_timeout=0.3))
    assert "cannot be reached: a gateway answers there, and no client behind it" in error.problem
    assert "(status 502, 0.3 s long)" in error.problem


def test_a_wrong_password_names_where_it_comes_from(fake: Fake, declare: Declare) -> None:
    one = fake()
    error = refused(declare((one, {"admin_password": "Wrong-Password-9", "may_change": False})))
    assert "refuses the administrator's password (status 401)" in error.problem
    assert "WA_ADMIN_PASSWORD" in error.remedy
    assert "Wrong-Password-9" not in str(error)
    assert one.logins == ["admin:Wrong-Password-9"]


def test_no_password_at_all_names_the_variable(fake: Fake, declare: Declare) -> None:
    error = refused(declare((fake(), {"admin_password": None})))
    assert "no administrator's password is known" in error.problem
    assert "WA_ADMIN_PASSWORD" in error.remedy


def test_a_client_out_of_the_box_gets_its_first_login(fake: Fake, declare: Declare) -> None:
    new = fake(registered=False)
    new.factory = True
    declare((new, {"state": "unregistered"})).preflight()
    assert (new.factory, new.password) == (False, ADMIN_PASSWORD)
    assert new.logins == [f"admin:{ADMIN_PASSWORD}", "admin:secret"]


@pytest.mark.parametrize("forwards", [True, False])
def test_a_first_login_that_a_gateway_answers_is_looked_for_before_it_is_made_again(
    fake: Fake, declare: Declare, forwards: bool
) -> None:
    new = fake(registered=False)
    new.factory = True
    proper, lost = new.reply, []

    def reply(method: str, path: str, body: bytes, headers: Any) -> Any:
        if b"new_password" not in body or lost:
            return proper(method, path, body, headers)
        lost.append(proper(method, path, body, headers) if forwards else None)
        return 502, PAGE, HTML

    new.reply = reply
    testbed = declare((new, {"state": "unregistered"}))
    assert testbed.preflight()
    assert (new.factory, new.password) == (False, ADMIN_PASSWORD)
    assert new.logins.count("admin:secret") == 1  # as far as the client saw


def test_a_first_login_is_not_made_on_a_client_that_must_not_change(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.factory = True
    refused(declare(one, may_restore=False, may_change=False))
    assert one.factory


def test_a_factory_password_that_is_given_is_told(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.factory = True
    error = refused(declare((one, {"admin_password": "secret"})))
    assert "wants another at the first login" in error.problem


def test_a_fixed_token_is_used_instead_of_a_login(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.tokens["fixed-token"] = "admin"
    testbed = declare((one, {"token": "fixed-token", "admin_password": None}))
    assert testbed.preflight()
    assert one.logins == []
    one.tokens.clear()
    assert "refuses the fixed token" in refused(testbed).problem


def test_a_client_that_starts_is_waited_for(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.scripted["GET /v1/health"] = [
        *busy(503, 2),
        (401, {}, {}),
        (200, {"health": {"gateway_status": "connecting"}}, {}),
    ]
    assert "connected" in declare(one).preflight()[0]


def test_a_client_that_never_gets_ready_is_told(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.status = "connecting"
    assert "cannot be reached yet: health says connecting" in refused(declare(one, ready_timeout=0.3)).problem


def test_a_clock_that_is_far_off_is_a_warning(fake: Fake, declare: Declare, monkeypatch: Any) -> None:
    one = fake()
    year = {"Date": "Wed, 21 Oct 2015 07:28:00 GMT"}
    healthy = {"health": {"gateway_status": "connected"}}
    one.scripted["GET /v1/health"] = [(401, {}, {}), (200, healthy, year)]
    monkeypatch.setattr("http.server.BaseHTTPRequestHandler.date_time_string", lambda self: year["Date"])
    testbed = declare(one)
    testbed.preflight()
    (warning,) = testbed.warnings()
    assert "its clock is" in warning
    assert "years behind this machine's" in warning


def test_a_state_that_is_not_as_declared_is_told(fake: Fake, declare: Declare) -> None:
    error = refused(declare((fake(), {"state": "unregistered"})))
    assert "is declared unregistered, but its health says it is registered" in error.problem


def test_a_consumer_view_that_does_not_answer_is_told(fake: Fake, declare: Declare) -> None:
    error = refused(declare((fake(), {"consumer": fake().url})))
    assert "consumer view" in error.problem


def test_the_header_says_what_restores_will_do(fake: Fake, declare: Declare, state_home: Path) -> None:
    lines = declare(fake()).preflight()
    assert "restores will be made on client 1 (at most 20)" in lines[1]
    assert "new security code" in lines[1]
    assert str(state_home) in lines[2]


STATUS = {"health": {"gateway_status": "connected"}}


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ((200, b"OK", {"Content-Type": "text/plain"}), "health names no status"),
        ((200, b"OK", HTML), "health names no status"),
        ((200, b"", {}), "health names no status"),
        ((200, {"status": "fine"}, {}), "health names no status"),
        ((200, {}, {}), "health names no status"),
        ((200, {"health": {"gateway_status": "working"}}, {}), "health names no status"),
        ((404, b"not found", {}), "health answers 404"),
        ((500, {"errors": [{"code": 1000, "title": "x"}]}, {}), "health answers 500"),
        ((500, b"oops", {}), "health answers 500"),
        ((200, {"health": {"gateway_status": "CONNECTED"}}, {}), "connected"),
        ((200, {"health": {"gateway_status": "Connected"}}, {}), "connected"),
    ],
)
def test_whatever_health_says_the_run_goes_on_and_its_header_tells(
    fake: Fake, declare: Declare, reply: Any, told: str
) -> None:
    one = fake()
    one.scripted["GET /v1/health"] = [reply] * 99
    line = declare(one).preflight()[0]
    assert f", {told}, a single instance" in line


@pytest.mark.parametrize("reply", [(200, b"OK", {}), (404, b"", {}), (200, b"", {})])
def test_where_health_tells_no_state_the_client_is_what_it_is_declared(
    fake: Fake, declare: Declare, reply: Any
) -> None:
    one = fake(registered=False)
    one.scripted["GET /v1/health"] = [reply] * 99
    testbed = declare((one, {"state": "unregistered"}))
    testbed.preflight()
    assert testbed.clients_info()[0]["state"] == "unregistered"


def test_a_status_in_another_letter_case_tells_the_state(fake: Fake, declare: Declare) -> None:
    one = fake(registered=False)
    one.status = "Unregistered"
    testbed = declare(one)
    testbed.preflight()
    assert testbed.clients_info()[0]["state"] == "unregistered"


def nobody_listens(one: FakeClient) -> None:
    one.close()


def drops_every_connection(one: FakeClient) -> None:
    one.down = True


def is_behind_a_gateway_alone(one: FakeClient) -> None:
    one.scripted["GET /v1/health"] = [(504, PAGE, HTML)] * 99


def starts_for_ever(one: FakeClient) -> None:
    one.status = "connecting"


def has_another_password(one: FakeClient) -> None:
    one.password = "Another-Password-2"


def answers_logins_with_an_error(one: FakeClient) -> None:
    one.scripted["POST /v1/users/login"] = [(500, {}, {})] * 99


def is_never_ready_for_logins(one: FakeClient) -> None:
    one.scripted["POST /v1/users/login"] = busy(503, 99)


def limits_logins(one: FakeClient) -> None:
    one.scripted["POST /v1/users/login"] = busy(429, 99)


def forgets_its_tokens(one: FakeClient) -> None:
    one.scripted["GET /v1/settings/application"] = [(401, {}, {})] * 99


def gives_a_token_that_no_header_can_hold(one: FakeClient) -> None:
    one.scripted["POST /v1/users/login"] = [(200, {"users": [{"token": "a token\nX-Admin: yes"}]}, {})] * 99


def serves_nothing_but_logins(one: FakeClient) -> None:
    one.scripted["GET /v1/health"] = [(401, {}, {}), *busy(503, 99)]
    one.scripted["GET /v1/settings/application"] = busy(503, 99)


def is_a_web_page(one: FakeClient) -> None:
    one.scripted["GET /v1/health"] = [(200, PAGE, HTML)] * 99


def redirects(one: FakeClient) -> None:
    one.scripted["GET /v1/health"] = [(301, b"", {"Location": "/elsewhere"})] * 99


def has_no_logins(one: FakeClient) -> None:
    one.scripted["POST /v1/users/login"] = [(404, {}, {})] * 99


def gives_no_token(one: FakeClient) -> None:
    one.scripted["POST /v1/users/login"] = [(200, {}, {})] * 99


UNREACHED, NO_LOGIN = "cannot be reached", "cannot be logged in to"
NO_CLIENT = "answers, but not as a WhatsApp Business API client"


@pytest.mark.parametrize(
    ("is_so", "reason"),
    [
        (nobody_listens, UNREACHED),
        (drops_every_connection, UNREACHED),
        (is_behind_a_gateway_alone, UNREACHED),
        (starts_for_ever, UNREACHED),
        (serves_nothing_but_logins, UNREACHED),
        (has_another_password, NO_LOGIN),
        (answers_logins_with_an_error, NO_LOGIN),
        (is_never_ready_for_logins, NO_LOGIN),
        (limits_logins, NO_LOGIN),
        (forgets_its_tokens, NO_LOGIN),
        (gives_a_token_that_no_header_can_hold, NO_LOGIN),
        (is_a_web_page, NO_CLIENT),
        (redirects, NO_CLIENT),
        (has_no_logins, NO_CLIENT),
        (gives_no_token, NO_CLIENT),
    ],
)
def test_what_ends_a_preflight_is_one_of_three_reasons_and_its_sentence_names_which(
    fake: Fake, declare: Declare, is_so: Callable[[FakeClient], None], reason: str
) -> None:
    one = fake()
    testbed = declare(one, ready_timeout=0.3)
    is_so(one)
    problem = refused(testbed).problem
    assert [name for name in (UNREACHED, NO_LOGIN, NO_CLIENT) if name in problem] == [reason]


@pytest.mark.parametrize(
    "call",
    ["GET /v1/health", "POST /v1/users/login", "GET /v1/settings/application", "GET /v1/support"],
)
@pytest.mark.parametrize("status", [502, 504])
def test_one_answer_of_a_gateway_ends_no_preflight(
    fake: Fake, declare: Declare, call: str, status: int
) -> None:
    one = fake()
    one.scripted[call] = [(status, PAGE, HTML)]
    assert "version 2.57.2, connected" in declare(one).preflight()[0]


def test_a_gateway_before_a_client_that_starts_is_waited_for(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.scripted["GET /v1/health"] = [(502, PAGE, HTML)] * 5
    one.scripted["POST /v1/users/login"] = [(502, PAGE, HTML)] * 2
    assert "connected" in declare(one).preflight()[0]


def test_a_gateways_answer_to_health_is_not_taken_for_the_clients_habit(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.scripted["GET /v1/health"] = [(401, {}, {}), (502, PAGE, HTML), (200, STATUS, {})]
    assert ", connected, " in declare(one).preflight()[0]


def test_a_client_that_is_busy_with_health_alone_is_judged(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.scripted["GET /v1/health"] = [(401, {}, {}), *busy(503, 99)]
    assert ", health answers 503, " in declare(one).preflight()[0]


# a remedy fits its cause, not its place


def certified(*names: str, **options: Any) -> ssl.SSLContext:
    """A server's context whose certificate is for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(*names, **options).configure_cert(context)
    return context


AUTHORITY = trustme.CA()
YESTERDAY = datetime.now(timezone.utc) - timedelta(days=1)


@pytest.mark.parametrize(
    ("context", "remedy"),
    [
        (certified("elsewhere.example"), "give the address by a name that the certificate is for"),
        (certified("127.0.0.1", not_after=YESTERDAY), "renew the client's certificate"),
    ],
)
def test_a_certificate_that_does_not_hold_is_no_question_of_its_authority(
    fake: Fake, declare: Declare, tmp_path: Path, context: ssl.SSLContext, remedy: str
) -> None:
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    error = refused(declare((fake(context=context), {"ca": tmp_path / "ca.pem"})))
    assert error.remedy.startswith(remedy)
    assert "--wa-ca" not in error.remedy


def test_an_encoding_that_nobody_asked_for_is_no_question_of_the_address(
    fake: Fake, declare: Declare
) -> None:
    one = fake()
    one.scripted["GET /v1/health"] = [(200, b"\x0b\x02\x80ok\x03", {"Content-Encoding": "br"})] * 9
    error = refused(declare(one))
    assert "content encoding" in error.problem
    assert error.remedy == "have what is in front of the client encode bodies only as it was asked to"


def test_a_proxy_that_is_not_there_is_no_question_of_the_client(fake: Fake, declare: Declare) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = refused(declare((fake(), {"proxy": f"http://127.0.0.1:{taken.getsockname()[1]}"})))
    assert "the proxy is not there: nothing listens" in error.problem
    assert error.remedy == "see that the proxy runs, and check `proxy` in clients.toml"


def test_a_factory_password_says_how_to_allow_the_change(fake: Fake, declare: Declare) -> None:
    one = fake()
    one.factory, one.password = True, "secret"
    error = refused(declare((one, {"may_change": False, "may_restore": False, "admin_password": "secret"})))
    assert "factory password" in error.problem
    assert "--wa-allow-restore" in error.remedy
