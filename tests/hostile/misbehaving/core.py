"""A mostly normal Business API in memory, for clients that misbehave at one point only.

It is written from the documents alone and shares nothing with the reference. A misbehaving client overrides
`answer` (what is said), `deliver` (how it is put on the wire), `import_backup` (the work of a restore) or
`started` (what a start does).
"""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
import re
import secrets
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .port import Port

PASSWORD = "Wa-Hostile-1!"
NUMBER = "15550001111"
MEDIA = {"audio", "document", "voice", "video", "image", "sticker"}


@dataclass
class Request:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    content: bytes

    @property
    def call(self) -> str:
        """Method and path in one."""
        return f"{self.method} {self.path}"

    @property
    def is_restore(self) -> bool:
        """Whether it is POST /v1/settings/restore."""
        return self.call == "POST /v1/settings/restore"


@dataclass
class Reply:
    """An answer; `length` overrides the Content-Length, `stops` lets the client go down after it."""

    status: int
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    length: int | None = None
    stops: bool = False

    @classmethod
    def json(cls, body: object, status: int = 200) -> Reply:
        """An answer with a JSON body."""
        return cls(status, json.dumps(body).encode())

    @classmethod
    def error(cls, status: int, code: int, title: str, details: str = "see the documentation") -> Reply:
        """An answer with the error envelope."""
        return cls.json({"errors": [{"code": code, "title": title, "details": details}]}, status)


class Refused(Exception):
    """Carries the answer of a refusal."""

    def __init__(self, status: int, code: int, title: str, details: str = "see the documentation") -> None:
        super().__init__(title)
        self.reply = Reply.error(status, code, title, details)


