"""The fixture that the plugin's tests share: a small suite in a folder of its own."""

from __future__ import annotations

import os
from pathlib import Path

import fake_suite
import hypothesis.strategies  # noqa: F401  (loaded once, not by each run in this process)
import pytest
from small_suite import FakeSuite, catalog_text

import pytest_wa_settings.session.nested
import pytest_wa_settings.session.own  # noqa: F401


@pytest.fixture
def suite(
    pytester: pytest.Pytester, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> FakeSuite:
    """A small suite in place of the shipped one; all its tests pass until it is written anew."""
    apart = tmp_path_factory.mktemp("suite")
    folder = apart / "conformance"
    folder.mkdir()
    (folder / "catalog.toml").write_text(catalog_text())
    for variable in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "WA_ADMIN_PASSWORD", "COLUMNS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("FAKE_SUITE", str(folder))
    monkeypatch.setenv("FAKE_LOG", str(apart / "log"))
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    )
    fake_suite.install(folder, monkeypatch.setattr)
    made = FakeSuite(pytester, folder, apart / "log")
    made.write()
    return made
