"""One HTTP/1.1 connection to a client that may be hostile: every wait has an end, every buffer a limit."""

from __future__ import annotations

import selectors
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, field

import h11

from .limits import (
    MAX_BODY,
    MAX_ERROR_BODY,
    MAX_HEAD,
    MAX_INTERIM,
    Budget,
    Failure,
    broken,
    closed,
    tls_failure,
)
from .sockets import Target, open_socket
from .tls import explain

PIECE = 2**16


@dataclass(repr=False)
class Head:
    """The beginning of an answer; `body` fills up as it arrives."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytearray = field(default_factory=bytearray)


class Connection:
    """A connected socket and the HTTP/1.1 state on it."""

    def __init__(self, target: Target, budget: Budget) -> None:
        self.target = target
        self.last_used = time.monotonic()
        self._broken_off = False
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        self._first = b""
        self._eof = False
        self._sock = open_socket(target, budget)

    def close(self) -> None:
        """Ends the connection; never raises."""
        with suppress(OSError):
            self._sock.close()

    @property
    def peer_certificate(self) -> bytes | None:
        """The other side's certificate (DER); None without TLS."""
        return self._sock.getpeercert(True) if isinstance(self._sock, ssl.SSLSocket) else None

    def reusable(self) -> bool:
        """Whether the last answer left it ready for another request."""
        return self._http.our_state is h11.IDLE

    def alive(self) -> bool:
        """Whether it can carry another request: open, idle, and nothing unasked has come in."""
        if not self.reusable():
            return False
        try:
            self._sock.settimeout(0)
            self._sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def exchange(
        self, method: bytes, target: bytes, headers: list[tuple[bytes, bytes]], content: bytes, budget: Budget
    ) -> Head:
        """Sends one request and returns the whole answer; raises Failure or h11.LocalProtocolError."""
        self._first = b""
        out = self._http.send(h11.Request(method=method, target=target, headers=headers)) or b""
        if content:
            out += self._http.send(h11.Data(data=content)) or b""
        out += self._http.send(h11.EndOfMessage()) or b""
        return self._converse(out, budget)

    def exchange_raw(self, data: bytes, budget: Budget) -> Head:
        """Sends `data` as it is and returns the answer to it; raises Failure."""
        # h11 is only told of a request so that it expects an answer: what goes out is `data` alone.
        method = b"HEAD" if data.startswith(b"HEAD ") else b"POST"
        self._http.send(h11.Request(method=method, target=b"/", headers=[(b"Host", b"raw")]))
        self._http.send(h11.EndOfMessage())
        return self._converse(data, budget)

    def send_only(self, data: bytes, budget: Budget) -> None:
        """Sends `data` without waiting for an answer; what the other side does meanwhile is not looked at."""
        budget.doing = "the request could not be sent"
        try:
            self._sock.settimeout(budget.remaining())
            self._sock.sendall(data)
        except TimeoutError:
            raise budget.over() from None
        except OSError:
            raise closed("while the request was being sent") from None

    def _converse(self, out: bytes, budget: Budget) -> Head:
        budget.doing = "the request could not be sent"
        head: Head | None = None
        try:
            head = self._send(out, budget)
            budget.doing = "connected, but no answer came"
            head = head or self._read_head(budget)
            budget.doing = "an answer began, but did not end"
            self._read_body(head, budget)
        except (Failure, TimeoutError, h11.RemoteProtocolError) as error:
            raise self._failure(error, head, budget) from None
        self._finish()
        return head

    def _failure(self, error: Exception, head: Head | None, budget: Budget) -> Failure:
        if isinstance(error, h11.RemoteProtocolError):
            failure = broken(self._diagnose(error))
        else:
            failure = error if isinstance(error, Failure) else budget.over()
        failure.untouched = not self._first
        if head is not None:
            failure.status, failure.headers = head.status, head.headers
        return failure

    def _finish(self) -> None:
        # Bytes after the answer would be taken for the next one, and the next request for the rest of one
        # that was answered before it was sent (RFC 9112, 9.5): such a connection is not used again.
        if self._broken_off:
            return
        done = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if done and not self._http.trailing_data[0]:
            self._http.start_next_cycle()
        self.last_used = time.monotonic()

    def _send(self, out: bytes, budget: Budget) -> Head | None:
        """Sends `out`, or stops when the answer begins (then returned) or the other side has closed."""
        if len(out) <= PIECE:
            try:
                self._sock.settimeout(budget.remaining())
                self._sock.sendall(out)
            except (TimeoutError, ssl.SSLWantWriteError):
                raise budget.over() from None
            except OSError:
                pass  # an answer may still be waiting to be read
            return None
        view = memoryview(out)
        with selectors.DefaultSelector() as selector:
            selector.register(self._sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
            while view:
                ready = selector.select(budget.remaining())
                mask = ready[0][1] if ready else 0
                if mask & selectors.EVENT_READ and (head := self._peek()) is not None:
                    self._broken_off = True
                    return head
                if self._eof:
                    return None
                if mask & selectors.EVENT_WRITE:
                    try:
                        self._sock.settimeout(0)
                        sent = self._sock.send(view[:PIECE])
                    except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                        time.sleep(0.001)
                        continue
                    except OSError:
                        return None
                    view = view[sent:]
                    budget.moved += sent
        return None

    def _peek(self) -> Head | None:
        """What has come in while a long request is being sent, if the answer has begun."""
        try:
            self._sock.settimeout(0)
            self._feed(self._sock.recv(PIECE))
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        except OSError:
            self._eof = True
            return None
        event = self._http.next_event()
        while isinstance(event, h11.InformationalResponse):
            event = self._http.next_event()
        if isinstance(event, h11.Response):
            return Head(event.status_code, list(event.headers.raw_items()))
        return None

    def _receive(self, budget: Budget) -> None:
        if self._eof:
            raise closed("in the middle of an answer" if self._first else "before any answer came")
        try:
            self._sock.settimeout(budget.remaining())
            data = self._sock.recv(PIECE)
        except TimeoutError:
            raise
        except ssl.SSLError as error:
            # TLS 1.3 refuses a missing client certificate only here, after the handshake.
            if not self._first and "EOF" not in str(error):
                raise tls_failure(explain(error)) from None
            data = b""
        except (OSError, ValueError):
            data = b""
        if not data and not self._first:
            raise closed("before any answer came")
        budget.moved += len(data)
        self._feed(data)

    def _feed(self, data: bytes) -> None:
        if len(self._first) < 64:
            self._first += data[:64]
        self._eof = not data
        self._http.receive_data(data)

    def _read_head(self, budget: Budget) -> Head:
        interim = 0
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Response):
                return Head(event.status_code, list(event.headers.raw_items()))
            if isinstance(event, h11.InformationalResponse):
                interim += 1
                if interim > MAX_INTERIM:
                    raise broken(f"interim answers ({event.status_code}) without a final one")
            elif event is h11.NEED_DATA:
                self._receive(budget)
            else:
                raise broken("it is no HTTP answer")

    def _read_body(self, head: Head, budget: Budget) -> None:
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Data):
                head.body += event.data
                if head.status >= 300 and len(head.body) >= MAX_ERROR_BODY:
                    del head.body[MAX_ERROR_BODY:]
                    return
                if len(head.body) > MAX_BODY:
                    raise broken(f"its body is longer than {MAX_BODY // 2**20} MiB")
            elif event is h11.NEED_DATA:
                self._receive(budget)
            elif isinstance(event, h11.EndOfMessage):
                return
            else:
                raise broken("its body is not framed as HTTP/1.1 asks for")

    def _diagnose(self, error: h11.RemoteProtocolError) -> str:
        if self._first[:1] in (b"\x15", b"\x16") and self._first[1:2] == b"\x03":
            return "it is TLS, not HTTP (is the address https://?)"
        if self._first[:3] == b"\x00\x00\x00" or (
            self._first[3:4] == b"\x04" and self._first[:2] == b"\x00\x00"
        ):
            return "it is HTTP/2, not HTTP/1.1"
        if not self._first.startswith(b"HTTP/"):
            return "it is no HTTP"
        if error.error_status_hint == 431:
            return f"its head or a chunk's head is longer than {MAX_HEAD // 2**10} KiB"
        if "peer closed" in str(error) or self._eof:
            return "the connection closed before its announced end"
        return "it breaks the rules of HTTP/1.1 (malformed head, chunk or length)"
