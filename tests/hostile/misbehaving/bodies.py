"""Clients whose answers are no JSON that anyone can use, or are meant to hurt who reads or prints them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property

from .core import Core, Reply, Request
from .stage import Stage, always, hostile, plain

UNTESTED = r"^inconclusive: \d+ of \d+ MUST clauses are not tested"
UNREADABLE = r"its login gives no token"
ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\u202e\u2028"


class Rewriting(Core):
    """Does everything right, then rewrites the bytes of each answer."""

    def __init__(self, rewrite: Callable[[bytes], bytes]) -> None:
        super().__init__()
        self.rewrite = rewrite

    def answer(self, request: Request) -> Reply | None:
        reply = super().answer(request)
        if reply is not None and reply.headers.get("Content-Type") == "application/json":
            reply.content = self.rewrite(reply.content)
        return reply


def but_login(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Leaves the login's answer as it is."""
    return lambda content: content if b'"users": [{"token"' in content else change(content)


@hostile("it sends a web page")
def html_with_200(stage: Stage) -> str:
    """A login page for everything."""
    page = b"<!doctype html><html><head><title>Sign in</title></head><body>Please sign in</body></html>"
    return stage.raw(always(plain(page, kind="text/html")))


@hostile(UNREADABLE)
def empty_200(stage: Stage) -> str:
    """200 and nothing."""
    return stage.raw(always(plain(b"")))


@hostile(UNREADABLE)
def a_bare_204(stage: Stage) -> str:
    """204 for everything."""
    return stage.raw(always(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"))


@hostile(UNREADABLE)
def invalid_utf8(stage: Stage) -> str:
    """Bytes that are no UTF-8 in every text."""
    return stage.production(Rewriting(lambda content: content.replace(b'": "', b'": "\xff\xfe\xc0')))


@hostile("BACKUP-1 fails")
def invalid_utf8_after_the_login(stage: Stage) -> str:
    """The same, but the login's answer is good."""
    return stage.production(
        Rewriting(but_login(lambda content: content.replace(b'": "', b'": "\xff\xfe\xc0')))
    )


@hostile(UNREADABLE)
def utf16(stage: Stage) -> str:
    """UTF-16 with its mark."""
    return stage.production(Rewriting(lambda content: content.decode().encode("utf-16")))


@hostile(UNTESTED, never_passes=())
def byte_order_mark(stage: Stage) -> str:
    """A byte order mark before every answer."""
    return stage.production(Rewriting(lambda content: b"\xef\xbb\xbf" + content))


@hostile(UNREADABLE)
def nested_deep(stage: Stage) -> str:
    """JSON nested 100,000 deep."""
    return stage.raw(always(plain(b"[" * 100_000 + b"]" * 100_000)))


@hostile("BACKUP-1 fails")
def nested_deep_after_the_login(stage: Stage) -> str:
    """The same, but the login's answer is good."""
    return stage.production(Rewriting(but_login(lambda _: b'{"settings":' * 100_000 + b"1" + b"}" * 100_000)))


@hostile(r"BACKUP-1 fails .*HTTP 200")
def numbers_beyond_a_double(stage: Stage) -> str:
    """1e999999, and whole numbers of 10,000 digits, where codes and texts belong."""
    big = b"9" * 10_000
    bodies = b'{"errors": [{"code": %s, "title": 1e999999}], "settings": {"data": -1e999999}}' % big
    return stage.production(Rewriting(but_login(lambda _: bodies)))


@hostile("BACKUP-1 fails")
def not_a_number(stage: Stage) -> str:
    """NaN and Infinity, which JSON does not have."""
    body = b'{"settings": {"data": NaN, "application": NaN}, "health": Infinity, "errors": [{"code": NaN}]}'
    return stage.production(Rewriting(but_login(lambda _: body)))


@hostile(UNTESTED, never_passes=())
def duplicate_members(stage: Stage) -> str:
    """Every member twice, the first one wrong."""

    def double(content: bytes) -> bytes:
        body = json.loads(content)
        if not isinstance(body, dict):
            return content
        members = [f"{json.dumps(name)}: null, {json.dumps(name)}: {json.dumps(body[name])}" for name in body]
        return ("{" + ", ".join(members) + "}").encode()

    return stage.production(Rewriting(double))


@hostile("BACKUP-1 fails")
def arrays_for_objects(stage: Stage) -> str:
    """Every object is a list of pairs."""

    def turn(content: bytes) -> bytes:
        return json.dumps(json.loads(content, object_pairs_hook=list)).encode()

    return stage.production(Rewriting(but_login(turn)))


class Scribbling(Core):
    """Puts a text wherever an answer has one, and refuses every backup."""

    def __init__(self, text: str, *, escaped: bool) -> None:
        super().__init__()
        self.text, self.escaped = text, escaped

    def answer(self, request: Request) -> Reply | None:
        reply = super().answer(request)
        if request.path == "/v1/users/login" or reply is None or request.path.endswith("photo"):
            return reply
        readable = request.path in ("/v1/health", "/v1/settings/application", "/v1/support")
        status = 200 if readable and reply.status == 200 else 500
        return Reply(
            status, self.contents[status], {"Content-Type": "application/json", "X-Text": "caf\udce9"}
        )

    @cached_property
    def contents(self) -> dict[int, bytes]:
        """The bodies, made once: they are long."""
        bodies: dict[int, object] = {
            200: {
                "health": {"gateway_status": "connected", self.text: self.text},
                "settings": {"application": {self.text: self.text, "wa_id": self.text}},
                "support": {"debug_info": self.text},
                "meta": {"version": self.text},
            },
            500: {"errors": [{"code": 1000, "title": self.text, "details": self.text, "href": self.text}]},
        }
        return {
            status: json.dumps(body, ensure_ascii=self.escaped).encode("utf-8", "surrogatepass")
            for status, body in bodies.items()
        }


@hostile(r"BACKUP-1 fails .*HTTP 500")
def terminal_escapes(stage: Stage) -> str:
    """Titles, versions and states that clear the screen, set the window's title and turn the text round."""
    return stage.production(Scribbling(ESCAPES, escaped=False))


@hostile(r"BACKUP-1 fails .*HTTP 500")
def lone_surrogates(stage: Stage) -> str:
    """Texts that no encoding can write down."""
    return stage.production(Scribbling("\ud800 and \udfff", escaped=True))


@hostile(r"BACKUP-1 fails .*HTTP 500", whole=True, limit=60)
def endless_texts(stage: Stage) -> str:
    """A title, a version and a state of two million characters each."""
    return stage.production(Scribbling("x" * 2_000_000, escaped=True))


@hostile(r"BACKUP-1 fails .*HTTP 500")
def markup_in_texts(stage: Stage) -> str:
    """Titles that are scripts, and the end of an XML section."""
    return stage.production(Scribbling("<script>alert(1)</script>]]>&lol;\x00\x0b\ufffe", escaped=True))
