"""Runs a shell line as a reader of a report would: its variables set, the files of the report in place."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from pytest_wa_settings.wire import Exchange
from pytest_wa_settings.wire.curl import FOLDER
from pytest_wa_settings.wire.holes import Body, Hole, distinct

SHELLS = [name for name in ("bash", "dash") if shutil.which(name)]


def no_curl() -> bool:
    """Whether tests that need curl are to be skipped; in CI they fail where it is missing."""
    return shutil.which("curl") is None and "CI" not in os.environ


def filled(body: Body, sent: bytes) -> dict[str, str]:
    """What the variables of `body` hold, so that it is what was sent."""
    pattern = b"".join(b"(.*?)" if isinstance(piece, Hole) else re.escape(piece) for piece in body)
    found = re.fullmatch(pattern, sent, re.DOTALL)
    assert found is not None, "the body on record is another than the one that was sent"
    values = [group.decode("utf-8", "surrogateescape") for group in found.groups()]
    assert len(dict(zip(distinct(body), values, strict=True)).keys()) == len(set(distinct(body)))
    return dict(zip(distinct(body), values, strict=True))


def run_line(
    exchange: Exchange, sent: bytes, folder: Path | None, shell: str = "bash", **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """Runs the line that repeats an exchange whose body was `sent`; what it prints begins with the status."""
    again = exchange.repeat(folder)
    if again.name is not None:
        assert folder is not None
        (folder / FOLDER).mkdir(exist_ok=True)
        (folder / FOLDER / again.name).write_bytes(again.content)
    known = {"WA_TOKEN": "fixed-token", **variables}
    known |= filled(exchange.body, sent) if exchange.body else {}
    lines = [f"{name}={_quoted(value)}" for name, value in known.items()]
    script = "\n".join([*lines, again.line]).encode("utf-8", "surrogateescape")
    assert again.line.isascii()
    assert again.line.isprintable()
    environment = {**os.environ, "http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1"}
    return subprocess.run(
        [shell], input=script, env=environment, check=True, capture_output=True, timeout=30, cwd=folder
    )


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def parts(request: bytes) -> tuple[bytes, dict[str, str], bytes]:
    """First line, headers that say something, and body of a request."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    pairs = (line.decode("latin-1").split(":", 1) for line in lines)
    headers = {name: value.strip() for name, value in pairs}
    skipped = {"host", "user-agent", "accept", "accept-encoding", "connection", "date"}
    return first, {k.lower(): v for k, v in headers.items() if k.lower() not in skipped}, body
