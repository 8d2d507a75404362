"""The look at a client before the first test; what is wrong around it is one sentence, and no finding."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from pytest_wa_settings.api import health as states
from pytest_wa_settings.api.codes import is_rate_limit, not_now
from pytest_wa_settings.api.resources import is_web_page
from pytest_wa_settings.api.versions import version_of
from pytest_wa_settings.testbed.accounts import PASSWORD_MUST_CHANGE
from pytest_wa_settings.testbed.base import setup_text
from pytest_wa_settings.testbed.entry import is_loopback
from pytest_wa_settings.testbed.errors import TestbedError
from pytest_wa_settings.testbed.remedies import remedy_for
from pytest_wa_settings.testbed.retry import RetryPolicy
from pytest_wa_settings.wire import NO_TOKEN, Answer, WireError

if TYPE_CHECKING:
    from pytest_wa_settings.testbed.client import Client

PASSWORD = "WA_ADMIN_PASSWORD"
_CLOCK_MAY_DIFFER = 300.0
_UNREACHED = "cannot be reached"
_NO_LOGIN = "cannot be logged in to"
_NO_CLIENT = "answers, but not as a WhatsApp Business API client"
"""The three reasons that end a preflight, one of which its sentence names."""
_CHECK_ADDRESS = "check the address: host, port and path prefix"


@dataclass(frozen=True)
class Found:
    """What the preflight found: header lines, warnings among them, and the slowest answer in seconds."""

    lines: list[str]
    warnings: list[str]
    latency: float
    statuses: tuple[str, ...]
    version: str | None
    multi: bool


def preflight(client: Client) -> Found:
    """Reaches the client, logs in, reads clock, health and version; changes nothing.

    Raises:
        TestbedError: the client cannot be reached, or refuses the login, or nothing shows that it speaks this
            API; nothing else of what it answers keeps a run from starting.
    """
    # the client is not known to serve yet, so that no answer of it can be a last word
    retry = RetryPolicy(client.habits, client.testbed.ready_timeout, lambda: False)
    reached = _reach(client, retry)
    answers = [reached]
    answers.append(_log_in(client, retry))
    health = _health(client)
    answers.append(health)
    application = client.calls.application()
    _token_holds(client, application)
    _not_only_logins(client, health, application)
    support = client.calls.support()
    answers += [application, support]
    statuses = tuple(states.statuses(health))
    version = client.version or version_of(health, application, support)
    latency = max(answer.seconds for answer in answers if answer.failure is None)
    warnings = list(filter(None, [_exposed(client), _clock(client, health if health.answered else reached)]))
    where = f"{client.name}: {client.driver.base_url}"
    shown = ", ".join(sorted(set(statuses))) or _without_status(health)
    what = f"version {version or 'unknown'}, {shown}, {setup_text(client.setup)}"
    lines = [f"{where}, {what}, slowest answer {latency * 1000:.0f} ms", *warnings]
    return Found(lines, warnings, latency, statuses, version, states.is_multi(health))


def exposure(address: str, *, verify: bool) -> str | None:
    """How what is sent to `address` can be read, or taken, on the way; None if it cannot."""
    if address.startswith("http://"):
        open_to_all = not is_loopback(address)
        return "plain HTTP beyond this machine: passwords and backups can be read" if open_to_all else None
    return None if verify else "its certificate is not checked: anybody may take its place"


def _exposed(client: Client) -> str | None:
    why = exposure(client.driver.base_url, verify=client.driver.tls.verify)
    return None if why is None else f"{client.name}: {why}"


def _without_status(health: Answer) -> str:
    """Why health shows no state, in words."""
    if health.ok:
        return "health names no status"
    return f"health answers {health.status}" if health.failure is None else f"health: {health.failure}"


def _token_holds(client: Client, application: Answer) -> None:
    """Raises TestbedError for a client whose login gives no token that it takes afterwards."""
    if application.failure_kind == "login":
        raise TestbedError(
            f"{client.name} {_NO_LOGIN}: {application.explanation}",
            "see what its login gives, or give a fixed token with token_env",
        )
    if application.status == 401:
        raise TestbedError(
            f"{client.name} {_NO_LOGIN}: it refuses the token that its own login gave (status 401)",
            "see why its tokens do not hold, or give a fixed one with token_env",
        )


def _not_only_logins(client: Client, health: Answer, application: Answer) -> None:
    """Raises TestbedError for a client that says *not now* to everything but logins, or a gateway does."""
    if not_now(health) is not None and not_now(application) is not None:
        who = "a gateway in front of it" if application.from_gateway else "it"
        raise TestbedError(
            f"{client.name} {_UNREACHED} yet: {who} answers {application.status} to everything but the login"
            f", {client.testbed.ready_timeout:g} s long",
            "wait until it serves, or raise --wa-ready-timeout",
        )


def _reach(client: Client, retry: RetryPolicy) -> Answer:
    """An answer of any kind, over TLS that is trusted."""
    answer = retry.call("preflight", lambda: client.driver.health(token=NO_TOKEN))
    address = client.driver.base_url
    if answer.failure is None:
        _no_web_page(client, answer)
        return answer
    why = answer.explanation or answer.failure
    remedy = remedy_for(answer, address) or f"see that the client runs and listens there, or {_CHECK_ADDRESS}"
    if answer.failure_kind == "tls":
        raise TestbedError(f"{address} {_UNREACHED} over TLS: {_after_colon(why)}", remedy)
    if answer.failure_kind == "broken":
        raise TestbedError(f"{address} {_NO_CLIENT}: {_after_colon(why)}", remedy)
    if answer.failure_kind == "timeout":
        raise TestbedError(
            f"{address} {_UNREACHED}: it does not answer within {client.driver.timeout:g} s",
            f"{_CHECK_ADDRESS}, or raise --wa-timeout",
        )
    if answer.failure_kind == "closed" and address.startswith("http://"):
        raise TestbedError(f"{address} {_UNREACHED}: it does not answer plain HTTP: {why}", remedy)
    raise TestbedError(f"{address} {_UNREACHED}: {why}", remedy)


def _after_colon(why: str) -> str:
    return why.partition(": ")[2] or why


def _no_web_page(client: Client, answer: Answer) -> None:
    """Raises TestbedError for what is clearly something else than the API."""
    address = client.driver.base_url
    if answer.status is not None and 300 <= answer.status < 400:
        raise TestbedError(
            f"{address} {_NO_CLIENT}: it redirects (status {answer.status})",
            "give the address that it redirects to, if that is the client",
        )
    # A refusal may well be a page of the framework's, a text may be called HTML; a 2xx page is no client's.
    if answer.ok and is_web_page(answer):
        raise TestbedError(f"{address} {_NO_CLIENT}: it sends a web page", _CHECK_ADDRESS)
    if not_now(answer) == "gateway" or (not_now(answer) == "503" and is_web_page(answer)):
        raise TestbedError(
            f"{address} {_UNREACHED}: a gateway answers there, and no client behind it (status "
            f"{answer.status}, {client.testbed.ready_timeout:g} s long)",
            "start the client, or check the gateway",
        )
    if answer.status == 407:
        raise TestbedError(
            f"{address} {_UNREACHED}: a proxy before it asks for a login", "check `proxy` in clients.toml"
        )


def _log_in(client: Client, retry: RetryPolicy) -> Answer:
    """The login's answer, or with a fixed token that of a call which needs it."""
    driver = client.driver
    if driver.session_token() is not None:
        answer = retry.call("preflight", driver.application)
        if answer.status in (401, 403):
            raise TestbedError(
                f"{client.name} {_NO_LOGIN}: it refuses the fixed token (status {answer.status})",
                "check the variable of token_env",
            )
        return answer
    try:
        answer = retry.call("preflight", driver.login)
    except WireError:
        raise TestbedError(
            f"no administrator's password is known for {client.name}",
            f"set {PASSWORD}, or give --wa-admin-password-file FILE",
        ) from None
    if answer.ok and answer.token:
        return answer
    if not answer.ok and client.accounts.enter(client):
        return answer
    raise _no_entry(client, answer)


