"""Temporary folders of a run, made so that `wa-settings clean` can tell whether they are still used."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

try:
    import fcntl
except ImportError:  # a system without: nothing is removed there
    fcntl = None  # type: ignore[assignment]

PREFIXES = ("wa-settings-", "wa-reference-")
LOCK = ".lock"
"""A file in each such folder, held (flock) by whoever uses it: held by nobody, the folder is dead."""
_NEW = os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class Scratch:
    """A folder of random name, mode 0700, in the system's temporary one; it is held until it is closed.

    Attributes:
        path: the folder.
        lock: the open file by which it is held; a child that uses the folder may inherit it.
    """

    def __init__(self, what: str = "") -> None:
        self.path = Path(tempfile.mkdtemp(prefix=f"wa-settings-{what}"))
        self.lock = os.open(self.path / LOCK, os.O_RDWR | _NEW, 0o600)
        if fcntl is not None:
            fcntl.flock(self.lock, fcntl.LOCK_SH)

    def close(self) -> None:
        """Removes the folder with all that is in it; safe to call twice."""
        if self.lock < 0:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)
        self.lock = -1

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class Swept:
    """How many folders of dead runs were removed, how many are in use, and why others could not go."""

    removed: int
    in_use: int
    failed: tuple[str, ...]


def sweep(folder: Path | None = None) -> Swept:
    """Removes the temporary folders that this user's dead runs left in `folder` (the system's temporary one).

    Only a folder of a run's name with a lock file that nobody holds: no journal, no report and no state that
    was kept on purpose has one. Links are not followed.
    """
    removed = in_use = 0
    failed: list[str] = []
    place = folder or Path(tempfile.gettempdir())
    for path in _mine(place):
        with _unused(path) as unused:
            if unused is None:
                continue
            if not unused:
                in_use += 1
                continue
            try:
                shutil.rmtree(path)
                removed += 1
            except OSError as error:
                failed.append(f"{path} cannot be removed ({error.strerror})")
    return Swept(removed, in_use, tuple(failed))


def _mine(place: Path) -> list[Path]:
    if fcntl is None:
        return []
    found = []
    with contextlib.suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIXES) and entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_uid == os.getuid():
                        found.append(Path(entry.path))
    return sorted(found)


@contextlib.contextmanager
def _unused(path: Path) -> Iterator[bool | None]:
    """Whether nobody uses a folder, which is held meanwhile; None where it has no lock file of this user."""
    try:
        handle = os.open(path / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        yield None
        return
    try:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode) or about.st_uid != os.getuid():
            yield None
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
    finally:
        os.close(handle)
