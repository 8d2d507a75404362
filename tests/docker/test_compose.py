"""The vendor's published compose set-up, as it is, on the reference's image under the real images' names."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from suite import run, until

from pytest_wa_settings.testbed.engine import Engine
from pytest_wa_settings.testbed.image import built_image

FILE = Path(__file__).parent / "compose" / "multiconnect.yml"
VERSION, NUMBER, PASSWORD = "2.57.2", "15550002222", "Compose-Secret-1"
ADDRESS = "https://127.0.0.1:9090"
CORES = ("master1", "master2", "wacore1", "wacore2", "wacore3")
Compose = Callable[..., str]


@pytest.fixture(scope="module")
def images(engine: Any) -> Iterator[None]:
    """The reference's image and the PostgreSQL stand-in under the names that the file asks for."""
    own = Engine()
    own.connect()
    reference = built_image(own, None, lambda line: None)
    own.close()
    wanted = {
        f"docker.whatsapp.biz/web:v{VERSION}": reference,
        f"docker.whatsapp.biz/coreapp:v{VERSION}": reference,
        "postgres:13.8": os.environ.get("WA_POSTGRES_IMAGE") or "postgres:13.8",
    }
    tagged = [name for name, image in wanted.items() if name != image and not engine.images.list(name)]
    for name in tagged:
        engine.images.get(wanted[name]).tag(name)
    yield
    for name in tagged:
        engine.images.remove(name)


@pytest.fixture(scope="module")
def compose(images: None) -> Iterator[Compose]:
    """Runs compose on the file, of either version; what it has started is gone in the end."""
    program = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
    if subprocess.run([*program, "version"], capture_output=True, check=False).returncode:
        why = "no compose is installed (apt-get install docker-compose)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    project = f"wa-{secrets.token_hex(4)}"

    def command(*arguments: str) -> str:
        made = subprocess.run(
            [*program, "-p", project, "-f", str(FILE), *arguments],
            env={**os.environ, "WA_API_VERSION": VERSION},
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr[-2000:]
        return made.stdout

    try:
        yield command
    finally:
        # A restart policy may start one again meanwhile.
        command("stop", "--timeout", "0")
        command("down", "--volumes", "--timeout", "0")


@pytest.fixture(scope="module")
def client(compose: Compose, engine: Any) -> Iterator[httpx.Client]:
    """What came up, entered for the first time and registered, with two shards."""
    until(lambda: comes_up(compose), 120)
    with httpx.Client(base_url=ADDRESS, verify=False, trust_env=False, timeout=30) as made:
        until(lambda: status(made, "/v1/health") == 401)
        entered = made.post("/v1/users/login", auth=("admin", "secret"), json={"new_password": PASSWORD})
        made.headers["Authorization"] = f"Bearer {entered.json()['users'][0]['token']}"
        until(lambda: status(made, "/v1/settings/application") == 200)
        register(made, network(engine, compose("ps", "--quiet", "waweb").strip()))
        yield made


def comes_up(compose: Compose) -> bool:
    """Whether all is started; the file's ports may be another container's for a while."""
    try:
        compose("up", "--detach")
    except AssertionError as problem:
        if "address already in use" in str(problem) or "port is already allocated" in str(problem):
            return False
        raise
    return True


def status(client: httpx.Client, path: str) -> int | None:
    """The status of an answer, None where there is none."""
    try:
        return client.get(path).status_code
    except httpx.TransportError:
        return None


def network(engine: Any, web: str) -> str:
    """The address of the simulated network, which the web serves where no other is named."""
    found = engine.api.inspect_container(web)["NetworkSettings"]["Networks"].values()
    return f"http://{next(iter(found))['IPAddress']}:9900"


def register(client: httpx.Client, network: str) -> None:
    """Registers with the code that the number's phone has got, and sets the shards."""
    who = {"cc": NUMBER[:1], "phone_number": NUMBER[1:], "cert": base64.b64encode(b"Name").decode()}
    assert client.post("/v1/account", json={**who, "method": "sms"}).status_code == 202
    code = httpx.get(f"{network}/wa/codes/{NUMBER}", trust_env=False).json()["code"]
    assert client.post("/v1/account/verify", json={"code": code}).status_code == 201
    assert client.post("/v1/account/shards", json={**who, "shards": 2}).status_code == 201
    until(lambda: connected(client) == 3)


def connected(client: httpx.Client) -> int:
    """How many nodes are connected."""
    nodes = client.get("/v1/health").json()["health"].values()
    return sum(node["gateway_status"] == "connected" for node in nodes)


def test_the_published_services_come_up_as_they_are(client: httpx.Client, compose: Compose) -> None:
    nodes = client.get("/v1/health").json()["health"]
    assert sorted(name.partition(":")[0] for name in nodes) == sorted(CORES)
    containers = {compose("ps", "--quiet", name).strip()[:12] for name in CORES}
    assert {name.partition(":")[2] for name in nodes} == containers


def test_the_suite_certifies_what_came_up(client: httpx.Client, compose: Compose, tmp_path: Path) -> None:
    cores = [compose("ps", "--quiet", name).strip() for name in CORES]
    outcome = run(
        tmp_path,
        ADDRESS,
        *("--wa-insecure", "--wa-allow-restore", "--wa-allow-not-tested", "--wa-examples", "2"),
        *("--wa-restart-command", f"docker restart -t 0 {' '.join(cores)}"),
        *("-k", "answers_401 or same_machine"),
        WA_ADMIN_PASSWORD=PASSWORD,
        XDG_STATE_HOME=str(tmp_path),
    )
    assert outcome.status == 0, outcome.terminal
    verdicts = outcome.verdicts()
    assert not {"fail", "error"} & set(verdicts.values())
    assert verdicts["ACCESS-1"] == verdicts["ACCESS-3"] == "pass"
    assert "was put back as it was before the run" in outcome.terminal
