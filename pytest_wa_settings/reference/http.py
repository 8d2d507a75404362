"""What passes between the HTTP server and the endpoints: calls in, replies out."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import parse_qs

from starlette.types import Scope, Send

from pytest_wa_settings.reference.errors import Refusal

NOTHING: Any = object()


@dataclass(frozen=True)
class Principal:
    """Who calls: a user's name and role."""

    name: str
    role: str
    token: bytes = field(repr=False)

    @property
    def is_admin(self) -> bool:
        """Whether the user may do what only an admin may."""
        return self.role == "ROLE_ADMIN"


@dataclass
class Call:
    """One request; its body comes once it is admitted. `target` is path and query as they were sent."""

    method: str
    path: str
    parameters: dict[str, str]
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = field(default=b"", repr=False)
    user: Principal | None = None
    target: str = ""

    @property
    def caller(self) -> Principal:
        """The user whose token was accepted."""
        if self.user is None:
            raise LookupError("the endpoint asks for no user")
        return self.user

    def json(self) -> Any:
        """The body as JSON, without NaN and lone surrogates; a refusal where it is none."""
        try:
            found = json.loads(self.body.decode("utf-8"), parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise Refusal(400, 1025, "The body is not JSON.") from None
        if b"\\u" in self.body:
            assert_encodable(found)
        return found

    def object(self) -> dict[str, Any]:
        """The body as a JSON object; an empty body counts as an empty object."""
        found = self.json() if self.body.strip() else {}
        if not isinstance(found, dict):
            raise Refusal(400, 1025, "The body is not a JSON object.")
        return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def assert_encodable(value: object) -> None:
    """Refuse JSON that holds half of a surrogate pair: no text has it, and none can be stored or hashed."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise Refusal(400, 1009, "A string holds half of a surrogate pair.") from None
    except RecursionError:
        raise Refusal(400, 1025, "The body is nested too deeply.") from None


@dataclass
class Reply:
    """An answer in 2xx: a JSON payload, NOTHING to say, or content of another type."""

    payload: Any = NOTHING
    status: int = 200
    content: bytes | None = None
    media_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    after: Callable[[], None] | None = None


Handler = Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True)
class Operation:
    """One method of one path: who may call it, and what it does."""

    method: str
    path: str
    access: str
    handler: Handler


def read_headers(scope: Scope) -> dict[str, str]:
    """A request's headers by lower-case name; of a repeated one the first."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return found


def read_query(scope: Scope) -> dict[str, str]:
    """A request's query parameters; of a repeated one the first."""
    text = scope["query_string"].decode("latin-1")
    return {name: values[0] for name, values in parse_qs(text, max_num_fields=None).items()} if text else {}


def read_target(scope: Scope) -> str:
    """A request's path and query as they were sent."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    return (path + (b"?" + scope["query_string"] if scope["query_string"] else b"")).decode("latin-1")


class Responder:
    """Writes answers: the success and the error envelope, their encoding, their bytes on the wire."""

    def __init__(self, version: str, success_body: str) -> None:
        self.version = version
        self.success_body = success_body

    def meta(self) -> dict[str, Any]:
        """What every envelope says about the client."""
        return {"api_status": "stable", "version": f"v{self.version.removeprefix('v')}"}

    def nothing(self) -> Any:
        """The body of a success that has nothing to say."""
        return {"null": None, "object": {}, "meta": {"meta": self.meta()}}[self.success_body]

    def success(self, payload: Any) -> Any:
        """The body of a success."""
        if payload is NOTHING:
            return self.nothing()
        return {**payload, "meta": self.meta()}

    def failure(self, refusal: Refusal) -> Any:
        """The body of a refusal."""
        error = {"code": refusal.code, "title": refusal.title, "details": refusal.details}
        return {"meta": self.meta(), "errors": [error]}

    def encode(self, body: Any) -> bytes:
        """A body as bytes."""
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8")

    async def reply(self, send: Send, reply: Reply) -> None:
        """Send a success."""
        content = reply.content
        if content is None:
            content = self.encode(self.success(reply.payload))
        await self.write(send, reply.status, content, reply.media_type, reply.headers)

    async def refuse(self, send: Send, refusal: Refusal) -> None:
        """Send a refusal."""
        content = self.encode(self.failure(refusal))
        await self.write(send, refusal.status, content, "application/json", refusal.headers)

    async def write(
        self, send: Send, status: int, content: bytes, media_type: str, headers: tuple[tuple[str, str], ...]
    ) -> None:
        """Send an answer's head and content."""
        lines = [("content-type", media_type), ("content-length", str(len(content))), *headers]
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in lines]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": content})
