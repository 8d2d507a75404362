"""Makes the testbed's settings from the options."""

from __future__ import annotations

from collections.abc import Callable

from pytest_wa_settings.session.options import Options
from pytest_wa_settings.testbed import Settings


def settings_of(options: Options, say: Callable[[str], None]) -> Settings:
    """What the testbed needs to know; options that were not given keep its own defaults."""
    names = (
        "url", "config", "admin", "admin_password", "ca", "insecure", "timeout", "ready_timeout", "profile",
        "allow_restore", "max_restores", "restart_command", "webhook", "seed", "check",
    )  # fmt: skip
    given = {name: getattr(options, name) for name in names}
    return Settings(say=say, **{name: value for name, value in given.items() if value is not None})
