"""A gateway in front of one client: own pages, time limits, another try of its own, now and then a lapse.

It answers 502 while nothing listens behind it, and 504 when the client takes longer than the limit (which the
client does not learn of). One call in RATE, drawn with the seed, meets a lapse: a 502 for a call that was not
forwarded, a 504 for one that was (and was carried out), or a 429. A GET that found nobody is tried once more.
"""

import argparse
import html
import http.client
import itertools
import random
import ssl
import threading
import time
import uuid
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MOST = 4 << 20
HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "upgrade",
       "transfer-encoding", "content-length", "expect", "proxy-connection"}
LAPSES = ("lost before", "lost after", "too many")


class Gateway(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    wbufsize = -1  # head and body in one: in two, each answer would wait for a delayed acknowledgement
    disable_nagle_algorithm = True
    options: argparse.Namespace
    numbers = itertools.count(1)

    def log_message(self, *_):
        pass

    def page(self, status, **headers):
        phrase = html.escape(HTTPStatus(status).phrase)
        raw = (f"<html><head><title>{status} {phrase}</title></head><body><h1>{status} {phrase}</h1>"
               f"<hr>gate<br>{self.number}</body></html>\n").encode()
        self.reply(status, [("Content-Type", "text/html"), *headers.items()], raw)

    def reply(self, status, headers, raw):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Via", "1.1 gate")
        self.send_header("X-Request-Id", self.number)
        if status >= 200 and status not in (204, 304):
            self.send_header("Content-Length", str(len(raw)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)
        self.wfile.flush()

    def body(self):
        """The whole body; None if it is too long, ValueError if it is none."""
        kind = self.headers.get("Transfer-Encoding", "").lower()
        lengths = self.headers.get_all("Content-Length", [])
        if kind:
            if kind != "chunked" or lengths:
                raise ValueError(kind)
            raw = b""
            while size := int(self.rfile.readline(40).split(b";")[0], 16):
                if size < 0 or len(raw) + size > MOST:
                    return None
                raw += self.rfile.read(size)
                self.rfile.readline(3)
            while self.rfile.readline(8000).strip():
                pass
            return raw
        if len(set(lengths)) > 1 or not all(one.isascii() and one.isdigit() for one in lengths):
            raise ValueError(lengths)
        length = int(lengths[0]) if lengths else 0
        return self.rfile.read(length) if length <= MOST else None

    def forward(self, raw):
        """(status, headers, body) of the client; OSError or HTTPException if there is none."""
        link = http.client.HTTPConnection("127.0.0.1", self.options.to, timeout=self.options.limit)
        try:
            link.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP:
                    link.putheader(name, value)
            link.putheader("Via", "1.1 gate")
            link.putheader("X-Request-Id", self.number)
            link.putheader("X-Forwarded-For", self.client_address[0])
            link.putheader("Content-Length", str(len(raw)))
            link.endheaders(raw)
            answer = link.getresponse()
            headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP]
            return answer.status, headers, answer.read()
        finally:
            link.close()

    def serve(self):
        self.number = uuid.uuid4().hex
        try:
            raw = self.body()
        except ValueError:
            raw, self.close_connection = None, True
            return self.page(400)
        except OSError:
            self.close_connection = True
            return None
        if raw is None:
            self.close_connection = True
            return self.page(413)
        dice = random.Random(f"{self.options.seed}/{next(self.numbers)}")
        lapse = dice.choice(LAPSES) if self.options.rate and not dice.randrange(self.options.rate) else None
        if lapse == "too many":
            return self.page(429, **{"Retry-After": "1"})
        if lapse == "lost before":
            return self.page(502)
        for tries in (1, 0):
            try:
                status, headers, answer = self.forward(raw)
                return self.page(504) if lapse else self.reply(status, headers, answer)
            except TimeoutError:
                return self.page(504)
            except (ValueError, http.client.InvalidURL):
                return self.page(400)
            except (OSError, http.client.HTTPException):
                if not tries or self.command != "GET":
                    return self.page(502)
                time.sleep(0.05)
        return None

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.serve
        raise AttributeError(name)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    tls = None

    def finish_request(self, request, client_address):
        if self.tls:  # here, in the thread of the connection: nobody waits for a slow handshake of another
            request.settimeout(10)
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--to", type=int, required=True, help="port of the client, plain HTTP on loopback")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--limit", type=float, default=4.0, help="seconds that a client may take")
    parser.add_argument("--rate", type=int, default=40, help="one call in so many meets a lapse; 0: none")
    parser.add_argument("--seed", default="0")
    options = Gateway.options = parser.parse_args()
    server = Server(("127.0.0.1", options.port), Gateway)
    if options.cert:
        server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.tls.load_cert_chain(options.cert, options.key)
    threading.Thread(target=server.serve_forever).start()


if __name__ == "__main__":
    main()
