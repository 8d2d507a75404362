"""Sends a red clause's examples again: the same tests with the same draws, to the same client or another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_wa_settings.session.options import OptionError

_TARGETS = ("--wa-url", "--wa-config")
_RED = ("fail", "waived", "error")


def replay_arguments(report: Path, clause: str, given: Sequence[str] = ()) -> list[str]:
    """The arguments of pytest that repeat what `report` has on `clause`.

    `report` is a report.json or its folder; `given` are more arguments of pytest, of which an address or a
    clients' file replaces the one of the report. Draws are repeated by the run's seed and number of
    examples, so that no example, which may hold a password, need stand in a report.

    Raises:
        OptionError: the report cannot be read, or has nothing to repeat.
    """
    content = _content(report / "report.json" if report.is_dir() else report)
    found = next((one for one in content["clauses"] if one["id"] == clause.upper()), None)
    if found is None:
        raise OptionError(f"the report has no clause {clause!r}", "give an id such as RESTORE-5")
    if found["verdict"] not in _RED and not found["findings"]:
        raise OptionError(
            f"{found['id']} is {found['verdict']} in this report", "name a clause that has a finding"
        )
    run = content["run"]
    names = sorted({test.partition("::")[2] for test in found["tests"]})
    arguments = ["-k", " or ".join(names), "--wa-seed", str(run["seed"]), "--wa-profile", run["profile"]]
    arguments += ["--wa-examples", str(run["examples"]), "--wa-allow-not-tested"]
    if not any(one.partition("=")[0] in _TARGETS for one in given):
        arguments += ["--wa-url", _address(content)]
    return [*arguments, *given]


def _content(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if not {"clauses", "run", "clients"} <= content.keys():
            raise ValueError
    except OSError as error:
        raise OptionError(f"{path} cannot be read ({error.strerror})", "name a report.json") from None
    except (ValueError, AttributeError):
        raise OptionError(f"{path} is no report of this suite", "name a report.json") from None
    return content


def _address(content: dict[str, Any]) -> str:
    addresses = {client["address"] for client in content["clients"]}
    if len(addresses) != 1:
        raise OptionError("the report is on several clients", "add --wa-config FILE, or --wa-url ADDRESS")
    return str(addresses.pop())
