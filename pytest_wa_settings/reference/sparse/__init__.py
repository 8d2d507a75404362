"""Sparse clients: they keep the documentation and show less than the clean reference."""

from __future__ import annotations

from importlib import import_module

from pytest_wa_settings.reference.deviations import SPARSE

MODULES = (
    "resources",
    "answers",
    "surroundings",
    "combined",
)

for _module in MODULES:
    import_module(f"{__name__}.{_module}")

__all__ = ["MODULES", "SPARSE"]
