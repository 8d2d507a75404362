"""Variants: clients that keep every clause in another way than the clean reference."""

from __future__ import annotations

from importlib import import_module

from pytest_wa_settings.reference.deviations import VARIANTS

MODULES = (
    "answers",
    "data",
    "life",
    "settings",
    "acceptance",
    "shapes",
    "network",
)

for _module in MODULES:
    import_module(f"{__name__}.{_module}")

__all__ = ["MODULES", "VARIANTS"]
