"""Clients that are a mess after a good start: logins, tokens, storms of errors, clocks, stale answers."""

from __future__ import annotations

import json
import re
import time
from itertools import count
from typing import Any

from .core import Core, Reply, Request
from .port import wire
from .stage import Stage, hostile

ANY = r"^(inconclusive|non-conformant): "
UNTESTED = r"^inconclusive: \d+ of \d+ MUST clauses are not tested"


class Answering(Core):
    """Answers by a function first; where it returns None, properly."""

    def __init__(self, special: Any) -> None:
        super().__init__()
        self.special = special

    def answer(self, request: Request) -> Reply | None:
        self.asked += 1
        reply: Reply | None = self.special(self, request)
        return reply or self.proper(request)


def login(request: Request) -> bool:
    """Whether it is a login."""
    return request.path == "/v1/users/login"


def after_login(reply: Reply) -> Any:
    """Says the same to everything but logins."""
    return lambda core, request: None if login(request) else reply


def token_is(token: object) -> Any:
    """Gives this for a token."""
    body = {"users": [{"token": token, "expires_after": "2099-01-01 00:00:00+00:00"}]}
    return lambda core, request: Reply.json(body) if login(request) else None


@hostile("did not answer the login")
def login_that_never_ends(stage: Stage) -> str:
    """The login is read and never answered; everything else is."""

    def special(core: Core, request: Request) -> None:
        if login(request):
            stage.over.wait(30)

    return stage.production(Answering(special))


@hostile(r"refuses the administrator.s password")
def login_refused(stage: Stage) -> str:
    """The password is wrong."""
    return stage.production(
        Answering(lambda core, request: login(request) and Reply.error(401, 1005, "Access denied"))
    )


@hostile("factory password")
def login_wants_another_password_for_ever(stage: Stage) -> str:
    """1024 Password Change Required, also after the change."""
    refusal = Reply.error(401, 1024, "Password Change Required")
    return stage.production(Answering(lambda core, request: login(request) and refusal))


@hostile("its login gives no token")
def login_without_a_token(stage: Stage) -> str:
    """200, and no token in it."""
    return stage.production(Answering(lambda core, request: login(request) and Reply.json({"users": []})))


@hostile("its login gives no token")
def token_of_another_type(stage: Stage) -> str:
    """The token is an object."""
    return stage.production(Answering(token_is({"a": 1})))


@hostile("without a usable token")
def token_with_a_line_break(stage: Stage) -> str:
    """The token would add a header to each request."""
    return stage.production(Answering(token_is("abc\r\nX-Admin: yes")))


@hostile("without a usable token")
def token_beyond_ascii(stage: Stage) -> str:
    """The token cannot be put into a header."""
    return stage.production(Answering(token_is("t\u00f6k\u20ac\ud800n")))


@hostile("without a usable token")
def token_of_ten_megabytes(stage: Stage) -> str:
    """The token is longer than any header may be."""
    return stage.production(Answering(token_is("a" * 10_000_000)))


@hostile(r"401|token")
def tokens_that_never_hold(stage: Stage) -> str:
    """Every login is good, and no token is."""
    return stage.production(Answering(after_login(Reply.error(401, 1005, "Access denied"))))


@hostile(UNTESTED, never_passes=(), whole=True)
def tokens_that_hold_once(stage: Stage) -> str:
    """A token is good for one request."""

    def special(core: Core, request: Request) -> Reply:
        reply = core.proper(request)
        if not login(request):
            core.tokens.clear()
        return reply

    return stage.production(Answering(special))


@hostile(r"50[0-9]")
def storm_of_5xx(stage: Stage) -> str:
    """500, 502, 503 and 504 in turn, with a proxy's page."""
    statuses = (500, 502, 503, 504)
    page = b"<html><head><title>Bad Gateway</title></head><body>nginx</body></html>"

    def special(core: Core, request: Request) -> Reply:
        return Reply(statuses[core.asked % 4], page, {"Content-Type": "text/html"})

    return stage.production(Answering(special))


@hostile(r"is not connected \(health answers 50[0-9]\)")
def storm_of_5xx_after_the_login(stage: Stage) -> str:
    """The same once the login is done."""
    statuses = (500, 502, 504)
    return stage.production(
        Answering(
            lambda core, request: (
                None if login(request) else Reply.error(statuses[core.asked % 3], 1000, "No")
            )
        )
    )


@hostile(r"is not ready: .* 500|BACKUP-1")
def every_third_answer_is_a_500(stage: Stage) -> str:
    """A storm that comes and goes."""
    return stage.production(
        Answering(
            lambda core, request: Reply.error(500, 1000, "Generic error") if core.asked % 3 == 0 else None
        )
    )


@hostile(r"cannot be reached yet: it answers 503 to everything but the login")
def never_ready(stage: Stage) -> str:
    """503 for ever, with the login answered."""
    return stage.production(Answering(after_login(Reply.error(503, 1011, "Service not ready"))))


