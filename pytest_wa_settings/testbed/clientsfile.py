"""Reads clients.toml; every error names the file, the line where it can, the key, and what is accepted."""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import tomllib

from pytest_wa_settings.testbed.address import Declared, parse_address
from pytest_wa_settings.testbed.base import POLICIES, PROFILES, STATES, Settings
from pytest_wa_settings.testbed.entry import MAX_RESTORES, MAX_RESTORES_WITH_RESET, Entry, name_of
from pytest_wa_settings.testbed.errors import UsageError
from pytest_wa_settings.wire.textfiles import decoded, text_of, without_mark

_LARGEST = 4 * 2**20
_SECRETS = {
    "password": "admin_password_env or admin_password_file",
    "admin_password": "admin_password_env or admin_password_file",
    "user_password": "user_password_env or user_password_file",
    "token": "token_env",
    "headers": "headers_env",
}


def load_clients(path: Path, settings: Settings) -> list[Entry]:
    """The clients that a file declares, in its order; raises UsageError.

    Options of the run stand in where an entry has no key of its own; time limits, the profile, the number
    of restores and the webhook, where given as options, stand before the entries' own.
    """
    text, content = _read(path)
    tables = content.get("client")
    unknown = sorted(set(content) - {"client"})
    if unknown:
        raise UsageError(
            f"{path}{_line(text, unknown[0])}: there is no key {unknown[0]!r} outside of a client",
            "declare each client as a table [[client]]",
        )
    if not isinstance(tables, list) or not tables or not all(isinstance(one, dict) for one in tables):
        raise UsageError(f"{path}: no client is declared", "declare each client as a table [[client]]")
    if settings.restart_command and len(tables) > 1:
        raise UsageError(
            "one --wa-restart-command cannot start several clients again", "give each its own `restart` key"
        )
    entries = [_Reader(path, text, index, table, settings).entry() for index, table in enumerate(tables)]
    for key in ("name", "url"):
        _all_different(path, key, [str(getattr(entry, key)) for entry in entries])
    return entries


def _all_different(path: Path, key: str, values: list[str]) -> None:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise UsageError(
                f"{path}: clients {values.index(value) + 1} and {index + 1} have the same {key}",
                f"give every client a {key} of its own",
            )


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(
            f"the file {path} cannot be read ({error.strerror})", "name a readable TOML file"
        ) from None
    try:
        if len(raw) > _LARGEST:
            raise UsageError(f"the file {path} is larger than 4 MB", "name a TOML file that declares clients")
        text = decoded(raw).replace("\r\n", "\n")
        return text, tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise UsageError(f"{path}, line {line}: this is not UTF-8", "save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at (line [0-9]+)", str(error))
        where = f", {found[1]}" if found else ""
        what = re.sub(r" \(at .*", "", str(error).splitlines()[0])[:100]
        raise UsageError(
            f"{path}{where}: this is not TOML: {what[:1].lower()}{what[1:]}",
            'write key = "value" lines under [[client]]',
        ) from None
    except RecursionError:
        raise UsageError(f"{path}: it is nested too deep", "write plain keys under [[client]]") from None


def _line(text: str, key: str, table: int | None = None) -> str:
    """`, line N` where the key stands, in the table of that index, if it can be found."""
    seen = -1
    wanted = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]|\s*\[+\s*{re.escape(key)}\s*\]")
    for number, line in enumerate(text.split("\n"), 1):
        if re.match(r"\s*\[\[\s*client\s*\]\]", line):
            seen += 1
        if (table is None or seen == table) and wanted.match(line):
            return f", line {number}"
    return ""


@dataclass(frozen=True)
class _Kind:
    """A kind of value: words for what is accepted, and a check that gives the value or raises ValueError."""

    accepted: str
    read: Callable[[Any], Any]


def _check(condition: object, value: Any) -> Any:
    if not condition:
        raise ValueError
    return value


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and "\0" not in value


def _choice(*accepted: str) -> _Kind:
    return _Kind(
        "one of " + ", ".join(f'"{one}"' for one in accepted), lambda value: _check(value in accepted, value)
    )


def _number(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
    )


