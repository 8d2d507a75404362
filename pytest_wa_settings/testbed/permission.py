"""What the suite may do to one client, enforced where requests leave, below fixtures and users' tests."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_wa_settings.api.effects import Effect, brings_new_password, effect_of
from pytest_wa_settings.testbed.errors import Unavailable
from pytest_wa_settings.testbed.restoring import LET_IT_RESTORE


class NotPermitted(Unavailable):
    """A request that may change a client was not sent, as its owner has not allowed that."""


@dataclass(frozen=True)
class Permission:
    """What its owner allows on the client `name`; `first_login`: a login may bring a new password."""

    name: str
    change: bool = False
    restore: bool = False
    first_login: bool = False

    def effect(self, method: str, path: str, body: bytes) -> Effect:
        """What the request may do; raises NotPermitted where that is not allowed."""
        found = effect_of(method, path)
        if brings_new_password(method, path, body) and not self.first_login:
            found = "changes"
        if found == "restores" and not self.restore:
            raise NotPermitted(
                f"nothing may be restored on {self.name}, so {method} {path} was not sent",
                LET_IT_RESTORE,
            )
        if found == "changes" and not self.change:
            raise NotPermitted(
                f"nothing may be changed on {self.name}, so {method} {path} was not sent",
                "add --wa-allow-restore, or may_change = true to its entry in clients.toml",
            )
        return found
