"""The environment that the suite's children get: without its own variables, and without its secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping

_OWN = "WA_"
_NAMED = re.compile(
    r"""\$(?:env:)?([A-Za-z_][A-Za-z0-9_]*)      # $NAME, and PowerShell's $env:NAME
      | \$\{(?:env:)?\#?([A-Za-z_][A-Za-z0-9_]*)   # ${NAME}, ${NAME:-…}
      | %([A-Za-z_][A-Za-z0-9_]*)%""",
    re.VERBOSE,
)
_SURELY_SECRET = 8
"""A value that merely holds a secret is taken for one from so many characters on: `admin` stands in many."""


def named_in(command: str) -> frozenset[str]:
    """The environment variables that a command's own text refers to: $NAME, ${NAME}, %NAME%."""
    return frozenset(name for groups in _NAMED.findall(command) for name in groups if name)


def withheld(
    secrets: Collection[str], *, command: str = "", environment: Mapping[str, str] | None = None
) -> list[str]:
    """The variables that a child does not get: all WA_*, and those that hold one of `secrets`, but for the
    ones that its `command` names.

    A secret counts under whatever name it stands, also inside a longer value (`admin:PASSWORD`) where it has
    8 characters or more.
    """
    given = os.environ if environment is None else environment
    named = named_in(command)
    whole = {secret for secret in secrets if secret}
    long = [secret for secret in whole if len(secret) >= _SURELY_SECRET]
    return sorted(
        name
        for name, value in given.items()
        if name not in named
        and (name.upper().startswith(_OWN) or value in whole or any(secret in value for secret in long))
    )


def child_environment(
    secrets: Collection[str] = (), *, command: str = "", environment: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment without what is `withheld`."""
    given = os.environ if environment is None else environment
    out = set(withheld(secrets, command=command, environment=given))
    return {name: value for name, value in given.items() if name not in out}
