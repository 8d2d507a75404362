"""Lists mutants and variants, for people and for programs."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from importlib import import_module
from typing import Any

from pytest_wa_settings.reference.deviations import MUTANTS, VARIANTS

FORMATS = ("table", "json")


def listed(kind: str, form: str) -> str:
    """All deviations of a kind, `mutants` or `variants`, as a table or as a JSON list."""
    import_module(f"pytest_wa_settings.reference.{kind}")
    register = MUTANTS if kind == "mutants" else VARIANTS
    members = [deviation.listed() for deviation in register.known.values()]
    if form == "json":
        return json.dumps(members, indent=2) + "\n"
    return "".join(f"{line}\n" for member in members for line in row(member, max(map(named, members))))


def named(member: dict[str, Any]) -> int:
    """The length of a deviation's name."""
    return len(member["name"])


def row(member: dict[str, Any], width: int) -> list[str]:
    """One deviation as lines of a table."""
    head = f"{member['name']:{width}}  "
    if "clause" in member:
        head += f"{member['clause']:10}  "
    room = shutil.get_terminal_size().columns - len(head) if sys.stdout.isatty() else 0
    words = textwrap.wrap(member["summary"], room) if room >= 30 else [member["summary"]]
    return [head + words[0], *(" " * len(head) + line for line in words[1:])]
