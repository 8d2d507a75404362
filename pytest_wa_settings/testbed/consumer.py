"""The consumer view: what a test contact's phone shows, read over the small HTTP interface of the design."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from pytest_wa_settings.api import Driver
from pytest_wa_settings.api.codes import not_now
from pytest_wa_settings.wire import NO_TOKEN, UNSET, Answer, Recorder, Tls, WireError

_TRIES = 4
_PAUSE = 0.25
_NO_SUCH_ENDPOINT = frozenset({404, 405, 501})


class ConsumerError(Exception):
    """The consumer view does not work: never the client's fault, so the clause is not judged.

    `problem` says what is wrong, `remedy` what to do.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True)
class Notice:
    """A line that a contact's phone shows in the chat with `business`, such as `security_code_changed`."""

    type: str
    business: str
    at: str


@dataclass(frozen=True)
class Contact:
    """What one contact sees: `security_code` is None for a business it does not know (clauses CODE-1 to -4).

    `messages` are those with the business, as the view gives them; inbound ones may be among them.
    """

    security_code: str | None
    security_notifications: bool
    notices: tuple[Notice, ...]
    messages: tuple[dict[str, Any], ...]


class Consumer:
    """The view at `url`, for the test contacts named, or for invented ones where any digits exist."""

    def __init__(
        self,
        url: str,
        *,
        contacts: Sequence[str] = (),
        seed: int = 0,
        timeout: float = 10.0,
        tls: Tls | None = None,
    ) -> None:
        self.url = url
        self._declared = tuple(_digits(contact) for contact in contacts)
        self._rng = random.Random(f"contacts {seed}")
        self._invented: list[str] = []
        self._writes = True
        try:
            self._driver = Driver(url, name="consumer", recorder=Recorder(keep=100), tls=tls, timeout=timeout)
        except WireError as error:
            raise ConsumerError(
                f"the consumer view's address cannot be used: {error.problem}", error.remedy
            ) from None

    def report_to(self, note: Callable[[Answer, int], None]) -> None:
        """Has `note` called with each answer of the view and the number of its exchange."""
        self._driver.recorder.on_answer = note

    def contact(self, wa_id: str, business: str | None) -> Contact:
        """What the contact `wa_id` sees of the `business` number; raises ConsumerError."""
        query = "?" + urlencode({"business": _digits(business)}) if business else ""
        answer = self._ask("GET", _path(wa_id) + query)
        return _contact(answer.body)

    def set_notifications(self, wa_id: str, on: bool) -> None:
        """Switches the contact's security notifications (clause CODE-2); raises ConsumerError."""
        self._ask("PUT", _path(wa_id), {"security_notifications": on})

    def write(self, wa_id: str, text: str, business: str | None) -> bool:
        """Has the contact write `text` to the business; False where the view has no such endpoint."""
        if not self._writes:
            return False
        query = "?" + urlencode({"business": _digits(business)}) if business else ""
        path = f"{_path(wa_id)}/messages{query}"
        answer = self._driver.request("POST", path, json={"text": text}, token=NO_TOKEN, fresh=True)
        if answer.failure is None and answer.status in _NO_SUCH_ENDPOINT:
            self._writes = False
            return False
        if answer.failure is not None or not answer.ok:
            raise _unusable("POST", answer)
        return True

    def test_contacts(self, count: int) -> list[str]:
        """At most `count` contacts to use: the declared ones, else invented numbers; always the same."""
        if self._declared:
            return list(self._declared[:count])
        while len(self._invented) < count:
            # 555-01xx numbers are kept free for fiction in every area code.
            number = f"1{self._rng.randint(200, 989)}55501{self._rng.randint(0, 99):02}"
            if number not in self._invented:
                self._invented.append(number)
        return self._invented[:count]

    def check(self) -> None:
        """Reads one test contact, so that a view that does not work is known before the first test."""
        for wa_id in self.test_contacts(1):
            self.contact(wa_id, None)

    def close(self) -> None:
        """Ends the connection to the view."""
        self._driver.close()

    def _ask(self, method: str, path: str, json: object = UNSET) -> Answer:
        """The 2xx answer to a call that may be repeated; raises ConsumerError after a few tries."""
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(_PAUSE)
            answer = self._driver.request(method, path, json=json, token=NO_TOKEN, repeatable=True)
            if answer.failure is None and answer.ok:
                return answer
            if answer.failure_kind not in ("refused", "closed") and not_now(answer) is None:
                break
        raise _unusable(method, answer)


def _contact(body: object) -> Contact:
    if not isinstance(body, dict):
        raise _misshapen("the answer is no JSON object")
    code = body.get("security_code")
    if "security_code" not in body or not (code is None or isinstance(code, str | int)):
        raise _misshapen("security_code must be a string or null")
    notices, messages = body.get("notices", []), body.get("messages", [])
    for name, entries in (("notices", notices), ("messages", messages)):
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise _misshapen(f"{name} must be an array of objects")
    return Contact(
        security_code=None if code is None else str(code),
        security_notifications=body.get("security_notifications") is True,
        notices=tuple(_notice(entry) for entry in notices),
        messages=tuple(messages),
    )


def _notice(entry: dict[str, Any]) -> Notice:
    kind, business = entry.get("type"), entry.get("business")
    if not isinstance(kind, str) or not isinstance(business, str | int):
        raise _misshapen("a notice must have a type and a business")
    return Notice(kind, str(business), str(entry.get("at", "")))


def _misshapen(what: str) -> ConsumerError:
    return ConsumerError(
        f"the consumer view's answer to GET /contacts/… cannot be read: {what}",
        "answer as the schema consumer-contact says",
    )


def _unusable(method: str, answer: Answer) -> ConsumerError:
    why = answer.explanation or f"it answered {answer.status}"
    return ConsumerError(
        f"the consumer view did not do its part ({method} {answer.exchange.url}): {why}",
        "start the view, or take `consumer` out of the configuration: its clauses are then not tested",
    )


def _path(wa_id: str) -> str:
    return f"/contacts/{quote(_digits(wa_id), safe='')}"


def _digits(number: str | None) -> str:
    return "".join(character for character in number or "" if character in "0123456789")
