"""The values that leave the wire: a raw answer for the judges, a redacted exchange for the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from .curl import Repeat, Request, comment, repeat
from .holes import Body, Scrub, without
from .parsing import MISSING, parse_json, whole


class Token(Enum):
    """The type of `ADMIN` and `NO_TOKEN`."""

    ADMIN = "the administrator's token"
    NO_TOKEN = "no token"


class Unset(Enum):
    """The type of `UNSET`."""

    UNSET = "no body"


ADMIN: Final = Token.ADMIN
"""Send the administrator's token, logging in when needed."""
NO_TOKEN: Final = Token.NO_TOKEN
"""Send no Authorization header."""
UNSET: Final = Unset.UNSET
"""Send no JSON body (None would be sent as null)."""


GATEWAY_STATUSES = frozenset({408, 499, 502, 504, *range(520, 525)})
"""What a gateway answers where the client behind it did not, or not in time.

408, 502 and 504 by RFC 9110; 499 and 520 to 524 are what common gateways add to them.
"""


@dataclass(frozen=True)
class Exchange:
    """A request and its answer as they go on record: no secret is in any field.

    `started` is in seconds since the epoch, `seconds` how long it took; `failure` says why no whole answer
    came, with `status` set if its head did. `body` is what was sent, with holes for secrets and settings,
    or None where it may not be shown; `token` the shell variable for the token that was sent.
    """

    number: int
    client: str
    method: str
    url: str
    request_headers: tuple[tuple[str, str], ...]
    request_body: str
    status: int | None
    response_headers: tuple[tuple[str, str], ...]
    response_body: str
    failure: str | None
    started: float
    seconds: float
    curl_options: tuple[str, ...] = ()
    raw: bool = False
    body: Body | None = field(default=(), repr=False)
    token: str = "WA_TOKEN"

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON can carry them; not `body`, which only the line that repeats it needs."""
        fields = asdict(replace(self, body=()))
        return {name: value for name, value in fields.items() if name not in ("body", "token")}

    def curl(self) -> str:
        """The line that `repeat` gives where no report is written."""
        return self.repeat().line

    def repeat(self, folder: Path | None = None, scrub: Scrub = str) -> Repeat:
        """A shell line that sends the same request; secrets are variables such as $WA_TOKEN and $WA_DATA.

        `folder` is the report's; `scrub` hides what has become a secret since, in each value and not in the
        line itself, which must stay one.
        """
        if self.raw:
            why = "raw bytes were sent, or only some of them, which curl cannot repeat"
            return Repeat(comment(self.method, scrub(self.url), why))
        request = Request(
            self.method,
            scrub(self.url),
            tuple((name, scrub(value)) for name, value in self.request_headers),
            None if self.body is None else without(self.body, scrub),
            self.curl_options,
            self.token,
        )
        return repeat(request, folder)


@dataclass(frozen=True, eq=False, repr=False)
class Answer:
    """What came back, raw: for judging, never for printing.

    `failure` is None for a whole answer; else `connection refused`, `connection closed`, `timed out`,
    `TLS failure: …`, `broken answer: …`, `login failed: …` or the like, and `content` is empty. A broken
    answer keeps the status of its head. `explanation` is the same for a human, as a whole clause;
    `failure_kind` is one word for programs: refused, closed, timeout, tls, broken, login, connect, cut.
    `record` redacts the exchange, once it is asked for.
    """

    method: str
    path: str
    status: int | None
    headers: tuple[tuple[str, str], ...]
    content: bytes
    failure: str | None
    seconds: float
    record: Callable[[], Exchange]
    failure_kind: str | None = None
    explanation: str | None = None
    _lower: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        what = self.failure or ""
        status = "" if self.status is None else str(self.status)
        return (
            f"<Answer {self.exchange.number}: {self.exchange.method} {self.exchange.url} -> "
            f"{' '.join(part for part in (status, what) if part)}, {len(self.content)} bytes>"
        )

    @property
    def exchange(self) -> Exchange:
        """Request and answer as they go on record."""
        return self.record()

    def header(self, name: str, default: str | None = None) -> str | None:
        """The value of the header `name` in any case (the first of several), or `default`."""
        if not self._lower and self.headers:
            for key, value in self.headers:
                self._lower.setdefault(key.lower(), value)
        return self._lower.get(name.lower(), default)

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def answered(self) -> bool:
        """Whether at least the head of an answer came from the client: a gateway's own says that none did."""
        return self.status is not None and not self.from_gateway

    @property
    def from_gateway(self) -> bool:
        """Whether a gateway answers in the client's place: by its status, and without the error envelope."""
        return self.status in GATEWAY_STATUSES and not self.errors

    @cached_property
    def body(self) -> Any:
        """The JSON value of the body, whatever Content-Type says, or MISSING when there is none."""
        return parse_json(self.content)

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The objects in the envelope's `errors` (api 2.1)."""
        found = self.body.get("errors") if isinstance(self.body, dict) else None
        return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []

    @property
    def codes(self) -> list[int]:
        """The whole-numbered codes of the errors (api 2.2); 1005.0 counts as 1005."""
        codes = (whole(entry.get("code")) for entry in self.errors)
        return [code for code in codes if code is not None]

    @property
    def data(self) -> str | None:
        """`settings.data` if it is a string: the backup."""
        settings = self.body.get("settings") if isinstance(self.body, dict) else None
        data = settings.get("data") if isinstance(settings, dict) else None
        return data if isinstance(data, str) else None

    @property
    def token(self) -> str | None:
        """`users[0].token` of a login's answer, if it is a non-empty string (api 1.1)."""
        users = self.body.get("users") if isinstance(self.body, dict) else None
        first = users[0] if isinstance(users, list) and users else None
        token = first.get("token") if isinstance(first, dict) else None
        return token if isinstance(token, str) and token else None


__all__ = ["ADMIN", "MISSING", "NO_TOKEN", "UNSET", "Answer", "Exchange", "Token", "Unset"]