class Core:
    """The client's state, and its answers."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.port: Port
        self.secret = secrets.token_bytes(32)
        self.users = {"admin": PASSWORD}
        self.tokens: dict[str, str] = {}
        self.asked = 0
        self.state: dict[str, Any] = {
            "application": {
                "callback_persist": True,
                "callback_backoff_delay_ms": 3000,
                "max_callback_backoff_delay_ms": 900000,
                "media": {"auto_download": ["image"]},
                "webhooks": {"url": "", "max_concurrent_requests": 6},
                "sent_status": False,
                "show_security_notifications": True,
            },
            "about": "At your service",
            "business": {
                "address": "1 Main Street",
                "description": "A shop",
                "email": "",
                "vertical": "Retail",
            },
        }
        self.photo = b"\x89PNG\r\n\x1a\n" + bytes(16)

    # what a misbehaving client overrides

    def answer(self, request: Request) -> Reply | None:
        """The answer to a request; None closes the connection without one."""
        with self.lock:
            self.asked += 1
        return self.proper(request)

    def deliver(self, connection: Any, request: Request, reply: Reply | None) -> bool:
        """Puts the answer on the wire; whether the connection is kept."""
        from .port import wire

        if reply is None:
            return False
        connection.sendall(wire(reply))
        if reply.stops:
            self.port.down()
        return not reply.stops

    def import_backup(self, state: dict[str, Any]) -> Reply:
        """Carries out a restore whose password and data are right."""
        self.state = state
        return Reply(200, b"null", stops=True)

    def started(self) -> None:
        """What a start does before the port is open: tokens live in memory."""
        with self.lock:
            self.tokens.clear()

    # the API

    def proper(self, request: Request) -> Reply:
        """The answer of a client that does everything right."""
        try:
            with self.lock:
                return self._dispatch(request)
        except Refused as refused:
            return refused.reply

    def _dispatch(self, request: Request) -> Reply:
        if request.call == "POST /v1/users/login":
            return self._login(request)
        user = self._user(request)
        if request.call == "POST /v1/users/logout":
            self.tokens.pop(request.headers["authorization"].split()[-1])
            return Reply.json({})
        if request.call == "GET /v1/health":
            return Reply.json({"health": {"gateway_status": "connected"}})
        name = ROUTES.get(request.call)
        if request.path.startswith("/v1/users/"):
            name = "_one_user"
        if name is None:
            raise Refused(404, 1006, "Resource not found")
        if user != "admin" and name not in ("_contacts", "_messages", "_support"):
            raise Refused(403, 1005, "Access denied")
        reply: Reply = getattr(self, name)(request)
        return reply

    def _login(self, request: Request) -> Reply:
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        try:
            name, _, password = base64.b64decode(given).decode().partition(":")
        except ValueError:
            name = password = ""
        if kind.lower() != "basic" or name not in self.users or self.users[name] != password:
            raise Refused(401, 1005, "Access denied")
        token = secrets.token_urlsafe(24)
        self.tokens[token] = name
        until = datetime.now(timezone.utc) + timedelta(days=7)
        return Reply.json({"users": [{"token": token, "expires_after": f"{until:%Y-%m-%d %H:%M:%S}+00:00"}]})

    def _user(self, request: Request) -> str:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or token not in self.tokens:
            raise Refused(401, 1005, "Access denied")
        return self.tokens[token]

    def _create_user(self, request: Request) -> Reply:
        name, password = _text(request, "username"), _text(request, "password")
        if name in self.users:
            raise Refused(400, 1014, "Internal error")
        self.users[name] = password
        return Reply.json({"users": [{"username": name}]}, 201)

    def _one_user(self, request: Request) -> Reply:
        name = request.path.rpartition("/")[2]
        if name not in self.users:
            raise Refused(404, 1006, "Resource not found")
        if request.method == "DELETE" and name != "admin":
            del self.users[name]
            self.tokens = {token: user for token, user in self.tokens.items() if user != name}
        return Reply.json({"users": [{"username": name, "ROLES": "ROLE_USER"}]})

    def _support(self, request: Request) -> Reply:
        return Reply.json(
            {"support": {"debug_info": NUMBER, "description": "a client"}, "meta": {"version": "v2.57.2"}}
        )

    def _application(self, request: Request) -> Reply:
        return Reply.json({"settings": {"application": self.state["application"]}})

    def _patch_application(self, request: Request) -> Reply:
        given = _object(request)
        known = copy.deepcopy(self.state["application"])
        for name, value in given.items():
            if name not in known or not _fits(name, value):
                raise Refused(400, 1009, "Parameter value is not valid")
            known[name] = {**known[name], **value} if isinstance(value, dict) else value
        self.state["application"] = known
        return Reply.json({})

    def _about(self, request: Request) -> Reply:
        return Reply.json({"settings": {"profile": {"about": {"text": self.state["about"]}}}})

    def _patch_about(self, request: Request) -> Reply:
        text = _text(request, "text")
        if len(text) > 139:
            raise Refused(400, 1009, "Parameter value is not valid")
        self.state["about"] = text
        return Reply.json({})

    def _business(self, request: Request) -> Reply:
        return Reply.json({"settings": {"business": {"profile": self.state["business"]}}})

    def _set_business(self, request: Request) -> Reply:
        for name, value in _object(request).items():
            if name not in self.state["business"] or not isinstance(value, str) or len(value) > 128:
                raise Refused(400, 1009, "Parameter value is not valid")
        self.state["business"] = {**self.state["business"], **_object(request)}
        return Reply.json({})

    def _photo(self, request: Request) -> Reply:
        return Reply(200, self.photo, {"Content-Type": "image/png"})

    def _contacts(self, request: Request) -> Reply:
        given = _object(request).get("contacts", [])
        found = [{"input": one, "status": "valid", "wa_id": one} for one in given if isinstance(one, str)]
        return Reply.json({"contacts": found})

    def _messages(self, request: Request) -> Reply:
        _text(request, "to")
        return Reply.json({"messages": [{"id": secrets.token_hex(8)}]}, 201)

    def _backup(self, request: Request) -> Reply:
        state = json.dumps(self.state).encode()
        return Reply.json({"settings": {"data": self.seal(_text(request, "password"), state)}})

    def _restore(self, request: Request) -> Reply:
        password, data = _text(request, "password"), _text(request, "data")
        try:
            state = json.loads(self.unseal(password, data))
        except ValueError:
            raise Refused(400, 1009, "Parameter value is not valid") from None
        return self.import_backup(state)

    # the vault: a hash in counter mode with a tag, good enough for a test

    def seal(self, password: str, plain: bytes) -> str:
        """The encrypted backup."""
        salt = secrets.token_bytes(16)
        key = _key(password, salt)
        sealed = bytes(a ^ b for a, b in zip(plain, _stream(key, len(plain)), strict=True))
        tag = hmac.digest(key, salt + sealed, "sha256")
        return base64.b64encode(salt + tag + sealed).decode()

    def unseal(self, password: str, data: str) -> bytes:
        """The plain text again; raises ValueError."""
        raw = base64.b64decode(data.strip(), validate=True)
        salt, tag, sealed = raw[:16], raw[16:48], raw[48:]
        key = _key(password, salt)
        if not hmac.compare_digest(tag, hmac.digest(key, salt + sealed, "sha256")):
            raise ValueError("the tag does not fit")
        return bytes(a ^ b for a, b in zip(sealed, _stream(key, len(sealed)), strict=True))


ROUTES = {
    "POST /v1/users": "_create_user",
    "GET /v1/support": "_support",
    "GET /v1/settings/application": "_application",
    "PATCH /v1/settings/application": "_patch_application",
    "GET /v1/settings/profile/about": "_about",
    "PATCH /v1/settings/profile/about": "_patch_about",
    "GET /v1/settings/business/profile": "_business",
    "POST /v1/settings/business/profile": "_set_business",
    "GET /v1/settings/profile/photo": "_photo",
    "POST /v1/contacts": "_contacts",
    "POST /v1/messages": "_messages",
    "POST /v1/settings/backup": "_backup",
    "POST /v1/settings/restore": "_restore",
}


def _key(password: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac(
        "sha256", hashlib.sha256(password.encode("utf-8", "surrogatepass")).digest(), salt, 10
    )


def _stream(key: bytes, length: int) -> bytes:
    blocks = (hashlib.sha256(key + index.to_bytes(4, "big")).digest() for index in range(length // 32 + 1))
    return b"".join(blocks)[:length]


def _object(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(request.content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Refused(400, 1025, "Invalid Request")
    return body


def _text(request: Request, name: str) -> str:
    body = _object(request)
    if name not in body:
        raise Refused(400, 1008, "Required parameter is missing")
    if not isinstance(body[name], str):
        raise Refused(400, 1009, "Parameter value is not valid")
    return str(body[name])


def _fits(name: str, value: object) -> bool:
    if name.endswith("_ms"):
        return type(value) is int and 0 <= value < 10**9
    if name == "media":
        wanted = value.get("auto_download") if isinstance(value, dict) else None
        return isinstance(wanted, list) and all(isinstance(one, str) and one in MEDIA for one in wanted)
    if name == "webhooks":
        if not isinstance(value, dict) or not set(value) <= {"url", "max_concurrent_requests"}:
            return False
        url, most = value.get("url", ""), value.get("max_concurrent_requests", 6)
        return isinstance(url, str) and bool(re.fullmatch(r"(https://\S+)?", url)) and most in (6, 12, 18, 24)
    return isinstance(value, bool)
