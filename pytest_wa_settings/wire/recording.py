"""Makes the answer of a request and puts its redacted exchange on record, whatever came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .limits import Failure
from .parsing import parse_json
from .recorder import Recorder
from .redaction import secrets_in
from .values import Answer, Exchange

RawHeaders = Sequence[tuple[bytes, bytes]]
Reply = tuple[int | None, RawHeaders, bytes]


@dataclass(frozen=True, repr=False)
class Sent:
    """A request as it goes on record: `text` is its redacted body, `secrets` what its body holds of them."""

    method: str
    path: str
    url: str
    headers: RawHeaders
    text: str
    secrets: Sequence[str] = ()
    raw: bool = False


@dataclass(frozen=True)
class Recording:
    """Where the exchanges of one client go on record."""

    recorder: Recorder
    client: str
    curl_options: tuple[str, ...]

    def keep(self, sent: Sent, ask: Callable[[], Reply]) -> Answer:
        """The answer that `ask` gets, or that says why it raised Failure; both are recorded."""
        number = self.recorder.next_number()
        started = time.time()
        clock = time.perf_counter()
        failure: Failure | None = None
        try:
            status, headers, content = ask()
        except Failure as caught:
            failure, status, headers, content = caught, caught.status, caught.headers, b""
        seconds = time.perf_counter() - clock
        self.recorder.received(len(content))
        texts = tuple((_text(name), _text(value)) for name, value in headers)
        parsed = parse_json(content)
        for secret in secrets_in(parsed):
            self.recorder.add_volatile_secret(secret)
        redact = self.recorder.redact
        exchange = Exchange(
            number=number,
            client=self.client,
            method=sent.method,
            url=redact.url(sent.url),
            request_headers=redact.headers((_text(name), _text(value)) for name, value in sent.headers),
            request_body=sent.text,
            status=status,
            response_headers=redact.headers(texts),
            response_body=redact.body(content, _content_type(texts), parsed, sent.secrets),
            failure=failure.text if failure else None,
            started=started,
            seconds=seconds,
            curl_options=self.curl_options,
            raw=sent.raw,
        )
        self.recorder.add(exchange)
        return _answer(sent, texts, content, parsed, failure, exchange)


def _answer(
    sent: Sent,
    headers: tuple[tuple[str, str], ...],
    content: bytes,
    parsed: Any,
    failure: Failure | None,
    exchange: Exchange,
) -> Answer:
    answer = Answer(
        method=sent.method,
        path=sent.path,
        status=exchange.status,
        headers=headers,
        content=content,
        failure=exchange.failure,
        seconds=exchange.seconds,
        exchange=exchange,
        failure_kind=failure.kind if failure else None,
        explanation=failure.explanation if failure else None,
    )
    # Parsed once: the cached property finds it there.
    answer.__dict__["body"] = parsed
    return answer


def _content_type(headers: tuple[tuple[str, str], ...]) -> str:
    return next((value for name, value in headers if name.lower() == "content-type"), "")


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
