"""The published topology as values: containers, images, environment, commands."""

from __future__ import annotations

import pytest

from pytest_wa_settings.testbed import Need, Settings, UsageError, open_testbed
from pytest_wa_settings.testbed.topology import Images, pieces

COMMAND = ("/opt/whatsapp/bin/wait_on_postgres.sh", "/opt/whatsapp/bin/launch_within_docker.sh")
CERTIFICATE = {"WA_CC": "1", "WA_PHONE_NUMBER": "5551234567", "WA_CERT": "Y2VydA=="}


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*CERTIFICATE, "WA_POSTGRES_IMAGE"):
        monkeypatch.delenv(name, raising=False)


def test_a_single_instance_is_a_database_a_coreapp_and_a_web_that_knows_it() -> None:
    database, core, web = pieces(Images.of({}, "2.57.2"), (1, False), "", {})
    assert [database.name, core.name, web.name] == ["db", "wacore", "waweb"]
    assert (database.image, database.command) == ("postgres:13.8", ("-p", "3306", "-N", "500"))
    assert core.image == "docker.whatsapp.biz/coreapp:v2.57.2"
    assert web.image == "docker.whatsapp.biz/web:v2.57.2"
    assert core.command == web.command == COMMAND
    assert (core.policy, web.policy) == ("no", "no")
    assert web.environment["WACORE_HOSTNAME"] == "wacore"
    assert core.environment["WA_DB_ENGINE"] == "PGSQL"
    assert core.environment["WA_DB_HOSTNAME"] == "db"


def test_multiconnect_has_two_masters_and_a_coreapp_more_than_shards() -> None:
    made = pieces(Images.of({}, "2.57.2"), (2, True), "", {})
    assert [piece.name for piece in made] == [
        *("db", "waweb", "master1", "master2"),
        *("wacore1", "wacore2", "wacore3"),
    ]
    masters = [piece.name for piece in made if piece.environment.get("WA_MASTER_NODE") == "1"]
    assert masters == ["master1", "master2"]
    for piece in made[2:]:
        assert piece.core
        assert piece.policy == "unless-stopped"
        assert piece.environment["COREAPP_HOSTNAME"] == piece.name
        assert piece.environment["COREAPP_EXTERNAL_PORTS"] == "6250,6251,6252,6253"
        assert piece.environment["WA_APP_MULTICONNECT"] == "1"


def test_mysql_brings_its_own_image_command_and_engine() -> None:
    database, core, _ = pieces(Images.of({"db": "mysql"}, "2.57.2"), (1, False), "", {})
    assert database.image == "mysql:8.0.33"
    assert core.environment["WA_DB_ENGINE"] == "MYSQL"
    assert core.command[0] == "/opt/whatsapp/bin/wait_on_mysql.sh"
    assert core.environment["WA_DB_CONNECTION_IDLE_TIMEOUT"] == "180000"


@pytest.mark.parametrize("setup", [(1, False), (2, True)])
def test_containers_of_mysql_cannot_make_device_nodes(setup: tuple[int, bool]) -> None:
    made = pieces(Images.of({"db": "mysql"}, "2.57.2"), setup, "", {})
    assert {piece.dropped for piece in made} == {("MKNOD",)}
    assert {piece.dropped for piece in pieces(Images.of({}, "2.57.2"), setup, "", {})} == {()}


def test_images_come_from_another_registry_or_are_one_for_both_roles() -> None:
    mirrored = Images.of({"registry": "mirror.example/wa"}, "2.49.3")
    assert (mirrored.web, mirrored.coreapp) == (
        "mirror.example/wa/web:v2.49.3",
        "mirror.example/wa/coreapp:v2.49.3",
    )
    own = Images.of({"images": "emulator:7"}, "2.57.2")
    assert own.web == own.coreapp == "emulator:7"


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("onprem:db=oracle", "db= has no such value"),
        ("onprem:images=reference,db=mysql", "the reference client does not run on MySQL"),
        ("onprem:images=reference,registry=mirror.example", "images= and registry= exclude each other"),
    ],
)
def test_an_address_that_cannot_be_is_refused(address: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_testbed(Settings(url=address))
    assert caught.value.problem == problem


def test_without_a_certificate_the_real_images_come_unregistered() -> None:
    testbed = open_testbed(Settings(url="onprem:"))
    assert testbed.why_not(Need("unregistered")) is None
    why = testbed.why_not(Need())
    assert why is not None
    assert "no client can be registered; name its number and certificate as WA_CC" in why
    assert {offer.state for offer in testbed.offers()} == {"unregistered"}


def test_with_a_certificate_the_real_images_come_registered_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CERTIFICATE.items():
        monkeypatch.setenv(name, value)
    assert open_testbed(Settings(url="onprem:")).why_not(Need()) is None


def test_the_testbed_offers_a_single_instance_and_two_shard_counts() -> None:
    for shards in ("1", "2"):
        testbed = open_testbed(Settings(url=f"onprem:images=reference,shards={shards}"))
        assert testbed.shard_setups == ((1, False), (2, True), (4, True))
    testbed = open_testbed(Settings(url="onprem:images=reference,shards=8"))
    assert testbed.shard_setups == ((1, False), (2, True), (8, True))
