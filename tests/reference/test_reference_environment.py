"""The real images' environment, as the reference's roles read it."""

from __future__ import annotations

import pytest

from pytest_wa_settings.reference.errors import ReferenceFault
from pytest_wa_settings.reference.onprem.environment import is_web, read

DATABASE = {
    "WA_DB_ENGINE": "PGSQL",
    "WA_DB_HOSTNAME": "db",
    "WA_DB_PORT": "3306",
    "WA_DB_USERNAME": "root",
    "WA_DB_PASSWORD": "testpass",
}


def test_the_database_is_where_the_published_files_say() -> None:
    database = read(DATABASE).database
    assert (database.host, database.port, database.user, database.password) == (
        *("db", 3306),
        *("root", "testpass"),
    )
    assert "testpass" not in repr(database)


@pytest.mark.parametrize(
    ("given", "role"),
    [
        ({}, "single"),
        ({"WA_APP_MULTICONNECT": "1"}, "coreapp"),
        ({"WA_APP_MULTICONNECT": "1", "WA_MASTER_NODE": "1"}, "master"),
    ],
)
def test_two_variables_make_a_node_what_it_is(given: dict[str, str], role: str) -> None:
    assert read({**DATABASE, **given}).role == role
    assert not is_web(given)


def test_a_web_is_known_by_its_hostname_or_by_its_coreapps() -> None:
    assert is_web({"WACORE_HOSTNAME": "wacore"})
    assert is_web({"WEBAPP_HOSTNAME": "waweb"})


def test_a_node_is_named_by_its_hostname_and_container() -> None:
    node = read({**DATABASE, "COREAPP_HOSTNAME": "master1", "HOSTNAME": "3b86c731bd30"})
    assert node.name == "master1:3b86c731bd30"
    assert node.ports == (6250, 6251, 6252, 6253)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"WA_DB_ENGINE": "MYSQL"}, "keeps its state in PostgreSQL, not in MYSQL"),
        ({"WA_DB_ENGINE": ""}, "keeps its state in PostgreSQL, not in a database unnamed"),
        ({"WA_DB_PORT": "db"}, "WA_DB_PORT is no number"),
        ({"COREAPP_EXTERNAL_PORTS": "6250,6251"}, "COREAPP_EXTERNAL_PORTS is not four ports"),
        ({"WA_API_KEY": "short"}, "WA_API_KEY is too short or too long"),
        ({"WA_REFERENCE_VERSION": "latest"}, "The client version is not numbers with dots"),
    ],
)
def test_what_cannot_be_is_told(given: dict[str, str], problem: str) -> None:
    with pytest.raises(ReferenceFault) as caught:
        read({**DATABASE, **given})
    assert problem in caught.value.problem
    assert caught.value.remedy
