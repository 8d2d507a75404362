"""What the README shows is true: its own test passes, its options are all, its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from pytest_wa_settings.session.options import TABLE
from pytest_wa_settings.testbed import Settings
from pytest_wa_settings.testbed.clientsfile import load_clients

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readmes_own_test_passes(tmp_path: Path) -> None:
    example = re.search(r"<!-- test -->\n```python\n(.*?)```", README, re.DOTALL)
    assert example is not None
    (tmp_path / "test_move.py").write_text(example[1], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--wa-url", "mock:", "test_move.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 1 passed in " in done.stdout


def test_the_readmes_clients_file_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    assert example is not None
    for variable in re.findall(r'_env = "(\w+)"', example[1]):
        monkeypatch.setenv(variable, "Adm1n!pass-9")
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "wa-ca.pem"))
    clients = tmp_path / "clients.toml"
    clients.write_text(example[1], encoding="utf-8")
    entries = load_clients(clients, Settings(config=clients))
    assert [entry.name for entry in entries] == ["old machine", "new machine"]


def test_the_readme_lists_every_option() -> None:
    table = README.partition("## Options")[2].partition("\n## ")[0]
    assert set(re.findall(r"--wa-[a-z-]+", table)) == {f"--wa-{row.name}" for row in TABLE}


def test_the_readmes_links_lead_to_files_of_the_project() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
