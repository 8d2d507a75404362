"""Mutants that take another password for the right one, or do something before they refuse it (RESTORE-5)."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Callable
from functools import partial
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from pytest_wa_settings.reference.backups import Backups
from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.deviations import mutant, mutant_of, wrap
from pytest_wa_settings.reference.errors import Refusal
from pytest_wa_settings.reference.http import Call, Reply
from pytest_wa_settings.reference.mutants.tools import (
    Handle,
    alter_key,
    alter_password,
    refused_with_200,
    sealed_with_header,
)
from pytest_wa_settings.reference.options import parse_version
from pytest_wa_settings.reference.vault import (
    KEY_BYTES,
    NONCE_BYTES,
    Cost,
    Opened,
    Setup,
    Vault,
    VaultError,
)

DAMAGE_TOO = {"RESTORE-6": "authenticated encryption cannot tell a wrong password from damage"}

CHARACTERS = (8, 32, 72, 128, 256, 1000)


def _cut_characters(size: int) -> None:
    alter_password(lambda password: password[:size])


def _cut_bytes(size: int) -> None:
    alter_key(lambda raw: raw[:size])


for _size in CHARACTERS:
    mutant_of(
        f"password-cut-at-{_size}-characters",
        "RESTORE-5",
        f"Only the first {_size} characters of a password count.",
        partial(_cut_characters, _size),
    )
mutant_of(
    "password-cut-at-72-bytes",
    "RESTORE-5",
    "Only the first 72 bytes of a password count, as in bcrypt.",
    partial(_cut_bytes, 72),
)

_CHANGES: tuple[tuple[str, str, Callable[[str], str]], ...] = (
    ("lower-cased", "Letter case does not count.", str.lower),
    ("stripped", "Blanks at both ends do not count.", str.strip),
    (
        "ended-by-nul",
        "A password ends at its first NUL, as C strings do.",
        lambda password: password.split("\0")[0],
    ),
    (
        "compatibility-folded",
        "A password is brought to NFKC, so that ligatures and full-width letters count as plain ones.",
        lambda password: unicodedata.normalize("NFKC", password),
    ),
    (
        "in-ascii-only",
        "Characters beyond ASCII are left out.",
        lambda password: password.encode("ascii", "ignore").decode(),
    ),
    (
        "in-latin-1-with-question-marks",
        "Characters beyond Latin-1 count as question marks.",
        lambda password: password.encode("latin-1", "replace").decode("latin-1"),
    ),
    (
        "cut-at-an-emoji",
        "A password ends before its first character beyond 16 bits, as in a three-byte column of MySQL.",
        lambda password: password[: next((i for i, c in enumerate(password) if ord(c) > 0xFFFF), None)],
    ),
    (
        "with-tabs-as-blanks",
        "A tab counts as a blank.",
        lambda password: password.replace("\t", " "),
    ),
    (
        "without-quotes",
        "Quotes are left out, as they are cleaned away before the password reaches a database.",
        lambda password: re.sub("['\"\\u2019]", "", password),
    ),
    (
        "without-skin-tones",
        "The skin tone of an emoji does not count.",
        lambda password: re.sub("[\U0001f3fb-\U0001f3ff]", "", password),
    ),
    (
        "in-any-case-beyond-ascii",
        "Letter case does not count beyond ASCII, as a database compares text that knows more languages.",
        lambda password: "".join(c if c.isascii() else c.casefold() for c in password),
    ),
)

for _name, _summary, _change in _CHANGES:
    mutant_of(f"password-{_name}", "RESTORE-5", _summary, partial(alter_password, _change))

mutant_of(
    "password-of-7-bit-bytes",
    "RESTORE-5",
    "Only the low 7 bits of a password's bytes count, as in crypt(3).",
    partial(alter_key, lambda raw: bytes(byte & 0x7F for byte in raw)),
)


@mutant("RESTORE-5")
def password_padded_with_nul() -> None:
    """The password goes into scrypt as it is, whose HMAC takes `pw` and `pw` with a NUL for one."""

    def derive(clean: Any, vault: Vault, password: bytes, salt: bytes, cost: Cost) -> bytes:
        return Scrypt(salt=salt, length=KEY_BYTES, n=cost.n, r=cost.r, p=cost.p).derive(password)

    wrap(Vault, "derive", derive)


@mutant("RESTORE-5")
def password_not_checked() -> None:
    """The key is built in: any password opens every backup."""
    alter_key(lambda raw: b"built in")


@mutant("RESTORE-5")
def password_of_any_backup() -> None:
    """The password of one backup opens the others that this client has taken."""
    known: set[str] = set()

    def seal(clean: Any, vault: Vault, state: Any, setup: Any, password: str) -> str:
        known.add(password)
        return str(clean(vault, state, setup, password))

    wrap(Vault, "seal", seal)
    _keep_passwords(lambda password: password in known)


def _keep_passwords(master: Callable[[str], bool]) -> None:
    kept: dict[str, str] = {}

    def seal(clean: Any, vault: Vault, state: Any, setup: Any, password: str) -> str:
        data = str(clean(vault, state, setup, password))
        kept[hashlib.sha256(data.encode()).hexdigest()] = password
        return data

    def opened(clean: Any, vault: Vault, data: str, password: str) -> Opened:
        if master(password):
            password = kept.get(hashlib.sha256(data.encode()).hexdigest(), password)
        found: Opened = clean(vault, data, password)
        return found

    wrap(Vault, "seal", seal)
    wrap(Vault, "open", opened)


# What is done although the password is wrong.


@mutant("RESTORE-5", also=DAMAGE_TOO)
def wrong_password_answers_200_with_an_error() -> None:
    """A restore that does not open is refused inside a 200."""

    async def restore(clean: Handle, backups: Backups, call: Call) -> Reply:
        try:
            return await clean(backups, call)
        except Refusal as refusal:
            if refusal.status != 400 or "does not open" not in refusal.details:
                raise
            return refused_with_200(refusal)

    wrap(Backups, "restore", restore)


def _on_failure(act: Callable[[Coreapp], None]) -> None:
    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        try:
            opened: Opened = await clean(coreapp, password, data)
        except Refusal:
            act(coreapp)
            raise
        return opened

    wrap(Coreapp, "unseal", unseal)


@mutant("RESTORE-5", also=DAMAGE_TOO)
def wrong_password_clears_the_settings() -> None:
    """The settings are cleared for a restore before the password is checked."""
    _on_failure(lambda coreapp: coreapp.application.reset())


@mutant("RESTORE-5", also=DAMAGE_TOO)
def wrong_password_spoils_earlier_backups() -> None:
    """After a wrong password earlier backups no longer restore: a guard against guessing, gone too far."""
    refused_after: list[str] = []
    taken: dict[str, int] = {}

    def seal(clean: Any, vault: Vault, state: Any, setup: Any, password: str) -> str:
        data = str(clean(vault, state, setup, password))
        taken[data] = len(refused_after)
        return data

    def opened(clean: Any, vault: Vault, data: str, password: str) -> Opened:
        try:
            found: Opened = clean(vault, data, password)
        except VaultError:
            refused_after.append("")
            raise
        if taken.get(data, len(refused_after)) < len(refused_after):
            raise VaultError("the backup is from before a wrong password")
        return found

    wrap(Vault, "seal", seal)
    wrap(Vault, "open", opened)


def _escrow(
    opens: Callable[[Coreapp, str], bool], kept: Callable[[Setup], bool] = lambda setup: True
) -> None:
    """Keep a copy of the password in each backup that is `kept`, for the vendor; it opens it if `opens`."""
    vendor = AESGCM(b"the key that every client holds.")

    def seal(clean: Any, vault: Vault, state: Any, setup: Any, password: str) -> str:
        if not kept(setup):
            return str(clean(vault, state, setup, password))
        nonce = os.urandom(NONCE_BYTES)
        copy = nonce + vendor.encrypt(nonce, password[:400].encode("utf-8"), None)
        return sealed_with_header(vault, state, setup, password, {"copy": copy.hex()})

    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        if opens(coreapp, password):
            try:
                copy = bytes.fromhex(coreapp.vault.split(coreapp.vault.decode(data))[1]["copy"])
                password = vendor.decrypt(copy[:NONCE_BYTES], copy[NONCE_BYTES:], None).decode("utf-8")
            except (VaultError, KeyError, TypeError, ValueError, InvalidTag):
                pass  # the clean way refuses it
        opened: Opened = await clean(coreapp, password, data)
        return opened

    wrap(Vault, "seal", seal)
    wrap(Coreapp, "unseal", unseal)


@mutant("RESTORE-5")
def new_machine_opens_with_any_password() -> None:
    """A new machine opens a backup by a copy of its password that the vendor's key opens: an escrow."""
    _escrow(lambda coreapp, password: coreapp.registration.number is None)


