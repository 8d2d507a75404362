"""WhatsApp's side, simulated: who is registered where, contacts, security codes, the relay of messages."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import secrets
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

WA_ID = re.compile(r"[0-9]{8,15}")
KEPT_MESSAGES = 1000


class NetworkRefusal(Exception):
    """What the network does not do, with the HTTP status that says so."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status
        self.problem = problem


@dataclass
class Account:
    """A business number: the session that holds it now, its identity, and what waits for it."""

    number: str
    session: str
    identity: str
    pin: str | None = None
    events: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Contact:
    """A consumer's phone."""

    wa_id: str
    security_notifications: bool = False
    notices: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)


def timestamp() -> str:
    """Now, in UTC, to the microsecond."""
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}Z"


class Network:
    """The network's state and rules. All methods but `wait` return at once."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.secret = secrets.token_hex(16)
        self.accounts: dict[str, Account] = {}
        self.contacts: dict[str, Contact] = {}
        self.codes: dict[str, str] = {}
        # Sequence numbers grow over restarts of the network too: clients remember the last one they took.
        self.sequence = time.time_ns() // 1000
        self.bells: dict[str, asyncio.Event] = {}
        if path is not None and path.exists():
            self._load(json.loads(path.read_text("utf-8")))

    def _load(self, kept: dict[str, Any]) -> None:
        self.secret = kept["secret"]
        self.accounts = {item["number"]: Account(**item) for item in kept["accounts"]}
        self.contacts = {item["wa_id"]: Contact(**item) for item in kept["contacts"]}

    def save(self) -> None:
        """Write the state to its file, whole or not at all; without one it lives as long as the process."""
        if self.path is None:
            return
        kept = {
            "secret": self.secret,
            "accounts": [asdict(account) for account in self.accounts.values()],
            "contacts": [asdict(contact) for contact in self.contacts.values()],
        }
        draft = self.path.with_suffix(f".{secrets.token_hex(8)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with open(handle, "w", encoding="utf-8") as file:
                json.dump(kept, file)
            os.replace(draft, self.path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    # The clients' side.

    def request_code(self, number: str, pin: str | None) -> None:
        """Send a registration code to the number's phone (read it with `code_for`)."""
        account = self.accounts.get(number)
        if account is not None and account.pin is not None and account.pin != pin:
            raise NetworkRefusal(403, "two-step pin missing or wrong")
        self.codes[number] = f"{secrets.randbelow(10**6):06d}"

    def code_for(self, number: str) -> str | None:
        """The code that the number's phone has received."""
        return self.codes.get(number)

    def verify(self, number: str, code: str) -> None:
        """Check a registration code, which is then used up."""
        if self.codes.get(number) != code:
            raise NetworkRefusal(403, "wrong code")
        del self.codes[number]

    def register(self, number: str, session: str, identity: str, pin: str | None) -> None:
        """Give the number to a session; whoever held it before has lost it.

        A new identity gives every contact a new security code, and those who want to know are told, once.
        """
        account = self.accounts.get(number)
        if account is None:
            self.accounts[number] = Account(number, session, identity, pin)
            return
        if account.session == session:
            return
        changed = account.identity != identity
        account.session, account.identity, account.pin = session, identity, pin
        # Reports on messages of the former session are of no use to the new one; unread messages are.
        account.events = [event for event in account.events if event["kind"] == "message"]
        if changed:
            self.tell_contacts(account)
        self.ring(number)

    def tell_contacts(self, account: Account) -> None:
        """Show the notice of a changed code to the contacts that have security notifications on."""
        notice = {"type": "security_code_changed", "business": account.number, "at": timestamp()}
        for contact in self.contacts.values():
            if contact.security_notifications:
                contact.notices.append(notice)

    def attach(self, number: str, session: str, identity: str) -> bool:
        """Whether the session holds the number; a number that this network has never seen is adopted."""
        if number not in self.accounts:
            self.accounts[number] = Account(number, session, identity)
        return self.accounts[number].session == session

    def set_pin(self, number: str, session: str, pin: str | None) -> bool:
        """Switch two-step verification on or off; False when the session has lost the number."""
        account = self.live(number, session)
        if account is None:
            return False
        account.pin = pin
        return True

    def send(self, number: str, session: str, key: str, to: str, text: str) -> bool:
        """Bring a message to a contact and report on it; a message sent again in one session counts once."""
        account = self.live(number, session)
        if account is None:
            return False
        contact = self.contact(to)
        if any(known["id"] == key and known["session"] == session for known in contact.messages):
            return True
        self.keep(contact, key, number, to, text, session)
        for status in ("sent", "delivered", "read"):
            self.queue(account, {"kind": "status", "id": key, "to": to, "status": status})
        self.ring(number)
        return True

    def receipt(self, number: str, session: str, key: str, to: str) -> bool:
        """Show a contact that its message was read."""
        if self.live(number, session) is None:
            return False
        for message in self.contact(to).messages:
            if message["id"] == key:
                message["read"] = True
        return True

    def live(self, number: str, session: str) -> Account | None:
        """The account, if the session holds the number."""
        account = self.accounts.get(number)
        return account if account is not None and account.session == session else None

    def queue(self, account: Account, event: dict[str, Any]) -> None:
        """Let an event wait until the client of the number takes it."""
        self.sequence += 1
        account.events.append({"seq": self.sequence, "at": int(time.time()), **event})

    def take(self, number: str, session: str, after: int) -> list[dict[str, Any]] | None:
        """The events after `after`, forgetting those up to it; None when the session has lost the number."""
        account = self.live(number, session)
        if account is None:
            return None
        account.events = [event for event in account.events if event["seq"] > after]
        return account.events[:100]

    async def wait(
        self, number: str, session: str, after: int, seconds: float
    ) -> list[dict[str, Any]] | None:
        """As `take`, but waits up to `seconds` while there is nothing."""
        deadline = time.monotonic() + seconds
        while True:
            events = self.take(number, session, after)
            left = deadline - time.monotonic()
            if events is None or events or left <= 0:
                return events
            bell = self.bells.setdefault(number, asyncio.Event())
            try:
                await asyncio.wait_for(bell.wait(), left)
            except asyncio.TimeoutError:
                continue

    def ring(self, number: str) -> None:
        """Wake whoever waits for events of the number."""
        bell = self.bells.pop(number, None)
        if bell is not None:
            bell.set()

    # The contacts' side.

    def contact(self, wa_id: str) -> Contact:
        """A contact; any 8 to 15 digits exist from first use."""
        if not WA_ID.fullmatch(wa_id):
            raise NetworkRefusal(404, "a contact is 8 to 15 digits")
        return self.contacts.setdefault(wa_id, Contact(wa_id))

    def keep(self, contact: Contact, key: str, sender: str, to: str, text: str, session: str) -> None:
        """Add a message to a contact's phone, which keeps the latest."""
        message = {"id": key, "from": sender, "to": to, "text": {"body": text}, "timestamp": timestamp()}
        contact.messages.append({**message, "session": session})
        del contact.messages[:-KEPT_MESSAGES]

    def business(self, number: str | None) -> str | None:
        """The business that a question is about: the one named, else the only one there is."""
        if number is not None:
            return number
        return next(iter(self.accounts)) if len(self.accounts) == 1 else None

    def security_code(self, wa_id: str, business: str | None) -> str | None:
        """The 60 digits that a contact compares with the business; None where there is no such business."""
        account = self.accounts.get(business or "")
        if account is None:
            return None
        keys = sorted([account.identity, hashlib.sha256(f"{self.secret}:{wa_id}".encode()).hexdigest()])
        digest = hashlib.sha512(f"{account.number}:{wa_id}:{':'.join(keys)}".encode()).digest()
        return f"{int.from_bytes(digest, 'big') % 10**60:060d}"

    def view(self, wa_id: str, business: str | None) -> dict[str, Any]:
        """What a contact's phone shows of a business."""
        contact, number = self.contact(wa_id), self.business(business)
        about = [m for m in contact.messages if number is None or number in (m["from"], m["to"])]
        return {
            "wa_id": wa_id,
            "security_code": self.security_code(wa_id, number),
            "security_notifications": contact.security_notifications,
            "notices": [n for n in contact.notices if number is None or n["business"] == number],
            "messages": [{k: v for k, v in m.items() if k != "session"} for m in about],
        }

    def set_notifications(self, wa_id: str, wanted: bool) -> None:
        """Switch a contact's security notifications."""
        self.contact(wa_id).security_notifications = wanted

    def write(self, wa_id: str, business: str | None, text: str) -> str:
        """Let a contact write to a business; the message waits until the client takes it."""
        contact, number = self.contact(wa_id), self.business(business)
        account = self.accounts.get(number or "")
        if account is None:
            raise NetworkRefusal(404, "no such business is registered")
        key = f"wamid.{secrets.token_hex(12)}"
        self.keep(contact, key, wa_id, account.number, text, "")
        self.queue(account, {"kind": "message", "id": key, "from": wa_id, "text": text})
        self.ring(account.number)
        return key
