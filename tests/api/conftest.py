"""Makes the raw servers of the wire's tests, and drivers for them, usable here too."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "wire"))

from wire_fixtures import drive, recorder, scripted, serve

__all__ = ["drive", "recorder", "scripted", "serve"]
