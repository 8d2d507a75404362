"""A pytest plugin for the run under test: a transport that answers once as a gateway does, and no client.

Loaded by `-p one_bad_answer`, and led by two variables of the environment: ONE_BAD_ANSWER_LOG names the file
in which each exchange gets a line, and ONE_BAD_ANSWER is a JSON list of those that go wrong, each as `Bad`
describes. Only clients under test are behind this gateway: no consumer view, no simulated network.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Literal

import httpx
import pytest

from pytest_wa_settings.api import Driver
from pytest_wa_settings.conformance import once
from pytest_wa_settings.testbed.accounts import ClientDriver
from pytest_wa_settings.wire.connection import Head
from pytest_wa_settings.wire.limits import Failure
from pytest_wa_settings.wire.transport import BoundedTransport

LOG, WHICH = "ONE_BAD_ANSWER_LOG", "ONE_BAD_ANSWER"
STATUSES = (408, 499, 502, 504, *range(520, 525))
OPENING, CLOSING = "before the first test", "after the last test"
Way = Literal["before", "after"]
_RESTORE = "/v1/settings/restore"
_PAGE = b"<html><head><title>Bad answer</title></head><body><h1>Bad answer</h1></body></html>\r\n"


@dataclass(frozen=True)
class Bad:
    """An exchange that a gateway answers in the client's place.

    Attributes:
        way: `before` the client was asked, or `after` it answered, whose answer is then lost.
        number: its number in the run, from 1; of those of one `test` and `kind` where these are given.
        test: `module::name`, OPENING or CLOSING.
    """

    way: Way
    status: int
    number: int
    test: str | None = None
    kind: str | None = None


@dataclass(frozen=True)
class Seen:
    """One exchange: where it stood, what it was, and what the client itself answered.

    Attributes:
        restore: a hash of the body, of a restore. bad: how the gateway answered in the client's place.
        status: None where the client was not asked, or gave no answer.
    """

    number: int
    test: str
    client: str
    kind: str
    restore: str | None
    bad: Way | None
    status: int | None


def kind_of(method: str, path: str) -> str:
    """A request's kind: its method and path, with what only names one thing left out."""
    path = re.sub(r"(?<=/users/)(?!log(?:in|out)$)[^/]+", "NAME", path)
    path = re.sub(r"[0-9a-f]{8,}|[0-9]{3,}", "ID", path)
    return f"{method} {path[:60]}"


class _Gateway:
    """Counts what leaves, and answers itself where that is wanted."""

    def __init__(self) -> None:
        self.test = OPENING
        self._bad: list[Bad] = []
        self._counts: Counter[tuple[str | None, str | None]] = Counter()
        self._lock = threading.Lock()
        self._log: int | None = None

    @property
    def is_open(self) -> bool:
        return self._log is not None

    def open(self, log: str, which: str) -> None:
        self._bad = [Bad(**one) for one in json.loads(which)]
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, **line: object) -> None:
        assert self._log is not None
        os.write(self._log, json.dumps(line).encode() + b"\n")

    def ask(self, transport: BoundedTransport, client: str, request: httpx.Request) -> Head:
        kind = kind_of(request.method, request.url.path)
        restores = request.method == "POST" and request.url.path.endswith(_RESTORE)
        # the body by its hash alone: a log holds no secret
        restore = sha256(request.content).hexdigest()[:16] if restores else None
        number, test, bad = self._counted(kind)
        head: Head | None = None
        try:
            if bad is None:
                head = transport.ask(request)
                return head
            if bad.way == "after":
                head = _answer_to_nobody(transport, request)
            return _page(bad.status)
        finally:
            status = None if head is None else head.status
            self.note(**asdict(Seen(number, test, client, kind, restore, bad and bad.way, status)))

    def _counted(self, kind: str) -> tuple[int, str, Bad | None]:
        """The number of this exchange in the run, the test that it belongs to, and how it goes wrong."""
        with self._lock:
            test = self.test
            places = (None, None), (test, None), (test, kind)
            self._counts.update(places)
            due = (
                one
                for one in self._bad
                if (one.test, one.kind) in places and self._counts[one.test, one.kind] == one.number
            )
            return self._counts[None, None], test, next(due, None)


def _answer_to_nobody(transport: BoundedTransport, request: httpx.Request) -> Head | None:
    try:
        return transport.ask(request)
    except Failure:
        return None


def _page(status: int) -> Head:
    headers = [(b"Content-Type", b"text/html"), (b"Content-Length", str(len(_PAGE)).encode())]
    return Head(status, headers, bytearray(_PAGE))


class _Behind:
    """A client's transport, behind the gateway."""

    def __init__(self, transport: BoundedTransport, client: str) -> None:
        self._transport, self._client = transport, client

    def ask(self, request: httpx.Request) -> Head:
        return _GATEWAY.ask(self._transport, self._client, request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


_GATEWAY = _Gateway()


@contextmanager
def _behind_the_gateway() -> Iterator[None]:
    """Puts the transports of all clients under test behind it, and notes who judges which episode."""
    opened, made = Driver._open, once.once

    def open_behind(self: Driver) -> None:
        opened(self)
        if isinstance(self, ClientDriver) or "made_users" in self.__dict__:  # a clone is a plain driver
            self._transport = _Behind(self._transport, self.name)  # type: ignore[assignment]

    def noted(case: Any, name: str, make: Callable[[], Any]) -> Any:
        _GATEWAY.note(test=_GATEWAY.test, episode=name)
        return made(case, name, make)

    patch = pytest.MonkeyPatch()
    patch.setattr(Driver, "_open", open_behind)
    patch.setattr(once, "once", noted)  # before the suite's modules import it
    try:
        yield
    finally:
        patch.undo()


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main() -> Iterator[None]:
    """The outer run opens the gateway; the suite's own run is within it."""
    if _GATEWAY.is_open:
        return (yield)
    _GATEWAY.open(os.environ[LOG], os.environ.get(WHICH, "[]"))
    with _behind_the_gateway():
        return (yield)


def pytest_runtest_logstart(nodeid: str) -> None:
    """What leaves from here on belongs to this test."""
    file, _, name = nodeid.rpartition("/")[2].partition("::")
    _GATEWAY.test = f"{file.removesuffix('.py')}::{name}"


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop() -> Iterator[None]:
    """What leaves after the tests puts clients back."""
    result = yield
    _GATEWAY.test = CLOSING
    return result
