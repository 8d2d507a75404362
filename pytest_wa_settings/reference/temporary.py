"""The reference's temporary folder: held as long as it is used, so that what a kill leaves is known as dead.

The sign is a file `.lock` in it that somebody holds by flock; `wa-settings clean` removes folders whose file
nobody holds, and leaves those alone that have none.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path

_LOCK = ".lock"


class Temporary:
    """A folder of random name and mode 0700."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="wa-reference-"))
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._lock = os.open(self.path / _LOCK, flags, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def keep(self) -> None:
        """Leaves the folder for later: nobody may take it for a dead one."""
        with contextlib.suppress(FileNotFoundError):
            (self.path / _LOCK).unlink()
