"""The line that repeats an exchange is one that a shell takes as meant: it sends the same bytes again."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace

import pytest
from raw_servers import answer
from repeating import SHELLS, no_curl, parts, run_line

from pytest_wa_settings.wire import NO_TOKEN, Exchange, Recorder
from pytest_wa_settings.wire.holes import Hole, bytes_body, json_body, without

EXCHANGE = Exchange(1, "client", "GET", "https://x/v1/health", (), "", 200, (), "{}", None, 0.0, 0.1)
needs_curl = pytest.mark.skipif(no_curl(), reason="curl is not installed")
PASSWORD, DATA = "p%s 'w\"\\ord$HOME`-é中\U0001f511", "QUJD+/=" * 300

JSON = {
    "a backup": {"password": PASSWORD},
    "a restore": {"password": PASSWORD, "data": DATA},
    "an empty password": {"password": ""},
    "half a surrogate pair": {"password": "x\ud800y", "é": 1},
    "a NUL and control characters": {"password": "a\0b\x1b[2J\r\n\t"},
    "numbers": {"password": 12345678, "data": 1.5e300, "callback_backoff_delay_ms": -7, "z": 0.1},
    "other types": {"password": [PASSWORD, {"password": True, "data": None}], "data": {}},
    "settings": {"webhooks": {"url": "https://100%.example/?a=b"}, "on_call_pager": "\\'\"%d", "x": True},
    "two texts under one name": {"contacts": ["15550001", "15550002", "15550001"], "blocking": "wait"},
    "a message": {"to": "1555", "type": "text", "text": {"body": "hällo %s"}},
    "members like the line's own variables": {"token": "t", "url": "u", "user": "v"},
    "names of odd characters": {"a'b": 1, "a%sb": 2, "é\u2028": 3, "<b>": 4, "": 5, "$HOME": "x"},
    "100 texts": {f"member_{n}": "text" * 9 for n in range(59)},
    "1,000 numbers": list(range(1000)),
    "null": None,
    "a text": "only a text",
    "an empty object": {},
}
BYTES = {
    "nothing": b"",
    "every byte": bytes(range(256)) * 3,
    "a NUL": b"\0",
    "a file's name": b"@/etc/passwd",
    "an option": b"-n",
    "an option of printf": b"--help\0",
    "percent signs and backslashes": b"100%s\\n\\0%%\\\\101",
    "line ends": b"\r\n\n\n",
    "quotes": b"{'a': \"b'\"}",
    "no UTF-8": b'{"password": "\xff\xfe\xfa"}',
    "digits after a byte": b"\x01\x01234567",
    "a long one": b"x" * 300_000,
    "a long one of odd bytes": b"\0\xff%s\n" * 9000,
    "a form in parts": b'--wa\r\nContent-Disposition: form-data; name="x"\r\n\r\nA part\r\n--wa--\r\n',
}


def same(received):
    """Whether the two requests that a server received are one."""
    first, second = received
    return parts(first) == parts(second)


@needs_curl
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", JSON)
def test_json_is_sent_again_as_it_was(scripted, drive, recorder, tmp_path, name, shell):
    server = scripted(answer())
    drive(server).request("POST", "/v1/x", json=JSON[name])
    run_line(recorder.exchanges[0], parts(server.received[0])[2], tmp_path, shell)
    assert same(server.received)


@needs_curl
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", BYTES)
def test_bytes_of_the_suites_own_are_sent_again_as_they_were(
    scripted, drive, recorder, tmp_path, name, shell
):
    server = scripted(answer())
    drive(server).request("POST", "/v1/x", content=BYTES[name], secrets=())
    run_line(recorder.exchanges[0], BYTES[name], tmp_path, shell)
    assert same(server.received)


@needs_curl
@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/v1/health", {}),
        ("GET", "/v1/a%20b/[1]{2}", {}),
        ("DELETE", "/v1/users/wa%25", {}),
        ("POST", "/v1/users/logout", {}),
        ("PUT", "/v1/x", {"Content-Type": "application/json; charset=nobody-knows"}),
        ("OPTIONS", "/v1/x", {"Accept": "text/html, */*;q=0.1"}),
        ("POST", "/v1/x", {"Content-Type": "", "X-Empty": ""}),
    ],
)
def test_a_request_without_a_body_is_sent_again(scripted, drive, recorder, tmp_path, method, path, headers):
    server = scripted(answer())
    drive(server).request(method, path, headers=headers)
    run_line(recorder.exchanges[0], b"", tmp_path)
    assert same(server.received)


@needs_curl
def test_headers_that_are_no_ones_business_are_variables(scripted, drive, recorder, tmp_path):
    server = scripted(answer())
    driver = drive(server, headers={"X-Key": "gateway-key 'x'"})
    driver.request("POST", "/v1/x", content=b"{}", secrets=(), headers={"Content-Type": "application/xml"})
    assert "gateway-key" not in recorder.exchanges[0].curl()
    run_line(recorder.exchanges[0], b"{}", tmp_path, WA_HEADER_X_KEY="gateway-key 'x'")
    assert same(server.received)


@needs_curl
def test_values_of_a_query_are_variables(scripted, drive, recorder, tmp_path):
    server = scripted(answer())
    drive(server).request("GET", "/v1/photo?format=link&x=secret-1")
    assert "secret-1" not in recorder.exchanges[0].curl()
    run_line(recorder.exchanges[0], b"", tmp_path, WA_QUERY_FORMAT="link", WA_QUERY_X="secret-1")
    assert same(server.received)


@needs_curl
def test_a_login_is_sent_again(scripted, drive, recorder, tmp_path):
    server = scripted(answer())
    drive(server).login_as("agent", "Ag3nt 'pass", "N3w-password")
    sent = parts(server.received[0])[2]
    run_line(recorder.exchanges[0], sent, tmp_path, WA_USER="agent", WA_USER_PASSWORD="Ag3nt 'pass")
    assert same(server.received)


@needs_curl
@pytest.mark.parametrize(
    ("value", "variables"),
    [
        ("Basic bWFkZTp1cA==", {"WA_CREDENTIALS": "bWFkZTp1cA=="}),
        ("made-up", {"WA_HEADER_AUTHORIZATION": "made-up"}),
    ],
)
def test_credentials_of_any_scheme_are_variables(scripted, drive, recorder, tmp_path, value, variables):
    server = scripted(answer())
    headers = {"Authorization": value}
    drive(server).request("POST", "/v1/x", json={}, token=NO_TOKEN, headers=headers)
    run_line(recorder.exchanges[0], b"{}", tmp_path, **variables)
    assert same(server.received)


@needs_curl
def test_another_token_than_the_administrators_is_another_variable(scripted, drive, recorder, tmp_path):
    server = scripted(answer())
    drive(server).backup("a-password-1", token="someone-elses")
    run_line(recorder.exchanges[0], b'{"password":"a-password-1"}', tmp_path, WA_OTHER_TOKEN="someone-elses")
    assert same(server.received)


@needs_curl
def test_a_client_with_a_certificate_of_its_own_is_trusted_again(
    scripted, drive, recorder, tmp_path, authority
):
    server = scripted(answer(), context=authority.server())
    drive(server, tls=authority.tls).backup("a-password-1")
    run_line(recorder.exchanges[0], b'{"password":"a-password-1"}', tmp_path)
    assert same(server.received)


@needs_curl
def test_a_client_behind_a_proxy_is_reached_through_it(scripted, drive, recorder, tmp_path):
    proxy = scripted(answer())
    driver = drive("http://client.invalid:9090", proxy=proxy.url.replace("//", "//me:pr0xy-secret@"))
    driver.health()
    assert "pr0xy" not in recorder.exchanges[0].curl()
    run_line(recorder.exchanges[0], b"", tmp_path, WA_PROXY_USER="me:pr0xy-secret")
    first, second = (parts(one) for one in proxy.received)
    assert first[0] == second[0]
    assert first[1]["proxy-authorization"] == second[1]["proxy-authorization"]


@needs_curl
def test_the_line_shows_the_status(scripted, drive, recorder, tmp_path):
    drive(scripted(answer("{}", "418 Teapot"))).health()
    assert run_line(recorder.exchanges[0], b"", tmp_path).stdout.startswith(b"HTTP/1.1 418 ")


@needs_curl
def test_a_long_body_is_found_where_the_report_was_moved_to(scripted, drive, recorder, tmp_path):
    server = scripted(answer())
    drive(server).request("POST", "/v1/x", content=b"x" * 9000, secrets=())
    (tmp_path / "new").mkdir()
    again = recorder.exchanges[0].repeat(tmp_path / "old")
    assert str(tmp_path / "old") in again.line
    run_line(recorder.exchanges[0], b"x" * 9000, tmp_path / "new")
    subprocess.run(
        ["sh", "-c", again.line],
        env={"WA_REPORT": str(tmp_path / "new"), "PATH": "/usr/bin:/bin"},
        check=True,
    )
    assert len(server.received) == 3
    assert parts(server.received[2])[2] == b"x" * 9000


@needs_curl
def test_a_folder_of_any_name_is_one_word(scripted, drive, recorder, tmp_path):
    folder = tmp_path / "it's $HOME `x` }"
    folder.mkdir()
    server = scripted(answer())
    drive(server).request("POST", "/v1/x", content=b"x" * 9000, secrets=())
    run_line(recorder.exchanges[0], b"x" * 9000, folder)
    assert same(server.received)


def test_without_a_report_a_long_body_says_how_to_have_it():
    line = replace(EXCHANGE, method="POST", body=(b"x" * 9000,)).curl()
    assert line.startswith(
        "# POST https://x/v1/health: its body is too long for a line; run with --wa-report "
    )


def test_raw_bytes_have_no_line():
    line = replace(EXCHANGE, raw=True).curl()
    assert line.startswith("# GET https://x/v1/health: raw bytes")
    assert "curl cannot repeat" in line


@needs_curl
def test_a_body_that_may_not_be_shown_is_a_file_of_the_readers(scripted, drive, recorder, tmp_path):
    server = scripted(answer())
    drive(server).set_photo(b"\x89PNG-of-somebody", "image/png")
    assert recorder.exchanges[0].body is None
    assert "somebody" not in recorder.exchanges[0].curl()
    (tmp_path / "photo.png").write_bytes(b"\x89PNG-of-somebody")
    run_line(recorder.exchanges[0], b"", tmp_path, WA_BODY_FILE="photo.png")
    assert same(server.received)


@pytest.mark.parametrize(
    "body",
    [
        '{"password": "S3cret-w0rt", "data": "QUFBQkJCQ0NDREREtail"',
        "password=S3cret-w0rt&data=QUFBQkJCQ0NDREREtail",
        '["S3cret-w0rt", "QUFBQkJCQ0NDREREtail"]',
        '"{\\"password\\": \\"S3cret-w0rt\\", \\"data\\": \\"QUFBQkJCQ0NDREREtail\\"}"',
        '{"password": "S3cret-w0rt", "data": "QUFBQkJCQ0',
        "{'password': 'S3cret-w0rt'",
    ],
)
def test_a_secret_in_bytes_is_a_hole_whole_or_cut_short(body):
    pieces = bytes_body(body.encode(), ["S3cret-w0rt", "QUFBQkJCQ0NDREREtail"])
    shown = b"".join(piece for piece in pieces if isinstance(piece, bytes))
    for part in (b"S3c", b"w0rt", b"QUF", b"tail", b"Qk"):
        assert part not in shown
    names = [piece.name for piece in pieces if isinstance(piece, Hole)]
    assert names[0] in ("WA_PASSWORD", "WA_SECRET")


def test_the_holes_of_bytes_are_named_by_the_members_before_them():
    pieces = bytes_body(
        b'{"password": "S3cret-w0rt", "data": "QUFBQkJC"} and more', ["S3cret-w0rt", "QUFBQkJC"]
    )
    assert pieces == (
        b'{"password": "',
        Hole("WA_PASSWORD"),
        b'", "data": "',
        Hole("WA_DATA"),
        b'"} and more',
    )


def test_what_has_become_a_secret_since_is_a_hole():
    assert without((b"a horse-1 b horse-1",), lambda text: text.replace("horse-1", "<secret>")) == (
        b"a ",
        Hole("WA_SECRET"),
        b" b ",
        Hole("WA_SECRET_2"),
    )


def test_one_value_is_one_variable_and_two_are_two():
    shows, named = (lambda member, value: False), str
    body = json_body({"a": ["x", "y", "x"]}, shows, named)
    assert body is not None
    assert [piece.name for piece in body if isinstance(piece, Hole)] == ["WA_A", "WA_A_2", "WA_A"]


@pytest.mark.parametrize("secret", ["PASSWORD", "password", "curl", "Bearer", "binary", "http", "admin"])
def test_a_secret_that_is_a_word_of_the_line_does_not_spoil_it(scripted, drive, secret):
    plain, spoiled = Recorder(), Recorder()
    server = scripted(answer())
    spoiled.add_secret(secret)
    spoiled.add_volatile_secret(secret)
    lines = []
    for recorder in (plain, spoiled):
        drive(server, recorder=recorder).restore("another-1", "some-data")
        lines.append(recorder.exchanges[0].repeat(scrub=recorder.scrub_wording).line)
    assert lines[1].replace('"$WA_URL"', server.url + "/v1/settings/restore") == lines[0]
    assert not re.search("[<>]", lines[1])
