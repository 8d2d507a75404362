"""One container, and what Docker says of it in words that a user can act on."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import requests
from docker import errors

from pytest_wa_settings.testbed.errors import TestbedError

_LOG_LINES, _LOG_CHARACTERS = 60, 3500


class EngineError(TestbedError):
    """Docker cannot do what it was asked."""


def explained(error: Exception, doing: str) -> EngineError:
    """What went wrong while `doing` ("to start a container", say) as one line and what to do about it."""
    text = told(error)
    low = text.lower()
    if "no space left" in low:
        return EngineError(
            f"the disk is full: Docker could not {doing}", "make room, with `docker system prune` for one"
        )
    if "port is already allocated" in low or "address already in use" in low:
        return EngineError(
            f"a port is taken: Docker could not {doing} ({text})", "end what uses the port, then run again"
        )
    if "address pool" in low:
        return EngineError(
            "Docker has no addresses left for another network", "remove unused ones: `docker network prune`"
        )
    if isinstance(error, errors.ImageNotFound) or "pull access denied" in low or "no such image" in low:
        return EngineError(
            f"an image is missing: Docker could not {doing} ({text})", "check its name, or load it"
        )
    if isinstance(error, requests.exceptions.RequestException):
        return EngineError(
            f"Docker does not answer any more: it could not {doing}", "look at the engine's log"
        )
    return EngineError(f"Docker could not {doing}: {text}", "look at the engine's log")


def told(error: Exception) -> str:
    """What Docker itself says, on one line."""
    text = getattr(error, "explanation", None) or str(error)
    lines = str(text).strip().splitlines() or [type(error).__name__]
    return lines[-1].strip()[:300]


def last_line(log: str | bytes) -> str:
    """The last line of what a container wrote, cut to a readable length; empty without one."""
    text = log if isinstance(log, str) else log.decode("utf-8", "replace")
    lines = text.strip().splitlines()
    return lines[-1].strip()[:300] if lines else ""


FAULTS = (errors.DockerException, requests.exceptions.RequestException)


@dataclass(frozen=True)
class Seen:
    """A container at one look: when it was last started, in ns, and the host's port for each of its own."""

    running: bool
    started: int
    ports: Mapping[str, int] = field(default_factory=dict)


class Box:
    """One container, from its start to its removal."""

    def __init__(self, api: Any, name: str, ident: str) -> None:
        self._api = api
        self.name = name
        self.id = ident

    def look(self) -> Seen:
        """How it is now."""
        try:
            found = self._api.inspect_container(self.id)
        except errors.NotFound:
            return Seen(running=False, started=0)
        except FAULTS as error:
            raise explained(error, f"look at {self.name}") from None
        state = found["State"]
        bound = found["NetworkSettings"]["Ports"] or {}
        ports = {inner: int(outer[0]["HostPort"]) for inner, outer in bound.items() if outer}
        # While the policy waits to start it again, Docker calls it running, too.
        running = bool(state["Running"]) and not state["Restarting"]
        return Seen(running, _nanoseconds(state["StartedAt"]), ports)

    def kill(self) -> None:
        """Ends it by SIGKILL; no policy starts it again."""
        try:
            self._api.kill(self.id)
        except FAULTS as error:
            if not in_conflict(error):
                raise explained(error, f"kill {self.name}") from None

    def restart(self) -> None:
        """Starts it again, ending it first if it runs."""
        try:
            self._api.restart(self.id, timeout=0)
        except FAULTS as error:
            raise explained(error, f"start {self.name} again") from None

    def log(self) -> str:
        """The last lines that it wrote, at most 3,500 characters."""
        try:
            text = self._api.logs(self.id, tail=_LOG_LINES).decode("utf-8", "replace")
        except FAULTS:
            return ""
        cut: str = text[-_LOG_CHARACTERS:]
        return cut if len(cut) == len(text) else cut.partition("\n")[2]

    def file(self, path: str) -> bytes | None:
        """What a file in it holds, or None while it is not there."""
        try:
            pieces, _ = self._api.get_archive(self.id, path)
            with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
                content = archive.extractfile(archive.next() or "")
                return None if content is None else content.read()
        except errors.NotFound:
            return None
        except FAULTS as error:
            raise explained(error, f"read a file of {self.name}") from None

    def remove(self) -> None:
        """Ends it and removes it, with the volumes that have no name."""
        try:
            self._api.remove_container(self.id, force=True, v=True)
        except FAULTS as error:
            if not in_conflict(error):
                raise explained(error, f"remove {self.name}") from None


def in_conflict(error: Exception) -> bool:
    """Whether it is so already: gone, not running, or being removed by somebody else."""
    return isinstance(error, errors.APIError) and error.status_code in (404, 409)


def _nanoseconds(text: str) -> int:
    """A time of Docker's, such as 2026-11-24T12:00:00.123456789Z, since the epoch."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = datetime.strptime(whole[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc).timestamp()
    digits = "".join(char for char in fraction if char.isdigit())[:9]
    return int(seconds) * 10**9 + int(digits.ljust(9, "0"))
