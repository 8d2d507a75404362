"""The accounts of one client: the administrator's first login, and a user who is no administrator."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_wa_settings.api import Driver
from pytest_wa_settings.testbed.errors import Unavailable
from pytest_wa_settings.wire import ADMIN, Answer, Recorder, Tls, Token, WireError

if TYPE_CHECKING:
    from pytest_wa_settings.testbed.client import Client

FACTORY_PASSWORD = "secret"
"""What the administrator's account is born with (api 1.1)."""


_NEVER_SENT = ("refused", "connect", "tls")
_LOGIN = "POST /v1/users/login"


class ClientDriver(Driver):
    """A driver that remembers the accounts made through it, and finds a client again that has moved.

    `locate`, where there is one, tells the address that the client has now (None: it is down).
    """

    def __init__(
        self,
        base_url: str,
        *,
        name: str,
        recorder: Recorder,
        admin: str = "admin",
        password: str | None = None,
        tls: Tls | None = None,
        timeout: float = 30.0,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
    ) -> None:
        super().__init__(
            base_url,
            name=name,
            recorder=recorder,
            admin=admin,
            password=password,
            tls=tls,
            timeout=timeout,
            token=token,
            headers=headers,
            proxy=proxy,
        )
        self.made_users: set[str] = set()
        self.locate: Callable[[], str | None] | None = None

    def request(self, method: str, path: str, **given: Any) -> Answer:
        """The answer to a request, as `Driver.request`; one that met nobody is sent to the new address."""
        answer = super().request(method, path, **given)
        if self.locate is not None and answer.failure is not None:
            now = self.locate()
            if now is not None and now != self.base_url:
                self.move(now)
                if answer.failure_kind in _NEVER_SENT:
                    return super().request(method, path, **given)
        return answer

    def create_user(
        self, name: str, password: object, *, token: str | Token = ADMIN, timeout: float | None = None
    ) -> Answer:
        """POST /v1/users; remembers the name unless the account is known not to be there."""
        known = name in self.made_users
        self.made_users.add(name)  # before it is sent: the run may end meanwhile
        answer = super().create_user(name, password, token=token, timeout=timeout)
        if answer.answered and not answer.ok and not known:
            self.made_users.discard(name)
        return answer

    def delete_user(self, name: str, *, token: str | Token = ADMIN, timeout: float | None = None) -> Answer:
        """DELETE /v1/users/{name}; forgets the name once it is gone."""
        answer = super().delete_user(name, token=token, timeout=timeout)
        if answer.ok:
            self.made_users.discard(name)
        return answer


PASSWORD_MUST_CHANGE = 1024
"""The code of a login that must bring a new password (api 1.1)."""


@dataclass
class Accounts:
    """Who may log in to one client.

    `user` and `user_password` are a declared account without administrator's rights. `may_make`: the suite
    may make one itself. `first_login`: where the administrator's password is refused, the client may still
    have its factory one, and the suite may replace it by the given one.
    """

    admin_password: str | None = field(default=None, repr=False)
    user: str | None = None
    user_password: str | None = field(default=None, repr=False)
    may_make: bool = False
    first_login: bool = False
    _made: tuple[str, str] | None = field(default=None, repr=False)
    _tried: bool = False

    def born_again(self) -> None:
        """Notes that the client may be as it comes out of the box: a first login may be tried again."""
        self._tried = False

    def enter(self, client: Client) -> bool:
        """Tries the first login of a client as it comes out of the box; whether the suite is in now.

        Once only, until the client may have been born again: repeated wrong passwords lock accounts.
        """
        own = self.admin_password
        if self._tried or not self.first_login or not own or own == FACTORY_PASSWORD:
            return False
        self._tried = True
        driver = client.driver
        return client.change(
            lambda: driver.login(password=FACTORY_PASSWORD, new_password=own),
            lambda: client.retry.call(_LOGIN, driver.login).ok,
            is_login=True,
        ).made

    def user_token(self, client: Client) -> str:
        """A token of an account that is no administrator's; raises Unavailable.

        Logs in anew each time, and makes the account again when it is gone (a restore or reset may do that).
        """
        if self.user is not None and self.user_password is not None:
            answer = client.login(self.user, self.user_password)
            if answer.ok and answer.token:
                return answer.token
            if not self.may_make:
                raise Unavailable(
                    f"the account {self.user} cannot log in ({_came(answer)})",
                    "check `user` and its password in clients.toml",
                )
        if not self.may_make:
            raise Unavailable(
                "no account without administrator's rights is known",
                "add user and user_password_env to clients.toml, or may_change = true to have one made",
            )
        if self._made is not None:
            answer = client.login(*self._made)
            if answer.ok and answer.token:
                return answer.token
        return self._make(client)

    def _make(self, client: Client) -> str:
        name, password = f"wa{secrets.token_hex(4)}", new_password()
        client.driver.recorder.add_secret(password)
        # Rights come by role: a name that begins as the administrator's does gives none.
        created = client.make_user(f"admin{name}", password)
        if created.made:
            name = f"admin{name}"
        else:
            created = client.make_user(name, password)
        if not created.made:
            raise Unavailable(
                f"the client made no account without administrator's rights ({_came(created.answer)})",
                "add user and user_password_env to clients.toml",
            )
        answer = client.login(name, password)
        if PASSWORD_MUST_CHANGE in answer.codes:
            first, password = password, new_password()
            client.driver.recorder.add_secret(password)
            answer = client.change(
                partial(client.driver.login, name, first, new_password=password, remember=False),
                lambda: client.login(name, password).ok,
                is_login=True,
            ).answer
            if not answer.token:
                answer = client.login(name, password)
        if not answer.ok or not answer.token:
            raise Unavailable(
                f"the account that the suite made cannot log in ({_came(answer)})",
                "add user and user_password_env to clients.toml",
            )
        self._made = (name, password)
        return answer.token

    def fresh_admin_token(self, client: Client) -> str:
        """The token of one more login as administrator; raises Unavailable."""
        try:
            answer = client.retry.call(_LOGIN, lambda: client.driver.login(remember=False))
        except WireError:
            raise Unavailable(
                "the client is used with a fixed token, so no login can be made",
                "give the administrator's password instead of token_env",
            ) from None
        if not answer.ok or not answer.token:
            raise Unavailable(
                f"a second login as administrator gave no token ({_came(answer)})",
                "see what limits logins on this client",
            )
        return answer.token


def new_password() -> str:
    """A random password of 24 characters that the rules for accounts take (api 1.1)."""
    letters = string.ascii_letters + string.digits
    return "aA1!" + "".join(secrets.choice(letters) for _ in range(20))


def delete_users(client: Client, names: Iterable[str]) -> list[str]:
    """Deletes accounts that the suite made; returns those that could not be."""
    left = []
    for name in sorted(set(names)):
        delete = partial(client.retry.call, "DELETE /v1/users", partial(client.driver.delete_user, name))
        answer = delete()
        if answer.failure_kind == "closed":  # as it is by a client that goes down and is back at once
            answer = delete()
        deleted = answer.ok and not answer.content.lstrip().startswith(b"<")
        if not deleted and not _is_gone(client, name, answer):
            left.append(name)
    return left


def _is_gone(client: Client, name: str, answer: Answer) -> bool:
    if not answer.answered:
        return False
    return answer.status == 404 or client.ask("GET", f"/v1/users/{name}").status in (400, 404)


def _came(answer: Answer) -> str:
    return answer.failure or f"status {answer.status}"


__all__ = ["Accounts", "ClientDriver", "delete_users", "new_password"]
