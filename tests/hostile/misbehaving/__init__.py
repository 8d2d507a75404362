"""Clients that break: each a small function that starts its servers on a stage and returns their address."""

from . import bodies, certificates, connections, framing, lives, restores, sessions
from .stage import CASES, Case, Stage

__all__ = [
    "CASES",
    "Case",
    "Stage",
    "bodies",
    "certificates",
    "connections",
    "framing",
    "lives",
    "restores",
    "sessions",
]
