"""Mutants that take damaged data for good, or do something before they refuse it (RESTORE-6)."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pytest_wa_settings.reference.backups import Backups
from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.deviations import mutant, mutant_of, wrap
from pytest_wa_settings.reference.errors import Refusal
from pytest_wa_settings.reference.http import NOTHING, Call, Reply
from pytest_wa_settings.reference.mutants.tools import (
    Handle,
    State,
    leave_for_the_next_start,
    take_up_at_the_start,
)
from pytest_wa_settings.reference.vault import (
    PREFIX,
    Opened,
    Setup,
    Vault,
    VaultError,
)

TAG = 16
Integrity = Callable[[bytes, bytes], bytes]


def _stream(key: bytes, nonce: bytes, text: bytes) -> bytes:
    """AES in counter mode as GCM runs it, without the tag."""
    cipher = Cipher(algorithms.AES(key), modes.CTR(nonce + (2).to_bytes(4, "big"))).encryptor()
    return cipher.update(text) + cipher.finalize()


def _instead_of_the_tag(covered: Integrity, size: int = TAG) -> None:
    """Integrity by an HMAC over what `covered` makes of head and ciphertext; `size` bytes are compared."""

    def tag(key: bytes, head: bytes, body: bytes) -> bytes:
        return hmac.digest(key, covered(head, body), "sha256")[:TAG]

    def encrypt(clean: Any, vault: Vault, key: bytes, nonce: bytes, plain: bytes, head: bytes) -> bytes:
        body = _stream(key, nonce, plain)
        return body + tag(key, head, body)

    def decrypt(clean: Any, vault: Vault, key: bytes, nonce: bytes, sealed: bytes, head: bytes) -> bytes:
        body, found = sealed[:-TAG], sealed[-TAG:]
        if len(sealed) < TAG or tag(key, head, body)[:size] != found[:size]:
            raise VaultError("password and data do not fit together")
        return _stream(key, nonce, body)

    wrap(Vault, "encrypt", encrypt)
    wrap(Vault, "decrypt", decrypt)
    _readable_or_refused()


def _readable_or_refused() -> None:
    """Refuse a state that cannot be read, as a client does that trusts its parser."""

    def unpack(clean: Any, vault: Vault, plain: bytes) -> State:
        try:
            state: State = clean(vault, plain)
        except (ValueError, RecursionError):
            raise VaultError("the backup cannot be read") from None
        if not isinstance(state.get("registration"), dict) or "number" not in state["registration"]:
            raise VaultError("the backup cannot be read")
        return state

    wrap(Vault, "unpack", unpack)


_COVERED: tuple[tuple[str, str, Integrity, int], ...] = (
    (
        "integrity-of-the-first-256-bytes",
        "Integrity covers the first 256 bytes.",
        lambda head, body: (head + body)[:256],
        TAG,
    ),
    (
        "integrity-of-the-first-kilobyte",
        "Integrity covers the first 1024 bytes.",
        lambda head, body: (head + body)[:1024],
        TAG,
    ),
    (
        "integrity-of-all-but-the-last-block",
        "The last 32 bytes are left out of integrity, by a loop that ends too early.",
        lambda head, body: head + body[:-32],
        TAG,
    ),
)

for _name, _summary, _covered, _size in _COVERED:
    mutant_of(_name, "RESTORE-6", _summary, partial(_instead_of_the_tag, _covered, _size))


@mutant("RESTORE-6")
def tag_not_checked() -> None:
    """The tag is there and nobody looks at it."""
    wrap(Vault, "decrypt", lambda clean, vault, key, nonce, sealed, head: _stream(key, nonce, sealed[:-TAG]))
    _readable_or_refused()


@mutant("RESTORE-6")
def tag_of_any_length() -> None:
    """A tag may be cut short, as some libraries allow: as many bytes as there are, are compared."""

    def decrypt(clean: Any, vault: Vault, key: bytes, nonce: bytes, sealed: bytes, head: bytes) -> bytes:
        for size in (TAG, 12, 8, 4):
            text = sealed[:-size]
            plain = _stream(key, nonce, text)
            if AESGCM(key).encrypt(nonce, plain, head)[-TAG:][:size] == sealed[-size:]:
                return plain
        raise VaultError("password and data do not fit together")

    wrap(Vault, "decrypt", decrypt)


@mutant("RESTORE-6")
def header_not_authenticated() -> None:
    """The header is no part of what the tag covers."""
    wrap(Vault, "encrypt", lambda clean, vault, key, nonce, plain, head: clean(vault, key, nonce, plain, b""))
    wrap(
        Vault, "decrypt", lambda clean, vault, key, nonce, sealed, head: clean(vault, key, nonce, sealed, b"")
    )


def _sized() -> None:
    """Say in the header how long the sealed state is, and read no further."""

    def encrypt(clean: Any, vault: Vault, key: bytes, nonce: bytes, plain: bytes, head: bytes) -> bytes:
        sealed: bytes = clean(vault, key, nonce, plain, head)
        return len(sealed).to_bytes(4, "big") + sealed

    def decrypt(clean: Any, vault: Vault, key: bytes, nonce: bytes, sealed: bytes, head: bytes) -> bytes:
        size = int.from_bytes(sealed[:4], "big")
        plain: bytes = clean(vault, key, nonce, sealed[4 : 4 + size], head)
        return plain

    wrap(Vault, "encrypt", encrypt)
    wrap(Vault, "decrypt", decrypt)


@mutant("RESTORE-6")
def extension_ignored() -> None:
    """The data says how long it is, and what follows is not looked at."""
    _sized()


@mutant("RESTORE-6")
def cut_data_read_as_far_as_it_goes() -> None:
    """The state is sealed record by record, and data that was cut is read up to the last whole record."""

    def encrypt(clean: Any, vault: Vault, key: bytes, nonce: bytes, plain: bytes, head: bytes) -> bytes:
        records = b""
        for at, (name, value) in enumerate(sorted(json.loads(plain).items(), reverse=True)):
            sealed = clean(vault, key, _numbered(nonce, at), json.dumps([name, value]).encode(), head)
            records += len(sealed).to_bytes(4, "big") + sealed
        return records

    def decrypt(clean: Any, vault: Vault, key: bytes, nonce: bytes, sealed: bytes, head: bytes) -> bytes:
        state, at = {}, 0
        while len(sealed) >= 4 and len(sealed) - 4 >= int.from_bytes(sealed[:4], "big"):
            end = 4 + int.from_bytes(sealed[:4], "big")
            name, value = json.loads(clean(vault, key, _numbered(nonce, at), sealed[4:end], head))
            state[name], sealed, at = value, sealed[end:], at + 1
        return json.dumps(state).encode()

    wrap(Vault, "encrypt", encrypt)
    wrap(Vault, "decrypt", decrypt)
    _readable_or_refused()


def _numbered(nonce: bytes, number: int) -> bytes:
    return nonce[:-1] + bytes([nonce[-1] ^ number])


def _in_parts(parts: int) -> None:
    """Seal the state in parts of one size, each a backup of its own, that nothing ties together."""

    def seal(clean: Any, vault: Vault, state: State, setup: Setup, password: str) -> str:
        names = sorted(state)
        pieces: list[State] = [
            {**{name: state[name] for name in names[at::parts]}, "": ""} for at in range(parts)
        ]
        size = max(len(vault.pack(piece)) for piece in pieces)
        raw = b""
        for piece in pieces:
            piece[""] = " " * (size - len(vault.pack(piece)))
            raw += vault.decode(clean(vault, piece, setup, password))
        return vault.encode(raw)

    def opened(clean: Any, vault: Vault, data: str, password: str) -> Opened:
        raw = vault.decode(data)
        size = len(raw) // parts
        state: State = {}
        found = None
        for at in range(parts):
            found = clean(vault, base64.b64encode(raw[at * size : (at + 1) * size]).decode(), password)
            state.update(found.state)
        if found is None or "registration" not in state:
            raise VaultError("data is no backup")
        state.pop("", None)
        return Opened(found.setup, state)

    wrap(Vault, "seal", seal)
    wrap(Vault, "open", opened)


for _parts, _said in ((2, "two halves"), (3, "three parts"), (4, "four parts")):
    mutant_of(
        f"splice-of-{_parts}-parts-accepted",
        "RESTORE-6",
        f"The state is sealed in {_said} that nothing ties together: parts of two backups make a third.",
        partial(_in_parts, _parts),
    )


# What is no backup at all.


def _taken_for_nothing_to_do(is_nothing: Callable[[str], bool]) -> None:
    async def restore(clean: Handle, backups: Backups, call: Call) -> Reply:
        data = call.object().get("data")
        if isinstance(data, str) and isinstance(call.object().get("password"), str) and is_nothing(data):
            return Reply(NOTHING)
        return await clean(backups, call)

    wrap(Backups, "restore", restore)


@mutant("RESTORE-6")
def empty_data_is_nothing_to_do() -> None:
    """Empty data is nothing to restore, and so a success."""
    _taken_for_nothing_to_do(lambda data: data == "")


@mutant("RESTORE-6")
def unencrypted_data_accepted() -> None:
    """Data that is a JSON object is taken for an unencrypted backup, as old versions wrote it."""

    async def restore(clean: Handle, backups: Backups, call: Call) -> Reply:
        body = call.object()
        try:
            found = json.loads(body["data"])
        except (KeyError, TypeError, ValueError):
            return await clean(backups, call)
        settings = found.get("settings", {}).get("application") if isinstance(found, dict) else None
        if not isinstance(settings, dict) or not isinstance(body.get("password"), str):
            return await clean(backups, call)
        backups.coreapp.store.put("application", {**backups.coreapp.application.effective(), **settings})
        return Reply(NOTHING)

    wrap(Backups, "restore", restore)


# What is done although the data is damaged.


@mutant("RESTORE-6")
def damaged_data_applied_in_part() -> None:
    """The settings are sealed in front and apart, and come back even where what follows is damaged."""
    size_of = 4

    def encrypt(clean: Any, vault: Vault, key: bytes, nonce: bytes, plain: bytes, head: bytes) -> bytes:
        state = json.loads(plain)
        first: bytes = clean(vault, key, nonce[::-1], json.dumps(state["application"]).encode(), head)
        sealed: bytes = clean(vault, key, nonce, plain, head)
        return len(first).to_bytes(size_of, "big") + first + sealed

    def decrypt(clean: Any, vault: Vault, key: bytes, nonce: bytes, sealed: bytes, head: bytes) -> bytes:
        end = size_of + int.from_bytes(sealed[:size_of], "big")
        settings = json.loads(clean(vault, key, nonce[::-1], sealed[size_of:end], head))
        try:
            rest: bytes = clean(vault, key, nonce, sealed[end:], head)
        except VaultError:
            for coreapp in running:
                coreapp.store.put("application", settings)
            raise
        return rest

    running: list[Coreapp] = []

    async def restore(clean: Any, coreapp: Coreapp, password: str, data: str) -> None:
        running[:] = [coreapp]
        await clean(coreapp, password, data)

    wrap(Vault, "encrypt", encrypt)
    wrap(Vault, "decrypt", decrypt)
    wrap(Coreapp, "restore", restore)


@mutant("RESTORE-6", also={"ROBUST-1": "a restore of what is no backup is one of the odd requests"})
def malformed_data_stops_the_app() -> None:
    """Data that is no backup by its form ends the process."""

    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        try:
            coreapp.vault.parse(coreapp.vault.split(coreapp.vault.decode(data))[1])
        except VaultError:
            coreapp.leave()
        opened: Opened = await clean(coreapp, password, data)
        return opened

    wrap(Coreapp, "unseal", unseal)


@mutant("RESTORE-6")
def the_next_start_takes_up_what_failed_its_check() -> None:
    """What a restore unpacked before its check failed is imported at the next start."""

    def decrypt(clean: Any, vault: Vault, key: bytes, nonce: bytes, sealed: bytes, head: bytes) -> bytes:
        try:
            plain: bytes = clean(vault, key, nonce, sealed, head)
        except VaultError:
            unpacked.append(_stream(key, nonce, sealed[:-TAG]))
            raise
        return plain

    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        unpacked.clear()
        try:
            opened: Opened = await clean(coreapp, password, data)
        finally:
            leave_for_the_next_start(coreapp, _state(unpacked))
        return opened

    unpacked: list[bytes] = []
    wrap(Vault, "decrypt", decrypt)
    wrap(Coreapp, "unseal", unseal)
    take_up_at_the_start()


def _state(unpacked: list[bytes]) -> State | None:
    try:
        found = json.loads(unpacked[-1]) if unpacked else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and "registration" in found else None


@mutant("RESTORE-6")
def tag_not_checked_on_multiconnect() -> None:
    """A multiconnect set-up does not look at the tag."""

    def decrypt(clean: Any, vault: Vault, key: bytes, nonce: bytes, sealed: bytes, head: bytes) -> bytes:
        if json.loads(head[PREFIX.size :]).get("multiconnect") is True:
            return _stream(key, nonce, sealed[:-TAG])
        return bytes(clean(vault, key, nonce, sealed, head))

    wrap(Vault, "decrypt", decrypt)
    _readable_or_refused()


@mutant("RESTORE-6")
def damaged_data_unregisters_at_the_next_start() -> None:
    """Damaged data marks the registration as broken, and the next start drops it."""

    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        try:
            opened: Opened = await clean(coreapp, password, data)
        except Refusal:
            if not _is_whole(coreapp.vault, data):
                coreapp.store.put("broken", True)
            raise
        return opened

    async def start(clean: Any, coreapp: Coreapp) -> None:
        if coreapp.store.get("broken"):
            coreapp.store.drop("registration")
        await clean(coreapp)

    wrap(Coreapp, "unseal", unseal)
    wrap(Coreapp, "start", start)


def _is_whole(vault: Vault, data: str) -> bool:
    """Whether data has the form of a backup."""
    try:
        vault.parse(vault.split(vault.decode(data))[1])
    except VaultError:
        return False
    return True
