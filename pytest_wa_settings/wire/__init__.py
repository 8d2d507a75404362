"""The wire: HTTP/1.1 with limits, recorded and redacted at the source; it knows no endpoint."""

from .errors import WireError
from .parsing import MISSING, parse_json
from .recorder import Recorder
from .tls import Tls
from .values import ADMIN, NO_TOKEN, UNSET, Answer, Exchange, Token

__all__ = [
    "ADMIN",
    "MISSING",
    "NO_TOKEN",
    "UNSET",
    "Answer",
    "Exchange",
    "Recorder",
    "Tls",
    "Token",
    "WireError",
    "parse_json",
]