def _no_entry(client: Client, answer: Answer) -> TestbedError:
    address = client.driver.base_url
    if answer.failure is not None:
        return TestbedError(
            f"{address} {_NO_LOGIN}: it did not answer the login: {answer.explanation or answer.failure}",
            remedy_for(answer, address) or "see the client's log, or raise --wa-timeout",
        )
    if is_rate_limit(answer):
        return TestbedError(f"{address} {_NO_LOGIN}: it limits logins (status 429)", "wait, then run again")
    if answer.status in (404, 405, 501) and not_now(answer) is None:
        return TestbedError(
            f"{address} {_NO_CLIENT}: it has no /v1/users/login (status {answer.status})",
            f"{_CHECK_ADDRESS}; for a gateway with a fixed token, add token_env in clients.toml",
        )
    if not_now(answer) is not None or (answer.status is not None and answer.status >= 500):
        who = "a gateway in front of it" if answer.from_gateway else "it"
        return TestbedError(
            f"{address} {_NO_LOGIN}: it is not ready: {who} answered the login {answer.status}, also after "
            f"{client.testbed.ready_timeout:g} s",
            "wait until it serves, or raise --wa-ready-timeout",
        )
    if PASSWORD_MUST_CHANGE in answer.codes:
        return TestbedError(
            f"{client.name} {_NO_LOGIN}: it still has its factory password, and wants another at the first "
            "login",
            f"set the new one as {PASSWORD}, and allow the change: --wa-allow-restore, or may_change = true "
            "in clients.toml",
        )
    if answer.ok:
        gave = "a web page" if is_web_page(answer) else "no token"
        return TestbedError(f"{address} {_NO_CLIENT}: its login gives {gave}", _CHECK_ADDRESS)
    if answer.status == 400 and "https port" in answer.content[:2000].decode("ascii", "replace").lower():
        return TestbedError(f"{address} {_UNREACHED}: it wants TLS", "give the address with https://")
    return TestbedError(
        f"{client.name} {_NO_LOGIN}: it refuses the administrator's password (status {answer.status})",
        f"check the account's name, and its password: {PASSWORD}, or the file or variable named for it",
    )


