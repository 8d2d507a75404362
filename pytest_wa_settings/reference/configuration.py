"""The application settings and media providers endpoints."""

from __future__ import annotations

from typing import Any

from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.errors import Refusal, invalid, not_found
from pytest_wa_settings.reference.fields import array, mapping, one_of, only, required, text
from pytest_wa_settings.reference.http import NOTHING, Call, Operation, Reply

MOST_PROVIDERS = 64


def provider(name: str, value: object) -> dict[str, Any]:
    """A media provider: a name, the type `www`, and how to log in."""
    body = mapping(name, value)
    only(body, ("name", "type", "config"), "a provider")
    config = mapping("config", body.get("config", {}))
    only(config, ("basic", "bearer"), "a provider's config")
    found: dict[str, Any] = {
        "name": required(body, "name", text(128, 1)),
        "type": required(body, "type", one_of("www")),
        "config": {},
    }
    if "bearer" in config:
        found["config"]["bearer"] = required(config, "bearer", text(2048, 1))
    if "basic" in config:
        basic = mapping("basic", config["basic"])
        only(basic, ("username", "password"), "basic")
        found["config"]["basic"] = {
            "username": required(basic, "username", text(256)),
            "password": required(basic, "password", text(256)),
        }
    if len(found["config"]) > 1:
        raise invalid("config", "must hold basic or bearer, not both")
    return found


class Configuration:
    """Reads and changes how the application behaves."""

    def __init__(self, coreapp: Coreapp) -> None:
        self.coreapp = coreapp
        self.store = coreapp.store

    def operations(self) -> list[Operation]:
        """What this room answers."""
        path = "/v1/settings/application"
        return [
            Operation("GET", path, "admin", self.read),
            Operation("PATCH", path, "admin", self.change),
            Operation("DELETE", path, "admin", self.reset),
            Operation("GET", f"{path}/media/providers", "admin", self.read_providers),
            Operation("POST", f"{path}/media/providers", "admin", self.set_providers),
            Operation("DELETE", f"{path}/media/providers/{{name:path}}", "admin", self.drop_provider),
        ]

    async def read(self, call: Call) -> Reply:
        """All settings in force."""
        settings = self.coreapp.application.effective()
        number = self.coreapp.registration.number
        if number is not None:
            settings["wa_id"] = number
        return Reply({"settings": {"application": settings}})

    async def change(self, call: Call) -> Reply:
        """Change the settings that the body names."""
        changed = self.coreapp.application.change(call.object(), self.coreapp.registration.number)
        if any(path.startswith(("webhooks.", "callback_", "max_callback_")) for path in changed):
            self.coreapp.traffic.webhook_changed()
        return Reply(NOTHING)

    async def reset(self, call: Call) -> Reply:
        """Put all settings back to their defaults."""
        self.coreapp.application.reset()
        return Reply(NOTHING)

    async def read_providers(self, call: Call) -> Reply:
        """The media providers."""
        providers = self.store.get("media_providers", [])
        return Reply({"settings": {"application": {"media": {"providers": providers}}}})

    async def set_providers(self, call: Call) -> Reply:
        """Add media providers, or change those of the same name."""
        body = call.json() if call.body.strip() else None
        if not isinstance(body, list):
            raise Refusal(400, 1009, "The body is not an array.")
        known = {item["name"]: item for item in self.store.get("media_providers", [])}
        for item in array(provider, MOST_PROVIDERS)("providers", body):
            known[item["name"]] = item
        if len(known) > MOST_PROVIDERS:
            raise invalid("providers", f"must have {MOST_PROVIDERS} elements at most")
        self.store.put("media_providers", list(known.values()))
        return Reply(NOTHING)

    async def drop_provider(self, call: Call) -> Reply:
        """Forget a media provider."""
        known = self.store.get("media_providers", [])
        left = [item for item in known if item["name"] != call.parameters["name"]]
        if len(left) == len(known):
            raise not_found("The media provider")
        self.store.put("media_providers", left)
        return Reply(NOTHING)
