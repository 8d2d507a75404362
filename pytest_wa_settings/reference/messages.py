"""The contacts and messages endpoints."""

from __future__ import annotations

import secrets
from typing import Any

from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.errors import Refusal, invalid, missing, not_found, not_ready
from pytest_wa_settings.reference.fields import (
    array,
    boolean,
    mapping,
    one_of,
    optional,
    required,
    string,
    text,
)
from pytest_wa_settings.reference.http import NOTHING, Call, Operation, Reply

MOST_CONTACTS = 1000
LONGEST_MESSAGE = 4096
ALWAYS_VALID_SINCE = (2, 43)
TYPOGRAPHY = str.maketrans("", "", "+-(). ")


def wa_id(number: str) -> str | None:
    """A phone number as people write it, as the digits that WhatsApp knows; None where it is none."""
    digits = number.translate(TYPOGRAPHY)
    return digits if digits.isascii() and digits.isdigit() and 8 <= len(digits) <= 15 else None


class Messages:
    """Looks contacts up, sends messages, marks them as read."""

    def __init__(self, coreapp: Coreapp) -> None:
        self.coreapp = coreapp
        self.store = coreapp.store

    def operations(self) -> list[Operation]:
        """What this room answers."""
        return [
            Operation("POST", "/v1/contacts", "user", self.look_up),
            Operation("POST", "/v1/messages", "user", self.send),
            Operation("PUT", "/v1/messages/{message}", "user", self.mark),
        ]

    def number(self) -> str:
        """The business's own number; a refusal while there is none."""
        number = self.coreapp.registration.number
        if number is None:
            raise not_ready("The client is not registered.", 409)
        return number

    async def look_up(self, call: Call) -> Reply:
        """The WhatsApp ids of phone numbers."""
        body = call.object()
        inputs = required(body, "contacts", array(text(64), MOST_CONTACTS))
        optional(body, "blocking", one_of("wait", "no_wait"))
        optional(body, "force_check", boolean)
        self.number()
        found = [self.contact(given) for given in inputs]
        self.store.see_contacts([contact["wa_id"] for contact in found if "wa_id" in contact])
        return Reply({"contacts": found})

    def contact(self, given: str) -> dict[str, str]:
        """What is said about one phone number; from v2.43 everything that looks like one counts as valid."""
        known = wa_id(given)
        if known is not None:
            return {"input": given, "status": "valid", "wa_id": known}
        digits = "".join(char for char in given if char in "0123456789")
        if digits and self.coreapp.options.release >= ALWAYS_VALID_SINCE:
            return {"input": given, "status": "valid", "wa_id": digits}
        return {"input": given, "status": "invalid"}

    async def send(self, call: Call) -> Reply:
        """Queue a text message."""
        body = call.object()
        to = wa_id(required(body, "to", string))
        kind = optional(body, "type", string, "text")
        recipient = optional(body, "recipient_type", string, "individual")
        if recipient != "individual":
            raise Refusal(400, 1002, "Messages go to individuals.")
        if kind != "text":
            raise invalid("type", "must be text")
        words = self.words(body)
        own = self.number()
        if to is None:
            raise invalid("to", "is no WhatsApp id")
        if to == own:
            raise Refusal(400, 1021, "The recipient is the sender.")
        return Reply({"messages": [{"id": self.queue(to, words)}]})

    def words(self, body: dict[str, Any]) -> str:
        """The text of a message."""
        content = required(body, "text", mapping)
        if "body" not in content:
            raise missing("text.body")
        words = string("text.body", content["body"])
        if len(words) > LONGEST_MESSAGE:
            raise Refusal(400, 1001, f"A message has {LONGEST_MESSAGE} characters at most.")
        if not words:
            raise invalid("text.body", "is empty")
        return words

    def queue(self, to: str, words: str) -> str:
        """Keep a message for sending; returns its id."""
        key = f"gBGG{secrets.token_hex(14)}"
        with self.store.change():
            self.store.put_message(key, "out", to, {"body": words}, "queued")
            self.coreapp.traffic.post({"kind": "message", "id": key, "to": to, "text": words})
        return key

    async def mark(self, call: Call) -> Reply:
        """Mark an inbound message as read."""
        required(call.object(), "status", one_of("read"))
        self.number()
        key = call.parameters["message"]
        known = self.store.message(key)
        if known is None or known[0] != "in":
            raise not_found("The message")
        with self.store.change():
            self.store.mark_message(key, "read")
            self.coreapp.traffic.post({"kind": "receipt", "id": key, "to": known[1]})
        return Reply(NOTHING)
