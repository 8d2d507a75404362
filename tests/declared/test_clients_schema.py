"""schemas/clients.json says of every clients.toml what the suite says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomllib

from pytest_wa_settings import schemas
from pytest_wa_settings.testbed import Settings, UsageError
from pytest_wa_settings.testbed.clientsfile import KEYS, load_clients

URL = 'url = "https://wa.example:9090/wa"'
GOOD = {
    "name": ['"old machine"'],
    "url": ['"http://[::1]:80"', '"HTTPS://wa.example"'],
    "admin": ['"root"'],
    "admin_password_env": ['"HOLDS"'],
    "admin_password_file": ['"secret.txt"'],
    "token_env": ['"HOLDS"'],
    "user": ['"agent"\nuser_password_env = "HOLDS"', '"agent"\nuser_password_file = "secret.txt"'],
    "user_password_env": ['"HOLDS"'],
    "user_password_file": ['"secret.txt"'],
    "headers_env": ['{ "X-Api-Key" = "HOLDS" }', "{}"],
    "client_cert": ['"cert.pem"'],
    "proxy": ['"http://proxy:3128"'],
    "ca": ['"ca.pem"', '"ca.pem"\nverify = true'],
    "verify": ["true", "false"],
    "timeout": ["1", "0.5"],
    "ready_timeout": ["120"],
    "profile": ['"backup"', '"full"'],
    "may_restore": ["true", "false\nmay_change = false", "true\nmay_change = true"],
    "may_change": ["true"],
    "max_restores": ["1", "200"],
    "restart": ['"docker restart wa"'],
    "restart_policy": ['"no"', '"unless-stopped"'],
    "reset": ['"./reset.sh"'],
    "state": ['"registered"', '"unregistered"'],
    "shards": ["1", "1\nmulticonnect = false", "32\nmulticonnect = true"],
    "multiconnect": ["true"],
    "version": ['"v2.57.2"'],
    "consumer": ['"http://127.0.0.1:9900"'],
    "contacts": ['["15551230000", "+4915550000001", 15551230000]', "[]"],
    "webhook": ['"https://suite.example:8443"'],
    "webhook_cert": ['"hook.pem"'],
    "testbed": ['"lab"'],
}
BAD = [
    'colour = "red"',
    'admin_password = "x"',
    'name = ""',
    "name = 1",
    'admin_password_env = "NOT A NAME"',
    'admin_password_env = "HOLDS"\nadmin_password_file = "secret.txt"',
    'token_env = "HOLDS"\nadmin_password_env = "HOLDS"',
    'user = "agent"',
    "headers_env = 1",
    'headers_env = { "X" = 1 }',
    'headers_env = { "" = "HOLDS" }',
    'verify = "no"',
    'verify = false\nca = "ca.pem"',
    "timeout = 0",
    'timeout = "5"',
    "timeout = true",
    'profile = "all"',
    "may_restore = true\nmay_change = false",
    "max_restores = 0",
    "max_restores = 1.5",
    "max_restores = 1000000",
    'restart_policy = "never"',
    'state = "new"',
    "shards = 2\nmulticonnect = false",
    "shards = true",
    'consumer = "ftp://127.0.0.1"',
    'contacts = ["12"]',
    "contacts = [12]",
    'contacts = "15551230000"',
    "testbed = 1",
]
BAD_FILES = [
    "",
    "client = []",
    '[client]\nurl = "https://wa.example"',
    "[[client]]\nname = 'a'",
    'title = "x"\n[[client]]\n' + URL,
    '[[client]]\nurl = "mock:"',
    '[[client]]\nurl = "https://user:word@wa.example"',
    '[[client]]\nurl = "https://wa.example?x=1"',
]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the suite, and what the schema, says of a file; "" where nothing is wrong."""
    monkeypatch.setenv("HOLDS", "value-of-holds")
    (tmp_path / "secret.txt").write_text("secret\n")
    path = tmp_path / "clients.toml"

    def both(text: str) -> tuple[str, str]:
        path.write_text(text)
        try:
            load_clients(path, Settings(config=path))
            said = ""
        except UsageError as error:
            said = f"{error.problem}; {error.remedy}"
        return said, "; ".join(schemas.problems("clients", tomllib.loads(text)))

    return both


def test_the_schema_has_the_keys_of_the_file_and_no_others() -> None:
    assert list(schemas.load("clients")["$defs"]["client"]["properties"]) == list(KEYS) == list(GOOD)


@pytest.mark.parametrize("line", [f"{key} = {value}" for key, values in GOOD.items() for value in values])
def test_both_accept_what_is_right(read: Any, line: str) -> None:
    url = "" if line.startswith("url ") else URL
    assert read(f"[[client]]\n{url}\n{line}\n") == ("", "")


@pytest.mark.parametrize("text", [f"[[client]]\n{URL}\n{line}\n" for line in BAD] + BAD_FILES)
def test_both_refuse_what_is_wrong(read: Any, text: str) -> None:
    by_suite, by_schema = read(text)
    assert by_suite
    assert by_schema


@pytest.mark.parametrize("line", [line for line in BAD if "\n" not in line])
def test_the_suite_names_file_line_and_key_and_what_it_takes(read: Any, line: str) -> None:
    said, _ = read(f"# a comment\n[[client]]\n{URL}\n{line}\n")
    assert "clients.toml, line 4, client 1" in said
    assert line.split(" =")[0] in said
    assert any(word in said for word in ("give ", "keys are ", "use "))
