"""What a client writes is no command to the CI system whose log it stands in."""

from __future__ import annotations

import pytest

from pytest_wa_settings.wire.inert import inert

COMMANDS = {
    "GitHub Actions": "::error file=a.py::injected",
    "GitHub Actions, behind blanks": "  ::set-output name=x::y",
    "GitHub Actions, its old form": "text ##[error]injected",
    "Azure Pipelines": "text ##vso[task.setvariable variable=x]y",
    "GitHub Actions, behind a carriage return": "text\r::error::injected",
    "TeamCity": "##teamcity[testFailed name='x']",
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_workflow_command_loses_its_force_and_stays_readable(command: str) -> None:
    told = inert(f"before\n{command}\nafter")
    assert command not in told
    assert told.replace(": :", "::", 1).replace("# #", "##") == f"before\n{command}\nafter"


@pytest.mark.parametrize("text", ["a::b", "## a heading", "[::1]:9090", "http://[::1]/", "x = ::2", "####"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert inert(text) == text
