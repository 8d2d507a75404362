"""Mutants: clients that break one clause each, by an honest mistake; in the order of the catalog."""

from __future__ import annotations

from importlib import import_module

from pytest_wa_settings.reference.deviations import MUTANTS

MODULES = (
    "access",
    "logouts",
    "backup",
    "sealing",
    "contents",
    "passwords",
    "damage",
    "restore",
    "choosing",
    "roundtrip",
    "newmachines",
    "life",
    "shards",
    "codes",
    "refusals",
    "robustness",
)

for _module in MODULES:
    import_module(f"{__name__}.{_module}")

__all__ = ["MODULES", "MUTANTS"]
