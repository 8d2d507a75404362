"""The application settings: every field with its check and default, and their merging."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pytest_wa_settings.reference.errors import invalid, not_needed
from pytest_wa_settings.reference.fields import (
    Check,
    boolean,
    distinct,
    https_url,
    mapping,
    number,
    one_of,
    text,
)
from pytest_wa_settings.reference.options import Version
from pytest_wa_settings.reference.store import Store

MEDIA_KINDS = ("audio", "document", "voice", "video", "image", "sticker")
DAY_MS = 24 * 60 * 60 * 1000
MESSAGE_WEBHOOKS_SINCE: Version = (2, 41, 2)
NO_PASS_THROUGH_SINCE: Version = (2, 35)
UNSET = ""


@dataclass(frozen=True)
class Field:
    """One setting: its dotted path, what it may be, its default (UNSET: not shown), since which version."""

    path: str
    check: Check
    default: Any
    since: Version = ()


FIELDS = (
    Field("callback_persist", boolean, True),
    Field("callback_backoff_delay_ms", number(1, DAY_MS), 3000),
    Field("max_callback_backoff_delay_ms", number(1, DAY_MS), 900000),
    Field("media.auto_download", distinct(one_of(*MEDIA_KINDS), len(MEDIA_KINDS)), list(MEDIA_KINDS)),
    Field("webhooks.url", https_url, UNSET),
    Field("webhooks.max_concurrent_requests", one_of(6, 12, 18, 24), 6),
    Field("webhooks.message.sent", boolean, True, MESSAGE_WEBHOOKS_SINCE),
    Field("webhooks.message.delivered", boolean, True, MESSAGE_WEBHOOKS_SINCE),
    Field("webhooks.message.read", boolean, False, MESSAGE_WEBHOOKS_SINCE),
    Field("pass_through", boolean, True),
    Field("sent_status", boolean, False),
    Field("heartbeat_interval", number(1, 3600), 5),
    Field("unhealthy_interval", number(1, 3600), 30),
    Field("db_garbagecollector_enable", boolean, False),
    Field("garbagecollector_enable.media", boolean, False, (2, 31)),
    Field("garbagecollector_enable.messages", boolean, True, (2, 31)),
    Field("notify_user_change_number", boolean, True),
    Field("show_security_notifications", boolean, True),
    Field("axolotl_context_striping_disabled", boolean, False),
    Field("on_call_pager", text(128), UNSET),
    Field("verbose_logging", boolean, False),
    Field("log_level", one_of("debug", "info", "warning", "error"), "info"),
)


def nest(flat: dict[str, Any]) -> dict[str, Any]:
    """Dotted paths as nested objects."""
    nested: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, last = path.split(".")
        inner = nested
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = value
    return nested


def flatten(nested: dict[str, Any], known: dict[str, Field]) -> dict[str, Any]:
    """A request's nested objects as dotted paths with checked values; what is not known is refused."""
    flat: dict[str, Any] = {}
    groups = {path.rpartition(".")[0] for path in known}

    def walk(prefix: str, members: dict[str, Any]) -> None:
        for name, value in members.items():
            path = f"{prefix}{name}"
            if "." in name:
                raise not_needed([path], "the application settings")
            if path in known:
                flat[path] = known[path].check(path, value)
            elif path in groups:
                walk(f"{path}.", mapping(path, value))
            else:
                raise not_needed([path], "the application settings")

    walk("", nested)
    return flat


class ApplicationSettings:
    """The settings of one client, kept nested as they read; what is not kept has its default."""

    def __init__(self, store: Store, release: Version) -> None:
        self.store = store
        self.release = release
        self.fields = {field.path: field for field in FIELDS if release >= field.since}

    def default(self, field: Field) -> Any:
        """A field's default in this version (from v2.35 messages are no longer passed through)."""
        if field.path == "pass_through":
            return self.release < NO_PASS_THROUGH_SINCE
        return field.default

    def effective(self) -> dict[str, Any]:
        """The settings in force, nested."""
        flat = self._flat(self.store.get("application", {}))
        values = {path: flat.get(path, self.default(field)) for path, field in self.fields.items()}
        return nest({path: value for path, value in values.items() if value != UNSET})

    def _flat(self, nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
        """Nested settings as dotted paths, without a check: they were checked when they were set."""
        flat: dict[str, Any] = {}
        for name, value in nested.items():
            if isinstance(value, dict):
                flat.update(self._flat(value, f"{prefix}{name}."))
            else:
                flat[f"{prefix}{name}"] = value
        return flat

    def change(self, members: dict[str, Any], wa_id: str | None) -> dict[str, Any]:
        """Merge a PATCH: what is absent stays. Returns what was set, as dotted paths."""
        wanted = dict(members)
        if "wa_id" in wanted and wanted.pop("wa_id") != wa_id:
            raise invalid("wa_id", "cannot be changed")
        flat = flatten(wanted, self.fields)
        current = self._flat(self.effective())
        if flat.get("pass_through") and not current["pass_through"] and self.release >= NO_PASS_THROUGH_SINCE:
            raise invalid("pass_through", "cannot be enabled any more")
        if flat:
            self.store.put("application", nest({**current, **flat}))
        return flat

    def reset(self) -> None:
        """Put all settings back to their defaults."""
        self.store.drop("application")

    def wants_status(self, status: str) -> bool:
        """Whether the webhook is to be told that a message reached this status."""
        settings = self.effective()
        wanted = settings["webhooks"].get("message")
        if wanted is not None:
            return bool(wanted.get(status)) or (status == "sent" and bool(settings["sent_status"]))
        return status != "sent" or bool(settings["sent_status"])
