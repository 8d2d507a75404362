"""The reference's image gets what the reference imports, and nothing else."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import requires
from pathlib import Path

REFERENCE = Path(__file__).parents[2] / "pytest_wa_settings" / "reference"
# where a distribution is called otherwise than what it is imported as; and what another one brings along
CALLED = {"multipart": "python-multipart"}
LOADED_BY_NAME = {"h11", "httptools", "python-multipart"}


def listed() -> set[str]:
    """The requirements of the image, a line each."""
    lines = (REFERENCE / "requirements.txt").read_text("utf-8").splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def name(requirement: str) -> str:
    """The distribution that a requirement names."""
    found = re.match(r"[A-Za-z0-9_.-]+", requirement)
    assert found is not None
    return found[0].lower()


def imported() -> set[str]:
    """The distributions that the reference's modules import."""
    modules: set[str] = set()
    for path in REFERENCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.partition(".")[0])
    own = {"pytest_wa_settings", "__future__", *sys.stdlib_module_names}
    return {CALLED.get(module, module) for module in modules - own}


def test_the_image_requires_what_the_package_requires() -> None:
    """The package's metadata has the same specifiers, in an order and notation of its own."""
    package = {name(one): one for one in requires("pytest-wa-settings") or ()}
    for line in listed():
        (version,) = re.findall(r"[><=][^;]*", line.partition(";")[0]) or [""]
        for part in filter(None, version.split(",")):
            assert part.strip() in package[name(line)], line


def test_the_image_gets_no_more_than_the_reference_imports() -> None:
    assert {name(line) for line in listed()} - LOADED_BY_NAME == imported() - LOADED_BY_NAME
