"""A lock for each declared client, so that two runs do not certify one client at once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from pytest_wa_settings.testbed.errors import TestbedError

_held: dict[str, int] = {}
"""How often this process holds the lock of a digest: two entries of one file may be one number's machines."""


class ClientLock:
    """Held from `take` to `release`, or until the process ends; for runs on one machine.

    `key` is what tells the client from others (its address, its number), `url` how errors call it;
    with `several` this process may take it several times.
    """

    def __init__(self, key: str, url: str, *, several: bool = False) -> None:
        self._url = url
        self._several = several
        self._handle: int | None = None
        self._digest = hashlib.sha256(key.encode()).hexdigest()[:24]
        self._taken = False
        self._path = Path(tempfile.gettempdir()) / f"wa-settings-{self._digest}.lock"

    def take(self) -> None:
        """Takes the lock; raises TestbedError when another run has it, or when none can be had."""
        try:
            import fcntl
        except ImportError:  # a system without: nothing keeps two runs apart there
            return
        if self._several and _held.get(self._digest):
            _held[self._digest] += 1
            self._taken = True
            return
        while self._handle is None:
            handle = self._open()
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
        _held[self._digest] = 1
        self._taken = True

    def release(self) -> None:
        """Gives the lock up and removes its file."""
        if self._taken:
            self._taken = False
            _held[self._digest] -= 1
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
            os.close(handle)

    def _open(self) -> int:
        """The lock's file, made if need be; raises TestbedError."""
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            with contextlib.suppress(FileNotFoundError):
                return os.open(self._path, flags)
            return os.open(self._path, flags | os.O_CREAT, 0o644)
        except OSError as error:
            raise TestbedError(
                f"no lock for {self._url} can be taken at {self._path} ({error.strerror}), so that another "
                "run might use the client at the same time",
                "see that the folder for temporary files can be written, and that nothing else has that name",
            ) from None

    def _is_ours(self, handle: int) -> bool:
        try:
            there, held = self._path.stat(), os.fstat(handle)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)
