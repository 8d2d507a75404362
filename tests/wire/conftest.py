"""The fixtures of the wire's tests."""

from __future__ import annotations

from wire_fixtures import authority, drive, recorder, scripted, serve

__all__ = ["authority", "drive", "recorder", "scripted", "serve"]
