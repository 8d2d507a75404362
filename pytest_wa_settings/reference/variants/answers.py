"""Variants of how answers look and travel: other heads, other bodies, other statuses, other speed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from pytest_wa_settings.reference.deviations import variant, variant_of, wrap
from pytest_wa_settings.reference.errors import Refusal
from pytest_wa_settings.reference.http import NOTHING, Reply, Responder
from pytest_wa_settings.reference.variants.transport import alter_bytes
from pytest_wa_settings.reference.webapp import Endpoint

SETTINGS = "/v1/settings/"
NOT_THE_API = frozenset({401, 404, 405, 413, 429})


@variant(success_body="null")
def answers_null() -> None:
    """What has nothing to say answers `null`."""


@variant(success_body="object")
def answers_an_empty_object() -> None:
    """What has nothing to say answers `{}`."""


@variant(success_body="meta")
def answers_meta_alone() -> None:
    """What has nothing to say answers `{"meta": ...}`, as the reference's own sample shows it."""


# Heads.


def _headers(change: Callable[[str], str]) -> None:
    def altered(head: bytes) -> bytes:
        first, *lines = head.decode("latin-1").split("\r\n")
        named = [line.partition(": ") for line in lines]
        return "\r\n".join(
            [first, *(f"{change(name)}{colon}{value}" for name, colon, value in named)]
        ).encode("latin-1")

    alter_bytes(head=altered)


@variant()
def header_names_in_capitals() -> None:
    """Header names are in capitals."""
    _headers(str.upper)


@variant()
def header_names_in_title_case() -> None:
    """Header names begin with capitals."""
    _headers(str.title)


