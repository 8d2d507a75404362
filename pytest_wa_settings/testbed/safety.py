"""The safety backup of a declared client: taken before changes, kept in a file, restored at the end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_wa_settings.api.resources import RESTORE
from pytest_wa_settings.testbed.errors import NotBack, Unavailable
from pytest_wa_settings.wire import Answer

if TYPE_CHECKING:
    from pytest_wa_settings.testbed.client import Client

_FOLDER = "wa-settings"


@dataclass(frozen=True)
class SafetyBackup:
    """A client's state before the run, and the 0600 file in which it and its password also stand."""

    path: Path
    url: str
    curl_options: tuple[str, ...] = ()
    password: str = field(default="", repr=False)
    data: str = field(default="", repr=False)

    def put_back(self, client: Client, reads_as_before: Callable[[], bool]) -> None:
        """Restores it, brings the client back and sees that it serves; raises Unavailable.

        Where a gateway answered, and the client neither stops nor `reads_as_before`, it is restored again.
        """

        def restore() -> Answer:
            answer = client.retry.call(
                f"POST {RESTORE}",
                lambda: client.noted(client.driver.restore(self.password, self.data, fresh=True)),
                repeatable=False,
            )
            answers.append(answer)
            return answer

        def was_carried_out() -> bool | None:
            if not answers[-1].from_gateway or client.wait_down(client.stop_grace()):
                return True
            return reads_as_before() if client.wait_serving() else None

        answers: list[Answer] = []
        change = client.change(restore, was_carried_out)
        answer = change.answer
        if answer.from_gateway and not change.made:
            raise Unavailable(
                f"{client.name} got no safety backup: a gateway answered in its place (status "
                f"{answer.status})",
                self.command(),
            )
        if answer.answered and not answer.ok:
            raise Unavailable(
                f"{client.name} refused its own safety backup (status {answer.status})", self.command()
            )
        if client.pending is None:
            raise Unavailable(f"{client.name} cannot be reached ({answer.failure})", self.command())
        try:
            client.come_back(expect_registered=True)
        except NotBack as error:
            raise Unavailable(
                f"{client.name} took its safety backup, but {error.problem}", error.remedy
            ) from None

    def remove(self) -> None:
        """Removes the file, and the folder of such files when it was the last."""
        with contextlib.suppress(OSError):
            self.path.unlink()
            if self.path.parent.name == _FOLDER:
                self.path.parent.rmdir()

    def last_words(self, name: str, why: str) -> list[str]:
        """Lines for the terminal when the client could not be put back."""
        return [
            f"{name} could not be put back as it was before the run: {why}",
            f"its state before the run, and the password to it, are in {self.path}",
            "to put it back, with an administrator's token in WA_TOKEN:",
            f"  {self.command()}",
        ]

    def command(self) -> str:
        """A shell line that restores it; it holds no secret."""
        program = (
            "import json,sys; f=json.load(open(sys.argv[1])); "
            "print(json.dumps({k: f[k] for k in ('password', 'data')}))"
        )
        read = shlex.join([sys.executable, "-c", program, str(self.path)])
        curl = shlex.join(
            ["curl", *self.curl_options, "-H", "Content-Type: application/json", "--data-binary", "@-"]
        )
        url = shlex.quote(f"{self.url}/v1/settings/restore")
        return f'{read} | {curl} -H "Authorization: Bearer $WA_TOKEN" {url}'


def take_safety_backup(client: Client) -> SafetyBackup:
    """A backup of the client as it is, written to a file first; raises Unavailable."""
    password = "aA1!" + secrets.token_urlsafe(24)
    client.driver.recorder.add_secret(password)
    answer = client.backup(password)
    for _ in range(2):
        # One that has just gone down and come back, or broke once, gets another chance.
        if answer.ok or (answer.answered and (answer.status or 0) < 500) or not client.wait_serving():
            break
        answer = client.backup(password)
    data = answer.data
    if not answer.ok or not data:
        came = answer.failure or f"status {answer.status}"
        raise Unavailable(
            f"no safety backup of {client.name} could be taken ({came}), so nothing is restored on it",
            "see that backup works on it",
        )
    client.driver.recorder.add_secret_of_client(data)
    url = client.driver.base_url
    path = _write(client.name, {"client": client.name, "url": url, "password": password, "data": data})
    return SafetyBackup(path, url, client.driver.tls.curl_options(), password, data)


def safety_folder() -> Path:
    """Where safety backups are kept: in the user's state folder. It need not be there yet."""
    home = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    folder = Path(home) / _FOLDER
    return folder if folder.is_absolute() else Path(tempfile.gettempdir())


def _made_folder() -> Path:
    """The folder for safety backups, made if need be; the one for temporary files where it cannot be."""
    folder = safety_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    except OSError:
        pass
    return Path(tempfile.gettempdir())


@contextlib.contextmanager
def _removed_if_broken_off(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def _write(name: str, content: dict[str, str]) -> Path:
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-.")[:40] or "client"
    now = time.strftime("%Y%m%d-%H%M%S")
    path = _made_folder() / f"wa-backup-{plain}-{now}-{secrets.token_hex(3)}.json"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with _removed_if_broken_off(path), os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({**content, "taken": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}, file)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise Unavailable(
            f"no safety backup can be written to {path.parent} ({error.strerror}), so nothing is restored",
            "give XDG_STATE_HOME a folder that can be written",
        ) from None
    return path
