"""The journal of a client that a run changes: on disk before the first change, closed only by proof.

One file a client, in the user's state folder, for its owner's eyes alone (0600). It holds all that can bring
the client back: the readings from before, the safety backup with its password, and what the run was about to
do.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from pytest_wa_settings.testbed.errors import Unavailable, UsageError
from pytest_wa_settings.testbed.identity import Identity
from pytest_wa_settings.testbed.owners import Owner
from pytest_wa_settings.testbed.readings import Readings

FORMAT = "urn:pytest-wa-settings:journal:1"
State = Literal["opened", "changed", "putting back", "put back"]
_FOLDER = "wa-settings"
_NOBODY = "nobody"
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)


@dataclass
class Journal:
    """One client's journal; every change of it is on disk before the call returns.

    Attributes:
        client: what the run calls it. identity: which client it is.
        readings: what was read of it before the first change.
        password, data: of the safety backup; "" where restores were not allowed.
        reach: how it was reached, without a secret: url, ca, config and the like.
        restored: whether a restore was sent to it, or may have been. users: accounts that the suite made.
        moved: whether a restore on another machine may have taken its number.
    """

    path: Path
    client: str
    identity: Identity
    readings: Readings = field(repr=False)
    reach: Mapping[str, Any]
    password: str = field(default="", repr=False)
    data: str = field(default="", repr=False)
    state: State = "opened"
    restored: bool = False
    about_to: str = ""
    users: list[str] = field(default_factory=list)
    run: dict[str, Any] = field(default_factory=dict)
    moved: bool = False

    def enter(self, state: State, about_to: str = "", *, restored: bool = False, moved: bool = False) -> None:
        """Notes what is about to be done, before it is; raises Unavailable where that cannot be written."""
        if state == self.state and (self.restored or not restored) and (self.moved or not moved):
            return
        before = self.state, self.about_to, self.restored, self.moved
        self.state, self.about_to = state, about_to
        self.restored = self.restored or restored
        self.moved = self.moved or moved
        try:
            self.write()
        except Unavailable:  # what is not on disk is not noted, and is tried again
            self.state, self.about_to, self.restored, self.moved = before
            raise

    def add_user(self, name: str) -> None:
        """Notes an account that is about to be made; raises Unavailable where that cannot be written."""
        if name in self.users:
            return
        self.users.append(name)
        try:
            self.write()
        except Unavailable:
            self.users.remove(name)
            raise

    def write(self) -> None:
        """Writes the file, whole or not at all, and sees it on the disk; raises Unavailable."""
        content = {
            "format": FORMAT,
            "state": self.state,
            "client": self.client,
            "identity": self.identity.as_plain(),
            "reach": dict(self.reach),
            "readings": self.readings,
            "password": self.password,
            "data": self.data,
            "restored": self.restored,
            "moved": self.moved,
            "about_to": self.about_to,
            "users": self.users,
            "run": self.run,
        }
        try:
            _write(self.path, json.dumps(content, ensure_ascii=True).encode("ascii"))
        except OSError as error:
            raise Unavailable(
                f"the state of {self.client} before the run cannot be written to {self.path.parent} "
                f"({error.strerror}), so nothing is changed",
                "give XDG_STATE_HOME a folder that can be written",
            ) from None

    def close(self) -> None:
        """Removes the file, as the client is as before; its folder, too, when it was the last."""
        self.state = "put back"
        with contextlib.suppress(OSError):
            self.path.unlink()
        for beside in self.path.parent.glob(f"{self.path.stem}.txt"):
            with contextlib.suppress(OSError):
                beside.unlink()
        with contextlib.suppress(OSError):
            if self.path.parent.name == _FOLDER:
                self.path.parent.rmdir()

    @property
    def is_ours(self) -> bool:
        """Whether this process opened it."""
        return self.run.get("owner") == str(Owner.this())

    def owner_lives(self) -> bool | None:
        """Whether the run that has it goes on; None where that cannot be told from here."""
        if self.is_given_up:
            return False
        owner = Owner.read(str(self.run.get("owner")))
        return None if owner is None else owner.lives()

    @property
    def is_given_up(self) -> bool:
        """Whether its run has said its last words."""
        return self.run.get("owner") == _NOBODY

    def take_over(self) -> None:
        """Makes it this process's, as it puts the client back; raises Unavailable."""
        self.run = {**self.run, **_this_run()}
        self.write()

    def give_up(self) -> None:
        """Leaves it to whoever comes next, although this process goes on."""
        self.run = {**self.run, "owner": _NOBODY}
        with contextlib.suppress(Unavailable):  # then it is free once the process has ended
            self.write()

    def command(self) -> str:
        """The command that puts the client back; it holds no secret."""
        import shlex

        return f"wa-settings recover {shlex.quote(str(self.path))}"

    def summary(self) -> str:
        """The journal in one line."""
        when = self.run.get("started", "an unknown time")
        did = "was restored on" if self.restored else "was changed"
        return f"{self.client} {did} by a run that began at {when} and did not put it back"


