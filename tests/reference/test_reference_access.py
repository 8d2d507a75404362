"""Users, tokens and who may do what."""

from __future__ import annotations

import pytest
from driving import Pool, Reference, code

ADMIN_ONLY = [
    ("POST", "/v1/settings/backup"),
    ("POST", "/v1/settings/restore"),
    ("GET", "/v1/settings/application"),
    ("PATCH", "/v1/settings/application"),
    ("POST", "/v1/users"),
    ("POST", "/v1/account"),
    ("GET", "/v1/settings/profile/about"),
    ("POST", "/v1/certificates/webhooks/ca"),
]
FOR_USERS = [
    ("GET", "/v1/health"),
    ("GET", "/v1/support"),
    ("POST", "/v1/contacts"),
    ("POST", "/v1/messages"),
]


@pytest.mark.parametrize(("method", "path"), ADMIN_ONLY + FOR_USERS)
def test_without_a_valid_token_nothing_is_told(client: Reference, method: str, path: str) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": "é"},
    ):
        raw = {name: value.encode("latin-1") for name, value in headers.items()}
        answer = client.http.request(method, path, headers=raw)
        assert (answer.status_code, code(answer)) == (401, 1005)
        assert answer.headers["www-authenticate"] == "Bearer"


def test_a_user_is_refused_what_only_an_admin_may(client: Reference) -> None:
    agent = client.user()
    for method, path in ADMIN_ONLY:
        answer = client.ask(method, path, token=agent)
        assert (answer.status_code, code(answer)) == (403, 1005), path
    assert client.ask("GET", "/v1/health", token=agent).status_code == 200


def test_the_factory_password_must_be_changed_at_the_first_login(pool: Pool) -> None:
    client = pool.start(admin_password=None)
    answer = client.login()
    assert (answer.status_code, code(answer)) == (400, 1024)
    assert "new_password" in answer.json()["errors"][0]["details"]
    assert code(client.login(new_password="weak")) == 1009
    assert client.login(new_password="Str0ng-pass").status_code == 200
    assert client.login().status_code == 401
    assert client.login(password="Str0ng-pass").status_code == 200


def test_a_login_has_the_documented_shape(client: Reference) -> None:
    (user,) = client.login().json()["users"]
    assert user["token"].count(".") == 2
    assert user["expires_after"].endswith("+00:00")


@pytest.mark.parametrize("password", ["wrong", "", "Secret-123\0", "Secret-123 ", "secret-123"])
def test_wrong_credentials_are_refused(client: Reference, password: str) -> None:
    answer = client.login(password=password)
    assert (answer.status_code, code(answer)) == (401, 1005)
    assert client.login("nobody", password).status_code == 401


@pytest.mark.parametrize("header", [None, "Basic", "Basic !!!", "Basic YQ==", "Bearer x", "Basic /////w=="])
def test_a_broken_basic_header_is_refused(client: Reference, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    assert client.http.post("/v1/users/login", headers=headers).status_code == 401


def test_logging_out_revokes_the_one_token(client: Reference) -> None:
    one, other = (client.login().json()["users"][0]["token"] for _ in range(2))
    assert client.ask("POST", "/v1/users/logout", token=one).status_code == 200
    assert client.ask("GET", "/v1/health", token=one).status_code == 401
    assert client.backup(token=one).status_code == 401
    assert client.ask("GET", "/v1/health", token=other).status_code == 200


def test_tokens_survive_a_restart(client: Reference) -> None:
    _ = client.application()
    client.start_again()
    assert client.ask("GET", "/v1/health", token=client.token).status_code == 200


def test_users_live_from_creation_to_deletion(client: Reference) -> None:
    agent = client.user("agent")
    assert client.ask("GET", "/v1/users/agent").json()["users"] == [
        {"ROLES": "ROLE_USER", "username": "agent"}
    ]
    again = client.ask("POST", "/v1/users", json={"username": "agent", "password": "Agent-Pass-1"})
    assert code(again) == 1014
    changed = client.ask("PUT", "/v1/users/agent", token=agent, json={"password": "Other-Pass-1"})
    assert changed.status_code == 200
    assert client.login("agent", "Other-Pass-1").status_code == 200
    assert client.ask("PUT", "/v1/users/admin", token=agent, json={"password": "x"}).status_code == 403
    assert client.ask("DELETE", "/v1/users/agent").status_code == 200
    assert client.ask("GET", "/v1/health", token=agent).status_code == 401
    assert client.ask("GET", "/v1/users/agent").status_code == 404


def test_the_built_in_admin_cannot_be_deleted(client: Reference) -> None:
    assert client.ask("DELETE", "/v1/users/admin").status_code == 403
    assert client.login().status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"username": "abc", "password": "Agent-Pass-1"},
        {"username": "a" * 33, "password": "Agent-Pass-1"},
        {"username": "agent", "password": "short"},
        {"username": "agent", "password": "no-digits-Here"},
        {"username": 5, "password": "Agent-Pass-1"},
    ],
)
def test_names_and_passwords_of_users_follow_the_rules(client: Reference, body: dict[str, object]) -> None:
    answer = client.ask("POST", "/v1/users", json=body)
    assert (answer.status_code, code(answer)) == (400, 1009)


def test_the_key_for_monitoring_opens_health_only(pool: Pool) -> None:
    client = pool.start(api_key="monitoring-key-1")
    for key, status in (("monitoring-key-1", 200), ("wrong", 401)):
        headers = {"Authorization": f"Apikey {key}"}
        assert client.http.get("/v1/health", headers=headers).status_code == status
    headers = {"Authorization": "Apikey monitoring-key-1"}
    assert client.http.get("/v1/support", headers=headers).status_code == 401
