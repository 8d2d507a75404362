"""What a stranger can make the reference do: hold little, wait little, guess slowly."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from driving import Reference

from pytest_wa_settings.reference import connections, intake
from pytest_wa_settings.reference.client import HttpServer, listen
from pytest_wa_settings.reference.errors import Refusal
from pytest_wa_settings.reference.guesses import FREE, MOST_NAMES, Guesses
from pytest_wa_settings.reference.intake import DRAINED, MAX_BODY, Intake
from pytest_wa_settings.reference.users import Passwords

MEGABYTE = b"x" * 2**20


def body_of(*parts: bytes, ends: bool = True) -> Callable[[], Awaitable[dict[str, Any]]]:
    """What receives these parts, and then the end or nothing any more."""
    left = list(parts)

    async def receive() -> dict[str, Any]:
        if not left:
            await asyncio.Event().wait()
        part = left.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(left) or not ends}

    return receive


async def taken(room: Intake, *parts: bytes, ends: bool = True, most: int = MAX_BODY) -> int:
    async with room.body(body_of(*parts, ends=ends), most, DRAINED) as body:
        return len(body)


async def status_of(work: Awaitable[Any]) -> int:
    try:
        await work
    except Refusal as refusal:
        return refusal.status
    return 200


def test_a_body_is_read_whole_and_let_go() -> None:
    async def scene() -> None:
        room = Intake()
        assert await taken(room, b"abc", b"def") == 6
        assert await taken(room, b"") == 0
        assert await status_of(taken(room, b"abc", b"def", most=5)) == 413
        assert (room.held, room.unfinished) == (0, 0)

    asyncio.run(scene())


def test_unfinished_bodies_are_bounded_in_number_and_size() -> None:
    async def scene() -> None:
        room = Intake()
        begun = [asyncio.ensure_future(taken(room, *[MEGABYTE] * 7, ends=False)) for _ in range(60)]
        for _ in range(20):
            await asyncio.sleep(0)
        assert room.held <= intake.MOST_BYTES
        assert room.unfinished <= intake.MOST_UNFINISHED
        refused = [one for one in begun if one.done()]
        assert len(refused) >= 60 - intake.MOST_UNFINISHED
        assert all(isinstance(one.exception(), Refusal) for one in refused)
        for one in begun:
            one.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
        assert (room.held, room.unfinished) == (0, 0)

    asyncio.run(scene())


def test_a_body_that_does_not_come_is_refused_in_time() -> None:
    async def scene() -> None:
        room = Intake()
        room.seconds = 0.01
        assert await status_of(taken(room, b"abc", ends=False)) == 408
        assert room.held == 0

    asyncio.run(scene())


def exchange(client: Reference, head: str, body: bytes = b"") -> bytes:
    """The first line that comes back for a head, and so much of its body."""
    address = urlsplit(client.url)
    context = ssl.create_default_context(cafile=client.pool.ca)
    with (
        socket.create_connection((address.hostname, address.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=address.hostname) as connection,
    ):
        connection.sendall(head.encode() + body)
        return connection.recv(4096).partition(b"\r\n")[0]


@pytest.mark.parametrize("path", ["backup", "restore"])
@pytest.mark.parametrize("token", ["", "Authorization: Bearer made-up\r\n"])
def test_a_stranger_is_refused_before_the_body_has_come(client: Reference, path: str, token: str) -> None:
    head = f"POST /v1/settings/{path} HTTP/1.1\r\nHost: x\r\n{token}Content-Length: 8000000\r\n\r\n"
    assert exchange(client, head, b"x" * 1000) == b"HTTP/1.1 401 Unauthorized"


def test_a_connection_goes_on_after_a_refused_body(client: Reference) -> None:
    head = "POST /v1/settings/backup HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
    address = urlsplit(client.url)
    context = ssl.create_default_context(cafile=client.pool.ca)
    with (
        socket.create_connection((address.hostname, address.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=address.hostname) as connection,
    ):
        for _ in range(3):
            connection.sendall(head.encode() + b"hello")
            found = b""
            while b"\r\n\r\n" not in found or not found.endswith(b"}"):
                found += connection.recv(4096)
            assert found.startswith(b"HTTP/1.1 401")


def test_a_login_takes_no_large_body(client: Reference) -> None:
    answer = client.http.post("/v1/users/login", content=b"x" * 100_000, auth=("admin", client.password))
    assert answer.status_code == 413


async def _served(scene: Callable[[int], Awaitable[None]]) -> None:
    """Runs a scene against a server that answers nothing."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    left, ready = asyncio.Event(), asyncio.Event()
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    task = asyncio.ensure_future(HttpServer(app, None).run_until(listener, left, ready.set))
    await ready.wait()
    try:
        await asyncio.wait_for(scene(port), 20)
    finally:
        left.set()
        await task


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_head_that_is_never_finished_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.05)

    async def scene(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()

    asyncio.run(_served(scene))


def test_a_second_head_that_is_never_finished_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)

    async def scene(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n")
        found = b""
        with contextlib.suppress(ConnectionError):
            found = await reader.readuntil(b"\r\n\r\n")
            writer.write(b"X: y\r\n")
            assert await reader.read() == b""
        assert found.startswith(b"HTTP/1.1 204")
        writer.close()

    asyncio.run(_served(scene))


def test_connections_are_bounded_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 3)

    async def scene(port: int) -> None:
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        first, answered = opened[0]
        answered.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await first.readline()).startswith(b"HTTP/1.1 204")
        for _, one in (*opened, (reader, writer)):
            one.close()

    asyncio.run(_served(scene))


def test_wrong_passwords_in_a_row_are_answered_later_and_later_but_not_for_ever() -> None:
    guesses = Guesses(2.0)
    pauses = [guesses.count("admin") for _ in range(12)]
    assert pauses[:FREE] == [0.0] * FREE
    assert pauses[FREE:] == sorted(pauses[FREE:])
    assert 0 < pauses[FREE] < 1
    assert pauses[-1] == 2.0
    assert guesses.count("agent") == 0.0


def test_a_right_password_begins_anew_and_names_are_bounded() -> None:
    guesses = Guesses(2.0)
    for _ in range(FREE):
        guesses.count("admin")
    guesses.right("admin")
    assert guesses.count("admin") == 0.0
    for number in range(MOST_NAMES + 10):
        guesses.count(f"name {number}")
    assert len(guesses._wrong) <= MOST_NAMES


def test_a_right_password_is_not_kept_waiting_by_wrong_ones(client: Reference) -> None:
    statuses = [client.login(password="Wrong-Password-1").status_code for _ in range(FREE + 5)]
    assert set(statuses) == {401}
    assert client.login().status_code == 200


def test_account_passwords_are_kept_by_argon2id_and_older_ones_still_fit() -> None:
    async def scene() -> None:
        strong, light = Passwords("strong"), Passwords("light")
        kept = await strong.hash("Secret-123")
        assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert await strong.fits("Secret-123", kept)
        assert not await strong.fits("Secret-124", kept)
        assert not strong.is_dated(kept)
        assert strong.is_dated(await light.hash("Secret-123"))
        assert not (await light.hash("Secret-123")).startswith("$argon2id$")

    asyncio.run(scene())


def test_a_password_kept_by_an_earlier_version_fits_and_counts_as_dated() -> None:
    kept = "000102030405060708090a0b0c0d0e0f:43ce03eedf5deefed6684fe7c60c364c712ef9ea5c03c9840feb7e6b4dcab62a"
    strong = Passwords("strong")
    assert asyncio.run(strong.fits("Secret-123", kept))
    assert strong.is_dated(kept)
