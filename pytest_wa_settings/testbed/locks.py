"""A lock for each declared client, so that two runs do not certify one client at once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from pytest_wa_settings.testbed.errors import TestbedError


class ClientLock:
    """Held from `take` to `release`, or until the process ends; for runs on one machine."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._handle: int | None = None
        digest = hashlib.sha256(_place(url).encode()).hexdigest()[:24]
        self._path = Path(tempfile.gettempdir()) / f"wa-settings-{digest}.lock"

    def take(self) -> None:
        """Takes the lock; raises TestbedError when another run has it."""
        try:
            import fcntl
        except ImportError:  # a system without: nothing keeps two runs apart there
            return
        while self._handle is None:
            handle = self._open()
            if handle is None:
                return
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(handle)
                raise TestbedError(
                    f"another run is using {self._url}", "wait until it has ended, then run again"
                ) from None
            if self._is_ours(handle):
                self._handle = handle
            else:  # its holder removed the file between our two steps
                os.close(handle)

    def release(self) -> None:
        """Gives the lock up and removes its file."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
            os.close(handle)

    def _open(self) -> int | None:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            return os.open(self._path, flags)
        except FileNotFoundError:
            pass
        except OSError:
            return None
        try:
            return os.open(self._path, flags | os.O_CREAT, 0o644)
        except OSError:
            return None

    def _is_ours(self, handle: int) -> bool:
        try:
            there, held = self._path.stat(), os.fstat(handle)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)


def _place(url: str) -> str:
    """Host, port and path: where the client is, however its address is written."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{(parts.hostname or '').rstrip('.')}:{port}{parts.path.rstrip('/')}"
