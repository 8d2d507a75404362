"""Lists mutants, variants and sparse clients, for people and for programs."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from typing import Any

from pytest_wa_settings.reference.deviations import REGISTERS

FORMATS = ("table", "json")
LISTINGS = {register.listing: register for register in REGISTERS.values()}


def listed(listing: str, form: str) -> str:
    """All deviations of one of LISTINGS, as a table or as a JSON list."""
    register = LISTINGS[listing]
    register.load()
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
