"""The backup format: seals the client's state under a password, opens it again or refuses.

A backup is the canonical base64 of

    magic (6) | format version (1) | header length (2, big-endian) | header (JSON) | sealed state

The header tells KDF and cost, salt, nonce, cipher, shard count, set-up and client version. It is
authenticated: all bytes before the sealed state are the cipher's associated data.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import struct
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

MAGIC = b"WAREFB"
FORMAT = 1
PREFIX = struct.Struct(">6sBH")
SALT_BYTES = 16
NONCE_BYTES = 12
KEY_BYTES = 32


class VaultError(Exception):
    """A backup that does not open; what exactly is wrong is not told apart."""


@dataclass(frozen=True)
class Cost:
    """scrypt's parameters; only the known pairs are accepted, so that no backup can order gigabytes."""

    n: int
    r: int
    p: int


STRONG = Cost(n=2**15, r=8, p=3)  # 32 MiB and about 0.2 s, one of OWASP's equivalent settings
LIGHT = Cost(n=2**4, r=1, p=1)  # for test beds: microseconds
COSTS = {"strong": STRONG, "light": LIGHT}


@dataclass(frozen=True)
class Setup:
    """What a backup says about the client that it was taken from."""

    shards: int
    multiconnect: bool
    version: str


@dataclass(frozen=True)
class Opened:
    """A backup that opened: the set-up of its header and the state."""

    setup: Setup
    state: dict[str, Any]


def password_bytes(password: str) -> bytes:
    """The exact bytes of a password, UTF-8 and not normalised; a lone surrogate is a UnicodeEncodeError."""
    return password.encode("utf-8")


class Vault:
    """Seals and opens backups. Its methods may take long: call them from a thread."""

    def __init__(self, cost: Cost = STRONG) -> None:
        self.cost = cost

    def seal(self, state: dict[str, Any], setup: Setup, password: str) -> str:
        """The backup of `state` as text, with fresh salt and nonce."""
        salt, nonce = self.fresh(SALT_BYTES), self.fresh(NONCE_BYTES)
        head = self.head(setup, self.cost, salt, nonce)
        key = self.derive(password_bytes(password), salt, self.cost)
        return self.encode(head + self.encrypt(key, nonce, self.pack(state), head))

    def open(self, data: str, password: str) -> Opened:
        """What a backup holds; any damage and any other password is a VaultError."""
        raw = self.decode(data)
        head, header, sealed = self.split(raw)
        cost, salt, nonce, setup = self.parse(header)
        key = self.derive(password_bytes(password), salt, cost)
        return Opened(setup, self.unpack(self.decrypt(key, nonce, sealed, head)))

    def fresh(self, size: int) -> bytes:
        """`size` random bytes."""
        return os.urandom(size)

    def derive(self, password: bytes, salt: bytes, cost: Cost) -> bytes:
        """The key of a password.

        scrypt begins with HMAC, which pads a short key with NULs and replaces a long one by its digest, so
        that `pw` and `pw\\0` would count as one. A digest of fixed length goes in instead.
        """
        digest = hashlib.sha512(b"wa-reference backup password\0" + password).digest()
        return Scrypt(salt=salt, length=KEY_BYTES, n=cost.n, r=cost.r, p=cost.p).derive(digest)

    def encrypt(self, key: bytes, nonce: bytes, plain: bytes, head: bytes) -> bytes:
        """The sealed state, tag included."""
        return AESGCM(key).encrypt(nonce, plain, head)

    def decrypt(self, key: bytes, nonce: bytes, sealed: bytes, head: bytes) -> bytes:
        """The state's bytes, or a VaultError when key, header or ciphertext do not fit."""
        try:
            return AESGCM(key).decrypt(nonce, sealed, head)
        except InvalidTag:
            raise VaultError("password and data do not fit together") from None

    def encode(self, raw: bytes) -> str:
        """The text form of a backup."""
        return base64.b64encode(raw).decode("ascii")

    def decode(self, data: str) -> bytes:
        """The bytes of a backup's text; only its one canonical form counts."""
        try:
            raw = base64.b64decode(data.encode("ascii"), validate=True)
        except (UnicodeEncodeError, binascii.Error):
            raise VaultError("data is no backup") from None
        if base64.b64encode(raw).decode("ascii") != data:
            raise VaultError("data is no backup")
        return raw

    def pack(self, state: dict[str, Any]) -> bytes:
        """The state as bytes, before it is sealed."""
        return json.dumps(state, separators=(",", ":")).encode("ascii")

    def unpack(self, plain: bytes) -> dict[str, Any]:
        """The state of bytes that were sealed with the right password."""
        state = json.loads(plain)
        if not isinstance(state, dict):
            raise VaultError("the backup holds no state")
        return state

    def head(self, setup: Setup, cost: Cost, salt: bytes, nonce: bytes) -> bytes:
        """All bytes before the sealed state."""
        header = {
            "kdf": "scrypt",
            "n": cost.n,
            "r": cost.r,
            "p": cost.p,
            "salt": salt.hex(),
            "cipher": "AES-256-GCM",
            "nonce": nonce.hex(),
            "shards": setup.shards,
            "multiconnect": setup.multiconnect,
            "version": setup.version,
        }
        text = json.dumps(header, separators=(",", ":")).encode("ascii")
        return PREFIX.pack(MAGIC, FORMAT, len(text)) + text

    def split(self, raw: bytes) -> tuple[bytes, dict[str, Any], bytes]:
        """A backup's bytes as head, parsed header and sealed state."""
        if len(raw) < PREFIX.size:
            raise VaultError("data is no backup")
        magic, version, length = PREFIX.unpack_from(raw)
        if magic != MAGIC or version != FORMAT or len(raw) < PREFIX.size + length:
            raise VaultError("data is no backup")
        head, sealed = raw[: PREFIX.size + length], raw[PREFIX.size + length :]
        try:
            header = json.loads(head[PREFIX.size :])
        except (ValueError, RecursionError):
            raise VaultError("data is no backup") from None
        if not isinstance(header, dict):
            raise VaultError("data is no backup")
        return head, header, sealed

    def parse(self, header: dict[str, Any]) -> tuple[Cost, bytes, bytes, Setup]:
        """What a header says; before the tag is checked only what is bounded here is acted on."""
        try:
            cost = Cost(n=header["n"], r=header["r"], p=header["p"])
            salt, nonce = bytes.fromhex(header["salt"]), bytes.fromhex(header["nonce"])
            setup = Setup(header["shards"], header["multiconnect"], header["version"])
            known = (
                header["kdf"] == "scrypt" and header["cipher"] == "AES-256-GCM" and cost in (STRONG, LIGHT)
            )
        except (KeyError, TypeError, ValueError):
            raise VaultError("data is no backup") from None
        if not known or len(salt) != SALT_BYTES or len(nonce) != NONCE_BYTES:
            raise VaultError("data is no backup")
        return cost, salt, nonce, setup
