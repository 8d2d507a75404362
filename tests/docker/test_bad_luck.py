"""What is wrong with Docker is one line with cause and remedy, the fault of no client, exit status 1."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from suite import Outcome, owned_by, run

QUICK = ("-k", "backup_without_a_password")


def judged(outcome: Outcome) -> str:
    """The reason of a run in which nothing could be tested."""
    assert outcome.status == 1
    assert outcome.report is not None
    assert outcome.report["verdict"] == "inconclusive"
    assert set(outcome.verdicts("not tested").values()) == {"error"}
    assert "Traceback" not in outcome.terminal
    return str(outcome.clause("BACKUP-1")["reason"])


def test_an_engine_that_is_down(tmp_path: Path) -> None:
    told = judged(run(tmp_path, "docker:", DOCKER_HOST=f"unix://{tmp_path}/none.sock"))
    assert "the Docker engine cannot be reached" in told
    assert "start it" in told


def test_no_docker_at_all(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "env"):
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    told = judged(
        run(tmp_path, "docker:", DOCKER_HOST=f"unix://{tmp_path}/none.sock", PATH=str(tmp_path / "bin"))
    )
    assert "Docker is not installed here" in told
    assert "install Docker" in told


def test_an_image_that_is_nowhere(tmp_path: Path, engine: Any) -> None:
    outcome = run(tmp_path, "docker:image=127.0.0.1%3A1/nowhere%3A1")
    told = judged(outcome)
    assert "the image 127.0.0.1:1/nowhere:1 is not there and cannot be pulled" in told
    assert owned_by(engine, outcome.pid) == []


def test_a_base_that_nothing_can_be_built_on(tmp_path: Path, engine: Any) -> None:
    # an archive with nothing in it: no Python there
    engine.api.import_image_from_data(b"\0" * 10240, "wa-test-empty", "1")
    try:
        told = judged(run(tmp_path, "docker:base-image=wa-test-empty%3A1"))
        assert "the base image wa-test-empty:1 has no Python that runs" in told
        assert "base-image=" in told
    finally:
        engine.images.remove("wa-test-empty:1", force=True)


def test_a_build_that_fails(tmp_path: Path, engine: Any) -> None:
    base = engine.images.get(os.environ.get("WA_BASE_IMAGE", "python:3.12-slim"))
    recipe = f"FROM {base.id}\nRUN rm -rf /usr/lib/python3*/venv /usr/local/lib/python3*/venv\n"
    engine.images.build(fileobj=io.BytesIO(recipe.encode()), tag="wa-test-without-venv:1", rm=True)
    try:
        outcome = run(tmp_path, "docker:base-image=wa-test-without-venv%3A1")
        assert "the reference client's image cannot be built: " in judged(outcome)
        assert owned_by(engine, outcome.pid) == []
    finally:
        engine.images.remove("wa-test-without-venv:1", force=True)


def test_a_container_that_ends_at_once_is_quoted(tmp_path: Path, engine: Any) -> None:
    outcome = run(tmp_path, "docker:mutant=no-such-thing", *QUICK)
    assert "There is no mutant 'no-such-thing'. List them with wa-settings mutants" in judged(outcome)
    assert owned_by(engine, outcome.pid) == []


@pytest.mark.parametrize(
    ("said", "problem", "remedy"),
    [
        ("write /x: no space left on device", "the disk is full", "make room"),
        ("Bind for 127.0.0.1:1 failed: port is already allocated", "a port is taken", "end what uses"),
        ("pull access denied for x", "an image is missing", "check its name"),
    ],
)
def test_what_docker_says_is_understood(said: str, problem: str, remedy: str) -> None:
    from docker.errors import APIError

    from pytest_wa_settings.testbed.box import explained

    error = explained(APIError("500 Server Error", explanation=said), "start a container")
    assert error.problem.startswith(problem)
    assert error.remedy.startswith(remedy)
