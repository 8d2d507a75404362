"""The list of options: where each may stand, and one value made of them."""

from __future__ import annotations

import argparse
import math
import os
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

PROFILES = ("backup", "restore", "multiconnect", "full")
SUITE = Path(__file__).parent.parent / "conformance"
"""The folder of the shipped suite."""
PASSWORD_VARIABLE = "WA_ADMIN_PASSWORD"


class OptionError(Exception):
    """An option's value cannot be used; exit status 4.

    Attributes:
        problem: what is wrong. remedy: what to do about it.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True)
class _Row:
    name: str
    kind: Literal["text", "path", "flag", "seconds", "count", "seed"]
    metavar: str | None
    help: str

    @property
    def dest(self) -> str:
        return "wa_" + self.name.replace("-", "_")


TABLE = (
    _Row(
        "url", "text", "ADDRESS", "the client to test: https://…, mock:, docker:, onprem:KEY=VALUE,… (once)"
    ),
    _Row("config", "path", "FILE", "several clients, in a TOML file"),
    _Row("admin", "text", "NAME", "the admin account (default: admin)"),
    _Row("admin-password-file", "path", "FILE", f"holds its password; or environment {PASSWORD_VARIABLE}"),
    _Row("ca", "path", "FILE", "PEM certificates that the client's certificate is checked against"),
    _Row("insecure", "flag", None, "do not check the client's certificate"),
    _Row("timeout", "seconds", "S", "limit for one answer"),
    _Row("ready-timeout", "seconds", "S", "limit for a start or restart of the client"),
    _Row("profile", "text", "NAME", "what to judge: " + ", ".join(PROFILES)),
    _Row(
        "allow-restore", "flag", None, "let the suite restore on, and change, the client given by its address"
    ),
    _Row("max-restores", "count", "N", "at most so many restores on it"),
    _Row("restart-command", "text", "CMD", "starts the client again; may be called at any moment"),
    _Row("webhook", "text", "URL", "where the client reaches the suite's own callback receiver"),
    _Row("report", "path", "DIR", "write report.json there"),
    _Row(
        "check", "flag", None, "only look: say what can be tested and how, clause by clause; change nothing"
    ),
    _Row(
        "replay",
        "path",
        "FILE",
        "the report.json whose run this repeats (see wa-settings replay): no clause passes that may rest on "
        "what that run had and this one lacks",
    ),
    _Row("only", "text", "CLAUSES", "only these clauses or sections: RESTORE-5,CODE"),
    _Row("catalog", "path", "FILE", "the clauses that your own tests decide (wa_clause marks); needs paths"),
    _Row(
        "schemas",
        "path",
        "DIR",
        "stricter JSON Schemas of your own, by message; they give remarks",
    ),
    _Row("strict", "flag", None, "a SHOULD decides, too"),
    _Row(
        "allow-not-tested", "flag", None, "exit 0 if nothing but 'not tested' keeps the run from conformant"
    ),
    _Row("seed", "seed", "N", "the run's seed (default: 0)"),
    _Row("explore", "flag", None, "draw the run's seed"),
    _Row("examples", "count", "N", "how many examples each property draws"),
    _Row("budget", "seconds", "S", "scale the examples so that the run takes about so long"),
)


_WANTED = {
    "text": "a text",
    "path": "a path, as a text",
    "flag": "true or false",
    "seconds": "a number of seconds above 0",
    "count": "a whole number above 0",
    "seed": "a whole number, 0 or above",
}


@dataclass(frozen=True)
class Options:
    """The options of one run, checked; None where an option was not given.

    `had` is what the run had that this one repeats, by testbed, once it is read from the report `replay`.
    """

    url: str | None = None
    config: Path | None = None
    admin: str | None = None
    admin_password: str | None = field(default=None, repr=False)
    ca: Path | None = None
    insecure: bool = False
    timeout: float | None = None
    ready_timeout: float | None = None
    profile: str | None = None
    allow_restore: bool = False
    max_restores: int | None = None
    restart_command: str | None = None
    webhook: str | None = None
    report: Path | None = None
    check: bool = False
    replay: Path | None = None
    had: dict[str, list[str]] | None = None
    only: str | None = None
    catalog: Path | None = None
    schemas: Path | None = None
    strict: bool = False
    allow_not_tested: bool = False
    seed: int = 0
    examples: int | None = None
    budget: float | None = None

    @property
    def target(self) -> str:
        """The address or the file, as given."""
        return self.url if self.url is not None else str(self.config)

    @property
    def declared(self) -> bool:
        """Whether clients are taken as they are, so that only one process may use them."""
        return self.config is not None or (self.url or "").lower().startswith(("http:", "https:"))

    def as_plain(self) -> dict[str, Any]:
        """The options as values that travel to a worker process; the password is among them."""
        return {
            name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Options:
        """The options from what `as_plain` gave."""
        values = dict(plain)
        for name in ("config", "ca", "report", "replay", "catalog", "schemas"):
            values[name] = None if values[name] is None else Path(values[name])
        return cls(**values)


def add_options(parser: pytest.Parser) -> None:
    """Registers every option, on the command line as `--wa-…`, in the ini file as `wa_…`."""
    group = parser.getgroup("wa-settings", "backup and restore of the WhatsApp Business API client")
    for row in TABLE:
        how: dict[str, Any] = {"metavar": row.metavar}
        if row.kind == "flag":
            how = {"action": "store_true"}
        elif row.name == "url":
            how["action"] = "append"
        elif row.name == "profile":
            how["choices"] = PROFILES
        group.addoption(f"--wa-{row.name}", dest=row.dest, default=None, help=row.help, **how)
        _add_ini(parser, row)


def _add_ini(parser: pytest.Parser, row: _Row) -> None:
    kinds: dict[str, tuple[Any, Any]] = {"flag": ("bool", False)}
    if int(pytest.__version__.partition(".")[0]) >= 9:  # whose own TOML tables have numbers
        kinds |= {"seconds": ("float", None), "count": ("int", None), "seed": ("int", None)}
    kind, default = kinds.get(row.kind, ("string", ""))
    parser.addini(row.dest, row.help, type=kind, default=default)


def _ini(config: pytest.Config, row: _Row) -> Any:
    """What the ini file says; raises OptionError where it is of another type."""
    try:
        return config.getini(row.dest)
    except (TypeError, ValueError, pytest.UsageError):
        raise OptionError(f"the value of {row.dest} cannot be used", f"give {_WANTED[row.kind]}") from None


def named(given: argparse.Namespace) -> bool:
    """Whether an address or a file of clients is among the parsed arguments."""
    return bool(getattr(given, "wa_url", None) or getattr(given, "wa_config", None))


def named_in_ini(config: pytest.Config) -> bool:
    """Whether the ini file names an address or a file of clients."""
    return any(bool(_ini(config, row)) for row in TABLE if row.name in ("url", "config"))


def command_line(config: pytest.Config, parser: pytest.Parser) -> tuple[argparse.Namespace, list[str]]:
    """What the user typed, after the environment's PYTEST_ADDOPTS without paths; parsed, and as it is."""
    typed = [str(argument) for argument in config.invocation_params.args]
    added = shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))
    paths = set(parser.parse_known_args(added).file_or_dir) if added else set()
    arguments = [argument for argument in without_overrides(added) if argument not in paths] + typed
    return parser.parse_known_args(arguments), arguments


