"""Variants of what `data` looks like, and of the passwords that a client takes."""

from __future__ import annotations

import base64
import binascii
import json
import os
import unicodedata
from collections.abc import Callable
from typing import Any

from pytest_wa_settings.reference.backups import Backups
from pytest_wa_settings.reference.deviations import variant, wrap
from pytest_wa_settings.reference.errors import Refusal, invalid, not_needed
from pytest_wa_settings.reference.http import Call, Reply
from pytest_wa_settings.reference.vault import Vault, VaultError


def _encoded(
    encode: Callable[[bytes], str], decode: Callable[[str], bytes], *, canonical: bool = True
) -> None:
    """Another text form of a backup; a form that is not `canonical` takes all that decodes."""

    def decoded(clean: Any, vault: Vault, data: str) -> bytes:
        try:
            raw = decode(data)
        except (ValueError, binascii.Error, KeyError, TypeError):
            raise VaultError("data is no backup") from None
        if canonical and encode(raw) != data:
            raise VaultError("data is no backup")
        return raw

    wrap(Vault, "encode", lambda clean, vault, raw: encode(raw))
    wrap(Vault, "decode", decoded)


def _ascii(encode: Callable[[bytes], bytes]) -> Callable[[bytes], str]:
    return lambda raw: encode(raw).decode("ascii")


def _url_decode(data: str) -> bytes:
    return base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))


@variant()
def data_in_base64url() -> None:
    """`data` is base64url without padding."""
    _encoded(lambda raw: base64.urlsafe_b64encode(raw).decode("ascii").rstrip("="), _url_decode)


@variant()
def data_in_padded_base64url() -> None:
    """`data` is base64url with padding."""
    _encoded(_ascii(base64.urlsafe_b64encode), base64.urlsafe_b64decode)


@variant()
def data_in_hex() -> None:
    """`data` is hex, in lower case."""
    _encoded(bytes.hex, bytes.fromhex)


@variant()
def data_in_lenient_hex() -> None:
    """`data` is hex in capitals, and taken in any case, with blanks."""
    _encoded(lambda raw: raw.hex().upper(), bytes.fromhex, canonical=False)


@variant()
def data_in_lenient_base64() -> None:
    """`data` is base64; bits that are left over and characters of no meaning are not looked at."""
    _encoded(
        _ascii(base64.b64encode),
        lambda data: base64.b64decode(data.encode("ascii"), validate=False),
        canonical=False,
    )


@variant()
def data_with_a_prefix() -> None:
    """`data` begins with a name and a version that are no part of its encoding."""
    prefix = "wa-backup.v1:"
    _encoded(
        lambda raw: prefix + base64.b64encode(raw).decode("ascii"),
        lambda data: base64.b64decode(_without(prefix, data), validate=True),
    )


def _without(prefix: str, data: str) -> str:
    if not data.startswith(prefix):
        raise ValueError
    return data[len(prefix) :]


@variant()
def data_in_lines() -> None:
    """`data` is base64 in lines of 76 characters, as in mail."""
    _encoded(_ascii(base64.encodebytes), lambda data: base64.b64decode(data.replace("\n", ""), validate=True))


@variant()
def data_in_armor() -> None:
    """`data` is base64 in lines between a BEGIN and an END."""
    begin, end = "-----BEGIN WHATSAPP BACKUP-----\n", "-----END WHATSAPP BACKUP-----\n"

    def decode(data: str) -> bytes:
        return base64.b64decode(_without(begin, data).removesuffix(end).replace("\n", ""), validate=True)

    _encoded(lambda raw: begin + base64.encodebytes(raw).decode("ascii") + end, decode)


@variant()
def data_in_base32() -> None:
    """`data` is base32."""
    _encoded(_ascii(base64.b32encode), base64.b32decode)


@variant()
def data_in_base85() -> None:
    """`data` is base85, whose alphabet has quotes' neighbours and braces."""
    _encoded(_ascii(base64.b85encode), base64.b85decode)


@variant()
def data_as_json() -> None:
    """`data` is the text of a JSON object that holds base64."""

    def encode(raw: bytes) -> str:
        return json.dumps({"version": 3, "blob": base64.b64encode(raw).decode("ascii")})

    _encoded(encode, lambda data: base64.b64decode(json.loads(data)["blob"], validate=True))


@variant()
def data_in_segments() -> None:
    """`data` is three parts in base64url between dots; bits that are left over do not count."""

    def encode(raw: bytes) -> str:
        parts = raw[:150], raw[150:-16], raw[-16:]
        return ".".join(base64.urlsafe_b64encode(part).decode("ascii").rstrip("=") for part in parts)

    def decode(data: str) -> bytes:
        head, state, tag = map(_url_decode, data.split("."))
        if len(head) != 150 or len(tag) != 16:
            raise ValueError
        return head + state + tag

    _encoded(encode, decode, canonical=False)


