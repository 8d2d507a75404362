"""What each call may do to a client: the table by which the suite is kept from what it may not do.

Whatever the table does not list counts as a change, so that nothing unknown is sent without permission.
"""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import unquote, urlsplit

from pytest_wa_settings.api.resources import BACKUP, LOGIN, LOGOUT, RESTORE

Effect = Literal["reads", "changes", "restores"]

_SAFE = ("GET", "HEAD", "OPTIONS")
_READS = (BACKUP, LOGIN, LOGOUT)
"""What changes nothing that outlasts it when it is posted; what another method does there is not known.

A backup, a login that brings no new password (see `brings_new_password`), and a logout of the suite's own
token. Messages, lookups of contacts, accounts, settings, certificates, media, registration and everything
else are changes.
"""


def effect_of(method: str, path: str) -> Effect:
    """What a call may do; a path is read as a server may read it (escapes, doubled slashes, letter case)."""
    if method.upper() in _SAFE:
        return "reads"
    plain = _plain(path)
    if plain.endswith(RESTORE):
        return "restores"
    exact = method == "POST" and plain in _READS and path.partition("?")[0] in _READS
    return "reads" if exact else "changes"


def brings_new_password(method: str, path: str, body: bytes) -> bool:
    """Whether a login would change the account's password (api 1.1)."""
    return method.upper() not in _SAFE and _plain(path) == LOGIN and b"new_password" in body


def _plain(path: str) -> str:
    where = unquote(urlsplit(path).path if "://" in path else path.partition("?")[0].partition("#")[0])
    parts: list[str] = []
    for part in re.split(r"/+", where.lower()):
        if part == "..":
            parts[-1:] = []
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)