def _health(client: Client) -> Answer:
    """The health answer, once the client does not merely start (waits up to the ready timeout).

    A client whose health cannot be read, is no JSON or names no status is judged all the same: its state is
    then what is declared, or what shows by what works.
    """
    deadline = time.monotonic() + client.testbed.ready_timeout
    while True:
        answer = client.calls.health()
        found = set(states.statuses(answer))
        starting = bool(found) and found <= {"connecting", "uninitialized"}
        if not starting:
            break
        if time.monotonic() > deadline:
            raise TestbedError(
                f"{client.name} {_UNREACHED} yet: health says {', '.join(sorted(found))}, "
                f"{client.testbed.ready_timeout:g} s long",
                "wait until it serves, or raise --wa-ready-timeout",
            )
        time.sleep(0.25)
    client.habits.health_fails = not answer.ok and not states.says_nothing(answer)
    return answer


def _clock(client: Client, answer: Answer) -> str | None:
    """A warning where the client's clock and ours are far apart."""
    try:
        theirs = parsedate_to_datetime(answer.header("Date") or "").timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    apart = theirs - time.time()
    if abs(apart) <= _CLOCK_MAY_DIFFER:
        return None
    way = "ahead of" if apart > 0 else "behind"
    return f"{client.name}: its clock is {_span(abs(apart))} {way} this machine's: tokens may suffer from it"


def _span(seconds: float) -> str:
    for size, name in ((365 * 86400, "years"), (86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} seconds"
