"""Messages and callbacks around a migration, told apart by text and by path (BACKUP-7, BACKUP-8).

Texts and paths are this run's alone: contacts keep what an earlier run sent. What a machine must serve is
asked of it by messages that it sends itself, as the network may hand what a contact writes to any machine of
the number.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_wa_settings.api.resources import APPLICATION, WEBHOOK_CA
from pytest_wa_settings.conformance.arrange import plant, until_shown, wait_until
from pytest_wa_settings.conformance.fields import BY_LEAF
from pytest_wa_settings.conformance.snapshots import shown
from pytest_wa_settings.testbed import NotBack

if TYPE_CHECKING:
    from pytest_wa_settings.testbed import Client, Consumer, Receiver
    from pytest_wa_settings.verdicts import Case
    from pytest_wa_settings.wire import Answer

_PAUSE = "application:callback_backoff_delay_ms"
_A_CALLBACK, _A_MESSAGE = "a callback", "a message"
SERVED = (_A_CALLBACK, _A_MESSAGE)
"""What a client that serves does for its business, beside answering."""
_WITHIN = 6.0
"""Seconds for a message or a callback to arrive, before the latency of the testbed is added."""
_STATUSES = ("sent", "delivered", "read")
"""The statuses of which a client can be asked to call back (api 5.1)."""
_MOST_SENT = 3
"""How often a message is sent, each time another one, where no answer comes."""
_PENDING_WITHIN = 0.5
"""Seconds after the first new callback in which a pending one would come."""


@dataclass(frozen=True)
class Sent:
    """A message that the business sent: its text, and the id that its status callbacks name."""

    text: str
    identity: str | None


@dataclass
class Traffic:
    """What was sent and received before a backup, and what came of it on the new machine.

    Attributes:
        consumer: the view of the old machine's contacts; `new_view` that of the new one's, if it is another.
        number: the number of the business, where the old machine shows it.
        path: the webhook path that the backup knows; `other` is the old machine's own, after the backup.
        sent: a message sent, and seen by the contact, before the backup.
        received: text of a message received, and called back, before the backup.
        pending: text (or message id) of a callback that was refused until after the backup.
        no_messages, no_callbacks: why BACKUP-7 or BACKUP-8 cannot be judged; None if they can.
        trusts_late: whether the old machine trusted the receiver's certificate only after one more start.
        held_calls: bodies that came to `path` from the old machine; late_calls: after the restore.
        controlled: when the positive control of callbacks was over.
        sent_copies: how often the contact has the message `sent`, after the restore and one more start.
    """

    contact: str
    consumer: Consumer | None
    webhook: Receiver | None
    limit: float
    path: str
    other: str
    client: Client
    number: str | None = None
    new_view: Consumer | None = None
    sent: Sent | None = None
    received: str | None = None
    pending: str | None = None
    no_messages: str | None = None
    no_callbacks: str | None = None
    trusts_late: bool = False
    held_calls: list[bytes] = field(default_factory=list)
    late_calls: list[bytes] = field(default_factory=list)
    controlled: float | None = None
    sent_copies: int = 0

    @classmethod
    def of(cls, case: Case, old: Client) -> Traffic | None:
        """The traffic of this migration; None where the testbed has neither consumer nor webhook."""
        testbed = case.testbed
        consumer = testbed.consumer_for(old)
        if consumer is None and testbed.webhook is None:
            return None
        contacts = consumer.test_contacts(1) if consumer else list(testbed.contacts[:1])
        if not contacts or not old.may_change:
            return None
        paths = f"/{_unique()}", f"/{_unique()}"
        limit = _WITHIN + 50 * testbed.latency
        return cls(contacts[0], consumer, testbed.webhook, limit, *paths, old, old.number())

    def before_the_backup(self) -> None:
        """Sends and receives, then leaves one callback pending."""
        if self.webhook is None:
            self.no_callbacks = "no webhook: add webhook to clients.toml, or --wa-webhook"
        elif not self._listen(self.client, self.path):
            self.no_callbacks = "the client took no webhook address of the suite's"
        else:
            self._ask_for_short_pauses()
        self.sent = self.send(self.client)
        if self.sent is None:
            self.no_messages = "the client sent no message to the test contact"
        if self.no_callbacks is None:
            self._receive_and_pend()

    def _ask_for_short_pauses(self) -> None:
        """Sets the pause between tries of a callback to its shortest, so that what is pending comes soon."""
        before = shown(self.client, "application")
        now = before.values.get(_PAUSE)
        if now is not None:
            shortest = BY_LEAF[_PAUSE].low
            wanted: dict[str, object] = {_PAUSE: str(shortest) if isinstance(now, str) else shortest}
            if plant(self.client, wanted):
                until_shown(self.client, wanted, before)

    def _receive_and_pend(self) -> None:
        assert self.webhook is not None
        if not (self._receives() or (self._starts_to_trust() and self._receives())):
            self.no_callbacks = "no callback reached the suite's receiver before the backup"
            if self.webhook.ca_pem and not self.client.can_restart:
                self.no_callbacks += " (a client may need a restart to trust its certificate: add restart)"
            self.received = None
            return
        self.webhook.hold(self.path)
        self.pending = next(
            filter(None, (self._pend(cause) for cause in (self._write, self._own_status))), None
        )
        if self.pending is None:
            self.no_callbacks = "no callback could be left pending before the backup"

    def _pend(self, cause: Callable[[], str | None]) -> str | None:
        """What stands in a callback that was caused, and came while its path was held; None if none came."""
        text = cause()
        return text if text is not None and self._called(self.path, text) else None

    def _own_status(self) -> str | None:
        sent = self.send(self.client, wait=False)
        return sent.identity if sent else None

    def _receives(self) -> bool:
        """Whether a message from the contact, or else one to it, is called back."""
        received = self._write()
        if received is not None and self._called(self.path, received):
            self.received = received
            return True
        control = (self.sent.identity or self._own_status()) if self.sent else None
        return control is not None and self._called(self.path, control)

    def _starts_to_trust(self) -> bool:
        """Starts the old machine again, which may be what it needs to trust the receiver (api 5.2)."""
        assert self.webhook is not None
        if not self.webhook.ca_pem or not self.client.can_restart:
            return False
        try:
            self.client.restart()
        except NotBack:
            return False
        self.trusts_late = True
        self.sent = self.send(self.client) or self.sent
        return True

    def pending_came(self) -> bool:
        """Whether the new machine delivered what was pending before the backup.

        Of a message sent, that is a status that had been pending: a later one is the new machine's own.
        """
        pending = self.pending
        if pending is None:
            return False
        held = set().union(*(statuses_of(body, pending) for body in self.held_calls))
        return any(
            pending.encode() in body and not statuses_of(body, pending) - held for body in self.late_calls
        )

    def after_the_backup(self) -> None:
        """Tells the machines apart: the old one is stopped, or delivers what it has left elsewhere first."""
        if self.webhook is None or self.no_callbacks:
            return
        if self.client.managed:
            self.client.kill()
        else:
            self._listen(self.client, self.other)
            self.webhook.release(self.path)
            pending = self.pending or ""
            delivered = wait_until(
                lambda: self._has(self.other, pending) or self._has(self.path, pending, answered=True),
                3 * self.limit,
            )
            if not delivered:
                self.no_callbacks = (
                    "the old machine did not deliver its own pending callback, so it might come later"
                )
        self.held_calls = [call.body for call in self.webhook.calls(self.path)]
        self.webhook.release(self.path)
        self.webhook.clear(self.path)

    def on_the_new_machine(self, new: Client, view: Consumer | None) -> dict[str, bool]:
        """The positive control; says of messages and callbacks whether they are served.

        Of what the old machine did not serve either, nothing is said; nor of callbacks where a start comes
        first, with which `after_a_start` goes on.
        """
        self.new_view = view if view is not self.consumer else None
        served = {}
        if self._waits_for_a_start(new):
            self._listen(new, self.path)
        elif self.webhook is not None and self.no_callbacks is None:
            came = self._control(new)
            if came or self.sent:
                served[_A_CALLBACK] = came
        if self.sent and self.consumer:
            served[_A_MESSAGE] = self.send(new) is not None
        return served

    def after_a_start(self, new: Client) -> None:
        """Callbacks of a new machine that had to be started again first; none where it had not."""
        if self._waits_for_a_start(new):
            self._control(new)

    def _waits_for_a_start(self, new: Client) -> bool:
        """Whether the new machine may need a start first, as the old one did in this run or before it."""
        webhook = self.webhook
        return (
            webhook is not None
            and self.no_callbacks is None
            and new.can_restart
            and (self.trusts_late or (webhook.certificate_given and bool(webhook.ca_pem)))
        )

    def _control(self, new: Client) -> bool:
        """Whether a new callback comes."""
        came = self._calls_back(new)
        self.controlled = time.monotonic()
        if not came:
            self.no_callbacks = "no new callback arrived from the new machine either"
        return came

    def look_later(self) -> None:
        """Waits a moment, which began with the positive control, for what must not come."""
        if self.webhook is not None and self.controlled is not None:
            wait_until(self._pending_came, self.controlled + _PENDING_WITHIN - time.monotonic())
        if self.sent and self.consumer:
            self.sent_copies = self.copies(self.sent.text)

    def _pending_came(self) -> bool:
        assert self.webhook is not None
        self.late_calls = [call.body for call in self.webhook.calls(self.path)]
        return self.pending_came()

    def serves(self, new: Client, what: str) -> bool:
        """Whether the new machine serves one of SERVED now."""
        return self._calls_back(new) if what == _A_CALLBACK else self.send(new) is not None

    def _calls_back(self, new: Client) -> bool:
        """Whether the new machine calls back the status of a message that it is given just now.

        Where the old one sent no message, it is asked by what a contact writes, which another may take.
        """
        self._listen(new, self.path)
        if self.sent is None:
            text = self._write()
            return text is not None and self._called(self.path, text)
        sent = self.send(new, wait=False)
        return sent is not None and sent.identity is not None and self._called(self.path, sent.identity)

    def _listen(self, client: Client, path: str) -> bool:
        assert self.webhook is not None
        certificate = self.webhook.ca_pem.encode()
        if certificate:
            give_certificate(client, certificate)
        url = self.webhook.url(path)
        # statuses may be switched off, and those of its own messages are what it is asked for
        for status in _STATUSES:
            leaf = f"application:webhooks.message.{status}"
            if shown(client, APPLICATION.name).values.get(leaf) is False:
                plant(client, {leaf: True})

        def is_there() -> bool | None:
            return shown(client, APPLICATION.name).values.get("application:webhooks.url") == url

        body = {"webhooks": {"url": url}}
        return client.change(
            lambda: client.ask(APPLICATION.method, APPLICATION.path, json=body), is_there
        ).made

    def send(self, client: Client, *, wait: bool = True) -> Sent | None:
        """A message to the contact; None if it was refused, or if the contact did not get it in time.

        Where no answer came, it counts if it arrives; else another one is sent, so that none is there twice.
        Without `wait` its id is wanted, which only an answer names: then another one is sent in any case.
        """
        client.calls.contacts([f"+{self.contact}"])
        arrived: Sent | None = None
        for _ in range(_MOST_SENT):
            text = _unique()
            answer = client.calls.send_text(self.contact, text)
            if answer.ok:
                lost = wait and self.consumer is not None and not self._arrives(text)
                return None if lost else Sent(text, _identity(answer))
            if answer.answered:
                break
            if self.consumer is not None and self._arrives(text):
                arrived = Sent(text, None)
                if wait:
                    break
        return arrived

    def _arrives(self, text: str) -> bool:
        return wait_until(lambda: self.copies(text) > 0, self.limit)

    def _write(self) -> str | None:
        """A message from the contact to the business: its text, or None where the view cannot write."""
        text = _unique()
        if self.consumer is None or not self.consumer.write(self.contact, text, self.number):
            return None
        return text

    def copies(self, text: str) -> int:
        """How often the contact has a message with this text, in the view that shows it most often."""
        return max(self._copies_in(view, text) for view in (self.consumer, self.new_view) if view is not None)

    def _copies_in(self, view: Consumer, text: str) -> int:
        # a machine may have come to another number, and be judged for that elsewhere
        for number in dict.fromkeys((self.number, None)):
            seen = view.contact(self.contact, number)
            if found := sum(text in str(message.get("text", message)) for message in seen.messages):
                return found
        return 0

    def _called(self, path: str, text: str) -> bool:
        return wait_until(lambda: self._has(path, text), self.limit)

    def _has(self, path: str, text: str, *, answered: bool = False) -> bool:
        assert self.webhook is not None
        calls = self.webhook.calls(path)
        return any(text.encode() in call.body and (call.accepted or not answered) for call in calls)


def _unique() -> str:
    """A text that no other run sends, of 24 characters."""
    return secrets.token_hex(12)


def _identity(answer: Answer) -> str | None:
    """The id of a message, as the answer to it names it (api 4.2)."""
    body = answer.body
    messages = body.get("messages") if isinstance(body, dict) else None
    first = messages[0] if isinstance(messages, list) and messages else None
    identity = first.get("id") if isinstance(first, dict) else None
    return identity if isinstance(identity, str) else None


def give_certificate(client: Client, certificate: bytes) -> bool:
    """Whether the client took an authority for webhooks (api 5.2)."""
    headers = {"Content-Type": "text/plain"}

    def is_there() -> bool | None:
        answer = client.ask("GET", WEBHOOK_CA.path)
        if answer.status == 404:
            return False  # there is none yet
        return answer.content.strip() == certificate.strip() if answer.ok else None

    return client.change(
        lambda: client.ask(WEBHOOK_CA.method, WEBHOOK_CA.path, content=certificate, headers=headers), is_there
    ).made


def statuses_of(body: bytes, identity: str) -> set[str]:
    """The statuses that a callback's body tells of a message (api 4.2); empty where it tells none."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return set()
    listed = told.get("statuses") if isinstance(told, dict) else None
    return {
        str(one.get("status"))
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, dict) and one.get("id") == identity
    }
