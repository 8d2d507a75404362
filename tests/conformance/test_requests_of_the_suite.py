"""What the suite sends is valid by the schema of its request, but where a test says that it breaks one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from requests_log import LOG, operations


def test_only_a_test_that_says_so_breaks_the_schema_of_a_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    environment = {**os.environ, LOG: str(log), "PYTHONPATH": str(Path(__file__).parent)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "requests_log",
        "--wa-url",
        "mock:",
        "--wa-examples",
        "3",
    ]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    unsaid = {(one["test"], one["schema"]) for one in lines if one["schema"] not in one["breaks"]}
    assert unsaid == set()
    said = {(one["test"], schema) for one in lines for schema in one["breaks"]}
    assert said == {(one["test"], one["schema"]) for one in lines}


@pytest.mark.parametrize(
    ("schema", "body", "takes"),
    [
        ("backup-request", b'{"password": "x"}', True),
        ("backup-request", b'{"password": 5}', False),
        ("backup-request", b"", False),
        ("restore-request", b'{"password": "x"}', False),
        ("post /v1/users/login", b"", True),
        ("application-settings.json#/$defs/application", b'{"heartbeat_interval": "5"}', False),
        ("application-settings.json#/$defs/application", b'{"heartbeat_interval": 5}', True),
    ],
)
def test_the_log_tells_a_valid_body_from_others(schema: str, body: bytes, takes: bool) -> None:
    (operation,) = [one for one in operations() if one.schema == schema]
    assert operation.takes(body) is takes
