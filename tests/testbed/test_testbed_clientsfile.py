"""clients.toml is read as it is meant; a mistake in it is told with file, line, key and what is accepted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_wa_settings.testbed import Settings, UsageError
from pytest_wa_settings.testbed.clientsfile import load_clients
from pytest_wa_settings.testbed.declaration import declared_by_file
from pytest_wa_settings.testbed.entry import Entry

URL = '[[client]]\nurl = "https://wa.example:9090"\n'


@pytest.fixture
def load(tmp_path: Path) -> Any:
    def load_(text: str, **options: Any) -> list[Entry]:
        path = tmp_path / "clients.toml"
        path.write_text(text, encoding="utf-8")
        return load_clients(path, Settings(config=path, **options))

    return load_


def refused(load: Any, text: str, **options: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        load(text, **options)
    return caught.value


def test_a_file_with_every_key_is_read(load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ADMIN", "KEY"):
        monkeypatch.setenv(name, f"value-of-{name}")
    (tmp_path / "user.txt").write_text("user-secret\n")
    (one,) = load(
        """
        [[client]]
        name = "old machine"
        url = "https://127.0.0.1:9090/wa/"
        admin = "root"
        admin_password_env = "ADMIN"
        user = "agent"
        user_password_file = "user.txt"
        headers_env = { "X-Api-Key" = "KEY" }
        client_cert = "cert.pem"
        proxy = "http://proxy:3128"
        ca = "wa-ca.pem"
        timeout = 5
        ready_timeout = 60.5
        profile = "full"
        may_restore = true
        max_restores = 30
        restart = "docker restart wacore waweb"
        restart_policy = "unless-stopped"
        reset = "./reset.sh"
        state = "registered"
        shards = 2
        version = "v2.31.4"
        consumer = "http://127.0.0.1:9900"
        contacts = ["15550100001", "+15550100002"]
        webhook = "https://suite.example:8443"
        webhook_cert = "hook.pem"
        testbed = "lab"
        """
    )
    assert (one.name, one.url, one.admin, one.user) == (
        "old machine",
        "https://127.0.0.1:9090/wa",
        "root",
        "agent",
    )
    assert (one.admin_password, one.user_password) == ("value-of-ADMIN", "user-secret")
    assert dict(one.headers) == {"X-Api-Key": "value-of-KEY"}
    assert (one.ca, one.client_cert) == (tmp_path / "wa-ca.pem", tmp_path / "cert.pem")
    assert (one.timeout, one.ready_timeout, one.max_restores) == (5.0, 60.5, 30)
    assert (one.may_restore, one.may_change, one.multiconnect, one.version) == (True, True, True, "2.31.4")
    assert one.contacts == ("15550100001", "15550100002")
    assert one.folder == tmp_path.resolve()


def test_secrets_do_not_show_in_the_repr_of_an_entry(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN", "hunter2hunter2")
    (one,) = load(URL + 'admin_password_env = "ADMIN"\n')
    assert "hunter2" not in repr(one)


def test_what_is_not_declared_is_harmless(load: Any) -> None:
    (one,) = load(URL)
    assert (one.may_restore, one.may_change, one.verify, one.max_restores) == (False, False, True, 20)
    assert (one.name, one.state, one.shards, one.multiconnect) == ("wa.example:9090", None, None, None)


def test_a_client_that_can_be_reset_may_take_more_restores(load: Any) -> None:
    assert load(URL + 'reset = "./reset.sh"\n')[0].max_restores == 200


def test_options_stand_in_for_what_an_entry_leaves_out(load: Any) -> None:
    (one,) = load(
        URL + "timeout = 5\n", admin_password="from-option", allow_restore=True, timeout=9.0, insecure=True
    )
    assert (one.admin_password, one.may_restore, one.timeout, one.verify) == ("from-option", True, 9.0, False)


def test_an_entry_may_refuse_what_an_option_allows(load: Any) -> None:
    assert not load(URL + "may_restore = false\n", allow_restore=True)[0].may_restore


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('colour = "red"', "keys are name, url"),
        ('admin_password = "x"', "admin_password_env or admin_password_file"),
        ('token = "x"', "token_env"),
        ("state = 1", '"registered", "unregistered"'),
        ('state = "new"', '"registered", "unregistered"'),
        ("shards = 0", "whole number"),
        ("shards = true", "whole number"),
        ('shards = "2"', "whole number"),
        ("timeout = 0", "seconds above 0"),
        ("timeout = nan", "seconds above 0"),
        ("may_restore = 1", "true or false"),
        ('profile = "all"', '"backup", "restore"'),
        ('restart_policy = "never"', '"unless-stopped"'),
        ('admin_password_env = "A B"', "environment variable"),
        ('headers_env = "KEY"', "table of header names"),
        ('contacts = ["me"]', "phone numbers"),
        ('consumer = "ftp://x"', "http"),
        ('name = ""', "a text"),
    ],
)
def test_a_bad_key_is_told_with_its_line_and_what_is_accepted(load: Any, line: str, named: str) -> None:
    error = refused(load, f"# a comment\n{URL}{line}\n")
    assert "clients.toml, line 4, client 1" in error.problem
    assert line.split()[0] in error.problem
    assert named in error.remedy


def test_the_line_is_that_of_the_right_client(load: Any) -> None:
    second = '[[client]]\nurl = "https://b"\nname = "b"\nshards = 0\n'
    error = refused(load, URL + "shards = 2\n\n" + second)
    assert "line 8, client 2 (b)" in error.problem


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        ("shards = 2\nmulticonnect = false", "multiconnect"),
        ("may_restore = true\nmay_change = false", "may_change"),
        ('ca = "a.pem"\nverify = false', "verify"),
        ('user = "agent"', "user"),
        ('token_env = "PATH"\nadmin_password_env = "PATH"', "token_env"),
        ('admin_password_env = "PATH"\nadmin_password_file = "x"', "admin_password_file"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(load: Any, lines: str, key: str) -> None:
    assert f" {key}: " in refused(load, f"{URL}{lines}\n").problem


def test_a_variable_that_is_not_set_is_named(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_THERE", raising=False)
    error = refused(load, URL + 'admin_password_env = "NOT_THERE"\n')
    assert "NOT_THERE is not set" in error.problem


def test_a_key_that_is_nearly_one_is_told_which_may_be_meant(load: Any) -> None:
    assert refused(load, URL + "may_restor = true\n").remedy.startswith(
        "perhaps may_restore is meant; keys are "
    )


def test_a_password_file_must_hold_one_line(load: Any, tmp_path: Path) -> None:
    (tmp_path / "p").write_text("two\nlines\n")
    assert "one line" in refused(load, URL + 'admin_password_file = "p"\n').remedy


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[[client]\n", "line 1: this is not TOML"),
        ('[[client]]\nurl = "x\n', "line 2: this is not TOML"),
        ("", "no client is declared"),
        ("[client]\n", "no client is declared"),
        ("client = [1]\n", "no client is declared"),
        (f'{URL}\n[[clients]]\nurl = "https://b"\n', "line 4: there is no key 'clients'"),
        ("[[client]]\nname = 'a'\n", "url is missing"),
        ('[[client]]\nurl = "mock:"\n', "clients that run already"),
        ('[[client]]\nurl = "https://a:b@c"\n', "user or a password"),
        (URL + URL, "same name"),
        (f"{URL}name = 'a'\n{URL}name = 'b'\n", "same url"),
        (URL + "a = " + "[" * 5000, "deep"),
    ],
)
def test_a_file_that_declares_no_clients_is_refused_with_the_reason(load: Any, text: str, named: str) -> None:
    error = refused(load, text)
    assert named in error.problem
    assert "clients.toml" in error.problem


def test_a_file_that_is_not_there_or_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clients.toml"
    with pytest.raises(UsageError, match="cannot be read"):
        load_clients(path, Settings(config=path))
    path.write_bytes(b"a = 1\n\xff\xfe")
    with pytest.raises(UsageError, match="line 2: this is not UTF-8"):
        load_clients(path, Settings(config=path))


def test_one_restart_command_is_not_for_several_clients(load: Any) -> None:
    text = URL + '[[client]]\nurl = "https://b"\n'
    assert "restart" in refused(load, text, restart_command="x").remedy


def test_a_file_of_several_testbeds_needs_a_choice(tmp_path: Path) -> None:
    path = tmp_path / "clients.toml"
    path.write_text(f'{URL}testbed = "a"\n[[client]]\nurl = "https://b"\ntestbed = "b"\n')
    with pytest.raises(UsageError, match="testbeds a, b"):
        declared_by_file(Settings(config=path))
    chosen = declared_by_file(Settings(config=path, testbed="b"))
    assert (chosen.name, chosen.profile) == ("b", "backup")


def test_clients_of_one_testbed_have_one_profile(tmp_path: Path) -> None:
    path = tmp_path / "clients.toml"
    path.write_text(f'{URL}profile = "full"\n[[client]]\nurl = "https://b"\nprofile = "backup"\n')
    with pytest.raises(UsageError, match="profile"):
        declared_by_file(Settings(config=path))


def test_a_client_s_commands_get_the_secrets_of_no_client_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRST", "password-of-first")
    monkeypatch.setenv("SECOND", "key-of-second")
    path = tmp_path / "clients.toml"
    path.write_text(
        f"""{URL}name = "one"\nadmin_password_env = "FIRST"\ntestbed = "a"\n
        [[client]]\nurl = "https://wa.example:9190"\nname = "two"\ntestbed = "b"\nrestart = "env > seen"
        headers_env = {{ "X-Key" = "SECOND" }}\ntoken_env = "SECOND"\n""",
        encoding="utf-8",
    )
    testbed = declared_by_file(Settings(config=path, testbed="b"))
    try:
        testbed.open()
        testbed._slots[0].client.life.restart()
    finally:
        testbed.close()
    assert "password-of" not in (tmp_path / "seen").read_text()
    assert "key-of" not in (tmp_path / "seen").read_text()


def test_files_of_windows_editors_are_read_as_meant(tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes("Passwört-1\r\n".encode("utf-16"))
    path = tmp_path / "clients.toml"
    path.write_text(URL + 'admin_password_file = "password"\n', encoding="utf-8-sig")
    (one,) = load_clients(path, Settings(config=path))
    assert one.admin_password == "Passwört-1"


def test_a_variable_that_was_set_from_such_a_file_is_read_as_meant(
    load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADMIN", "\ufeffPassword-1")
    (one,) = load(URL + 'admin_password_env = "ADMIN"\n')
    assert one.admin_password == "Password-1"
