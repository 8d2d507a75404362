"""The driver: asks one client over HTTP, never raises on what comes back, and records every exchange."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import httpx

from pytest_wa_settings.api.calls import Calls
from pytest_wa_settings.api.codes import not_now
from pytest_wa_settings.api.resources import RESTORE, is_repeatable
from pytest_wa_settings.wire import ADMIN, NO_TOKEN, UNSET, Answer, Recorder, Tls, Token, WireError, raw
from pytest_wa_settings.wire.addresses import address_of, host_of, through, without_zone
from pytest_wa_settings.wire.limits import MAX_BODY, broken
from pytest_wa_settings.wire.parsing import MISSING, Undecodable, decode, dump_json, parse_json
from pytest_wa_settings.wire.recording import RawHeaders, Recording, Reply, Sent
from pytest_wa_settings.wire.redaction import CHOSEN, OF_CLIENT, secrets_in
from pytest_wa_settings.wire.transport import BoundedTransport, Manners, Plan

BeforeSending = Callable[[str, str, bytes], None]
MAX_TOKEN = 16 * 2**10
_ALWAYS = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "keep-alive",
    "User-Agent": "pytest-wa-settings",
}


@dataclass(repr=False)
class Session:
    """Who a driver and its clones log in as, and the token that they share."""

    admin: str
    password: str | None
    fixed: str | None
    current: str | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)


class Driver(Calls):
    """One client's API over one keep-alive connection, for one thread at a time.

    `base_url` may have a path prefix. `token` is a fixed token, used instead of logging in. `headers` go with
    every request (a gateway's key, say), `proxy` is an http:// address. `timeout` bounds each whole answer in
    seconds; one that really moves megabytes may take five times as long. A body ends at 16 MiB; one outside
    2xx is read no further than 1 MiB. Redirects are not followed, cookies not kept, the environment's proxies
    not used. Raises WireError for what cannot be sent at all, and for nothing that a client does.
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
        self.name = name
        self.recorder = recorder
        self.timeout = timeout
        self.tls = tls or Tls()
        self._base = address_of(base_url, ("https", "http"), "the client's address")
        self._proxy = None if proxy is None else address_of(proxy, ("http",), "the proxy's address")
        self._always = _merged(_ALWAYS, headers or {})
        self._session = Session(admin, password, token)
        self._manners = Manners()
        self._recording = Recording(recorder, name, (*self.tls.curl_options(), *through(self._proxy)))
        for secret in (password, token, *(headers or {}).values(), self._proxy and self._proxy.password):
            if secret:
                recorder.add_secret(secret)
        self.before_sending: BeforeSending | None = None
        """Called with method, path and body of each request, clones' and raw ones too; may forbid it."""
        self.after_answer: Callable[[Answer], None] | None = None
        """Called with each answer, clones' too."""
        self._open()

    def _open(self) -> None:
        self._lock = threading.RLock()
        self._transport = BoundedTransport(self._base, self.tls, self._proxy, self._manners)

    @property
    def base_url(self) -> str:
        """The address, without a slash at its end."""
        return str(self._base).rstrip("/")

    @property
    def sends_nothing_else(self) -> bool:
        """Whether a token is all that lets its calls in: no gateway's header, no own certificate."""
        return self._always == _merged(_ALWAYS, {}) and self.tls.client_cert is None

    def move(self, base_url: str) -> None:
        """Goes on at another address, with the same credentials and token."""
        moved = address_of(base_url, ("https", "http"), "the client's address")
        with self._lock:
            self._transport.close()
            self._base = moved
            self._open()

    def clone(self) -> Driver:
        """A driver for another thread: a connection of its own, the same credentials, token and recorder."""
        twin = object.__new__(Driver)
        twin.__dict__.update(self.__dict__)
        twin._open()
        return twin

    def parallel(self, count: int) -> list[Driver]:
        """`count` clones; whoever asked for them closes them."""
        return [self.clone() for _ in range(count)]

    @property
    def peer_certificate(self) -> bytes | None:
        """The certificate (DER) that the client showed on its last connection; None over plain HTTP."""
        return self._transport.peer_certificate

    def close(self) -> None:
        """Ends the connection; the driver can still be used and then connects again."""
        with self._lock:
            self._transport.close()

    def __enter__(self) -> Driver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # tokens

    def session_token(self) -> str | None:
        """The administrator's token as it is held now: the fixed one, the last login's, or None."""
        return self._session.fixed or self._session.current

    @property
    def admin_password(self) -> str | None:
        """The administrator's password as it is known now, or None."""
        return self._session.password

    def forget_token(self) -> None:
        """Lets go of the token of the last login, so that the next call as ADMIN logs in."""
        self._session.current = None

    def login(
        self,
        username: str | None = None,
        password: str | None = None,
        new_password: str | None = None,
        *,
        remember: bool = True,
        timeout: float | None = None,
    ) -> Answer:
        """POST /v1/users/login; the first one must bring `new_password` (api 1.1).

        Without names it is the administrator's. `remember` keeps an administrator's token (and new password)
        for the calls as ADMIN.
        """
        session = self._session
        name = session.admin if username is None else username
        known = session.password if password is None else password
        if known is None:
            raise WireError(
                f"no password is known for the account {name} of {self.name}",
                "give the administrator's password or a fixed token",
            )
        for secret in (known, new_password):
            if secret:
                self.recorder.add_secret(secret)
        answer = self.login_as(name, known, new_password, timeout=timeout)
        if answer.ok and answer.token is not None:
            self.recorder.add_secret_of_client(answer.token)
            if remember and name == session.admin:
                session.password = new_password if new_password is not None else known
                session.current = answer.token if _sendable(answer.token) else None
        return answer

    def _renewed(self, held: str | None, timeout: float | None) -> tuple[str | None, Answer | None]:
        """The token that replaces `held`, or None with the login that failed."""
        session = self._session
        with session.lock:
            if session.current is not None and session.current != held:
                return session.current, None
            answer = self.login(timeout=timeout)
            if answer.ok and session.current is not None and answer.token == session.current:
                return session.current, None
            session.current = None
            return None, answer

    # requests

    def request(
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
        """The answer to a request, whatever it is.

        As ADMIN it logs in when no token is held, and on a 401 once again; if that fails, the answer is the
        login's when that is no judgement yet (`codes.not_now`), else one whose failure is `login failed: …`.
        `fresh` asks for a new connection. `repeatable` says that a second try does no harm when a keep-alive
        connection turns out to be dead; absent, that is so for what only reads (`resources.is_repeatable`).
        `secrets` (perhaps none) says that `content` was made up by the caller, and may be shown but for these
        texts and for `of_client`, which the client chose; absent, a content that is no JSON is never shown.
        """
        body, kind = _body(json, content)
        again = is_repeatable(method, path) if repeatable is None else repeatable
        plan = Plan(self.timeout if timeout is None else timeout, again, fresh)
        given = {**({"Content-Type": kind} if kind else {}), **(headers or {})}
        value = parse_json(body or b"") if json is UNSET else json
        named = self._hide(secrets or (), of_client)
        hidden = [*named, *self._hide(secrets_in(value, CHOSEN), secrets_in(value, OF_CLIENT))]
        of_admin = token is ADMIN and "authorization" not in {name.lower() for name in given}
        own = json is UNSET and secrets is not None
        like = Sent(
            method=method,
            path=path,
            secrets=named if own else hidden,
            json=MISSING if json is UNSET else json,
            own=own,
            token="WA_TOKEN" if of_admin else "WA_OTHER_TOKEN",
        )

        def send(held: str | None) -> Answer:
            return self._send(like, self._prepare(method, path, body, self._headers(given, held), plan))

        if self.before_sending is not None:
            # outside the lock: what is noted of the client beforehand is read through this driver, or another
            self.before_sending(method, path, body or b"")
        with self._lock:
            if token is NO_TOKEN:
                return send(None)
            if token is not ADMIN or self._session.fixed is not None:
                return send(self._session.fixed if token is ADMIN else str(token))
            held = self._session.current
            if held is None:
                held, failed = self._renewed(None, timeout)
                if failed is not None:
                    return _login_failed(failed)
            answer = send(held)
            if answer.status == 401 and answer.failure is None:
                held, failed = self._renewed(held, timeout)
                if failed is None:
                    answer = send(held)
            return answer

    def compose(
        self,
        method: str,
        path: str,
        *,
        json: object = UNSET,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | Token = ADMIN,
    ) -> bytes:
        """The bytes of a whole request, to be damaged or cut and given to `send_raw`.

        As ADMIN it carries the token that is held, logging in for one if there is none; where that fails it
        carries none.
        """
        body, kind = _body(json, content)
        if token is ADMIN and self.session_token() is None:
            self.login()
        held = self.session_token() if token is ADMIN else None if token is NO_TOKEN else str(token)
        given = {**({"Content-Type": kind} if kind else {}), **(headers or {})}
        request = self._prepare(method, path, body, self._headers(given, held), Plan(self.timeout, False))
        target = request.url.raw_path.decode("ascii")
        return raw.serialize(method, target, _host_header(request.url), request.headers.raw, body or b"")

    def send_raw(
        self,
        data: bytes,
        *,
        timeout: float | None = None,
        cut_after: int | None = None,
        secrets: Sequence[str] = (),
        of_client: Sequence[str] = (),
    ) -> Answer:
        """The answer to `data`, sent as it is (inside TLS) on a connection of its own.

        With `cut_after` only so many first bytes are sent, then the connection is closed without waiting:
        the answer's failure is `cut off by the suite`. `secrets` are texts in `data` that errors might echo,
        `of_client` those that the client chose (backup data).
        """
        sent = raw.describe(data, self.base_url, cut_after, self._hide(secrets, of_client))
        if self.before_sending is not None:
            # of raw bytes not even the first line need be what a server makes of them
            self.before_sending("RAW", RESTORE, data)
        limit = self.timeout if timeout is None else timeout
        return self._recording.keep(sent, lambda: raw.ask(self._transport, data, limit, cut_after))

    def _hide(self, chosen: Sequence[str], of_client: Sequence[str]) -> list[str]:
        """Has both kinds of secrets hidden in what is recorded; returns all of them."""
        for secret in chosen:
            self.recorder.add_volatile_secret(secret)
        for secret in of_client:
            self.recorder.add_secret_of_client(secret)
        return [*chosen, *of_client]

    def _headers(self, given: Mapping[str, str], token: str | None) -> dict[str, str]:
        merged = dict(self._always)
        if token is not None:
            merged["Authorization"] = f"Bearer {token}"
        return _merged(merged, given)

    def _prepare(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], plan: Plan
    ) -> httpx.Request:
        try:
            url = _parsed(self.base_url + path)
            if b"%" in url.netloc and not any(name.lower() == "host" for name in headers):
                headers = {**headers, "Host": _host_header(url)}
            return httpx.Request(
                method,
                url,
                content=body,
                headers=[(k.encode("ascii"), v.strip(" \t").encode()) for k, v in headers.items()],
                extensions={"plan": plan},
            )
        except (httpx.InvalidURL, UnicodeError):
            raise WireError(
                "a request cannot be sent as HTTP/1.1: its path or a header holds a forbidden character",
                "check the path, the token and the extra headers",
            ) from None

    def _send(self, like: Sent, request: httpx.Request) -> Answer:
        sent = replace(
            like,
            method=request.method,
            url=str(request.url),
            headers=request.headers.raw,
            body=request.content,
        )
        answer = self._recording.keep(sent, lambda: self._ask(request))
        if self.after_answer is not None:
            self.after_answer(answer)
        return answer

    def _ask(self, request: httpx.Request) -> Reply:
        # Neither httpx.Client nor httpx.Response: what they add (redirects, cookies, proxies, streams) is not
        # wanted here, and an exchange would take a tenth longer.
        head = self._transport.ask(request)
        content = bytes(head.body)
        head.body.clear()  # it may be long, and is held until the whole exchange is over
        encoding = _content_encoding(head.headers)
        if encoding:
            try:
                content = decode(content, encoding, MAX_BODY)
            except Undecodable as error:
                failure = broken(str(error))
                failure.status, failure.headers = head.status, head.headers
                raise failure from None
        return head.status, head.headers, content


def _content_encoding(headers: RawHeaders) -> str:
    named = [value for name, value in headers if name.lower() == b"content-encoding"]
    return b", ".join(named).decode("latin-1")


@lru_cache(1000)
def _parsed(url: str) -> httpx.URL:
    return httpx.URL(url)


def _host_header(url: httpx.URL) -> str:
    host = without_zone(host_of(url))
    named = f"[{host}]" if ":" in host else host
    return named if url.port is None else f"{named}:{url.port}"


def _merged(headers: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """Headers with others added, which win, however their names are written."""
    names = {name.lower() for name in more}
    return {**{name: value for name, value in headers.items() if name.lower() not in names}, **more}


def _body(json: object, content: bytes | None) -> tuple[bytes | None, str | None]:
    if json is UNSET:
        return content, "application/json" if content is not None else None
    try:
        return dump_json(json), "application/json"
    except (ValueError, TypeError, RecursionError):
        raise WireError(
            "a value cannot be carried by JSON", "pass it as `content`, already as bytes"
        ) from None


def _login_failed(login: Answer) -> Answer:
    """The answer to a call that could not be made because logging in did not work."""
    if login.failure is not None or not_now(login) is not None:
        return login
    why = f"status {login.status}" if not login.ok else f"status {login.status} without a usable token"
    values: dict[str, Any] = {
        "method": login.method,
        "path": login.path,
        "headers": login.headers,
        "seconds": login.seconds,
        "record": login.record,
    }
    return Answer(
        status=None,
        content=b"",
        failure=f"login failed: {why}",
        failure_kind="login",
        explanation=f"the administrator's login answered {why}",
        **values,
    )


def _sendable(token: str) -> bool:
    return len(token) <= MAX_TOKEN and token.isascii() and token.isprintable() and " " not in token
