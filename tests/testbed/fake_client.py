"""A small client of its own for tests of the testbed: an http.server that misbehaves on demand."""

from __future__ import annotations

import base64
import copy
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ADMIN_PASSWORD = "Right-Password-1"
NUMBER = "15550001111"
Reply = tuple[int, Any, dict[str, str]]


class FakeClient:
    """One client on loopback.

    Attributes:
        after_restore: `stops` until it is started, `blinks` for a moment, or `stays` up.
        scripted: replies to give first, by `METHOD /path`.
        stuck: settings that read so, whatever is set or restored.
        down: every connection is dropped without an answer.
        debug_info: what support says; None where there is no support.
        factory: it has its factory password, and wants another at the first login.
    """

    def __init__(self, *, registered: bool = True, context: ssl.SSLContext | None = None) -> None:
        self.registered = registered
        self.born_registered = registered
        self.status: str | None = None
        self.nodes: dict[str, str] | None = None
        self.password = ADMIN_PASSWORD
        self.factory = False
        self.settings: dict[str, Any] = {"callback_persist": True, "heartbeat_interval": 5}
        self.number: str | None = NUMBER
        self.users: dict[str, str] = {}
        self.tokens: dict[str, str] = {}
        self.after_restore = "stops"
        self.refuses_restores = False
        self.scripted: dict[str, list[Reply]] = {}
        self.seen: list[str] = []
        self.restored: list[str] = []
        self.logins: list[str] = []
        self.stuck: dict[str, Any] = {}
        self.down = False
        self.debug_info: str | None = None
        self._count = 0
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                reply = None if outer.down else outer.reply(self.command, self.path, body, self.headers)
                if reply is None:
                    self.close_connection = True
                    return
                status, value, headers = reply
                content = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                for name, text in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, text)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def start(self) -> None:
        """What the operator does to start it again."""
        self.down = False
        self.tokens.clear()

    def reset(self) -> None:
        """What the operator does to put it back as it was declared."""
        self.start()
        self.registered, self.status = self.born_registered, None
        self.users.clear()

    def reply(self, method: str, path: str, body: bytes, headers: Any) -> Reply | None:
        with self._lock:
            call = f"{method} {path}"
            self.seen.append(call)
            if self.scripted.get(call):
                return self.scripted[call].pop(0)
            if call == "POST /v1/users/login":
                return self._login(headers, json.loads(body or b"{}"))
            name = self.tokens.get(headers.get("Authorization", "").removeprefix("Bearer "))
            if name is None:
                return _error(401, 1005)
            return self._authorized(method, path, json.loads(body or b"{}"))

    def _login(self, headers: Any, body: dict[str, Any]) -> Reply:
        basic = base64.b64decode(headers.get("Authorization", "").removeprefix("Basic ")).decode()
        name, _, password = basic.partition(":")
        self.logins.append(basic)
        if name == "admin" and self.factory:
            if password != "secret" or "new_password" not in body:
                return _error(401, 1024 if password == "secret" else 1005)
            self.factory, self.password = False, body["new_password"]
        elif {"admin": self.password, **self.users}.get(name) != password:
            return _error(401, 1005)
        self._count += 1
        token = f"token-{self._count:05}"
        self.tokens[token] = name
        return 200, {"users": [{"token": token, "expires_after": "2030-01-01 00:00:00+00:00"}]}, {}

    def _authorized(self, method: str, path: str, body: Any) -> Reply | None:
        call = f"{method} {path}"
        if call == "GET /v1/health":
            return 200, {"health": self._health(), "meta": {"version": "v2.57.2"}}, {}
        if call == "GET /v1/support" and self.debug_info is not None:
            return 200, {"support": {"debug_info": self.debug_info}}, {}
        if call == "GET /v1/settings/application":
            extra = {"wa_id": self.number} if self.registered and self.number else {}
            return 200, {"settings": {"application": {**self.settings, **extra, **self.stuck}}}, {}
        if call == "PATCH /v1/settings/application":
            self.settings.update(body)
            return 200, {}, {}
        if call == "POST /v1/users":
            self.users[body["username"]] = body["password"]
            return 201, {"users": [{"username": body["username"]}]}, {}
        if method == "DELETE" and path.startswith("/v1/users/"):
            return (200, {}, {}) if self.users.pop(path.rpartition("/")[2], None) else _error(404, 1014)
        if call == "POST /v1/settings/backup":
            sealed = {"settings": copy.deepcopy(self.settings), "password": body["password"]}
            if not self.registered:
                return _error(400, 1011)
            data = base64.b64encode(json.dumps(sealed).encode()).decode()
            return 200, {"settings": {"data": data}}, {}
        if call == "POST /v1/settings/restore":
            return self._restore(body)
        return _error(404, 1014)

    def _health(self) -> Any:
        if self.nodes is not None:
            return {
                name: {"gateway_status": status, "role": "coreapp"} for name, status in self.nodes.items()
            }
        return {"gateway_status": self.status or ("connected" if self.registered else "unregistered")}

    def _restore(self, body: dict[str, Any]) -> Reply | None:
        sealed = json.loads(base64.b64decode(body["data"]))
        if self.refuses_restores or sealed["password"] != body["password"]:
            return _error(400, 1009)
        self.settings = sealed["settings"]
        self.restored.append(body["password"])
        new_machine, self.registered, self.status = not self.registered, True, None
        if not new_machine and self.after_restore != "stays":
            self.down = True
            if self.after_restore == "blinks":
                threading.Timer(0.1, self.start).start()
        return 200, None, {}


def _error(status: int, code: int) -> Reply:
    return status, {"errors": [{"code": code, "title": "no"}]}, {}


def busy(status: int, times: int, headers: dict[str, str] | None = None) -> list[Reply]:
    """Replies that say *not now*."""
    return [(status, {"errors": [{"code": 1011, "title": "not ready"}]}, headers or {})] * times


def until(condition: Any, seconds: float = 5.0) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
