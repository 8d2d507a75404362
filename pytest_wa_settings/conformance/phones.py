"""What contacts' phones show around a restore: security codes and notices (clauses CODE-1 to CODE-4)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pytest_wa_settings.api.versions import version_numbers
from pytest_wa_settings.conformance.arrange import wait_until
from pytest_wa_settings.verdicts import Evidence, Finding, Judgement

if TYPE_CHECKING:
    from pytest_wa_settings.testbed import Client, Consumer
    from pytest_wa_settings.verdicts import Case
    from pytest_wa_settings.wire import Answer

_NOTICE_WITHIN = 5.0
_NO_SECOND_NOTICE_FOR = 0.1
"""Seconds in which no further notice may come, before the latency is added."""


def gives_new_code(version: str | None) -> bool | None:
    """Whether a restore of this version gives contacts a new code (from v2.31.4); None: unknown."""
    numbers = version_numbers(version)
    return None if numbers is None else numbers >= (2, 31, 4)


@dataclass(frozen=True)
class Seen:
    """One contact's view of the business: its code, and how many notices named it."""

    code: str | None
    notices: int


@dataclass
class Phones:
    """Four test contacts of one business: two with security notifications on, two with them off.

    Attributes:
        before, after: what each contact saw, by wa_id.
        told: contacts with notifications on.
    """

    client: Client
    consumer: Consumer
    business: str | None
    told: tuple[str, ...]
    untold: tuple[str, ...]
    limit: float
    before: dict[str, Seen] = field(default_factory=dict)
    after: dict[str, Seen] = field(default_factory=dict)

    @classmethod
    def of(cls, case: Case, client: Client) -> Phones | None:
        """The phones of this client's contacts; None where the testbed has no view of them."""
        consumer, business = case.testbed.consumer_for(client), client.number()
        if consumer is None:
            return None
        contacts = consumer.test_contacts(4)
        half = (len(contacts) + 1) // 2
        told, untold = tuple(contacts[:half]), tuple(contacts[half:])
        for contact in contacts:
            consumer.set_notifications(contact, contact in told)
        limit = _NOTICE_WITHIN + 50 * case.testbed.latency
        return cls(client, consumer, business, told, untold, limit)

    def look(self) -> dict[str, Seen]:
        """What every contact sees now."""
        return {contact: self._seen(contact) for contact in (*self.told, *self.untold)}

    def look_before(self) -> None:
        """Remembers what the contacts see before the restore; a stranger hears of the business first."""
        self.before = self.look()
        strangers = [contact for contact, seen in self.before.items() if not seen.code]
        if strangers and self.client.may_change:
            for contact in strangers:
                self._write_to(contact)
            wait_until(self._all_know, self.limit)

    def _write_to(self, contact: str) -> None:
        """Sends a message that tells a contact of the business."""
        text = "wa-settings: a test of security notifications"
        calls = self.client.calls
        calls.contacts([f"+{contact}"])
        self.client.change(
            lambda: calls.send_text(contact, text), lambda: self._seen(contact).code is not None
        )

    def _all_know(self) -> bool:
        self.before = self.look()
        return all(seen.code for seen in self.before.values())

    def look_after(self, *, restores: int, too_many: bool = True) -> None:
        """Waits for the notices of so many restores and remembers.

        With `too_many` it waits a moment longer, for a notice that must not come.
        """

        def arrived(contact: str, seen: Seen) -> bool:
            earlier = self.before[contact]
            wanted = restores if contact in self.told else 0
            new_code = earlier.code is None or seen.code != earlier.code
            return seen.notices >= earlier.notices + wanted and new_code

        def all_arrived() -> bool:
            self.after = self.look()
            return all(arrived(contact, seen) for contact, seen in self.after.items())

        if restores:
            wait_until(all_arrived, self.limit)
        if too_many:
            self.look_later()

    @contextmanager
    def leaving_out(self) -> Iterator[None]:
        """Leaves the notices out of account that come of what is done within: a backup, say."""
        earlier = self.look()
        yield
        now = self.look()
        self.before = {
            contact: replace(seen, notices=seen.notices + now[contact].notices - earlier[contact].notices)
            for contact, seen in self.before.items()
        }

    def look_later(self, since: float | None = None) -> None:
        """Waits a moment for what must not come, and remembers; the moment may have begun at `since`."""
        gone = 0.0 if since is None else time.monotonic() - since
        quiet = _NO_SECOND_NOTICE_FOR + 5 * self.client.testbed.latency
        time.sleep(max(0.0, quiet - gone))
        self.after = self.look()

    def _seen(self, contact: str) -> Seen:
        view = self.consumer.contact(contact, self.business)
        named = [notice for notice in view.notices if self._is_named(notice.business)]
        return Seen(view.security_code, sum(notice.type == "security_code_changed" for notice in named))

    def _is_named(self, business: str | None) -> bool:
        """Whether a notice names the business; any name will do where its number is not known."""
        return bool(_digits(business)) and (self.business is None or _digits(business) == self.business)


def views_differ(phones: Phones | None, view: Consumer | None) -> str | None:
    """Why the new machine's business cannot be judged by what its contacts see; None where it can.

    Two clients may be declared with views that look at two networks: then one of them does not show this
    business, or shows other codes of it.
    """
    if phones is None or view is None or view is phones.consumer:
        return None
    other = replace(phones, consumer=view).look()
    if all(other[contact].code == seen.code for contact, seen in phones.look().items()):
        return None
    return "the consumer views of the two machines do not agree on this business: they look at two networks"


def new_codes(phones: Phones, answer: Answer, sent: str) -> Judgement:
    """Every contact that saw a code sees another one than before the restore: CODE-1."""
    codes = {contact: seen.code for contact, seen in phones.before.items() if seen.code}
    expected = "every contact sees a new security code"
    same = sum(phones.after[contact].code == code for contact, code in codes.items())
    if same:
        observed = f"{same} of {len(codes)} contacts see the code from before the restore"
        return Finding("CODE-1", sent, expected, observed, (answer,))
    gone = sum(not phones.after[contact].code for contact in codes)
    if gone:
        return Finding(
            "CODE-1", sent, expected, f"{gone} of {len(codes)} contacts see no code at all", (answer,)
        )
    control = f"{len(codes)} contacts saw a code before"
    missing = None if codes else "no contact saw a code before the restore"
    return Evidence("CODE-1", "new codes", len(codes), control=control, missing=missing)


def _digits(text: str | None) -> str:
    return "".join(character for character in text or "" if character.isdigit())