def new_journal(client: str, identity: Identity, readings: Readings, reach: Mapping[str, Any]) -> Journal:
    """A journal that is not written yet."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", client).strip("-.")[:40] or "client"
    # all of it: two clients may share a name and a number, and neither may overwrite the other's way back
    digest = hashlib.sha256(json.dumps(identity.as_plain()).encode()).hexdigest()[:8]
    run = {**_this_run(), "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    path = state_folder() / f"{plain}-{digest}.json"
    if path.exists():  # whatever that is, it may be somebody's way back
        path = path.with_name(f"{plain}-{digest}-{secrets.token_hex(4)}.json")
    return Journal(path, client, identity, readings, reach, run=run)


def _this_run() -> dict[str, Any]:
    return {
        "owner": str(Owner.this()),
        "pid": os.getpid(),
        "parent": os.getppid(),
        "host": socket.gethostname(),
    }


def state_folder() -> Path:
    """Where journals stand: in the user's state folder. It need not be there yet."""
    home = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    folder = Path(home) / _FOLDER
    return (
        folder
        if folder.is_absolute()
        else Path(tempfile.gettempdir()) / f"{_FOLDER}-{getattr(os, 'getuid', int)()}"
    )


def journals() -> Iterator[Journal]:
    """The journals in the state folder that are not closed, in order; unreadable files are passed over."""
    with contextlib.suppress(OSError):
        for path in sorted(state_folder().glob("*.json"), key=lambda one: one.name):
            with contextlib.suppress(JournalError):
                journal = read_journal(path)
                if journal.state != "put back":
                    yield journal


class JournalError(UsageError):
    """A file is no journal that can be used."""


def read_journal(path: Path) -> Journal:
    """The journal in a file; raises JournalError."""
    remedy = "name a file from wa-settings recover --list"
    try:
        handle = os.open(path, os.O_RDONLY | _NOFOLLOW)
        with os.fdopen(handle, "rb") as file:
            content = json.loads(file.read())
    except OSError as error:
        raise JournalError(f"{path} cannot be read ({error.strerror})", remedy) from None
    except (ValueError, RecursionError):
        raise JournalError(f"{path} is no journal", remedy) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise JournalError(f"{path} is no journal of this version", remedy)
    try:
        identity = Identity(**{name: content["identity"][name] for name in ("place", "number", "key")})
        journal = Journal(
            path,
            str(content["client"]),
            identity,
            dict(content["readings"]),
            dict(content["reach"]),
            str(content["password"]),
            str(content["data"]),
            content["state"],
            bool(content["restored"]),
            str(content["about_to"]),
            [str(name) for name in content["users"]],
            dict(content["run"]),
            bool(content.get("moved", False)),  # absent before it was noted
        )
    except (KeyError, TypeError, ValueError):
        raise JournalError(f"{path} is damaged", remedy) from None
    if journal.state not in get_args(State):
        raise JournalError(f"{path} is damaged", remedy)
    return journal


def _write(path: Path, content: bytes) -> None:
    """Writes a file by way of another in its folder, both seen to the disk; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def leave_words(journal: Journal, lines: list[str]) -> None:
    """Writes last words beside the journal; failures are passed over, as it is told elsewhere."""
    with contextlib.suppress(OSError):
        _write(journal.path.with_suffix(".txt"), ("\n".join(lines) + "\n").encode("utf-8", "replace"))
