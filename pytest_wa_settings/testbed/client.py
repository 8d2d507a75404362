"""One client under test, as tests hold it: calls with patience, and its way back after a stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_wa_settings.api import health as states
from pytest_wa_settings.api.calls import Calls
from pytest_wa_settings.api.resources import (
    APPLICATION,
    SUPPORT,
    is_repeatable,
    is_restore,
    is_web_page,
    number_of,
)
from pytest_wa_settings.testbed.accounts import PASSWORD_MUST_CHANGE, Accounts, ClientDriver
from pytest_wa_settings.testbed.base import Policy, Setup, State
from pytest_wa_settings.testbed.comeback import bring_back, stop_grace, why_not_serving
from pytest_wa_settings.testbed.errors import NotBack, Unavailable
from pytest_wa_settings.testbed.life import Budget, Habits, Life
from pytest_wa_settings.testbed.restoring import Pending, Restoring
from pytest_wa_settings.testbed.retry import Change, RetryPolicy
from pytest_wa_settings.wire import ADMIN, UNSET, Answer, Token

if TYPE_CHECKING:
    from pytest_wa_settings.testbed.base import Testbed

_NO_SUCH_PATH = (403, 404, 405, 501)
_A_MOMENT = 2.0
"""Seconds in which a client is still looked for to be down that once was not."""
_A_LOOK = 0.5
"""Seconds that one look at a client that was given up may take, before the latency is added."""
_GATEWAY_PAUSES = (0.05, 0.15, 0.3)
"""Seconds before a look is repeated that a gateway answered: one answer of its says nothing yet."""


class Client(Restoring):
    """A WhatsApp Business API client under test.

    Attributes:
        name: what reports and exchanges call it. driver: the raw way to it, without patience.
        state: whether it is registered, as far as the testbed knows. version: None where it is unknown.
        restart_policy: what brings it back by itself; None where that is unknown.
        managed: the testbed starts it. may_change, may_restore: what the suite is allowed to do.
        touched: a restore was made on it, or may have been. pending: its last restore, until it is back.
        down_at: when it was seen down since then (monotonic, seconds); None where it was not.
        given_up: why it did not come back when it was last waited for; None once it serves again.
        calls: the API's calls, each asked again while its answer is no judgement yet.
        unreadable: resources that it was found not to have. refused_leaves: fields that it was found not to
            take; refused_edges: values of a field, by the field and the value's name.
    """

    def __init__(
        self,
        *,
        name: str,
        testbed: Testbed,
        driver: ClientDriver,
        state: State,
        setup: Setup,
        version: str | None,
        life: Life,
        accounts: Accounts,
        habits: Habits | None = None,
        restart_policy: Policy | None = None,
        managed: bool = False,
        may_change: bool = False,
        may_restore: bool = False,
        budget: Budget | None = None,
    ) -> None:
        self.name = name
        self.testbed = testbed
        self.driver = driver
        self.state: State = state
        self.shards, self.multiconnect = setup
        self.version = version
        self.life = life
        self.accounts = accounts
        self.habits = habits or Habits()
        self.restart_policy = restart_policy
        self.managed = managed
        self.may_change = may_change
        self.may_restore = may_restore
        self.budget = budget or Budget()
        self.unreadable: set[str] = set()
        self.refused_leaves: set[str] = set()
        self.refused_edges: set[tuple[str, str]] = set()
        self.pending: Pending | None = None
        self.pending_since = 0.0
        self.down_at: float | None = None
        self.touched = False
        self.given_up: NotBack | None = None
        self.killed = False
        self.known_generation = life.generation()
        self._guard: Callable[[bool], None] | None = None
        self._number: tuple[str | None, float] | None = None
        self.retry = RetryPolicy(self.habits, testbed.ready_timeout, self._otherwise_serves)
        self.calls: Calls = _RetriedCalls(self)

    def guarded_by(self, guard: Callable[[bool], None]) -> None:
        """Has `guard` called before restores are sent; it may refuse them by Unavailable."""
        self._guard = guard

    def __repr__(self) -> str:
        return f"<Client {self.name}>"

    # calls

    def ask(
        self,
        method: str,
        path: str,
        *,
        json: object = UNSET,
        content: bytes | None = None,
        secrets: Sequence[str] | None = None,
        of_client: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        token: str | Token = ADMIN,
        timeout: float | None = None,
        fresh: bool = False,
        repeatable: bool | None = None,
    ) -> Answer:
        """The answer to a request, asked again while it is no judgement yet, within the ready timeout.

        A gateway's answer to what changes something is given back: whether it was carried out is unknown (see
        `change`). A restore of any shape counts, and is allowed, as `restore` says. `secrets`, `of_client`:
        see `Driver.request`.
        """
        restores = is_restore(method, path)
        if restores:
            self.prepare_restore()

        if self.given_up is not None:
            timeout = min(timeout or self.driver.timeout, self._quick)

        def call() -> Answer:
            return self._entered(
                lambda: self.driver.request(
                    method,
                    path,
                    json=json,
                    content=content,
                    secrets=secrets,
                    of_client=of_client,
                    headers=headers,
                    token=token,
                    timeout=timeout,
                    fresh=fresh,
                    repeatable=repeatable,
                )
            )

        def counted() -> Answer:
            return self._restoring(call) if restores else call()

        again = is_repeatable(method, path) if repeatable is None else repeatable
        answer = self.retry.call(f"{method} {path.partition('?')[0]}", counted, repeatable=again)
        if method == "GET" and path == APPLICATION.path and answer.ok:
            self._number = (number_of(answer), time.monotonic())
        return answer

    def change(
        self, call: Callable[[], Answer], look: Callable[[], bool | None], *, is_login: bool = False
    ) -> Change:
        """A call that changes something, made again only where `look` finds that it was not carried out.

        `look` reads the client: True where the change is there, False where it is not, None where nobody can
        tell. It is asked only where no answer came from the client. `is_login`: see RetryPolicy.
        """
        return self.retry.change(call, look, is_login=is_login)

    def backup(self, password: object, *, token: str | Token = ADMIN, timeout: float | None = None) -> Answer:
        """POST /v1/settings/backup (doc, backup), asked again while the answer is no judgement yet."""
        return self.calls.backup(password, token=token, timeout=timeout)

    def backup_at_once(self, password: object) -> Answer:
        """One backup of a client that is expected to be down: 503 counts, a gateway's answer if it lasts."""
        return self._look(lambda: self.driver.backup(password))

    def login(self, name: str, password: str) -> Answer:
        """A login (api 1.1) that is not remembered, asked again while the answer is no judgement yet."""
        return self.retry.call(
            "POST /v1/users/login", lambda: self.driver.login(name, password, remember=False)
        )

    def log_out(self, token: str) -> Change:
        """POST /v1/users/logout (api 1.3); where no answer came, the token tells whether it was made."""

        def is_gone() -> bool | None:
            answer = self.calls.application(token=token)
            return True if answer.status == 401 else False if answer.answered else None

        return self.change(lambda: self.calls.logout(token), is_gone)

    def make_user(self, name: str, password: str) -> Change:
        """POST /v1/users (api 1.3); where no answer came, a login tells whether it was made."""

        def can_log_in() -> bool | None:
            answer = self.login(name, password)
            return (answer.ok or PASSWORD_MUST_CHANGE in answer.codes) if answer.answered else None

        def create() -> Answer:  # by the driver, which remembers the name
            return self.retry.call(
                "POST /v1/users", lambda: self.driver.create_user(name, password), repeatable=False
            )

        return self.change(create, can_log_in)

    def _entered(self, call: Callable[[], Answer]) -> Answer:
        """The answer to a call, made again after a first login where the password was refused."""
        answer = call()
        if answer.failure_kind == "login" and self.accounts.enter(self):
            answer = call()
        return answer

    def _otherwise_serves(self) -> bool:
        health = self.driver.health()
        told = states.serves(health, registered=None, shards=1)
        return told is not False and self._reads(health, self.driver.application())

    def _reads(self, health: Answer, settings: Answer) -> bool:
        """Whether the settings can be read; a client that is not registered may refuse that."""
        new = "unregistered" in states.statuses(health)
        return settings.ok or (new and settings.answered and (settings.status or 500) < 500)

    # what it is

    @property
    def setup(self) -> Setup:
        """Shards, and whether it runs in multiconnect."""
        return (self.shards, self.multiconnect)

    @property
    def can_restart(self) -> bool:
        """Whether the testbed has a way to start it again."""
        return self.life.can_restart

    @property
    def can_kill(self) -> bool:
        """Whether the testbed can end it at any moment."""
        return self.life.can_kill

    def number(self) -> str | None:
        """The business number as digits: the setting `wa_id`, else as support tells; None if neither does."""
        if self._number is None or time.monotonic() - self._number[1] > 2.0:
            found = number_of(self.calls.application())
            self._number = (found, time.monotonic())
        number, when = self._number
        if number is None and self.state == "registered":
            number = number_of(self.ask("GET", SUPPORT))
            self._number = (number, when)
        return number

    # stops and starts

    def probe(self, limit: float | None = None) -> Answer:
        """One look at health, quick and without patience; a gateway's answer counts only where it lasts."""
        quick = min(self.driver.timeout, max(2.0, 10 * self.testbed.latency))
        return self._look(lambda: self.driver.health(timeout=quick if limit is None else limit))

    def _look(self, call: Callable[[], Answer]) -> Answer:
        answer = self._entered(call)
        for pause in _GATEWAY_PAUSES:
            if not answer.from_gateway:
                break
            time.sleep(pause + self.testbed.latency)
            answer = self._entered(call)
        return answer

    @property
    def _quick(self) -> float:
        """Seconds that a call to a client may take that was given up."""
        return _A_LOOK + 5 * self.testbed.latency

    def is_down(self) -> bool:
        """One look: no connection, 503, or neither connected nor connecting (nor new, where it was new)."""
        if self.life.running() is False:
            return True
        return not states.is_up(self.probe(), new_machine=self.state == "unregistered")

    def wait_down(self, limit: float) -> bool:
        """Whether it was seen down within `limit` seconds; once that was in vain, a moment is enough."""
        ready = self.testbed.ready_timeout
        allowed = min(limit, max(_A_MOMENT, ready / 20)) if self.habits.never_down else limit
        down = self._until(self.is_down, allowed, slowing=False)
        if down and self.down_at is None:
            self.down_at = time.monotonic()
        self.habits.never_down = not down and (self.habits.never_down or limit >= ready)
        return down

    def wait_answering(self, limit: float) -> bool:
        """Whether it answers, whatever it says, within `limit` seconds."""
        return self._until(lambda: self.probe().answered, limit)

    def wait_serving(self, limit: float | None = None, registered: bool | None = None) -> bool:
        """Whether it serves within `limit` seconds (the ready timeout): health says so, and a GET works.

        `registered` True asks for `connected`, False for `unregistered`, None for either. A client that was
        given up is looked at once, and what was waited in vain before is taken off (`Habits.allowed`).
        """
        ready = self.testbed.ready_timeout
        allowed = self.habits.allowed(ready if limit is None else limit, ready)
        began = time.monotonic()
        serving = self._until(lambda: self.serves(registered), 0.0 if self.given_up else allowed)
        if not serving:
            self.habits.waited_in_vain += time.monotonic() - began
        if serving:
            self.given_up = None
        elif limit is None and self.given_up is None:
            self.given_up = NotBack(*why_not_serving(self, "it was last asked", registered))
        return serving

    def serves(self, registered: bool | None = None) -> bool:
        """Whether it serves now, as `wait_serving` says."""
        health = self.probe(self._quick if self.given_up else None)
        told = states.serves(health, registered=registered, shards=self.shards if self.multiconnect else 1)
        if told is False and not (self.habits.health_fails and not health.ok and health.answered):
            return False
        answer = self._look(partial(self.driver.application, timeout=self._quick if self.given_up else None))
        if answer.ok and is_web_page(answer):
            return False  # something else took the port over
        if self._reads(health, answer):
            return True
        # where neither health nor settings are there to be read, a login shows what serves
        unread = answer.answered and answer.status in _NO_SUCH_PATH
        no_login = self.driver.admin_password is None
        return unread and (bool(told) or no_login or self._look(self.driver.login).ok)

    def _until(self, condition: Callable[[], bool], limit: float, *, slowing: bool = True) -> bool:
        deadline = time.monotonic() + limit
        pause = 0.002 if self.managed else max(0.02, min(0.25, self.testbed.latency))
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(pause, left))
            if slowing:
                pause = min(2 * pause, 0.05 if self.managed else 0.5)
        return True

    def come_back(self, *, expect_registered: bool = True) -> None:
        """Makes it serve again after a restore or a kill; raises NotBack.

        A client with a way to be started is started again as the document says, one without is waited for.
        One that did not come back is given up: from then on it is only looked at.
        """
        if self.given_up is None:
            try:
                bring_back(self, registered=expect_registered)
            except NotBack as error:
                self.given_up = error
                raise
        elif not self.serves(expect_registered or None):
            raise self.given_up.again()
        if expect_registered and self.pending == "unknown" and states.registered_by(self.probe()):
            self.pending = "accepted"  # no answer came, and it was carried out
        self.settled()

    def stop_grace(self) -> float:
        """Seconds in which it would be seen to stop after a restore, as far as it is known."""
        return stop_grace(self)

    def settled(self) -> None:
        """Notes that what was pending is over."""
        self.habits.came_back()
        self.given_up = None
        if self.pending == "accepted" and self.state == "unregistered":
            self.state = "registered"
        self.pending = self.down_at = None
        self._number = None
        self.killed = False
        self.accounts.born_again()
        self.known_generation = self.life.generation()

    def start_again(self) -> None:
        """Starts it again, ending it first if it runs, and does not wait; raises NotBack."""
        self.driver.close()
        self.life.restart()
        self.given_up = None

    def restart(self) -> None:
        """Starts it again and waits until it serves; raises NotBack, at once if it was given up."""
        if self.given_up is not None and not self.serves():
            raise self.given_up.again()
        self.start_again()
        self._serve_or_raise("the start")

    def start(self) -> None:
        """Starts it if it does not run, and waits until it serves; raises NotBack."""
        if self.is_down():
            self.start_again()
        self._serve_or_raise("the start")

    def kill(self) -> None:
        """Ends it at once (where only a restart command can, it starts again); raises Unavailable."""
        if not self.can_kill:
            raise Unavailable("this client cannot be stopped", "add --wa-restart-command")
        self._number = None
        self.killed = True
        self.driver.close()
        self.life.kill()

    def kill_after(self, delay: float) -> None:
        """Ends it `delay` seconds from now."""
        time.sleep(delay)
        self.kill()

    def reset(self) -> None:
        """Puts it back to the state it was declared in; raises Unavailable where it cannot be."""
        if not self.life.can_reset:
            raise Unavailable("this client cannot be reset", "add `reset` to its entry in clients.toml")
        self.driver.close()
        self.life.reset()
        self.driver.forget_token()
        self.driver.made_users.clear()
        self.accounts.born_again()
        self._number = self.pending = self.down_at = self.given_up = None
        self.killed = False
        self.known_generation = self.life.generation()

    def _serve_or_raise(self, after: str) -> None:
        self._number = None
        registered = None if self.pending else self.state == "registered"
        if not self.wait_serving(registered=registered):
            raise NotBack(*why_not_serving(self, after, registered))
        self.habits.came_back()
        self.known_generation = self.life.generation()

    # accounts

    def user_token(self) -> str:
        """A token of an account that is no administrator's; raises Unavailable."""
        return self.accounts.user_token(self)

    def fresh_admin_token(self) -> str:
        """A token of one more login as administrator; raises Unavailable."""
        return self.accounts.fresh_admin_token(self)


class _RetriedCalls(Calls):
    """The API's calls on one client, each through `Client.ask`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def request(self, method: str, path: str, **given: Any) -> Answer:
        """The answer to a request, as `Client.ask` gives it."""
        return self._client.ask(method, path, **given)
