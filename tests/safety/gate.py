"""A gate before a client: it forwards all, notices a moment of a run, and lets a fault strike there."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

Act = Literal["change", "restore", "put-back"]
Phase = Literal["before", "inside", "after"]
Way = Literal["as it is", "lost", "504", "401"]
_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length", "date", "server")
_READING = ("GET", "HEAD", "OPTIONS")
_RESTORE = "/v1/settings/restore"


@dataclass(frozen=True)
class Moment:
    """Before an act reaches the client, before its answer reaches the run, or at the exchange after it."""

    act: Act
    phase: Phase

    def __str__(self) -> str:
        return f"{self.phase} a {self.act}"


class Gate:
    """Listens on loopback from the start; `strike` is called once, at the moment.

    What it returns says how the exchange is answered that is under way then: as the client answers it, not at
    all ("lost"), or by a gateway ("504"). `answers` holds for every one from then on; with `wrong_password`
    every restore that puts the client back has a password that is not the backup's.
    """

    def __init__(self, target: str, journals: Path, moment: Moment, strike: Callable[[], Way]) -> None:
        self.struck, self.done = threading.Event(), threading.Event()
        self.answers: Way = "as it is"
        self.wrong_password = False
        self._target = urlsplit(target)
        self._journals, self._moment, self._strike = journals, moment, strike
        self._passed = False
        self._lock = threading.Lock()
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def parse_request(self) -> bool:
                done = super().parse_request()
                self.do_ANY = lambda: gate._exchange(self)
                setattr(self, f"do_{self.command}", self.do_ANY)
                return done

            def log_message(self, *_: object) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                return

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Takes no more connections."""
        self._server.shutdown()
        self._server.server_close()

    def lift(self) -> None:
        """Forwards all from now on."""
        self.answers, self.wrong_password = "as it is", False
        self.struck.set()

    def _exchange(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        act = self._act(handler.command, handler.path)
        way = self._strike_if_due("before", act)
        if way == "as it is" and self.answers == "as it is":
            answer = self._forward(handler, self._as_sent(act, body))
            way = self._strike_if_due("inside", act)
            self._passed = self._passed or act == self._moment.act
        way = self.answers if self.answers != "as it is" else way
        if way == "504":
            answer = 504, [("Content-Type", "text/html")], b"<html>Gateway Time-out</html>"
        elif way == "401":
            refusal = b'{"errors":[{"code":1005,"title":"Access denied","details":"invalid credentials"}]}'
            answer = 401, [("Content-Type", "application/json")], refusal
        elif way == "lost" or answer is None:
            handler.close_connection = True
            return
        self._give(handler, *answer)

    def _act(self, method: str, path: str) -> Act | None:
        if method in _READING or not path.startswith("/v1/settings/") or path.endswith("/backup"):
            return None
        if self._state() == "putting back":
            return "put-back"
        return "restore" if path == _RESTORE else "change"

    def _state(self) -> str:
        for file in self._journals.glob("*.json"):
            with contextlib.suppress(OSError, ValueError):
                return str(json.loads(file.read_text())["state"])
        return ""

    def _strike_if_due(self, phase: Phase, act: Act | None) -> Way:
        with self._lock:
            if self.struck.is_set():
                return "as it is"
            wanted = self._moment
            # after an act is before the exchange that follows it
            due = self._passed if wanted.phase == "after" else act == wanted.act
            if not due or phase != ("inside" if wanted.phase == "inside" else "before"):
                return "as it is"
            self.struck.set()
        try:
            return self._strike()
        finally:
            self.done.set()

    def _as_sent(self, act: Act | None, body: bytes) -> bytes:
        if act == "put-back" and self.wrong_password:
            with contextlib.suppress(ValueError, TypeError):
                content = json.loads(body)
                if "data" in content:
                    return json.dumps({**content, "password": "aA1!not-the-backups"}).encode()
        return body

    def _forward(
        self, handler: BaseHTTPRequestHandler, body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes] | None:
        sent = {name: value for name, value in handler.headers.items() if name.lower() not in _HOP}
        link = http.client.HTTPConnection(self._target.hostname or "", self._target.port, timeout=30)
        try:
            link.request(handler.command, handler.path, body or None, sent)
            answer = link.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            link.close()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
        return answer.status, kept, content

    def _give(
        self, handler: BaseHTTPRequestHandler, status: int, headers: list[tuple[str, str]], body: bytes
    ) -> None:
        with contextlib.suppress(OSError):
            handler.send_response_only(status)
            for name, value in headers:
                handler.send_header(name, value)
            if status not in (204, 304) and status >= 200:
                handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            if handler.command != "HEAD":
                handler.wfile.write(body)
