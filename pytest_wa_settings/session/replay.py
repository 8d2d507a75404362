"""Sends a red clause's examples again: the same tests with the same draws, to the same client or another."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_wa_settings.session.options import OptionError
from pytest_wa_settings.session.repeats import asked_for, had_in, sentence
from pytest_wa_settings.wire.textfiles import text_of

_TARGETS = ("--wa-url", "--wa-config")
_RED = ("fail", "waived", "error")
_OF_THE_CLIENT = ("admin", "ca", "timeout", "ready_timeout", "max_restores")


def replay_arguments(report: Path, clause: str, given: Sequence[str] = ()) -> list[str]:
    """The arguments of pytest that repeat what `report` has on `clause`.

    `report` is a report.json or its folder; `given` are more arguments of pytest, of which an address or a
    clients' file replaces the one of the report. Draws are repeated by the run's seed and number of
    examples, so that no example, which may hold a password, need stand in a report. What lets the suite
    change a client, or trust one, is never taken from a report (see `asks`).

    Raises:
        OptionError: the report cannot be read, or has nothing to repeat.
    """
    path = _path(report)
    content = _content(path)
    found = [one for one in content["clauses"] if one["id"] == clause.upper()]
    if not found:
        raise OptionError(f"the report has no clause {clause!r}", "give an id such as RESTORE-5")
    red = [one for one in found if one["verdict"] in _RED or one["findings"]]
    if not red:
        raise OptionError(
            f"{found[0]['id']} is {found[0]['verdict']} in this report", "name a clause that has a finding"
        )
    run, names = content["run"], sorted({test.partition("::")[2] for one in red for test in one["tests"]})
    arguments = [
        "-k",
        " or ".join(names),
        "--wa-only",
        found[0]["id"],
        "--wa-seed",
        str(run["seed"]),
        "--wa-examples",
        str(run["examples"]),
    ]
    arguments += ["--wa-allow-not-tested", "--wa-replay", str(path)]
    options = run.get("options", {})
    profile = options.get("profile") if options.get("config") else run["profile"]
    arguments += ["--wa-profile", profile] if profile else []
    arguments += _named(options, ("budget",)) + (["--wa-strict"] if options.get("strict") else [])
    if not _names_a_target(given):
        arguments += [*_target(content, options), *_named(options, _OF_THE_CLIENT)]
    return [*arguments, *given]


def asks(report: Path, given: Sequence[str] = ()) -> str | None:
    """In one sentence, what the run of `report` was given that a person must give its replay anew.

    Raises:
        OptionError: the report cannot be read.
    """
    options = _content(_path(report))["run"].get("options", {})
    return None if _names_a_target(given) else sentence(asked_for(options, given))


def had_in_report(report: Path) -> dict[str, list[str]]:
    """What the run of `report` had, by the name of the testbed; raises OptionError."""
    content = _content(_path(report))
    return had_in(content["run"], content["clients"])


def _path(report: Path) -> Path:
    return report / "report.json" if report.is_dir() else report


def _names_a_target(given: Sequence[str]) -> bool:
    return any(one.partition("=")[0] in _TARGETS for one in given)


def _named(options: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """The options of these names, as arguments of pytest."""
    known = [(name, options[name]) for name in names if options.get(name) is not None]
    return [word for name, value in known for word in (f"--wa-{name.replace('_', '-')}", str(value))]


def _target(content: dict[str, Any], options: Mapping[str, Any]) -> list[str]:
    """The clients of the run, as arguments of pytest."""
    config = options.get("config")
    if config is None:
        return ["--wa-url", options.get("url") or _address(content)]
    if not Path(config).is_file():
        raise OptionError(f"the clients' file of the run, {config}, is not there", "add --wa-config FILE")
    return ["--wa-config", config]


def _content(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(text_of(path))
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