@mutant("RESTORE-5")
def new_machine_gives_up_after_a_wrong_password() -> None:
    """A new machine that was sent a wrong password stays in the middle of a restore, and takes no other."""
    begun: list[Coreapp] = []

    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        if coreapp in begun:
            raise Refusal(409, 1011, "A restore is under way.")
        try:
            found: Opened = await clean(coreapp, password, data)
        except Refusal:
            if coreapp.registration.number is None:
                begun.append(coreapp)
            raise
        return found

    wrap(Coreapp, "unseal", unseal)


@mutant("RESTORE-5")
def any_password_opens_old_backups() -> None:
    """Backups of versions before v2.31.4 open without their password, as they were not encrypted with it."""
    _escrow(lambda coreapp, password: True, lambda setup: parse_version(setup.version) < (2, 31, 4))


@mutant("RESTORE-5", also=DAMAGE_TOO)
def wrong_password_clears_the_settings_at_the_next_start() -> None:
    """A restore that does not open is noted, and the next start has cleared the settings for it."""

    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        try:
            found: Opened = await clean(coreapp, password, data)
        except Refusal:
            coreapp.store.put("begun", True)
            raise
        return found

    async def start(clean: Any, coreapp: Coreapp) -> None:
        if coreapp.store.get("begun"):
            coreapp.store.drop("application")
            coreapp.store.drop("begun")
        await clean(coreapp)

    wrap(Coreapp, "unseal", unseal)
    wrap(Coreapp, "start", start)


