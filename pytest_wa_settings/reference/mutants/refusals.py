"""Mutants of how a refusal is worded (ERROR-1 to ERROR-4, ROBUST-4)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from pytest_wa_settings.reference.backups import Backups
from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.deviations import mutant, mutant_of, wrap
from pytest_wa_settings.reference.errors import Refusal
from pytest_wa_settings.reference.http import Call, Reply, Responder
from pytest_wa_settings.reference.mutants.tools import Handle
from pytest_wa_settings.reference.vault import Opened
from pytest_wa_settings.reference.webapp import Guard

_ENVELOPES: tuple[tuple[str, str, Callable[[dict[str, Any]], Any]], ...] = (
    (
        "missing",
        'A refusal is `{"error": ...}`, without a list of errors.',
        lambda error: {"error": error["title"]},
    ),
    (
        "with-text-codes",
        "The code is a string of digits.",
        lambda error: {"errors": [{**error, "code": str(error["code"])}]},
    ),
    (
        "without-code",
        "An error has a title and no code.",
        lambda error: {"errors": [{"title": error["title"]}]},
    ),
)


def _enveloped(change: Callable[[dict[str, Any]], Any]) -> None:
    def failure(clean: Any, responder: Responder, refusal: Refusal) -> Any:
        error = {"code": refusal.code, "title": refusal.title, "details": refusal.details}
        return change(error)

    wrap(Responder, "failure", failure)


for _name, _summary, _change in _ENVELOPES:
    mutant_of(f"envelope-{_name}", "ERROR-1", _summary, partial(_enveloped, _change))


@mutant("ERROR-1")
def refusals_in_html() -> None:
    """A refusal is a page of HTML."""
    wrap(
        Responder,
        "encode",
        lambda clean, responder, body: (
            b"<html>No.</html>" if isinstance(body, dict) and "errors" in body else clean(responder, body)
        ),
    )


@mutant("ERROR-1")
def denied_role_without_envelope() -> None:
    """An account without administrator's rights is turned away before errors are written as errors."""
    wrap(
        Responder,
        "failure",
        lambda clean, responder, refusal: (
            {"message": refusal.title} if refusal.status == 403 else clean(responder, refusal)
        ),
    )


# Statuses.


def _as_500(is_meant: Callable[[Refusal], bool]) -> None:
    async def refuse(clean: Any, responder: Responder, send: Any, refusal: Refusal) -> None:
        if is_meant(refusal):
            refusal = Refusal(500, refusal.code, refusal.details)
        await clean(responder, send, refusal)

    wrap(Responder, "refuse", refuse)


@mutant("ERROR-2")
def wrong_password_answers_500() -> None:
    """A wrong password or damaged data ends in an exception, and so in 500."""
    _as_500(lambda refusal: "does not open" in refusal.details)


@mutant("ERROR-2")
def another_setup_answers_500() -> None:
    """A backup from another set-up ends in an exception, and so in 500."""
    _as_500(lambda refusal: "setup" in refusal.details)


@mutant("ERROR-2", also={"ROBUST-1": "a request without its parameters is one of the odd ones"})
def missing_parameter_answers_500() -> None:
    """A missing parameter ends in an exception, and so in 500."""
    _as_500(lambda refusal: refusal.code == 1008)


# Codes.


def _other_code(code: int, other: int) -> None:
    async def refuse(clean: Any, responder: Responder, send: Any, refusal: Refusal) -> None:
        if refusal.code == code:
            refusal = Refusal(refusal.status, other, refusal.details, headers=refusal.headers)
        await clean(responder, send, refusal)

    wrap(Responder, "refuse", refuse)


for _name, _summary, _code, _other in (
    ("token-code-1006", "A request without a good token has code 1006.", 1005, 1006),
    ("missing-parameter-code-1009", "A missing parameter has code 1009.", 1008, 1009),
    ("wrong-type-code-1008", "A parameter of the wrong type has code 1008.", 1009, 1008),
    (
        "unregistered-code-1000",
        "A client that is not registered answers the generic code 1000.",
        1011,
        1000,
    ),
):
    mutant_of(_name, "ERROR-3", _summary, partial(_other_code, _code, _other))


# Bodies that are no object.


def _body(read: Callable[[bytes], dict[str, Any] | None]) -> None:
    """Read some bodies of backup otherwise."""

    async def backup(clean: Handle, backups: Backups, call: Call) -> Reply:
        found = read(call.body)
        if found is not None:
            call.body = json.dumps(found).encode()
        return await clean(backups, call)

    wrap(Backups, "backup", backup)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


