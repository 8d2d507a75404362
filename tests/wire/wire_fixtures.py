"""Fixtures that start raw servers, and drivers for them; for the tests of the wire and of the API."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from raw_servers import Authority, Handler, RawServer

from pytest_wa_settings.api import Driver
from pytest_wa_settings.wire import Recorder


@pytest.fixture
def serve() -> Iterator[Callable[..., RawServer]]:
    """Starts raw servers that end with the test."""
    started: list[RawServer] = []

    def start(handler: Handler, context: ssl.SSLContext | None = None) -> RawServer:
        started.append(RawServer(handler, context))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def scripted(serve: Callable[..., RawServer]) -> Callable[..., RawServer]:
    """A server that answers the n-th request with the n-th text (the last for ever)."""

    def start(*answers: bytes, keep: bool = True, context: ssl.SSLContext | None = None) -> RawServer:
        left = list(answers)

        def handler(connection: Any, number: int) -> None:
            while server.request(connection):
                connection.sendall(left.pop(0) if len(left) > 1 else left[0])
                if not keep:
                    return

        server = serve(handler, context)
        return server

    return start


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def drive(recorder: Recorder) -> Iterator[Callable[..., Driver]]:
    """Makes drivers, with a short limit and a fixed token unless told otherwise, and closes them."""
    made: list[Driver] = []

    def make(server: RawServer | str, **options: Any) -> Driver:
        url = server if isinstance(server, str) else server.url
        settings = {"name": "client", "recorder": recorder, "timeout": 5.0, "token": "fixed-token", **options}
        made.append(Driver(url, **settings))
        return made[-1]

    yield make
    for driver in made:
        driver.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))
