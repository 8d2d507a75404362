"""The wire: one HTTP driver for the API, which records every exchange and redacts it at the source."""

from .driver import Driver
from .errors import WireError
from .parsing import MISSING
from .recorder import Recorder
from .tls import Tls
from .values import ADMIN, NO_TOKEN, UNSET, Answer, Exchange, Token

__all__ = [
    "ADMIN",
    "MISSING",
    "NO_TOKEN",
    "UNSET",
    "Answer",
    "Driver",
    "Exchange",
    "Recorder",
    "Tls",
    "Token",
    "WireError",
]