def _address(value: Any) -> str:
    address = parse_address(_check(_is_text(value), value))
    if not isinstance(address, Declared):
        raise UsageError("a file declares clients that run already", "give an http:// or https:// address")
    return address.url


_TEXT = _Kind("a text, not an empty one", lambda value: _check(_is_text(value), value))
_BOOL = _Kind("true or false", lambda value: _check(isinstance(value, bool), value))
_SECONDS = _Kind("a number of seconds above 0", lambda value: float(_check(_number(value), value)))
_COUNT = _Kind(
    "a whole number above 0", lambda value: _check(type(value) is int and 0 < value < 10**6, value)
)
_PATH = _Kind("the path of a file", lambda value: Path(_check(_is_text(value), value)).expanduser())
_URL = _Kind("an http:// or https:// address", _address)
_VARIABLE = _Kind(
    "the name of an environment variable",
    lambda value: _check(isinstance(value, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value), value),
)
_HEADERS = _Kind(
    'a table of header names and environment variables, such as { "X-Api-Key" = "GATEWAY_KEY" }',
    lambda value: _check(
        isinstance(value, dict) and all(_is_text(one) for pair in value.items() for one in pair), value
    ),
)
_NUMBERS = _Kind(
    "a list of phone numbers of 8 to 15 digits",
    lambda value: tuple(
        _check(isinstance(value, list) and all(re.fullmatch(r"\+?[0-9]{8,15}", str(n)) for n in value), value)
    ),
)

KEYS: Mapping[str, _Kind] = {
    "name": _TEXT,
    "url": _URL,
    "admin": _TEXT,
    "admin_password_env": _VARIABLE,
    "admin_password_file": _PATH,
    "token_env": _VARIABLE,
    "user": _TEXT,
    "user_password_env": _VARIABLE,
    "user_password_file": _PATH,
    "headers_env": _HEADERS,
    "client_cert": _PATH,
    "proxy": _Kind("an http:// address", lambda value: _check(_is_text(value), value)),
    "ca": _PATH,
    "verify": _BOOL,
    "timeout": _SECONDS,
    "ready_timeout": _SECONDS,
    "profile": _choice(*PROFILES),
    "may_restore": _BOOL,
    "may_change": _BOOL,
    "max_restores": _COUNT,
    "restart": _TEXT,
    "restart_policy": _choice(*POLICIES),
    "reset": _TEXT,
    "state": _choice(*STATES),
    "shards": _COUNT,
    "multiconnect": _BOOL,
    "version": _TEXT,
    "consumer": _URL,
    "contacts": _NUMBERS,
    "webhook": _URL,
    "webhook_cert": _PATH,
    "testbed": _TEXT,
}
"""Every key of a client, and what it takes."""


