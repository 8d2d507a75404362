"""A client as the suite's own steps see it, in this process: what it shows, and what it answers to calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from pytest_wa_settings.api.calls import Calls
from pytest_wa_settings.testbed import NotBack
from pytest_wa_settings.testbed.life import Budget, Habits
from pytest_wa_settings.testbed.retry import Change, RetryPolicy
from pytest_wa_settings.wire import Answer, Exchange

APPLICATION = "/v1/settings/application"
ABOUT = "/v1/settings/profile/about"
BUSINESS = "/v1/settings/business/profile"
PHOTO = "/v1/settings/profile/photo"
PROVIDERS = "/v1/settings/application/media/providers"
HEALTH = "/v1/health"
KINDS = {"timed out": "timeout", "connection closed": "closed", "connection refused": "refused"}


def answer(
    status: int | None, body: object = None, *, path: str = "/v1", failure: str | None = None
) -> Answer:
    """An answer to a POST; without a status `failure` says why none came."""
    exchange = Exchange(1, "client", "POST", path, (), "", status, (), "", failure, 0.0, 0.0)
    kind = None if failure is None else KINDS[failure]
    content = b"" if status is None else json.dumps(body).encode()
    return Answer("POST", path, status, (), content, failure, 0.0, lambda: exchange, kind)


class _Calls(Calls):
    def __init__(self, client: ShownClient) -> None:
        self._client = client

    def request(self, method: str, path: str, **more: Any) -> Answer:
        return self._client.ask(method, path, **more)


class ShownClient:
    """A client that shows `bodies` by path and takes what is patched.

    `asked` holds the paths asked for since `forget`. `late` are bodies that are shown from the third time on
    that their path is asked for. `restores` are the answers to restores, in turn: an answer, or a function
    that changes the client and gives one. `down` and `serving` are what a look finds.
    """

    name, version = "client", "2.57.2"
    managed = can_restart = False
    may_change = may_restore = True

    def __init__(self) -> None:
        self.bodies: dict[str, Any] = {
            APPLICATION: {"settings": {"application": {"heartbeat_interval": 5}}},
            ABOUT: {"settings": {"profile": {"about": {"text": "hello"}}}},
            BUSINESS: {"settings": {"business": {"profile": {"email": "a@b.example"}}}},
            PHOTO: "a picture",
            PROVIDERS: {
                "settings": {"application": {"media": {"providers": [{"name": "own", "type": "www"}]}}}
            },
            HEALTH: {"health": {"gateway_status": "connected"}},
        }
        self.asked: list[str] = []
        self.unreadable: set[str] = set()
        self.refused_leaves: set[str] = set()
        self.testbed = SimpleNamespace(latency=0.0, managed=False, ready_timeout=1.0, restores_left=20)
        self.habits = Habits()
        self.late: list[tuple[str, Any]] = []
        self.calls = _Calls(self)
        self.driver: Any = SimpleNamespace()
        self.state = "registered"
        self.touched = False
        self.down, self.serving = False, True
        self.restores: list[Answer | Callable[[], Answer]] = []
        self.events: list[str] = []
        self.budget = Budget()
        self._retry = RetryPolicy(self.habits, 1.0, lambda: self.serving)

    def show(self, **application: object) -> None:
        """Shows these application settings, and no others."""
        self.bodies[APPLICATION] = {"settings": {"application": application}}

    def ask(self, method: str, path: str, **more: Any) -> Answer:
        self.asked.append(path)
        if self.late and self.late[0][0] == path and self.asked.count(path) > 2:
            self.bodies[path] = self.late.pop()[1]
        if method == "PATCH" and path == APPLICATION:
            self.bodies[path]["settings"]["application"].update(more["json"])
        exchange = Exchange(1, "client", method, path, (), "", 200, (), "", None, 0.0, 0.0)
        body = json.dumps(self.bodies.get(path, {})).encode()
        return Answer(method, path, 200, (), body, None, 0.0, lambda: exchange)

    def change(self, call: Callable[[], Answer], look: Callable[[], bool | None]) -> Change:
        return self._retry.change(call, look)

    def forget(self) -> None:
        self.asked.clear()

    def number(self) -> str | None:
        return None

    def probe(self) -> Answer:
        return self.calls.health()

    def refuse(self) -> Answer:
        return answer(400, {})

    def accept(self) -> Answer:
        return answer(200, None)

    # restores, and what comes after them

    def restore(self, password: object, data: object, **_: object) -> Answer:
        self.events.append("restore")
        then = self.restores.pop(0)
        return then if isinstance(then, Answer) else then()

    def settled(self) -> None:
        self.events.append("settled")

    def carried_out_after_all(self) -> None:
        self.events.append("carried out after all")

    def stop_grace(self) -> float:
        return 0.0

    def is_down(self) -> bool:
        return self.down

    def wait_down(self, limit: float) -> bool:
        return self.down

    def serves(self, registered: bool | None = None) -> bool:
        return self.serving

    def wait_serving(self, limit: float | None = None, registered: bool | None = None) -> bool:
        return self.serving

    def start_again(self) -> None:
        self.events.append("start")
        if not self.can_restart:
            raise NotBack("nothing starts it", "start it")
        self.serving = True

    def come_back(self, *, expect_registered: bool = True) -> None:
        self.events.append("come back")
        self.down, self.serving = False, True


def in_turn(answers: Iterable[Answer]) -> Callable[[], Answer]:
    """A call that is answered so, one after another."""
    left = list(answers)
    return lambda: left.pop(0)
