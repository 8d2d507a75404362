"""What a client's owner does not allow never leaves, whatever call it is, however its path is written."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from fake_client import FakeClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_wa_settings.testbed import Need, Unavailable
from pytest_wa_settings.testbed.client import Client
from pytest_wa_settings.testbed.declared import DeclaredTestbed
from pytest_wa_settings.testbed.permission import NotPermitted

Fake = Callable[..., FakeClient]
Declare = Callable[..., DeclaredTestbed]
OPENAPI = json.loads((Path(__file__).parents[2] / "schemas" / "openapi.json").read_text())
PATHS = sorted(path.replace("{username}", "somebody") for path in OPENAPI["paths"] if path.startswith("/v1/"))
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PERMISSIONS: dict[str, dict[str, Any]] = {
    "nothing": {"may_change": False, "may_restore": False},
    "changes": {"may_change": True, "may_restore": False},
    "restores": {"may_change": True, "may_restore": True},
}
ALLOWED = {
    "nothing": {"reads"},
    "changes": {"reads", "changes"},
    "restores": {"reads", "changes", "restores"},
}
HARMLESS = {"POST /v1/settings/backup", "POST /v1/users/login", "POST /v1/users/logout"}


def does(method: str, path: str) -> str:
    """What a call may do to a client that reads paths as freely as any; apart from the suite's table."""
    plain = "/" + "/".join(part for part in unquote(path).lower().partition("?")[0].split("/") if part)
    if method == "GET" or f"{method} {plain}" in HARMLESS:
        return "reads"
    return "restores" if plain == "/v1/settings/restore" else "changes"


def send(client: Client, method: str, path: str, way: str) -> bool:
    """Sends a call in one of the ways that a test has; whether it was allowed to leave."""
    try:
        if way == "raw":
            client.driver.send_raw(client.driver.compose(method, path, json={"heartbeat_interval": 9}))
        elif way == "clone":
            twin = client.driver.clone()
            twin.request(method, path, json={"heartbeat_interval": 9})
            twin.close()
        elif way == "driver":
            client.driver.request(method, path, json={"heartbeat_interval": 9})
        else:
            client.ask(method, path, json={"heartbeat_interval": 9})
    except Unavailable:  # NotPermitted is one
        return False
    return True


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_a_call_leaves_where_its_effect_is_allowed(fake: Fake, declare: Declare, permission: str) -> None:
    one = fake()
    one.after_restore = "stays"
    with declare(one, **PERMISSIONS[permission]).lease(Need()) as client:
        for method, path in itertools.product(METHODS, PATHS):
            client.calls.application()  # with a token, whatever came before
            one.seen.clear()
            allowed = does(method, path) in ALLOWED[permission]
            assert (send(client, method, path, "driver"), method, path) == (allowed, method, path)
            assert allowed is (f"{method} {path}" in one.seen)


DISGUISES: tuple[Callable[[str], str], ...] = (
    lambda path: path,
    lambda path: path.upper(),
    lambda path: path.replace("/", "//"),
    lambda path: path.replace("t", "%74"),
    lambda path: path + "/",
    lambda path: path + "?force=1",
    lambda path: path.replace("/v1", "/v1/."),
)


@pytest.mark.parametrize("permission", ["nothing", "changes"])
def test_no_way_of_sending_and_no_spelling_gets_round_it(
    fake: Fake, declare: Declare, permission: str
) -> None:
    one = fake()
    with declare(one, **PERMISSIONS[permission]).lease(Need()) as client:
        client.calls.application()

        @settings(
            max_examples=150,
            derandomize=True,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
            database=None,
        )
        @given(
            st.sampled_from(METHODS),
            st.sampled_from(PATHS),
            st.sampled_from(DISGUISES),
            st.sampled_from(["ask", "driver", "clone", "raw"]),
        )
        def sent(method: str, path: str, disguise: Callable[[str], str], way: str) -> None:
            one.seen.clear()
            send(client, method, disguise(path), way)
            for call in one.seen:
                method_seen, _, path_seen = call.partition(" ")
                assert does(method_seen, path_seen.replace("/.", "")) in ALLOWED[permission], call

        sent()
    if permission == "nothing":
        assert one.settings["heartbeat_interval"] == 5


def test_a_refusal_names_the_option_that_allows_it(fake: Fake, declare: Declare) -> None:
    with (
        declare(fake(), **PERMISSIONS["nothing"]).lease(Need()) as client,
        pytest.raises(NotPermitted, match="PATCH /v1/settings/application was not sent") as caught,
    ):
        client.driver.patch_application({"heartbeat_interval": 9})
    assert "--wa-allow-restore" in caught.value.remedy
    assert "may_change" in caught.value.remedy


def test_a_login_that_brings_a_new_password_is_a_change(fake: Fake, declare: Declare) -> None:
    one = fake()
    with declare(one, **PERMISSIONS["nothing"]).lease(Need()) as client:
        one.factory, before = True, len(one.logins)
        with pytest.raises(NotPermitted):
            client.driver.login("admin", "secret", "Another-Password-1")
        assert (one.factory, len(one.logins)) == (True, before)
