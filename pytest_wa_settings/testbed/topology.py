"""The real client's published topology: which containers make a client, with which environment and commands.

As the vendor's setup scripts have them (api 7.1): `db`, `waweb`, and one `wacore`; or, in multiconnect, two
masters and a coreapp more than there are shards. Names get an ending, so that many clients share a network;
the coreapps' ports are reached on that network, and only the web's is published on the host.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_wa_settings.testbed.base import Policy, Setup
from pytest_wa_settings.testbed.errors import UsageError

REGISTRY = "docker.whatsapp.biz"
POSTGRES, MYSQL = "postgres:13.8", "mysql:8.0.33"
POSTGRES_VARIABLE = "WA_POSTGRES_IMAGE"
"""Names another PostgreSQL image, where the public one cannot be had."""
MEDIA = "/usr/local/wamedia"
WEB_PORT, DATABASE_PORT = 443, 3306
DATABASE_USER, DATABASE_PASSWORD = "root", "testpass"
REFERENCE = "reference"
_BIN = "/opt/whatsapp/bin"
_TEMPLATE_VERSION = "v2.2.3"
_OF_MYSQL = {"WA_DB_CONNECTION_IDLE_TIMEOUT": "180000"}
_CORE_PORTS = "6250,6251,6252,6253"


@dataclass(frozen=True)
class Images:
    """Where the images come from: the reference's own, one image for both roles, or a registry's two."""

    reference: bool
    web: str
    coreapp: str
    database: str
    engine: str

    @classmethod
    def of(cls, keys: Mapping[str, str], version: str) -> Images:
        """The images that an address names; raises UsageError."""
        engine, images, registry = keys.get("db", "postgres"), keys.get("images"), keys.get("registry")
        if engine not in ("postgres", "mysql"):
            raise UsageError("db= has no such value", "give one of postgres, mysql")
        if images is not None and registry is not None:
            raise UsageError("images= and registry= exclude each other", "give one of them")
        reference = images == REFERENCE
        if reference and engine == "mysql":
            raise UsageError(
                "the reference client does not run on MySQL", "leave db= out, or give db=postgres"
            )
        postgres = os.environ.get(POSTGRES_VARIABLE) or POSTGRES
        database = MYSQL if engine == "mysql" else postgres
        if images is not None:
            return cls(reference, images, images, database, engine)
        place = registry or REGISTRY
        tag = f"v{version.removeprefix('v')}"
        return cls(False, f"{place}/web:{tag}", f"{place}/coreapp:{tag}", database, engine)


@dataclass(frozen=True)
class Piece:
    """One container of a client; `core` are the nodes that a restore stops.

    `dropped`: the capabilities that the published files take away.
    """

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    policy: Policy = "no"
    media: bool = True
    core: bool = False
    dropped: tuple[str, ...] = ()


def policy_of(setup: Setup) -> Policy:
    """What the published files say about starting coreapps again."""
    return "unless-stopped" if setup[1] else "no"


def pieces(images: Images, setup: Setup, ending: str, own: Mapping[str, str]) -> list[Piece]:
    """A client's containers in the order in which they are started; `own` is the reference's environment."""
    shards, multiconnect = setup
    database = f"db{ending}"
    wait = "wait_on_postgres.sh" if images.engine == "postgres" else "wait_on_mysql.sh"
    command = (f"{_BIN}/{wait}", f"{_BIN}/launch_within_docker.sh")
    common = {
        "WA_DB_ENGINE": "PGSQL" if images.engine == "postgres" else "MYSQL",
        "WA_DB_HOSTNAME": database,
        "WA_DB_PORT": str(DATABASE_PORT),
        "WA_DB_USERNAME": DATABASE_USER,
        "WA_DB_PASSWORD": DATABASE_PASSWORD,
        "WA_RUNNING_ENV_VERSION": _TEMPLATE_VERSION,
        "ORCHESTRATION": "DOCKER-COMPOSE",
        **(_OF_MYSQL if images.engine == "mysql" else {}),
        **own,
    }
    dropped = _dropped(images)
    web = f"waweb{ending}"

    def core(name: str, **environment: str) -> Piece:
        given = {**common, **environment}
        return Piece(name, images.coreapp, command, given, policy_of(setup), core=True, dropped=dropped)

    if not multiconnect:
        wacore = f"wacore{ending}"
        front = Piece(web, images.web, command, {**common, "WACORE_HOSTNAME": wacore}, dropped=dropped)
        return [_database(images, database), core(wacore), front]
    named = {"WA_APP_MULTICONNECT": "1", "COREAPP_EXTERNAL_PORTS": _CORE_PORTS}
    fronted = {"WA_APP_MULTICONNECT": "1", "WEBAPP_EXTERNAL_PORTS": "9090", "WEBAPP_HOSTNAME": web}
    masters = [f"master{number}{ending}" for number in (1, 2)]
    coreapps = [f"wacore{number}{ending}" for number in range(1, shards + 2)]
    return [
        _database(images, database),
        Piece(web, images.web, command, {**common, **fronted}, dropped=dropped),
        *(core(name, **named, WA_MASTER_NODE="1", COREAPP_HOSTNAME=name) for name in masters),
        *(core(name, **named, COREAPP_HOSTNAME=name) for name in coreapps),
    ]


def _database(images: Images, name: str) -> Piece:
    if images.engine == "mysql":
        command: tuple[str, ...] = ("--default-authentication-plugin=mysql_native_password",)
        environment = {
            "MYSQL_ROOT_PASSWORD": DATABASE_PASSWORD,
            "MYSQL_USER": "testuser",
            "MYSQL_PASSWORD": DATABASE_PASSWORD,
        }
    else:
        command = ("-p", str(DATABASE_PORT), "-N", "500")
        environment = {"POSTGRES_USER": DATABASE_USER, "POSTGRES_PASSWORD": DATABASE_PASSWORD}
    return Piece(name, images.database, command, environment, "always", media=False, dropped=_dropped(images))


def _dropped(images: Images) -> tuple[str, ...]:
    return ("MKNOD",) if images.engine == "mysql" else ()
