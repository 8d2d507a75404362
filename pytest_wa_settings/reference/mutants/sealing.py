"""Mutants of what can be read out of a backup (BACKUP-4)."""

from __future__ import annotations

import base64
import gzip
import hmac
import json
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pytest_wa_settings.reference.deviations import mutant, mutant_of, wrap
from pytest_wa_settings.reference.mutants.tools import State, add_to_header, after_a_restore, alter_collected
from pytest_wa_settings.reference.options import parse_version
from pytest_wa_settings.reference.vault import Setup, Vault, VaultError

TAG = 32


def _plain(pack: Callable[[bytes], bytes], unpack: Callable[[bytes], bytes]) -> None:
    """The state authenticated under the password, yet not encrypted."""

    def tag(key: bytes, head: bytes, body: bytes) -> bytes:
        return hmac.digest(key, head + body, "sha256")

    def encrypt(clean: Any, vault: Vault, key: bytes, nonce: bytes, plain: bytes, head: bytes) -> bytes:
        body = pack(plain)
        return body + tag(key, head, body)

    def decrypt(clean: Any, vault: Vault, key: bytes, nonce: bytes, sealed: bytes, head: bytes) -> bytes:
        body = sealed[:-TAG]
        if not hmac.compare_digest(sealed[-TAG:], tag(key, head, body)):
            raise VaultError("password and data do not fit together")
        return unpack(body)

    wrap(Vault, "encrypt", encrypt)
    wrap(Vault, "decrypt", decrypt)


@mutant("BACKUP-4")
def data_signed_not_encrypted() -> None:
    """The password signs the data and does not encrypt it."""
    _plain(bytes, bytes)


@mutant("BACKUP-4")
def data_deflated_not_encrypted() -> None:
    """The data is a raw deflate stream inside base64."""
    _plain(lambda plain: zlib.compress(plain)[2:-4], lambda body: zlib.decompress(body, -15))


@mutant("BACKUP-4")
def data_in_base64_not_encrypted() -> None:
    """The data is base64 of compressed text, and base64 once more."""
    _plain(
        lambda plain: base64.b64encode(zlib.compress(plain)),
        lambda body: zlib.decompress(base64.b64decode(body)),
    )


@mutant("BACKUP-4")
def only_the_beginning_encrypted() -> None:
    """The first 256 bytes are encrypted, where a look at the file would see text; the rest is only signed."""

    def encrypt(clean: Any, vault: Vault, key: bytes, nonce: bytes, plain: bytes, head: bytes) -> bytes:
        rest = plain[256:]
        return len(rest).to_bytes(4, "big") + rest + AESGCM(key).encrypt(nonce, plain[:256], head + rest)

    def decrypt(clean: Any, vault: Vault, key: bytes, nonce: bytes, sealed: bytes, head: bytes) -> bytes:
        size = int.from_bytes(sealed[:4], "big")
        rest, first = sealed[4 : 4 + size], sealed[4 + size :]
        opened: bytes = clean(vault, key, nonce, first, head + rest)
        return opened + rest

    wrap(Vault, "encrypt", encrypt)
    wrap(Vault, "decrypt", decrypt)


Members = Callable[[State, Any, str], dict[str, Any]]


def _settings(state: State) -> str:
    return json.dumps(state.get("application", {}))


def _profile(state: State) -> str:
    return json.dumps({name: state.get(name) for name in ("about", "business_profile")}, ensure_ascii=False)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


# The header is inside the base64 of `data`: two more layers make three.
_IN_HEADER: tuple[tuple[str, str, Members], ...] = (
    (
        "settings-in-the-header-as-gzip",
        "The settings stand in the header, compressed and in base64.",
        lambda state, setup, password: {"settings": _b64(gzip.compress(_settings(state).encode()))},
    ),
    (
        "settings-in-the-header-as-utf-16",
        "The settings stand in the header, in base64 of UTF-16.",
        lambda state, setup, password: {"settings": _b64(_settings(state).encode("utf-16-le"))},
    ),
    (
        "profile-in-the-header-percent-encoded",
        "The profile stands in the header, percent-encoded to the last letter.",
        lambda state, setup, password: {"profile": "".join(f"%{b:02X}" for b in _profile(state).encode())},
    ),
    (
        "number-in-the-header",
        "The phone number stands in the header, so that backups can be told apart.",
        lambda state, setup, password: {"number": state.get("registration", {}).get("number", "")},
    ),
    (
        "national-number-in-the-header",
        "The phone number stands in the header without its country's code.",
        lambda state, setup, password: {"number": state.get("registration", {}).get("number", "")[1:]},
    ),
    (
        "photo-in-the-header",
        "The photo stands in the header, so that it need not be unsealed to be shown.",
        lambda state, setup, password: {"photo": state.get("photo")},
    ),
    (
        "media-providers-in-the-header",
        "The media providers stand in the header, tokens and all.",
        lambda state, setup, password: {"providers": state.get("media_providers")},
    ),
    (
        "settings-in-the-header-of-multiconnect",
        "In a multiconnect set-up the settings stand in the header, for the master to look at.",
        lambda state, setup, password: {"settings": _settings(state)} if setup.multiconnect else {},
    ),
    (
        "password-in-the-header",
        "The password stands in the header, for the support team.",
        lambda state, setup, password: {"hint": quote(password[:64])},
    ),
)


for _name, _summary, _members in _IN_HEADER:
    mutant_of(_name, "BACKUP-4", _summary, partial(add_to_header, _members))


@mutant("BACKUP-4")
def pager_in_the_header() -> None:
    """The setting on_call_pager stands in the header, so that its owner can be called."""
    add_to_header(lambda state, setup, password: {"call": state["application"].get("on_call_pager")})


@mutant("BACKUP-4")
def short_passwords_do_not_encrypt() -> None:
    """Where the password is short, the settings stand in the header as well: it protects nothing anyway."""
    add_to_header(lambda state, setup, password: {"state": state["application"]} if len(password) < 8 else {})


def _plain_where(told: Callable[[State, Setup], bool]) -> None:
    add_to_header(
        lambda state, setup, password: {"settings": state["application"]} if told(state, setup) else {}
    )


@mutant("BACKUP-4")
def old_versions_do_not_encrypt() -> None:
    """Versions before v2.31.4 write the settings into the header as well."""
    _plain_where(lambda state, setup: parse_version(setup.version) < (2, 31, 4))


@mutant("BACKUP-4")
def a_moved_machine_does_not_encrypt() -> None:
    """A machine that was new at its restore has no key yet, and writes the settings into the header."""
    moved = after_a_restore(existing=False)
    alter_collected(lambda coreapp, state: {**state, "moved": moved(coreapp)})
    _plain_where(lambda state, setup: bool(state["moved"]))
