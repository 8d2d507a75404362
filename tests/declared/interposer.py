"""A relay before a client that counts requests, so that a test can act at the n-th one of a run."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable

_REQUEST = re.compile(rb"(GET|POST|PUT|PATCH|DELETE) /")


class Interposer:
    """Relays bytes between a run and `port`; `at` is called with each request's number, before it goes on."""

    def __init__(self, port: int, at: Callable[[int, bytes], None]) -> None:
        self.count = 0
        self._target = port
        self._at = at
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Takes no more connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                there, _ = self._listener.accept()
            except OSError:
                return
            try:
                back = socket.create_connection(("127.0.0.1", self._target), 5)
                back.settimeout(None)
            except OSError:
                there.close()  # as near to "refused" as a relay can be
                continue
            for one, other, counted in ((there, back, True), (back, there, False)):
                threading.Thread(target=self._relay, args=(one, other, counted), daemon=True).start()

    def _relay(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                if counted and _REQUEST.match(chunk):
                    with self._lock:
                        self.count += 1
                        number = self.count
                    self._at(number, chunk)
                target.sendall(chunk)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()
