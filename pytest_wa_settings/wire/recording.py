"""Makes the answer of a request and puts its redacted exchange on record, whatever came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .holes import Body, bytes_body, json_body
from .limits import Failure
from .parsing import MISSING, parse_json
from .recorder import Draft, Recorder
from .redaction import Redactor, secrets_in
from .values import Answer, Exchange

RawHeaders = Sequence[tuple[bytes, bytes]]
Reply = tuple[int | None, RawHeaders, bytes]
# A longer answer is redacted at once, so that nothing else of it need be held.
LONG = 2**16


@dataclass(frozen=True, repr=False)
class Sent:
    """A request as it goes on record: `body` or, of raw bytes, what stands for it; its `secrets` alone.

    `json` is the value that `body` was written from, if there is one; `own` says that the suite made the body
    up, so that all but `secrets` may be shown. `token` is the shell variable that stands for its token.
    """

    method: str
    path: str
    url: str = ""
    headers: RawHeaders = ()
    body: bytes = b""
    secrets: Sequence[str] = ()
    raw: str | None = None
    json: object = MISSING
    own: bool = False
    token: str = "WA_TOKEN"

    def shown(self, redact: Redactor) -> Body | None:
        """The body with holes for secrets and settings; None where it may not be shown."""
        if self.own:
            return bytes_body(self.body, self.secrets)
        if not self.body:
            return ()
        value = parse_json(self.body) if self.json is MISSING else self.json
        if value is MISSING:
            return None
        return json_body(value, redact.shows, redact.member, escaped=self.body.isascii())


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
            self.recorder.add_secret_of_client(secret)
        ours, theirs = self.recorder.redact_sent, self.recorder.redact_answer
        # Not the failure itself, which holds the frames that it went through, and so what had come in.
        told = failure.text if failure else None

        def redacted() -> Exchange:
            return Exchange(
                number=number,
                client=self.client,
                method=sent.method,
                url=ours.url(sent.url),
                request_headers=ours.headers((_text(name), _text(value)) for name, value in sent.headers),
                request_body=ours.content(sent.body, sent.secrets) if sent.raw is None else sent.raw,
                status=status,
                response_headers=theirs.headers(texts),
                response_body=theirs.body(content, _content_type(texts), parsed, sent.secrets),
                failure=told,
                started=started,
                seconds=seconds,
                curl_options=self.curl_options,
                raw=sent.raw is not None,
                body=sent.shown(ours),
                token=sent.token,
            )

        draft = Draft(redacted)
        self.recorder.add(draft)
        if len(sent.body) + len(content) > LONG:
            draft()
        answer = Answer(
            method=sent.method,
            path=sent.path,
            status=status,
            headers=texts,
            content=content,
            failure=told,
            seconds=seconds,
            record=draft,
            failure_kind=failure.kind if failure else None,
            explanation=failure.explanation if failure else None,
        )
        # Parsed once: the cached property finds it there.
        answer.__dict__["body"] = parsed
        if self.recorder.on_answer is not None:
            self.recorder.on_answer(answer, number)
        return answer


def _content_type(headers: tuple[tuple[str, str], ...]) -> str:
    return next((value for name, value in headers if name.lower() == "content-type"), "")


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
