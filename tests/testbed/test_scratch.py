"""A run's temporary folders go with it; what a killed one leaves is told from what is still used."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_wa_settings.testbed.scratch import LOCK, Scratch, sweep

HOLD = """
import sys
from pytest_wa_settings.testbed.scratch import Scratch
scratch = Scratch()
print(scratch.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The system's temporary folder of these tests, and of the processes that they start."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def other_process() -> Iterator[subprocess.Popen[str]]:
    """A process that holds a folder; `folder` is its first line."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


def test_a_folder_is_private_and_goes_with_its_user(place: Path) -> None:
    with Scratch("pool-") as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert path.parent == place
        (path / "more").mkdir()
    assert list(place.iterdir()) == []


def test_what_a_living_process_uses_is_spared_until_it_is_killed(
    place: Path, other_process: subprocess.Popen[str]
) -> None:
    assert other_process.stdout is not None
    path = Path(other_process.stdout.readline().strip())
    swept = sweep()
    assert (swept.removed, swept.in_use, path.is_dir()) == (0, 1, True)
    other_process.send_signal(signal.SIGKILL)
    other_process.wait()
    swept = sweep()
    assert (swept.removed, swept.in_use, path.exists()) == (1, 0, False)


def test_a_folder_that_a_child_inherited_is_in_use(place: Path) -> None:
    scratch = Scratch()
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        pass_fds=(scratch.lock,),
    )
    os.close(scratch.lock)
    try:
        assert sweep().in_use == 1
    finally:
        child.communicate()
    assert sweep().removed == 1


def test_only_folders_of_runs_that_have_a_lock_file_go(place: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    for folder in (elsewhere, place / "wa-settings-old", place / "wa-settings", place / "wa-other-1"):
        folder.mkdir()
    (elsewhere / LOCK).touch()
    (elsewhere / "precious").touch()
    (place / "wa-settings" / "client.json").write_text("a journal that is not closed")
    (place / "wa-settings-file").write_text("no folder")
    (place / "wa-settings-link").symlink_to(elsewhere)
    (place / "wa-reference-kept").mkdir()
    (place / "wa-settings-old" / LOCK).symlink_to(elsewhere / LOCK)
    before = sorted(place.rglob("*"))
    assert sweep().removed == 0
    assert sorted(place.rglob("*")) == before
    assert (elsewhere / "precious").exists()


def test_links_in_a_dead_folder_are_not_followed(place: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    dead = place / "wa-settings-dead"
    dead.mkdir()
    (dead / LOCK).touch()
    (dead / "link").symlink_to(precious)
    assert sweep().removed == 1
    assert (precious / "file").exists()


def test_clean_works_without_a_docker_engine(place: Path) -> None:
    dead = place / "wa-reference-dead"
    dead.mkdir()
    (dead / LOCK).touch()
    command = [str(Path(sys.executable).with_name("wa-settings")), "clean"]
    environment = {**os.environ, "DOCKER_HOST": "unix:///nonexistent.sock"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "removed: 1 temporary folders\ncontainers were not looked at: " in done.stdout
    assert not dead.exists()
    done = subprocess.run(
        [*command, "--images"], capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
