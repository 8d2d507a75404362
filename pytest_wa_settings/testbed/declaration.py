"""From a run's options to the testbed that they declare: one client by its address, or those of a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pytest_wa_settings.testbed.address import Declared
from pytest_wa_settings.testbed.base import Settings
from pytest_wa_settings.testbed.clientsfile import load_clients
from pytest_wa_settings.testbed.declared import DeclaredTestbed
from pytest_wa_settings.testbed.entry import MAX_RESTORES, Entry, name_of
from pytest_wa_settings.testbed.errors import UsageError


def declared_by_url(address: Declared, settings: Settings) -> DeclaredTestbed:
    """The testbed of one client, given by its address and the run's options."""
    entry = Entry(
        name=name_of(address.url),
        url=address.url,
        admin=settings.admin or "admin",
        admin_password=settings.admin_password,
        ca=settings.ca,
        verify=not settings.insecure,
        timeout=settings.timeout,
        ready_timeout=settings.ready_timeout,
        profile=settings.profile,
        may_restore=settings.allow_restore,
        may_change=settings.allow_restore,
        max_restores=settings.max_restores or MAX_RESTORES,
        restart=settings.restart_command,
        webhook=settings.webhook,
    )
    return DeclaredTestbed(entry.name, address.url, _withholding([entry]), settings)


def testbed_names(config: Path, settings: Settings) -> tuple[str, ...]:
    """The testbeds that a clients' file declares, in its order; raises UsageError."""
    entries = load_clients(config, settings)
    return tuple(dict.fromkeys(entry.testbed or config.stem for entry in entries))


def declared_by_file(settings: Settings) -> DeclaredTestbed:
    """The testbed that a clients' file declares, or the one of them that the settings choose."""
    assert settings.config is not None
    entries = load_clients(settings.config, settings)
    names = list(dict.fromkeys(entry.testbed or settings.config.stem for entry in entries))
    name = settings.testbed or names[0]
    if name not in names or (settings.testbed is None and len(names) > 1):
        raise UsageError(
            f"{settings.config} declares the testbeds {', '.join(names)}, and one run certifies one",
            "give each testbed a file of its own",
        )
    mine = [entry for entry in _withholding(entries) if (entry.testbed or settings.config.stem) == name]
    return DeclaredTestbed(name, str(settings.config), mine, settings)


def _withholding(entries: list[Entry]) -> list[Entry]:
    """The entries, each with the secrets of all of them as what its commands do not get."""
    secrets = frozenset(secret for entry in entries for secret in entry.secrets)
    return [replace(entry, withheld=secrets) for entry in entries]