def without_overrides(arguments: list[str]) -> list[str]:
    """The environment's arguments without what they set in an ini file, which is for other runs, too."""
    kept: list[str] = []
    skip = False
    for argument in arguments:
        if not skip and not argument.startswith(("-o", "--override-ini")):
            kept.append(argument)
        skip = not skip and argument in ("-o", "--override-ini")
    return kept


def resolve(config: pytest.Config, given: argparse.Namespace) -> Options:
    """The options of a run: the command line before the ini file; paths of an ini file are relative to it.

    Raises:
        OptionError: one of them cannot be used.
    """
    values = {row.dest.removeprefix("wa_"): _value(row, config, given) for row in TABLE}
    url = values["url"]
    if isinstance(url, list):
        if len(url) > 1:
            raise OptionError(
                "--wa-url was given more than once", "name several clients in a --wa-config file"
            )
        values["url"] = url[0]
    if values["url"] is not None and values["config"] is not None:
        _one_target(values, given)
    if values.pop("explore"):
        if values["seed"] is not None:
            raise OptionError("--wa-explore draws a seed, and one was given", "leave one of the two out")
        values["seed"] = secrets.randbelow(2**32)
    if values["profile"] is not None and values["profile"] not in PROFILES:
        raise OptionError("wa_profile names no profile", "give one of " + ", ".join(PROFILES))
    _check_schemas(values["schemas"])
    values["admin_password"] = password_from(values.pop("admin_password_file"))
    values["seed"] = values["seed"] or 0
    return Options(**values)


def _check_schemas(folder: Path | None) -> None:
    if folder is not None:
        from pytest_wa_settings.api.messages import vendors_schemas
        from pytest_wa_settings.schemas import SchemaError

        try:
            vendors_schemas(folder)
        except SchemaError as error:
            raise OptionError(f"--wa-schemas: {error.problem}", error.remedy) from None


def _one_target(values: dict[str, Any], given: argparse.Namespace) -> None:
    """Lets an address of the command line stand before one of the ini file; two of one place are refused."""
    on_line = [name for name in ("url", "config") if getattr(given, f"wa_{name}", None)]
    if len(on_line) != 1:
        raise OptionError("both an address and a file of clients were given", "give --wa-url or --wa-config")
    values["config" if on_line == ["url"] else "url"] = None


def _value(row: _Row, config: pytest.Config, given: argparse.Namespace) -> Any:
    value, base = getattr(given, row.dest, None), config.invocation_params.dir
    name = f"--wa-{row.name}"
    if value is None:
        value, name = _ini(config, row), row.dest
        base = config.inipath.parent if config.inipath else config.rootpath
    if row.kind == "flag":
        return bool(value)
    if value in (None, "", []):
        return None
    if row.kind == "path":
        return base / Path(value).expanduser()
    if row.kind in ("seconds", "count", "seed"):
        return _number(row, name, str(value))
    return value


def _number(row: _Row, name: str, text: str) -> float | int:
    try:
        number = float(text) if row.kind == "seconds" else int(text)
    except ValueError:
        number = -1
    if not math.isfinite(number) or number < 0 or (number == 0 and row.kind != "seed"):
        raise OptionError(f"the value of {name} cannot be used", f"give {_WANTED[row.kind]}")
    return number


def password_from(file: Path | None) -> str | None:
    """The admin password: from the file, or from the environment without one; raises OptionError."""
    from pytest_wa_settings.wire.textfiles import (
        text_of,
        without_mark,
    )  # here: an unused plugin loads nothing

    if file is None:
        return without_mark(os.environ.get(PASSWORD_VARIABLE, "")) or None
    try:
        password = text_of(file).rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise OptionError(
            f"the password file {file} cannot be read", "give a readable UTF-8 file that holds it in one line"
        ) from None
    if not password or "\n" in password:
        raise OptionError(
            f"the password file {file} is not one line", "let it hold the password and nothing else"
        )
    return password