@variant()
def data_of_a_random_length() -> None:
    """`data` is padded to a length that is drawn for each backup."""

    def pack(clean: Any, vault: Vault, state: dict[str, Any]) -> bytes:
        padded: bytes = clean(vault, {**state, "padding": "-" * (os.urandom(1)[0] * 3)})
        return padded

    wrap(Vault, "pack", pack)


@variant()
def data_of_letters_beyond_ascii() -> None:
    """`data` is text of 256 Braille characters, one a byte."""
    _encoded(
        lambda raw: "".join(chr(0x2800 + byte) for byte in raw),
        lambda data: bytes(ord(char) - 0x2800 for char in data),
    )


@variant()
def data_very_long() -> None:
    """`data` has half a million characters: it is padded before it is encrypted."""

    def pack(clean: Any, vault: Vault, state: dict[str, Any]) -> bytes:
        padded: bytes = clean(vault, {**state, "padding": os.urandom(180_000).hex()})
        return padded

    def unpack(clean: Any, vault: Vault, plain: bytes) -> dict[str, Any]:
        return {name: value for name, value in clean(vault, plain).items() if name != "padding"}

    wrap(Vault, "pack", pack)
    wrap(Vault, "unpack", unpack)


@variant()
def blanks_around_data_do_not_count() -> None:
    """Blanks and line ends around `data` are taken away."""
    wrap(Vault, "decode", lambda clean, vault, data: clean(vault, data.strip()))


# Passwords.


def _only_passwords(good: Callable[[str], bool], *, also_at_restore: bool = True) -> None:
    async def checked(clean: Any, backups: Backups, call: Call) -> Reply:
        given = call.object().get("password")
        if isinstance(given, str) and not good(given):
            raise invalid("password", "does not keep the rules for passwords")
        reply: Reply = await clean(backups, call)
        return reply

    wrap(Backups, "backup", checked)
    if also_at_restore:
        wrap(Backups, "restore", checked)


@variant()
def passwords_of_8_at_least() -> None:
    """A password has 8 characters at least."""
    _only_passwords(lambda password: len(password) >= 8)


@variant()
def passwords_of_12_at_least() -> None:
    """A password has 12 characters at least."""
    _only_passwords(lambda password: len(password) >= 12)


@variant()
def passwords_of_64_at_most() -> None:
    """A password has 64 characters at most."""
    _only_passwords(lambda password: len(password) <= 64)


@variant()
def passwords_of_72_bytes_at_most() -> None:
    """A password has 72 bytes at most, as bcrypt takes them; a longer one is refused, not cut."""
    _only_passwords(lambda password: len(password.encode("utf-8")) <= 72)


@variant()
def passwords_in_ascii() -> None:
    """A password is of printable ASCII characters; others are refused."""
    _only_passwords(lambda password: password.isascii() and password.isprintable())


@variant()
def passwords_of_four_kinds() -> None:
    """A password keeps the rule for API users: 8 to 64 characters, both cases, a digit, punctuation."""

    def good(password: str) -> bool:
        kinds = (str.isdigit, str.isupper, str.islower, lambda char: char.isascii() and not char.isalnum())
        return 8 <= len(password) <= 64 and all(any(kind(char) for char in password) for kind in kinds)

    _only_passwords(good, also_at_restore=False)


@variant()
def passwords_as_opaque_strings() -> None:
    """Passwords are prepared as RFC 8265 says: NFC, and every blank of Unicode is a space."""

    def prepared(password: str) -> str:
        spaced = "".join(" " if unicodedata.category(char) == "Zs" else char for char in password)
        return unicodedata.normalize("NFC", spaced)

    def seal(clean: Any, vault: Vault, state: Any, setup: Any, password: str) -> str:
        return str(clean(vault, state, setup, prepared(password)))

    wrap(Vault, "seal", seal)
    wrap(Vault, "open", lambda clean, vault, data, password: clean(vault, data, prepared(password)))


@variant()
def extra_parameters_refused() -> None:
    """A parameter that backup or restore does not know is refused with 1010."""

    def strict(known: set[str]) -> Any:
        async def checked(clean: Any, backups: Backups, call: Call) -> Reply:
            if not set(call.object()) <= known:
                raise not_needed(set(call.object()) - known, "the request")
            reply: Reply = await clean(backups, call)
            return reply

        return checked

    wrap(Backups, "backup", strict({"password"}))
    wrap(Backups, "restore", strict({"password", "data"}))


@variant()
def damage_and_passwords_told_apart() -> None:
    """Data that is no backup by its form is refused otherwise (422) than a wrong password (403)."""

    async def restore(clean: Any, backups: Backups, call: Call) -> Reply:
        body, vault = call.object(), backups.coreapp.vault
        try:
            reply: Reply = await clean(backups, call)
        except Refusal as refusal:
            if "does not open" not in refusal.details:
                raise
            try:
                vault.parse(vault.split(vault.decode(body["data"]))[1])
            except VaultError:
                raise Refusal(422, 1025, "The data is no backup.") from None
            raise Refusal(403, 1005, "The password does not fit.") from None
        return reply

    wrap(Backups, "restore", restore)
