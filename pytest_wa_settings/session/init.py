"""Writes a first clients.toml for one client, from a look at it and the answers to a few questions."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from pytest_wa_settings.session.options import OptionError
from pytest_wa_settings.testbed import Settings, TestbedError, UsageError, open_testbed
from pytest_wa_settings.testbed.entry import name_of
from pytest_wa_settings.testbed.offer import Offer
from pytest_wa_settings.wire.textfiles import without_mark

Ask = Callable[[str], str]
"""Puts a question to a person and returns the answer, "" for none."""


@dataclass(frozen=True)
class Wishes:
    """What a user says about a client; None where nothing was said.

    The password itself is never among it: `password_env` names the variable that holds it.
    """

    url: str
    name: str | None = None
    admin: str | None = None
    password_env: str | None = None
    user: str | None = None
    user_password_env: str | None = None
    ca: Path | None = None
    insecure: bool = False
    may_restore: bool | None = None
    restart: str | None = None
    restart_policy: str | None = None
    reset: str | None = None
    consumer: str | None = None
    shards: int | None = None
    timeout: float | None = None
    ready_timeout: float | None = None


def ask_for_the_rest(wishes: Wishes, ask: Ask) -> Wishes:
    """Asks what was not said and a look at the client does not show."""
    password = wishes.password_env or ask(
        "environment variable that holds the admin password [WA_ADMIN_PASSWORD]"
    )
    if urlsplit(wishes.url).scheme.lower() == "https" and not wishes.ca and not wishes.insecure:
        ca = ask("PEM file of its certificate authority [none: those of this system; - to check nothing]")
        wishes = replace(wishes, ca=Path(ca) if ca not in ("", "-") else None, insecure=ca == "-")
    may = wishes.may_restore
    if may is None:
        may = ask("may the suite restore on it, which changes it? y/N").lower().startswith("y")
    restart = wishes.restart
    if may and restart is None:
        restart = ask("command that starts it again [none]") or None
    return replace(wishes, password_env=password or None, may_restore=may, restart=restart)


def look_at(wishes: Wishes) -> tuple[Offer, list[str]]:
    """What the client shows of itself, and header lines on it; changes nothing.

    Raises:
        testbed.UsageError: the address cannot be understood. testbed.TestbedError: the client cannot be used.
    """
    variable = wishes.password_env or "WA_ADMIN_PASSWORD"
    settings = Settings(
        url=wishes.url,
        admin=wishes.admin,
        admin_password=without_mark(os.environ.get(variable, "")) or None,
        ca=wishes.ca,
        insecure=wishes.insecure,
        timeout=wishes.timeout,
        ready_timeout=wishes.ready_timeout,
        check=True,
    )
    if urlsplit(wishes.url).scheme.lower() not in ("http", "https"):
        raise UsageError("the address does not begin with https:// or http://", "give the whole address")
    testbed = open_testbed(settings)
    if settings.admin_password is None:
        raise TestbedError(f"the environment variable {variable} is not set", "set it to the admin password")
    try:
        testbed.open()
        testbed.preflight()
        offer = testbed.offers()[0]
        version = f"version {offer.version}" if offer.version else "of unknown version"
        return offer, [f"{wishes.url}: {offer.state}, {version}"]
    finally:
        testbed.close()


def clients_toml(wishes: Wishes, found: Offer | None, path: Path) -> str:
    """The text of the entry, what may be added as comments; `found` None: not looked at."""
    return "\n".join([*_access(wishes, path), *_nature(wishes, found), *_permissions(wishes)]) + "\n"


HEAD = """\
# Clients for pytest-wa-settings. See what a run on them would do: wa-settings check --config {name}
# No password stands here: each comes from an environment variable, or from a file (admin_password_file).

"""


def _access(wishes: Wishes, path: Path) -> list[str]:
    lines = [
        "[[client]]",
        _set("name", wishes.name or name_of(wishes.url)),
        _set("url", wishes.url),
        _set("admin", wishes.admin or "admin"),
        _set("admin_password_env", wishes.password_env or "WA_ADMIN_PASSWORD"),
        '# token_env = "WA_TOKEN"                  # instead, for a gateway that gives a fixed token',
    ]
    if wishes.ca is not None:
        lines.append(_set("ca", os.path.relpath(wishes.ca.expanduser(), path.parent)))
    elif wishes.insecure:
        lines.append("verify = false                           # its certificate is not checked; better: ca")
    else:
        lines.append('# ca = "wa-ca.pem"                         # or verify = false')
    lines += ["", "# An account without administrator's rights, for the clauses on access."]
    if wishes.user is not None:
        variable = wishes.user_password_env or "WA_USER_PASSWORD"
        return [*lines, _set("user", wishes.user), _set("user_password_env", variable)]
    return [*lines, '# user = "agent"', '# user_password_env = "WA_USER_PASSWORD"']


def _nature(wishes: Wishes, found: Offer | None) -> list[str]:
    lines = ["", "# What it is."]
    if found is None:
        lines.append('# state = "registered"                     # or "unregistered"')
    else:
        lines.append(_set("state", found.state))
    multi = found is not None and found.setup[1]
    if wishes.shards is not None:
        lines.append(f"shards = {wishes.shards}")
    elif multi:
        lines += ["multiconnect = true", "# shards = 2                             # how many, for SHARD-…"]
    else:
        lines.append("# shards = 1")
    said = found.version if found and found.version else None
    note = "what it said; give it only where the client does not" if said else "it does not say which it is"
    return [*lines, f"# version = {json.dumps(said or '2.57.2')}  # {note}"]


def _permissions(wishes: Wishes) -> list[str]:
    lines = [
        "",
        "# With may_restore the suite restores on it and changes settings, and puts it back at the end; from",
        "# v2.31.4 each restore gives every contact a new security code. Without, it does neither.",
        f"may_restore = {'true' if wishes.may_restore else 'false'}",
        "# max_restores = 20",
        "",
        "# Commands that start it again, and that bring it back to the state above. They run in this folder.",
        _set("restart", wishes.restart) if wishes.restart else '# restart = "docker restart wacore waweb"',
    ]
    policy = (
        'restart_policy = "no"                    # nothing else starts it; or "always", "unless-stopped"'
    )
    lines.append(_set("restart_policy", wishes.restart_policy) if wishes.restart_policy else f"# {policy}")
    lines.append(_set("reset", wishes.reset) if wishes.reset else '# reset = "./reset-new-machine.sh"')
    view = '# consumer = "http://127.0.0.1:9900"       # a view of what contacts see, for CODE-…'
    return [*lines, "", _set("consumer", wishes.consumer) if wishes.consumer else view]


def _set(key: str, value: str) -> str:
    # JSON's strings are TOML's, but for a DEL that may not stand there as it is
    return f"{key} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")


def write_entry(path: Path, entry: str, *, add: bool) -> None:
    """Writes a new file with the entry, or adds the entry to the file that is there.

    Raises:
        OptionError: the file is there and nothing is to be added, or it cannot be written.
    """
    there = path.exists()
    if there and not add:
        raise OptionError(f"{path} is there already", "give --add to add a client, or another --output")
    text = f"\n{entry}" if there else HEAD.format(name=path) + entry
    try:
        with path.open("a" if there else "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise OptionError(f"{path} cannot be written ({error.strerror})", "give another --output") from None
