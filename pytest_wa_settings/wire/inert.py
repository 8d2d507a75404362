"""Text that no CI system takes for a command of its own, whoever wrote it into an answer."""

from __future__ import annotations

import re

_COMMAND = re.compile(
    r"##(?=\[|vso\[|teamcity\[)|(?:^|(?<=\r))[^\S\n]*::(?=[A-Za-z])", re.MULTILINE | re.IGNORECASE
)
"""GitHub and Azure Pipelines look for `##[` and `##vso[` anywhere in a line, GitHub for `::name` and TeamCity
for `##teamcity[` at its start, perhaps behind blanks. GitLab and others need control characters."""


def inert(text: str) -> str:
    """The text with a blank within what would be a workflow command; it reads as before."""
    return _COMMAND.sub(lambda found: f"{found[0][:-1]} {found[0][-1]}", text)