@variant()
def chunked_answers() -> None:
    """Answers have no Content-Length and come in chunks."""

    async def write(clean: Any, responder: Responder, send: Any, *given: Any) -> None:
        async def without_length(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                kept = [(name, value) for name, value in message["headers"] if name != b"content-length"]
                await send({**message, "headers": kept})
                return
            content = message.get("body", b"")
            for at in range(0, len(content), 700):
                await send({**message, "body": content[at : at + 700], "more_body": True})
            await send({**message, "body": b""})

        await clean(responder, without_length, *given)

    wrap(Responder, "write", write)


@variant()
def connections_close_after_each_answer() -> None:
    """Every answer closes its connection."""
    _close_each()


def _close_each() -> None:
    async def write(
        clean: Any, responder: Responder, send: Any, status: int, content: bytes, media: str, headers: Any
    ) -> None:
        kept = [pair for pair in headers if pair[0] != "connection"]
        await clean(responder, send, status, content, media, (*kept, ("connection", "close")))

    wrap(Responder, "write", write)


@variant()
def answers_of_http_1_0() -> None:
    """Answers are of HTTP/1.0, without a length: they end with their connection."""

    def altered(head: bytes) -> bytes:
        first, *lines = head.split(b"\r\n")
        kept = [line for line in lines if not line.lower().startswith(b"content-length:")]
        return b"\r\n".join([first.replace(b"HTTP/1.1", b"HTTP/1.0"), *kept])

    _close_each()
    alter_bytes(head=altered)


@variant()
def answers_in_small_pieces() -> None:
    """Answers come in pieces of 200 bytes."""
    alter_bytes(piece=200)


@variant()
def media_type_with_charset() -> None:
    """JSON is `application/json; charset=utf-8`."""
    _media_type("application/json; charset=utf-8")


@variant()
def media_type_of_text() -> None:
    """JSON is called text/plain: the documentation names no content type of answers."""
    _media_type("text/plain")


def _media_type(wanted: str) -> None:
    async def write(
        clean: Any, responder: Responder, send: Any, status: int, content: bytes, media: str, headers: Any
    ) -> None:
        media = wanted if media == "application/json" else media
        await clean(responder, send, status, content, media, headers)

    wrap(Responder, "write", write)


# Bodies.


def _encoded(encode: Callable[[Any], str]) -> None:
    wrap(Responder, "encode", lambda clean, responder, body: encode(body).encode("utf-8"))


@variant()
def pretty_printed_json() -> None:
    """JSON is indented, with a line end behind it."""
    _encoded(lambda body: json.dumps(body, indent=4, ensure_ascii=False, sort_keys=True) + "\n")


@variant()
def json_in_ascii() -> None:
    """All beyond ASCII is escaped in JSON."""
    _encoded(json.dumps)


@variant()
def integers_as_floats() -> None:
    """Whole numbers are written with a fraction of zero: `3000.0`, `1005.0`."""

    def floated(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: floated(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [floated(inner) for inner in value]
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    _encoded(lambda body: json.dumps(floated(body)))


@variant()
def without_meta() -> None:
    """No answer has `meta`."""

    def success(clean: Any, responder: Responder, payload: Any) -> Any:
        return clean(responder, payload) if payload is NOTHING else payload

    def failure(clean: Any, responder: Responder, refusal: Refusal) -> Any:
        return {name: value for name, value in clean(responder, refusal).items() if name != "meta"}

    wrap(Responder, "success", success)
    wrap(Responder, "failure", failure)


@variant()
def extra_members_everywhere() -> None:
    """Every object has members that no documentation knows, but for those that are named by their keys."""

    def more(value: Any, *, named: bool = False) -> Any:
        if isinstance(value, list):
            return [more(inner) for inner in value]
        if not isinstance(value, dict):
            return value
        found = {name: more(inner, named=name in ("health", "support")) for name, inner in value.items()}
        return found if named else {"x_vendor": {"build": 7, "notes": [None, ""]}, **found, "trace": "a1b2"}

    def success(clean: Any, responder: Responder, payload: Any) -> Any:
        found = clean(responder, payload)
        return found if payload is NOTHING else more(found)

    wrap(Responder, "success", success)
    wrap(Responder, "failure", lambda clean, responder, refusal: more(clean(responder, refusal)))


@variant()
def errors_without_details() -> None:
    """An error has a code and a title, and no details."""

    def failure(clean: Any, responder: Responder, refusal: Refusal) -> Any:
        return {"errors": [{"code": refusal.code, "title": refusal.title}]}

    wrap(Responder, "failure", failure)


@variant()
def errors_with_href_and_a_second_one() -> None:
    """A refusal lists two errors, each with `href`."""

    def failure(clean: Any, responder: Responder, refusal: Refusal) -> Any:
        found = clean(responder, refusal)
        error = {**found["errors"][0], "href": "https://wa-settings.invalid/errors"}
        return {**found, "errors": [error, {**error, "details": "See the first one."}]}

    wrap(Responder, "failure", failure)


@variant()
def empty_401() -> None:
    """A 401 has no body."""
    _empty(401)


def _empty(status: int) -> None:
    async def refuse(clean: Any, responder: Responder, send: Any, refusal: Refusal) -> None:
        if refusal.status != status:
            await clean(responder, send, refusal)
            return
        await responder.write(send, status, b"", "application/json", refusal.headers)

    wrap(Responder, "refuse", refuse)


# Statuses.


def _refused_with(status: int) -> None:
    async def answer(clean: Any, endpoint: Endpoint, scope: Any, receive: Any) -> Reply:
        try:
            reply: Reply = await clean(endpoint, scope, receive)
        except Refusal as refusal:
            if not endpoint.path.startswith(SETTINGS) or refusal.status in NOT_THE_API:
                raise
            raise Refusal(status, refusal.code, refusal.details, headers=refusal.headers) from None
        return reply

    wrap(Endpoint, "answer", answer)


for _status in (400, 403, 409, 412, 422):
    variant_of(
        f"refusals-with-{_status}",
        f"Every refusal under /v1/settings is a {_status}.",
        partial(_refused_with, _status),
    )
variant_of(
    "refusals-with-503",
    "Every refusal under /v1/settings is a 503, which is no judgement before it was asked again.",
    partial(_refused_with, 503),
    also={"ERROR-2": "503 is no 4xx"},
)


@variant()
def users_refused_with_401() -> None:
    """A user that is no admin gets 401 where an admin is needed."""

    async def refuse(clean: Any, responder: Responder, send: Any, refusal: Refusal) -> None:
        if refusal.status == 403 and refusal.code == 1005:
            refusal = Refusal(401, refusal.code, refusal.details)
        await clean(responder, send, refusal)

    wrap(Responder, "refuse", refuse)


# Speed.


def _delayed(seconds: float) -> None:
    async def answer(clean: Any, endpoint: Endpoint, scope: Any, receive: Any) -> Reply:
        await asyncio.sleep(seconds)
        reply: Reply = await clean(endpoint, scope, receive)
        return reply

    wrap(Endpoint, "answer", answer)


@variant(run=("--wa-budget", "120"))
def slow_answers() -> None:
    """Every answer takes 100 ms."""
    _delayed(0.1)


def _limited(every: int) -> None:
    count = [0]

    async def answer(clean: Any, endpoint: Endpoint, scope: Any, receive: Any) -> Reply:
        count[0] += 1
        if count[0] % every == 0:
            raise Refusal(429, 1015, "Too many requests.", headers=(("retry-after", "1"),))
        reply: Reply = await clean(endpoint, scope, receive)
        return reply

    wrap(Endpoint, "answer", answer)


@variant()
def rate_limited() -> None:
    """Every hundredth request is answered 429, with a Retry-After of one second."""
    _limited(100)


class NotPrimaryMaster(Refusal):
    """A refusal with a code that the clean reference, which is one process, never answers."""

    title = "Not Primary Master"


@variant()
def often_not_primary_master() -> None:
    """Every twentieth request under /v1/settings is answered 1017, which asking again cures."""
    count = [0]

    async def answer(clean: Any, endpoint: Endpoint, scope: Any, receive: Any) -> Reply:
        if endpoint.path.startswith(SETTINGS):
            count[0] += 1
            if count[0] % 20 == 0:
                raise NotPrimaryMaster(500, 1017, "Another node is the primary master.")
        reply: Reply = await clean(endpoint, scope, receive)
        return reply

    wrap(Endpoint, "answer", answer)
