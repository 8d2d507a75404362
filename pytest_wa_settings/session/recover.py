"""Puts back by hand what a run left changed: what `recover` does once its arguments are parsed."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from pytest_wa_settings.session.options import OptionError, password_from
from pytest_wa_settings.testbed import Settings, TestbedError, UsageError
from pytest_wa_settings.testbed.clientsfile import load_clients
from pytest_wa_settings.testbed.declared import DeclaredTestbed
from pytest_wa_settings.testbed.entry import Entry
from pytest_wa_settings.testbed.journal import Journal, journals, read_journal, state_folder
from pytest_wa_settings.verdicts.entries import plain

DONE, CANNOT, USAGE = 0, 1, 4


def recover(given: argparse.Namespace) -> int:
    """Lists the journals, or puts one client back: 0 when it is, 1 where it could not be, 4 if misused."""
    try:
        if given.list:
            return _list()
        journal = _chosen(given.journal)
        settings = _settings(given)
        entry = _entry(journal, given, settings)
        testbed = DeclaredTestbed(entry.name, entry.url, [entry], settings)
        for line in testbed.recover(journal):
            print(plain(line, testbed.recorder.scrub))
        if entry.restart is None and journal.restored:
            print("a restore stops the client: see that it was started again")
        return DONE
    except (OptionError, UsageError) as error:
        return _fail(f"{error.problem}; {error.remedy}", USAGE)
    except TestbedError as error:
        return _fail(f"{error.problem}; {error.remedy}", CANNOT)


def _fail(text: str, status: int) -> int:
    # The command's own options have no prefix.
    print(f"wa-settings: {text.replace('--wa-', '--')}", file=sys.stderr)
    return status


def _list() -> int:
    found = list(journals())
    for journal in found:
        print(f"{journal.path}: {journal.summary()} ({journal.state})")
    if not found:
        print(f"no client is left changed by a run, as far as {state_folder()} says")
    return DONE


def _chosen(name: str | None) -> Journal:
    """The journal in a file, of a client's name, or the only one; raises OptionError, JournalError."""
    found = list(journals())
    if name is None:
        if len(found) == 1:
            return found[0]
        problem = f"{len(found)} clients are left changed" if found else "no client is left changed by a run"
        raise OptionError(problem, "name a file or a client: wa-settings recover --list")
    named = [one for one in found if name in (one.client, one.path.stem, one.path.name)]
    return named[0] if len(named) == 1 else read_journal(Path(name))


def _settings(given: argparse.Namespace) -> Settings:
    return Settings(
        url=given.url or "",
        config=given.config,
        admin=given.admin,
        admin_password=password_from(given.admin_password_file),
        ca=given.ca,
        insecure=given.insecure,
        timeout=given.timeout,
        ready_timeout=given.ready_timeout,
        allow_restore=True,
        restart_command=given.restart_command,
        say=print,
    )


def _entry(journal: Journal, given: argparse.Namespace, settings: Settings) -> Entry:
    """How the client is reached now: as its file declares it, or as the call says in place of that."""
    reach = journal.reach
    config = given.config or (Path(reach["config"]) if reach.get("config") else None)
    if given.url is None and config is not None and config.exists():
        entries = load_clients(config, replace(settings, config=config, url=None))
        named = [one for one in entries if one.name == journal.client]
        if len(named) != 1:
            raise OptionError(
                f"{config} declares no client {journal.client!r}", "give its address with --url"
            )
        entry = named[0]
        return replace(
            entry,
            may_restore=True,
            may_change=True,
            profile="full",
            restart=given.restart_command or entry.restart,
        )
    ca = given.ca or (Path(reach["ca"]) if reach.get("ca") else None)
    return Entry(
        name=journal.client,
        url=given.url or str(reach["url"]),
        admin=given.admin or str(reach.get("admin") or "admin"),
        admin_password=settings.admin_password,
        ca=ca,
        verify=bool(reach.get("verify", True)) and not given.insecure,
        timeout=given.timeout,
        ready_timeout=given.ready_timeout,
        profile="full",
        may_restore=True,
        may_change=True,
        restart=given.restart_command,
        proxy=given.proxy,
        state="registered",
    )
