"""A webhook on loopback that takes callbacks, or refuses them for a while."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import trustme


class Webhook:
    """An HTTPS server; `accepting` False answers 500."""

    def __init__(self) -> None:
        self.ca = trustme.CA()
        self.ca_pem = self.ca.cert_pem.bytes()
        self.accepting = True
        self.calls: list[tuple[float, dict[str, Any]]] = []
        self.refused: list[float] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert("127.0.0.1").configure_cert(context)
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.url = f"https://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if webhook.accepting:
                    webhook.calls.append((time.monotonic(), body))
                else:
                    webhook.refused.append(time.monotonic())
                self.send_response(200 if webhook.accepting else 500)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                return

        return Handler

    def statuses(self) -> list[tuple[str, str]]:
        """Message id and status of the reports that came."""
        return [
            (report["id"], report["status"])
            for _, body in list(self.calls)
            for report in body.get("statuses", [])
        ]

    def texts(self) -> list[str]:
        """Texts of the messages that came."""
        return [
            message["text"]["body"] for _, body in list(self.calls) for message in body.get("messages", [])
        ]

    def close(self) -> None:
        """Stop listening."""
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def wait_until(true: Callable[[], bool], seconds: float = 3) -> bool:
    """Whether something came true in time."""
    limit = time.monotonic() + seconds
    while not true():
        if time.monotonic() > limit:
            return False
        time.sleep(0.005)
    return True