class _Reader:
    """Reads the table of one client."""

    def __init__(self, path: Path, text: str, index: int, table: dict[str, Any], settings: Settings) -> None:
        self._path, self._text, self._index = path, text, index
        self._table = table
        self._settings = settings
        self._folder = path.parent.resolve()

    def entry(self) -> Entry:
        """The client; raises UsageError."""
        for key in self._table:
            if key not in KEYS:
                self._unknown(key)
        values = {key: self._value(key) for key in self._table}
        if "url" not in values:
            raise UsageError(f"{self._where(None)}: the key url is missing", "give the client's address")
        self._fits(values)
        given, url = self._settings, values["url"]
        may_restore = values.get("may_restore", given.allow_restore)
        most = MAX_RESTORES_WITH_RESET if "reset" in values else MAX_RESTORES
        return Entry(
            name=values.get("name") or name_of(url),
            url=url,
            admin=values.get("admin") or given.admin or "admin",
            admin_password=self._secret(values, "admin_password") or given.admin_password,
            token=self._variable(values, "token_env"),
            user=values.get("user"),
            user_password=self._secret(values, "user_password"),
            headers={
                name: self._environment("headers_env", variable)
                for name, variable in values.get("headers_env", {}).items()
            },
            client_cert=self._file(values, "client_cert"),
            proxy=values.get("proxy"),
            ca=self._file(values, "ca") or (given.ca if values.get("verify", True) else None),
            verify=values.get("verify", bool(values.get("ca")) or not given.insecure),
            timeout=given.timeout or values.get("timeout"),
            ready_timeout=given.ready_timeout or values.get("ready_timeout"),
            profile=given.profile or values.get("profile"),
            may_restore=may_restore,
            may_change=may_restore or values.get("may_change", False),
            max_restores=given.max_restores or values.get("max_restores", most),
            restart=values.get("restart") or given.restart_command,
            restart_policy=values.get("restart_policy"),
            reset=values.get("reset"),
            state=values.get("state"),
            shards=values.get("shards"),
            multiconnect=values.get("multiconnect", values["shards"] > 1 if "shards" in values else None),
            version=values["version"].strip().removeprefix("v") if "version" in values else None,
            consumer=values.get("consumer"),
            contacts=tuple(str(number).lstrip("+") for number in values.get("contacts", ())),
            webhook=given.webhook or values.get("webhook"),
            webhook_cert=self._file(values, "webhook_cert"),
            testbed=values.get("testbed"),
            folder=self._folder,
            config=self._path,
        )

    def _fits(self, values: dict[str, Any]) -> None:
        """Raises UsageError for keys that contradict each other."""
        if values.get("shards", 1) > 1 and values.get("multiconnect") is False:
            self._refuse("multiconnect", "several shards need multiconnect", "true, or one shard")
        if values.get("may_restore") and values.get("may_change") is False:
            self._refuse("may_change", "a restore changes the client", "true, or may_restore = false")
        if values.get("verify") is False and "ca" in values:
            self._refuse("verify", "a ca says to verify", "true, or no ca")
        if "user" in values and not {"user_password_env", "user_password_file"} & set(values):
            self._refuse("user", "its password is missing", "it with user_password_env or user_password_file")
        for name in ("admin_password", "user_password"):
            if {f"{name}_env", f"{name}_file"} <= set(values):
                self._refuse(f"{name}_file", "the password is given twice", f"it alone, or {name}_env alone")
        if "token_env" in values and {"admin_password_env", "admin_password_file"} & set(values):
            self._refuse("token_env", "a fixed token needs no password", "it alone, or the password alone")

    def _value(self, key: str) -> Any:
        try:
            return KEYS[key].read(self._table[key])
        except UsageError as error:
            raise UsageError(f"{self._where(key)}: {key}: {error.problem}", error.remedy) from None
        except (ValueError, TypeError):
            self._refuse(key, "this value cannot be used", KEYS[key].accepted)

    def _secret(self, values: dict[str, Any], name: str) -> str | None:
        path = self._file(values, f"{name}_file")
        if path is None:
            return self._variable(values, f"{name}_env")
        try:
            secret = text_of(path).rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            secret = ""
        if not secret or "\n" in secret:
            self._refuse(
                f"{name}_file", f"{path} cannot be read", "a readable file that holds it in one line"
            )
        return secret

    def _variable(self, values: dict[str, Any], key: str) -> str | None:
        return self._environment(key, values[key]) if key in values else None

    def _environment(self, key: str, variable: str) -> str:
        value = without_mark(os.environ.get(variable, ""))
        if not value:
            raise UsageError(
                f"{self._where(key)}: {key}: the environment variable {variable} is not set",
                f"set {variable}, or name the variable that is set",
            )
        return value

    def _file(self, values: dict[str, Any], key: str) -> Path | None:
        return self._folder / values[key] if key in values else None

    def _unknown(self, key: str) -> NoReturn:
        if key in _SECRETS:
            raise UsageError(
                f"{self._where(key)}: {key}: secrets do not stand in the file", f"use {_SECRETS[key]}"
            )
        near = difflib.get_close_matches(key, KEYS, 1)
        meant = f"perhaps {near[0]} is meant; " if near else ""
        raise UsageError(f"{self._where(key)}: there is no key {key!r}", f"{meant}keys are {', '.join(KEYS)}")

    def _refuse(self, key: str, problem: str, accepted: str) -> NoReturn:
        raise UsageError(f"{self._where(key)}: {key}: {problem}", f"give {accepted}")

    def _where(self, key: str | None) -> str:
        name = self._table.get("name")
        told = f"client {self._index + 1}" + (f" ({name[:40]})" if isinstance(name, str) else "")
        line = "" if key is None else _line(self._text, key, self._index)
        return f"{self._path}{line}, {told}"