@hostile(r"429")
def too_many_requests_for_ever(stage: Stage) -> str:
    """429, and to be asked again in ten years."""
    reply = Reply.error(429, 1015, "Too many requests")
    reply.headers["Retry-After"] = "315360000"
    return stage.production(Answering(lambda core, request: reply))


@hostile(r"BACKUP-1 .*429", whole=True)
def retry_after_nonsense(stage: Stage) -> str:
    """429 with a Retry-After that no one can read, for backups."""
    values = count()

    def special(core: Core, request: Request) -> Reply | None:
        if request.path != "/v1/settings/backup":
            return None
        reply = Reply.error(429, 1015, "Too many requests")
        nonsense = ("soon", "-5", "NaN", "1e400", "Thu, 01 Jan 1970 00:00:00 GMT", "9" * 5000, "")
        reply.headers["Retry-After"] = nonsense[next(values) % len(nonsense)]
        return reply

    return stage.production(Answering(special))


@hostile(r"BACKUP-1 .*1017", whole=True)
def never_the_primary_master(stage: Stage) -> str:
    """1017 for every backup and restore."""
    reply = Reply.error(400, 1017, "Not Primary Master")
    return stage.production(
        Answering(lambda core, request: reply if re.search("backup|restore", request.path) else None)
    )


@hostile(ANY, never_passes=(), spares=("BACKUP-2",), limit=60.0)
def health_that_flaps(stage: Stage) -> str:
    """Another state at every look."""
    states = ("connected", "connecting", "disconnected", "uninitialized", "unregistered")

    def special(core: Core, request: Request) -> Reply | None:
        if request.path != "/v1/health":
            return None
        return Reply.json({"health": {"gateway_status": states[core.asked % 5]}})

    return stage.production(Answering(special))


@hostile(ANY, tells="health names no status", never_passes=())
def health_of_no_known_kind(stage: Stage) -> str:
    """A state that does not exist, and nodes that are none."""
    bodies = (
        {"health": {"gateway_status": ["connected"]}},
        {"health": {"a:b": {"gateway_status": {}, "role": 7}, "": None}},
        {"health": "OK"},
        [],
    )
    return stage.production(
        Answering(
            lambda core, request: Reply.json(bodies[core.asked % 4]) if request.path == "/v1/health" else None
        )
    )


@hostile(ANY, never_passes=())
def health_of_twenty_thousand_nodes(stage: Stage) -> str:
    """A setup beyond all size."""
    nodes = {f"host-{i}:{i:012x}": {"gateway_status": "connected", "role": "coreapp"} for i in range(20_000)}
    reply = Reply.json({"health": nodes})
    return stage.production(Answering(lambda core, request: reply if request.path == "/v1/health" else None))


@hostile(UNTESTED, tells=r"clock is \d+ years behind", never_passes=())
def clock_years_off(stage: Stage) -> str:
    """It is 1987 there, and all tokens ran out in 1970."""

    def special(core: Core, request: Request) -> Reply:
        reply = core.proper(request)
        reply.headers["Date"] = "Thu, 01 Jan 1987 00:00:00 GMT"
        if login(request) and reply.status == 200:
            body = json.loads(reply.content)
            body["users"][0]["expires_after"] = "1970-01-01 00:00:00+00:00"
            reply.content = json.dumps(body).encode()
        return reply

    return stage.production(Answering(special))


@hostile(UNTESTED, never_passes=())
def dates_that_are_none(stage: Stage) -> str:
    """Dates that no calendar has."""

    def special(core: Core, request: Request) -> Reply:
        reply = core.proper(request)
        reply.headers["Date"] = "Fri, 99 Foo 99999 99:99:99 GMT"
        if login(request) and reply.status == 200:
            body = json.loads(reply.content)
            body["users"][0]["expires_after"] = 10**400
            reply.content = json.dumps(body).encode()
        return reply

    return stage.production(Answering(special))


class OneBehind(Core):
    """Gives each request the answer of the one before it."""

    last: Reply | None = None

    def answer(self, request: Request) -> Reply | None:
        with self.lock:
            reply, self.last = self.last, self.proper(request)
            return reply or Reply.json({})


@hostile(r"refuses the administrator|gives no token")
def answers_of_the_previous_request(stage: Stage) -> str:
    """Every answer belongs to the request before."""
    return stage.production(OneBehind())


class OneBehindAfterLogin(OneBehind):
    """The same, but logins are answered as they should be."""

    def answer(self, request: Request) -> Reply | None:
        return self.proper(request) if login(request) else super().answer(request)


@hostile(r"BACKUP-1 fails|not as a WhatsApp", whole=True)
def answers_of_the_previous_request_after_the_login(stage: Stage) -> str:
    """Only logins get their own answer."""
    return stage.production(OneBehindAfterLogin())


