"""The backup and restore endpoints."""

from __future__ import annotations

from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.fields import required, string
from pytest_wa_settings.reference.http import NOTHING, Call, Operation, Reply


class Backups:
    """Takes the calls of an admin to the coreapp."""

    def __init__(self, coreapp: Coreapp) -> None:
        self.coreapp = coreapp

    def operations(self) -> list[Operation]:
        """What this room answers."""
        return [
            Operation("POST", "/v1/settings/backup", "admin", self.backup),
            Operation("POST", "/v1/settings/restore", "admin", self.restore),
        ]

    async def backup(self, call: Call) -> Reply:
        """The encrypted state."""
        password = required(call.object(), "password", string)
        return Reply({"settings": {"data": await self.coreapp.backup(password)}})

    async def restore(self, call: Call) -> Reply:
        """Put a backup in the place of the state; an app that stops does so once the answer is out."""
        body = call.object()
        password, data = required(body, "password", string), required(body, "data", string)
        await self.coreapp.restore(password, data)
        if not self.coreapp.stopped:
            return Reply(NOTHING)
        return Reply(NOTHING, headers=(("connection", "close"),), after=self.coreapp.leave)
