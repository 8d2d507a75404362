"""The registration of a client that came up without one (api 4.1)."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from pytest_wa_settings.api import Driver
from pytest_wa_settings.api import health as states
from pytest_wa_settings.testbed.errors import TestbedError
from pytest_wa_settings.wire import NO_TOKEN, Answer, Recorder

CC, NUMBER, CERTIFICATE = "WA_CC", "WA_PHONE_NUMBER", "WA_CERT"
_PAUSE = 0.05
_COUNTRY = 1


@dataclass(frozen=True)
class Phone:
    """A number with its country code apart, and the certificate of its verified name (base64)."""

    country: str
    number: str
    certificate: str

    @classmethod
    def simulated(cls, digits: str) -> Phone:
        """A number of the simulated network, which takes any certificate."""
        vname = base64.b64encode(b"Reference Business").decode("ascii")
        return cls(digits[:_COUNTRY], digits[_COUNTRY:], vname)

    @classmethod
    def of_operator(cls) -> Phone | None:
        """The number that the operator has named in the environment, or None."""
        given = [os.environ.get(name, "").strip() for name in (CC, NUMBER, CERTIFICATE)]
        return cls(*given) if all(given) else None

    @property
    def digits(self) -> str:
        """The whole number."""
        return self.country + self.number


def simulated_code(network: str, timeout: float) -> Callable[[str], str | None]:
    """Reads the code that a number's phone on the simulated network has received."""

    def code(number: str) -> str | None:
        driver = Driver(network, name="network", recorder=Recorder(), timeout=timeout)
        try:
            answer = driver.request("GET", f"/wa/codes/{number}", token=NO_TOKEN)
        finally:
            driver.close()
        found = answer.body.get("code") if answer.ok and isinstance(answer.body, dict) else None
        return found if isinstance(found, str) else None

    return code


def register(
    driver: Driver, phone: Phone, shards: int, code_of: Callable[[str], str | None], limit: float
) -> None:
    """Registers a client, sets its shards, and waits until it is connected; raises TestbedError."""
    who = {"cc": phone.country, "phone_number": phone.number, "cert": phone.certificate}
    asked = _done(driver, "POST", "/v1/account", {**who, "method": "sms"})
    if asked.status != 201:
        code = code_of(phone.digits)
        if not code:
            raise TestbedError(
                "no registration code came", "bring it by the hook pytest_wa_settings_registration_code"
            )
        _done(driver, "POST", "/v1/account/verify", {"code": code})
    if shards > 1:
        _done(driver, "POST", "/v1/account/shards", {**who, "shards": shards})
    deadline = time.monotonic() + limit
    while not states.serves(driver.health(), registered=True, shards=shards):
        if time.monotonic() > deadline:
            raise TestbedError(
                f"the client is not connected {limit:g} s after its registration",
                "look at its containers' logs",
            )
        time.sleep(_PAUSE)


def _done(driver: Driver, method: str, path: str, body: dict[str, object]) -> Answer:
    answer = driver.request(method, path, json=body)
    if not answer.ok:
        why = answer.explanation or f"status {answer.status}, codes {answer.codes}"
        raise TestbedError(
            f"the client could not be registered ({method} {path}: {why})",
            "check the number and its certificate, or leave them out",
        )
    return answer