class Unasked(Core):
    """Sends a second answer after each, before anyone has asked."""

    def deliver(self, connection: Any, request: Request, reply: Reply | None) -> bool:
        connection.sendall(
            wire(reply or Reply.json({})) + wire(Reply.json({"settings": {"data": "unasked"}}))
        )
        return True


@hostile(ANY, never_passes=(), whole=True)
def answers_no_one_asked_for(stage: Stage) -> str:
    """Two answers for each request on one connection."""
    return stage.production(Unasked())


@hostile(r"BACKUP-1 fails", fails=("BACKUP-1",))
def backup_of_nothing(stage: Stage) -> str:
    """`data` is an empty string."""
    reply = Reply.json({"settings": {"data": ""}})
    return stage.production(
        Answering(
            lambda core, request: (
                reply if request.path.endswith("/backup") and _signed(core, request) else None
            )
        )
    )


class Huge(Core):
    """Its backups are longer than anyone can want."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def seal(self, password: str, plain: bytes) -> str:
        return super().seal(password, plain) + "=" * self.size


@hostile(r"BACKUP-1 fails .*longer than 16 MiB", limit=60.0, whole=True)
def backup_of_forty_megabytes(stage: Stage) -> str:
    """`data` is longer than anything that is read."""
    return stage.production(Huge(40_000_000))


@hostile(ANY, never_passes=(), limit=60.0, whole=True)
def backup_of_sixteen_megabytes(stage: Stage) -> str:
    """`data` is nearly as long."""
    return stage.production(Huge(16_000_000))


@hostile("BACKUP-4 fails", never_passes=(), fails=("BACKUP-4",))
def backup_with_the_password_in_it(stage: Stage) -> str:
    """Not encrypted at all: the password stands in front of the settings."""

    class Open(Core):
        def seal(self, password: str, plain: bytes) -> str:
            return json.dumps([password, plain.decode()])

        def unseal(self, password: str, data: str) -> bytes:
            known, plain = json.loads(data)
            if known != password:
                raise ValueError
            return str(plain).encode()

    return stage.production(Open())


@hostile(ANY, never_passes=("ROBUST-4",), whole=True)
def echoes_every_secret(stage: Stage) -> str:
    """The whole request stands in the details of every refusal, the authorization in a header."""

    def special(core: Core, request: Request) -> Reply | None:
        reply = core.proper(request)
        if reply.status < 400:
            return reply
        told = request.content.decode("utf-8", "replace") + request.headers.get("authorization", "")
        echo = Reply.error(reply.status, 1009, told, told)
        echo.headers["X-Echo"] = re.sub(r"[^ -~]", "?", told)[:3000]
        return echo

    return stage.production(Answering(special))


@hostile(ANY, "--wa-budget", "5", never_passes=(), limit=60.0)
def every_answer_is_late(stage: Stage) -> str:
    """Each answer takes a good part of its limit."""

    def special(core: Core, request: Request) -> None:
        time.sleep(0.15)

    return stage.production(Answering(special))


@hostile(r"connection refused|not serving|not connected", never_passes=())
def lost_in_the_middle(stage: Stage) -> str:
    """After 25 requests it is gone for good."""

    def special(core: Core, request: Request) -> None:
        if core.asked == 25:
            core.port.end()

    core = Answering(special)
    return stage.production(core)


@hostile(r"no answer|timed out|not answer", never_passes=(), limit=60.0)
def silent_from_the_middle(stage: Stage) -> str:
    """After 25 requests it accepts and says nothing."""

    def special(core: Core, request: Request) -> None:
        if core.asked > 25:
            stage.over.wait(60)

    return stage.production(Answering(special))


@hostile(ANY, never_passes=("ACCESS-2",))
def users_that_cannot_log_in(stage: Stage) -> str:
    """Accounts are made, and do not exist."""

    def special(core: Core, request: Request) -> Reply | None:
        if request.call == "POST /v1/users" and _signed(core, request):
            return Reply.json({"users": [{"username": "someone else"}]}, 201)
        return None

    return stage.api(Answering(special))


@hostile("ACCESS-1 fails", never_passes=("BACKUP-5",), fails=("ACCESS-1",), whole=True)
def says_yes_to_everything(stage: Stage) -> str:
    """200 with every member that anyone might want, whoever asks."""
    body = {
        "users": [
            {
                "token": "yes",
                "expires_after": "2099-01-01 00:00:00+00:00",
                "username": "yes",
                "ROLES": "ROLE_ADMIN",
            }
        ],
        "health": {"gateway_status": "connected"},
        "settings": {
            "data": "eWVz" * 40,
            "application": {"callback_persist": True},
            "profile": {"about": {"text": "yes"}},
            "business": {"profile": {}},
        },
        "support": {"debug_info": "15550001111"},
        "contacts": [],
        "messages": [{"id": "yes"}],
    }
    return stage.production(Answering(lambda core, request: Reply.json(body)))


def _signed(core: Core, request: Request) -> bool:
    token = request.headers.get("authorization", "").rpartition(" ")[2]
    return core.tokens.get(token) == "admin"
