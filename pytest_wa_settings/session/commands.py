"""What the commands `check`, `init` and `clean` do once their arguments are parsed; each gives a status."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import fields
from pathlib import Path

from pytest_wa_settings.session.check import check
from pytest_wa_settings.session.init import Wishes, ask_for_the_rest, clients_toml, look_at, write_entry
from pytest_wa_settings.session.options import OptionError, Options, password_from
from pytest_wa_settings.testbed import TestbedError, UsageError
from pytest_wa_settings.testbed.scratch import sweep

DONE, CANNOT, USAGE = 0, 1, 4


def check_clients(given: argparse.Namespace) -> int:
    """Looks at the clients: 0 where all can be used, 1 where not, 4 for a wrong call."""
    try:
        options = Options(
            check=True,
            admin_password=password_from(given.admin_password_file),
            **{
                name: getattr(given, name)
                for name in (
                    "url", "config", "admin", "ca", "insecure", "timeout", "ready_timeout", "profile",
                    "allow_restore", "restart_command", "webhook",
                )
            },
        )  # fmt: skip
        return check(options, print)
    except (OptionError, UsageError) as error:
        return _told(error, USAGE)


def init_file(given: argparse.Namespace) -> int:
    """Writes the file: 0 when it is written, 1 where the client cannot be used, 4 for a wrong call."""
    path: Path = given.output
    try:
        if path.exists() and not given.add:
            raise OptionError(f"{path} is there already", "give --add to add a client, or another --output")
        wishes = Wishes(**{one.name: getattr(given, one.name) for one in fields(Wishes)})
        if sys.stdin.isatty() and not given.no_questions:
            wishes = ask_for_the_rest(wishes, _ask)
        found, lines = (None, []) if given.no_probe else look_at(wishes)
        write_entry(path, clients_toml(wishes, found, path), add=given.add)
    except (OptionError, UsageError) as error:
        return _told(error, USAGE)
    except TestbedError as error:
        return _told(error, CANNOT, "; or give --no-probe")
    variable = wishes.password_env or "WA_ADMIN_PASSWORD"
    unset = "" if os.environ.get(variable) else f"set {variable}, then "
    print(
        "\n".join(
            [*lines, f"{path} is written; {unset}see what can be tested: wa-settings check --config {path}"]
        )
    )
    return DONE


def clean_up(given: argparse.Namespace) -> int:
    """Removes what dead runs left: 0 when nothing is left, 1 where something could not go.

    Without a Docker engine only temporary folders are looked at; no failure, unless images were to go.
    """
    swept = sweep()
    print(f"removed: {swept.removed} temporary folders")
    if swept.in_use:
        print(f"spared: {swept.in_use} temporary folders, which are in use")
    for line in swept.failed:
        print(f"wa-settings: {line}", file=sys.stderr)
    return max(CANNOT if swept.failed else DONE, _clean_engine(given))


def _clean_engine(given: argparse.Namespace) -> int:
    # imported here: only this command needs Docker
    from pytest_wa_settings.testbed.engine import Engine
    from pytest_wa_settings.testbed.image import remove_images

    engine = Engine()
    try:
        engine.connect()
    except TestbedError as error:
        engine.close()
        if given.images:
            return _told(error, CANNOT)
        print(f"containers were not looked at: {error.problem}")
        return DONE
    try:
        left = engine.remove_left_behind(kept=True, unknown=given.all)
        images = remove_images(engine) if given.images else 0
    except TestbedError as error:
        return _told(error, CANNOT)
    finally:
        engine.close()
    print(f"removed: {left.removed} containers, networks and volumes, {images} images")
    if left.spared:
        print(f"spared: {left.spared} of runs on other machines, which may still go on; --all removes them")
    for line in left.failed:
        print(f"wa-settings: {line}", file=sys.stderr)
    return CANNOT if left.failed else DONE


def _ask(question: str) -> str:
    try:
        return input(f"{question}: ").strip()
    except EOFError:
        return ""


def _told(error: OptionError | UsageError | TestbedError, status: int, more: str = "") -> int:
    text = f"wa-settings: {error.problem}; {error.remedy}{more}"
    # The commands' own options have no prefix.
    print(text.replace("--wa-", "--"), file=sys.stderr)
    return status