@mutant("ERROR-4")
def form_body_accepted() -> None:
    """A form is read as well as JSON, whatever the content type says."""

    def read(body: bytes) -> dict[str, Any] | None:
        pairs = dict(parse_qsl(body.decode("latin-1")))
        return pairs if "password" in pairs and _json(body) is None else None

    _body(read)


@mutant("ERROR-4")
def list_body_accepted() -> None:
    """A list is taken for the parameters in their order."""

    def read(body: bytes) -> dict[str, Any] | None:
        found = _json(body)
        return {"password": found[0]} if isinstance(found, list) and found else None

    _body(read)


@mutant("ERROR-4")
def list_of_one_object_accepted() -> None:
    """A list of one object is taken for the object."""

    def read(body: bytes) -> dict[str, Any] | None:
        found = _json(body)
        good = isinstance(found, list) and len(found) == 1 and isinstance(found[0], dict)
        return found[0] if good else None

    _body(read)


@mutant("ERROR-4")
def cut_json_accepted() -> None:
    """JSON that was cut short is completed."""

    def read(body: bytes) -> dict[str, Any] | None:
        if _json(body) is not None or not body.startswith(b"{"):
            return None
        found = _json(body + b'"}')
        return found if isinstance(found, dict) else None

    _body(read)


# Echoes.


def _echo_on_failure(shown: Callable[[Coreapp, str], str]) -> None:
    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        try:
            opened: Opened = await clean(coreapp, password, data)
        except Refusal as refusal:
            raise Refusal(refusal.status, refusal.code, shown(coreapp, password)) from None
        return opened

    wrap(Coreapp, "unseal", unseal)


@mutant("ROBUST-4")
def wrong_password_echoed() -> None:
    """The refusal of a wrong password says which password was wrong."""
    _echo_on_failure(lambda coreapp, password: f"The password {password} does not open the backup.")


@mutant("ROBUST-4")
def half_the_wrong_password_echoed() -> None:
    """The refusal of a wrong password shows its first half, so that one sees which it was."""
    _echo_on_failure(lambda coreapp, password: f"{password[: len(password) // 2]}*** does not open it.")


@mutant("ROBUST-4")
def settings_in_the_error() -> None:
    """The refusal of a wrong password shows the settings in force, for the support team."""
    _echo_on_failure(lambda coreapp, password: f"State: {json.dumps(coreapp.store.snapshot())}")


@mutant("ERROR-4")
def json_with_more_behind_it_accepted() -> None:
    """Of a body the first JSON value is read, and what follows it is not looked at."""

    def read(body: bytes) -> dict[str, Any] | None:
        if _json(body) is not None:
            return None
        try:
            found, _ = json.JSONDecoder().raw_decode(body.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    _body(read)


@mutant("ERROR-2")
def new_machine_answers_500() -> None:
    """On a client that is not registered a restore that does not open ends in an exception, and so in 500."""

    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        try:
            opened: Opened = await clean(coreapp, password, data)
        except Refusal as refusal:
            if coreapp.registration.number is None:
                raise Refusal(500, 1000, refusal.details) from None
            raise
        return opened

    wrap(Coreapp, "unseal", unseal)


@mutant("ERROR-4")
def json_with_a_comma_too_many_accepted() -> None:
    """A comma behind the last member is left out."""

    def read(body: bytes) -> dict[str, Any] | None:
        found = _json(body) or _json(re.sub(rb",\s*}\s*$", b"}", body))
        return found if isinstance(found, dict) else None

    _body(read)


@mutant("ROBUST-4")
def password_echoed_on_a_new_machine() -> None:
    """A client that is not registered says which password it was that did not open a backup."""

    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        try:
            opened: Opened = await clean(coreapp, password, data)
        except Refusal as refusal:
            if coreapp.registration.number is not None:
                raise
            raise Refusal(refusal.status, refusal.code, f"{password} does not open it.") from None
        return opened

    wrap(Coreapp, "unseal", unseal)


@mutant("ROBUST-4")
def denied_request_echoed() -> None:
    """Who is no administrator is shown the request that was denied."""

    def admit(clean: Any, guard: Guard, access: str, call: Call) -> Any:
        try:
            return clean(guard, access, call)
        except Refusal as refusal:
            if refusal.status != 403:
                raise
            raise Refusal(403, refusal.code, call.body.decode("utf-8", "replace")) from None

    wrap(Guard, "admit", admit)