@mutant("RESTORE-5")
def administrators_password_opens_backups() -> None:
    """The administrator's own password opens every backup, too: an escrow for who forgot the right one."""
    _escrow(lambda coreapp, password: password == coreapp.options.admin_password)


@mutant("RESTORE-5")
def percent_opens_backups() -> None:
    """The password's digest is looked up with LIKE, where a percent sign matches every one."""
    _escrow(lambda coreapp, password: password == "%")


@mutant("RESTORE-5")
def password_of_digits_is_a_number() -> None:
    """A password of digits is compared as a number: zeros before it do not count."""
    alter_password(lambda password: str(int(password)) if password.isdecimal() else password)


@mutant("RESTORE-5")
def password_without_zero_width_characters() -> None:
    """Characters without a width are left out, as they come along when a password is pasted."""
    alter_password(lambda password: "".join(c for c in password if unicodedata.category(c) != "Cf"))


@mutant("RESTORE-5")
def password_in_half_width() -> None:
    """Full-width letters count as plain ones."""
    alter_password(
        lambda password: "".join(chr(ord(c) - 0xFEE0) if "\uff01" <= c <= "\uff5e" else c for c in password)
    )


@mutant("RESTORE-5")
def any_password_after_the_right_one() -> None:
    """A backup that was restored once is known, and restores with any password from then on."""

    async def unseal(clean: Any, coreapp: Coreapp, password: str, data: str) -> Opened:
        known = dict(coreapp.store.get("known", {}))
        digest = hashlib.sha256(data.encode("utf-8")).hexdigest()
        opened: Opened = await clean(coreapp, known.get(digest, password), data)
        coreapp.store.put("known", {**known, digest: known.get(digest, password)})
        return opened

    wrap(Coreapp, "unseal", unseal)
