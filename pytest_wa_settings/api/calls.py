"""The calls of the On-Premises API that the suite makes, each as a method that takes plain values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from pytest_wa_settings.wire import ADMIN, NO_TOKEN, UNSET, Answer, Token


class Calls(ABC):
    """The typed half of the driver; whatever JSON can carry may stand for a password, data or a text.

    Every call takes `token` (ADMIN, NO_TOKEN or a token's text) and `timeout` (seconds for the whole answer).
    """

    @abstractmethod
    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = UNSET,
        content: bytes | None = None,
        secrets: Sequence[str] | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | Token = ADMIN,
        timeout: float | None = None,
        fresh: bool = False,
        repeatable: bool | None = None,
    ) -> Answer:
        """Sends a request; see Driver."""

    # the clauses' own calls

    def backup(self, password: object, *, token: str | Token = ADMIN, timeout: float | None = None) -> Answer:
        """POST /v1/settings/backup (doc, backup)."""
        return self.request(
            "POST",
            "/v1/settings/backup",
            json={"password": password},
            token=token,
            timeout=timeout,
            repeatable=True,
        )

    def restore(
        self,
        password: object,
        data: object,
        *,
        token: str | Token = ADMIN,
        timeout: float | None = None,
        fresh: bool = False,
    ) -> Answer:
        """POST /v1/settings/restore (doc, restore); never sent twice."""
        body = {"password": password, "data": data}
        path = "/v1/settings/restore"
        return self.request("POST", path, json=body, token=token, timeout=timeout, fresh=fresh)

    # users (api 1.1 to 1.3)

    def login_as(
        self, username: str, password: str, new_password: str | None = None, *, timeout: float | None = None
    ) -> Answer:
        """POST /v1/users/login with Basic; nothing is remembered (see Driver.login)."""
        basic = b64encode(f"{username}:{password}".encode("utf-8", "surrogatepass")).decode("ascii")
        return self.request(
            "POST",
            "/v1/users/login",
            json=UNSET if new_password is None else {"new_password": new_password},
            headers={"Authorization": f"Basic {basic}"},
            token=NO_TOKEN,
            timeout=timeout,
            repeatable=new_password is None,
        )

    def logout(self, token: str | Token = ADMIN, *, timeout: float | None = None) -> Answer:
        """POST /v1/users/logout: revokes the token that is sent (api 1.3)."""
        return self.request("POST", "/v1/users/logout", token=token, timeout=timeout)

    def create_user(
        self, name: str, password: object, *, token: str | Token = ADMIN, timeout: float | None = None
    ) -> Answer:
        """POST /v1/users: a new account with ROLE_USER (api 1.3)."""
        body = {"username": name, "password": password}
        return self.request("POST", "/v1/users", json=body, token=token, timeout=timeout)

    def delete_user(self, name: str, *, token: str | Token = ADMIN, timeout: float | None = None) -> Answer:
        """DELETE /v1/users/{name} (api 1.3)."""
        return self.request("DELETE", f"/v1/users/{quote(name, safe='')}", token=token, timeout=timeout)

    # what can be read and changed

    def health(self, *, token: str | Token = ADMIN, timeout: float | None = None) -> Answer:
        """GET /v1/health (api 3)."""
        return self.request("GET", "/v1/health", token=token, timeout=timeout)

    def support(self, *, token: str | Token = ADMIN, timeout: float | None = None) -> Answer:
        """GET /v1/support (api 5.2)."""
        return self.request("GET", "/v1/support", token=token, timeout=timeout)

    def application(self, *, token: str | Token = ADMIN, timeout: float | None = None) -> Answer:
        """GET /v1/settings/application (api 5.1)."""
        return self.request("GET", "/v1/settings/application", token=token, timeout=timeout)

    def patch_application(
        self, changes: object, *, token: str | Token = ADMIN, timeout: float | None = None
    ) -> Answer:
        """PATCH /v1/settings/application: fields left out stay as they are (api 5.1)."""
        return self.request("PATCH", "/v1/settings/application", json=changes, token=token, timeout=timeout)

    def about(self, *, token: str | Token = ADMIN, timeout: float | None = None) -> Answer:
        """GET /v1/settings/profile/about (api 5.2)."""
        return self.request("GET", "/v1/settings/profile/about", token=token, timeout=timeout)

    def patch_about(
        self, text: object, *, token: str | Token = ADMIN, timeout: float | None = None
    ) -> Answer:
        """PATCH /v1/settings/profile/about, at most 139 characters (api 5.2)."""
        body = {"text": text}
        return self.request("PATCH", "/v1/settings/profile/about", json=body, token=token, timeout=timeout)

    def business_profile(self, *, token: str | Token = ADMIN, timeout: float | None = None) -> Answer:
        """GET /v1/settings/business/profile (api 5.2)."""
        return self.request("GET", "/v1/settings/business/profile", token=token, timeout=timeout)

    def set_business_profile(
        self, changes: object, *, token: str | Token = ADMIN, timeout: float | None = None
    ) -> Answer:
        """POST /v1/settings/business/profile: fields left out stay as they are (api 5.2)."""
        return self.request(
            "POST", "/v1/settings/business/profile", json=changes, token=token, timeout=timeout
        )

    def photo(self, *, token: str | Token = ADMIN, timeout: float | None = None) -> Answer:
        """GET /v1/settings/profile/photo: the picture's bytes (api 5.2)."""
        return self.request("GET", "/v1/settings/profile/photo", token=token, timeout=timeout)

    def set_photo(
        self, picture: bytes, mime: str, *, token: str | Token = ADMIN, timeout: float | None = None
    ) -> Answer:
        """POST /v1/settings/profile/photo with the picture's bytes (api 5.2)."""
        return self.request(
            "POST",
            "/v1/settings/profile/photo",
            content=picture,
            headers={"Content-Type": mime},
            token=token,
            timeout=timeout,
        )

    # contacts and messages

    def contacts(
        self, numbers: Sequence[str], *, token: str | Token = ADMIN, timeout: float | None = None
    ) -> Answer:
        """POST /v1/contacts: looks the numbers up and waits for the result."""
        body = {"blocking": "wait", "contacts": list(numbers)}
        return self.request("POST", "/v1/contacts", json=body, token=token, timeout=timeout, repeatable=True)

    def send_text(
        self, to: str, body: str, *, token: str | Token = ADMIN, timeout: float | None = None
    ) -> Answer:
        """POST /v1/messages: a text message to one contact; never sent twice."""
        message = {"to": to, "type": "text", "recipient_type": "individual", "text": {"body": body}}
        return self.request("POST", "/v1/messages", json=message, token=token, timeout=timeout)
