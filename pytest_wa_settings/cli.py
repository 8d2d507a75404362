"""The wa-settings command: a thin list of commands over what the package can do without pytest."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from pytest_wa_settings import __version__

if TYPE_CHECKING:
    from pytest_wa_settings.verdicts.catalog import Catalog

DONE, FAILED, USAGE = 0, 2, 4

# a program of its own, started and never imported; -P: the folder we stand in must not shadow its modules
REFERENCE = [
    sys.executable,
    "-P",
    "-m",
    "pytest_wa_settings.reference",
]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"wa-settings: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status: 0 done, 2 failed or interrupted, 4 a wrong call."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments[:1] == ["serve"]:
            return _serve(arguments[1:])
        if arguments[:1] == ["replay"] and not {"-h", "--help"} & set(arguments):
            return _replay(arguments[1:])
        options = _parser().parse_args(arguments)
        if options.command == "clauses":
            status = _clauses(options.format, options.catalog)
        elif options.command == "recover":
            from pytest_wa_settings.session.recover import recover

            status = recover(options)
        elif options.command in ("check", "init", "clean"):
            from pytest_wa_settings.session import commands

            does = {"check": commands.check_clients, "init": commands.init_file, "clean": commands.clean_up}
            status = does[options.command](options)
        else:
            status = _deviations(options.command, options.format)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # the reader has seen enough (`| head`); what is still buffered must not raise again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="wa-settings", description="Tools around the backup and restore conformance suite.")
    parser.add_argument("--version", action="version", version=f"pytest-wa-settings {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="run the reference client (serve --help lists its options)")
    clauses = commands.add_parser("clauses", help="list the clauses that the suite judges")
    clauses.add_argument("--format", choices=("table", "json", "md"), default="table")
    clauses.add_argument("--catalog", type=Path, metavar="FILE", help="another catalog than the shipped one")
    _add_check(
        commands.add_parser("check", help="look at clients: what can be tested there, clause by clause")
    )
    again = commands.add_parser("replay", help="send the examples of a red clause again")
    again.add_argument("report", type=Path, metavar="REPORT", help="a report.json, or its folder")
    again.add_argument("clause", metavar="CLAUSE", help="such as RESTORE-5")
    again.add_argument(
        "options", nargs="*", metavar="OPTION", help="of pytest: --wa-url for another client, …"
    )
    _add_init(commands.add_parser("init", help="write a first clients.toml for a client that runs"))
    _add_recover(commands.add_parser("recover", help="put a client back that a broken-off run left changed"))
    clean = commands.add_parser(
        "clean", help="remove the temporary folders, containers and volumes that dead runs left"
    )
    clean.add_argument("--images", action="store_true", help="also the images that were built")
    clean.add_argument("--all", action="store_true", help="also of runs that may still go on elsewhere")
    for name, what in (
        ("mutants", "mutants: clients that are wrong on purpose"),
        ("variants", "variants: clients that are right in another way"),
        ("sparse", "sparse clients, which show less than they might"),
    ):
        listing = commands.add_parser(name, help=f"list the reference's {what}")
        listing.add_argument("--format", choices=("table", "json"), default="table")
    return parser


def _add_check(check: argparse.ArgumentParser) -> None:
    target = check.add_mutually_exclusive_group(required=True)
    target.add_argument("url", nargs="?", metavar="ADDRESS", help="the client: https://…, or mock:")
    target.add_argument("--config", type=Path, metavar="FILE", help="several clients, in a TOML file")
    _add_access(check)
    check.add_argument("--admin-password-file", type=Path, metavar="FILE", help="or WA_ADMIN_PASSWORD")
    check.add_argument("--profile", choices=("backup", "restore", "multiconnect", "full"))
    check.add_argument("--allow-restore", action="store_true", help="as for a run with --wa-allow-restore")
    check.add_argument("--restart-command", metavar="CMD", help="as for a run with --wa-restart-command")
    check.add_argument("--webhook", metavar="URL", help="where the client reaches the suite's own receiver")


def _add_recover(recover: argparse.ArgumentParser) -> None:
    recover.add_argument(
        "journal",
        nargs="?",
        metavar="JOURNAL",
        help="a journal's file, or a client's name (default: the only one)",
    )
    recover.add_argument("--list", action="store_true", help="list the clients that are left changed")
    recover.add_argument("--url", metavar="ADDRESS", help="where the client is now, if it is elsewhere")
    recover.add_argument("--config", type=Path, metavar="FILE", help="the clients' file that declares it")
    recover.add_argument("--proxy", metavar="URL", help="an http:// proxy on the way to it")
    _add_access(recover)
    recover.add_argument("--admin-password-file", type=Path, metavar="FILE", help="or WA_ADMIN_PASSWORD")
    recover.add_argument("--restart-command", metavar="CMD", help="starts it again after the restore")


def _add_access(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--admin", metavar="NAME", help="the admin account (default: admin)")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="PEM certificates to trust")
    parser.add_argument("--insecure", action="store_true", help="do not check the client's certificate")
    parser.add_argument("--timeout", type=_seconds, metavar="S", help="limit for one answer")
    parser.add_argument("--ready-timeout", type=_seconds, metavar="S", help="limit for a client that starts")


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError
    return value


def _add_init(init: argparse.ArgumentParser) -> None:
    init.add_argument("url", metavar="URL", help="the client: https://… or http://…")
    init.add_argument("--output", type=Path, default=Path("clients.toml"), metavar="FILE")
    init.add_argument("--add", action="store_true", help="add the client to a file that is there")
    init.add_argument("--no-probe", action="store_true", help="do not look at the client")
    init.add_argument("--no-questions", action="store_true", help="ask nothing, also on a terminal")
    init.add_argument("--name", help="what reports call it (default: host and port)")
    _add_access(init)
    init.add_argument(
        "--password-env", metavar="NAME", help="holds the password (default: WA_ADMIN_PASSWORD)"
    )
    init.add_argument("--user", metavar="NAME", help="an account without administrator's rights")
    init.add_argument("--user-password-env", metavar="NAME", help="holds its password")
    init.add_argument("--may-restore", action="store_const", const=True, help="the suite may restore on it")
    init.add_argument("--restart", metavar="CMD", help="starts it again")
    init.add_argument("--restart-policy", choices=("no", "always", "unless-stopped"))
    init.add_argument("--reset", metavar="CMD", help="brings it back to the state it is in now")
    init.add_argument("--consumer", metavar="URL", help="a view of what contacts see")
    init.add_argument("--shards", type=int, metavar="N")


def _serve(arguments: list[str]) -> NoReturn:
    os.execv(sys.executable, [*REFERENCE, "serve", *arguments])


def _replay(arguments: list[str]) -> int:
    from pytest_wa_settings.session.options import OptionError
    from pytest_wa_settings.session.replay import asks, replay_arguments

    if len(arguments) < 2:
        _parser().parse_args(["replay", *arguments])
    try:
        repeated = replay_arguments(Path(arguments[0]), arguments[1], arguments[2:])
        asked = asks(Path(arguments[0]), arguments[2:])
    except OptionError as error:
        sys.stderr.write(f"wa-settings: {error.problem}: {error.remedy}\n")
        return USAGE
    if asked is not None:
        print(f"wa-settings: {asked}; what passes without it is not tested", file=sys.stderr, flush=True)
    return subprocess.run([sys.executable, "-m", "pytest", *repeated], check=False).returncode


def _deviations(command: str, form: str) -> int:
    done = subprocess.run(
        [*REFERENCE, command, "--format", form], capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return _failed(
            f"The reference could not list its {command}: {lines[-1] if lines else 'no reason given'}"
        )
    sys.stdout.write(done.stdout)
    return DONE


def _clauses(form: str, path: Path | None) -> int:
    from pytest_wa_settings.verdicts.catalog import CatalogError, load_catalog

    try:
        catalog = load_catalog(path)
    except CatalogError as error:
        return _failed(f"{error.problem} {error.remedy}")
    listing = {"table": _table, "json": _json, "md": _markdown}[form]
    print(listing(catalog))
    return DONE


def _failed(line: str) -> int:
    print(f"wa-settings: {line}", file=sys.stderr)
    return FAILED


def _table(catalog: Catalog) -> str:
    widest = max(len(clause.id) for clause in catalog)
    # one line a clause where a program reads, so that grep shows it whole
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    lines = []
    for clause in catalog:
        head = f"{clause.id:{widest}}  {clause.level:6}  "
        room = width - len(head)
        text = textwrap.wrap(clause.text, room) if room >= 30 else [clause.text]
        lines.append(head + f"\n{'':{len(head)}}".join(text))
    must, should = (sum(clause.level == level for clause in catalog) for level in ("MUST", "SHOULD"))
    lines.append(
        f"\ncatalog {catalog.version}: {must} MUST, {should} SHOULD, {len(catalog) - must - should} INFO"
    )
    return "\n".join(lines)


def _json(catalog: Catalog) -> str:
    content = {
        "version": catalog.version,
        "digest": catalog.digest,
        "terms": dict(catalog.terms),
        "clauses": [dataclasses.asdict(clause) for clause in catalog],
    }
    speaks_japanese = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return json.dumps(content, indent=2, ensure_ascii=not speaks_japanese)


def _markdown(catalog: Catalog) -> str:
    columns = ("id", "level", "clause", "source", "needs", "profiles", "effect")
    lines = [f"# Clauses, catalog {catalog.version}", "", f"`{catalog.digest}`", ""]
    lines += [f"- **{term}**: {text}" for term, text in catalog.terms]
    lines += ["", _row(columns), _row(["---"] * len(columns))]
    for clause in catalog:
        text = f"{clause.text} ({clause.note})" if clause.note else clause.text
        profiles = ", ".join(clause.profiles) or "-"
        lines.append(
            _row([clause.id, clause.level, text, clause.source, clause.needs_text, profiles, clause.effect])
        )
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    escaped = (cell.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;") for cell in cells)
    return f"| {' | '.join(escaped)} |"
