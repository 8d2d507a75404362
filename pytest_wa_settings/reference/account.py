"""The account endpoints: registration by code, shards, two-step verification."""

from __future__ import annotations

import base64
import binascii

from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.errors import Refusal, invalid, missing, not_ready
from pytest_wa_settings.reference.fields import digits, number, one_of, optional, required, string
from pytest_wa_settings.reference.http import NOTHING, Call, Operation, Reply
from pytest_wa_settings.reference.link import LinkDown, LinkRefused

SHARDS = (1, 2, 4, 8, 16, 32)
CERT_SINCE = (2, 45)


def vname(name: str, value: object) -> str:
    """The verified name in a certificate: its readable part."""
    try:
        raw = base64.b64decode(string(name, value).encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise invalid(name, "is not base64") from None
    if not raw:
        raise invalid(name, "is empty")
    return raw.decode("utf-8", "ignore")[:128]


def unreachable() -> Refusal:
    """The refusal of what needs the network while it does not answer."""
    return Refusal(503, 1016, "WhatsApp does not answer.", headers=(("retry-after", "1"),))


class Account:
    """The registration of one client."""

    def __init__(self, coreapp: Coreapp) -> None:
        self.coreapp = coreapp
        self.store = coreapp.store

    def operations(self) -> list[Operation]:
        """What this room answers."""
        return [
            Operation("POST", "/v1/account", "admin", self.request_code),
            Operation("POST", "/v1/account/verify", "admin", self.verify),
            Operation("GET", "/v1/account/shards", "admin", self.read_shards),
            Operation("POST", "/v1/account/shards", "admin", self.set_shards),
            Operation("POST", "/v1/settings/account/two-step", "admin", self.set_pin),
            Operation("DELETE", "/v1/settings/account/two-step", "admin", self.drop_pin),
        ]

    async def request_code(self, call: Call) -> Reply:
        """Have a code sent to the number (202), unless it is registered here already (201)."""
        body = call.object()
        wanted = required(body, "cc", digits(1, 3)) + required(body, "phone_number", digits(4, 14))
        required(body, "method", one_of("sms", "voice"))
        name = required(body, "cert", vname)
        pin = optional(body, "pin", digits(6, 6))
        if not 8 <= len(wanted) <= 15:
            raise invalid("phone_number", "makes no number of 8 to 15 digits")
        if self.coreapp.status() == "connected" and self.coreapp.registration.number == wanted:
            return Reply({"account": [{"vname": name}]}, status=201)
        try:
            await self.coreapp.link.request_code(wanted, pin)
        except LinkRefused:
            raise missing("pin") if pin is None else invalid("pin", "is wrong") from None
        except LinkDown:
            raise unreachable() from None
        self.store.put("registering", {"number": wanted, "vname": name, "pin": pin})
        return Reply({"account": [{"vname": name}]}, status=202)

    async def verify(self, call: Call) -> Reply:
        """Register with the code."""
        code = required(call.object(), "code", digits(6, 6))
        pending = self.store.get("registering")
        if pending is None:
            raise not_ready("Request a code first.", 409)
        try:
            await self.coreapp.link.verify(pending["number"], code)
        except LinkRefused:
            raise invalid("code", "is wrong") from None
        except LinkDown:
            raise unreachable() from None
        await self.coreapp.register(pending["number"], pending["vname"], pending["pin"])
        return Reply(NOTHING, status=201)

    async def read_shards(self, call: Call) -> Reply:
        """The number of shards."""
        return Reply({"account": {"shards": self.coreapp.shards}})

    async def set_shards(self, call: Call) -> Reply:
        """Change the number of shards of a multiconnect setup."""
        body = call.object()
        wanted = required(body, "cc", digits(1, 3)) + required(body, "phone_number", digits(4, 14))
        shards = required(body, "shards", number(1, max(SHARDS)))
        if shards not in SHARDS:
            raise invalid("shards", f"must be one of {', '.join(map(str, SHARDS))}")
        if self.coreapp.options.release >= CERT_SINCE:
            required(body, "cert", vname)
        optional(body, "pin", digits(6, 6))
        if not self.coreapp.options.multiconnect:
            raise Refusal(400, 1025, "A single instance has no shards to set.")
        if self.coreapp.registration.number is None:
            raise not_ready("The client is not registered.", 409)
        if wanted != self.coreapp.registration.number:
            raise invalid("phone_number", "is not the registered number")
        async with self.coreapp.lock:
            self.coreapp.assert_running()
            self.store.put("shards", shards)
        return Reply(NOTHING, status=201)

    async def set_pin(self, call: Call) -> Reply:
        """Switch two-step verification on."""
        await self._change_pin(required(call.object(), "pin", digits(6, 6)))
        return Reply(NOTHING)

    async def drop_pin(self, call: Call) -> Reply:
        """Switch two-step verification off."""
        await self._change_pin(None)
        return Reply(NOTHING)

    async def _change_pin(self, pin: str | None) -> None:
        async with self.coreapp.lock:
            self.coreapp.assert_running()
            seat = self.coreapp.registration.seat()
            if seat is None:
                raise not_ready("The client is not registered.", 409)
            try:
                live = await self.coreapp.link.set_pin(seat, pin)
            except (LinkDown, LinkRefused):
                raise unreachable() from None
            if not live:
                raise not_ready("The number is registered on another machine.", 409)
            if pin is None:
                self.store.drop("two_step")
            else:
                self.store.put("two_step", pin)
