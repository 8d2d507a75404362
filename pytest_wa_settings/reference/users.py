"""The users endpoints: log in and out, create, read, change and delete accounts."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Callable

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.errors import ReferenceFault, Refusal, invalid, not_found
from pytest_wa_settings.reference.fields import optional, required, string, text
from pytest_wa_settings.reference.guesses import Guesses
from pytest_wa_settings.reference.http import Call, Operation, Reply
from pytest_wa_settings.reference.vault import Cost
from pytest_wa_settings.reference.webapp import token_digest

ADMIN = "admin"
FACTORY_PASSWORD = "secret"
ROLE_ADMIN, ROLE_USER = "ROLE_ADMIN", "ROLE_USER"
TOKEN_SECONDS = 7 * 24 * 60 * 60
SPECIAL = "!\"#$%&\\'()*+,-./:;<=>?@[]^_`{|}~"
LONGEST_PAUSE = 2.0
"""Seconds that a wrong password waits for its answer at most (see guesses)."""
KIBIBYTES, PASSES = 19 * 1024, 2
"""Argon2id's cost, with one lane: OWASP's advice (Password Storage Cheat Sheet)."""
AT_ONCE = 4
"""Passwords that are hashed at a time, 19 MiB each; more wait."""
COSTS = {"strong": Cost(n=2**14, r=8, p=1), "light": Cost(n=2**4, r=8, p=1)}
"""scrypt's: of test beds' clients, and what earlier versions kept their passwords by."""
_OF_ARGON = re.compile(
    r"\$argon2id\$v=19\$m=([0-9]{1,6}),t=([0-9]{1,2}),p=([0-9]{1,2})\$([0-9a-f]+)\$([0-9a-f]+)"
)
_OF_SCRYPT = re.compile(r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,2}),p=([0-9]{1,2})\$([0-9a-f]+)\$([0-9a-f]+)")
# As it was before it told its parameters: salt and digest alone, of the cost of the client that reads it.
_BEFORE = re.compile(r"()()()([0-9a-f]+):([0-9a-f]+)")


class Passwords:
    """Hashes the passwords of users and checks them: by Argon2id, in test beds by a scrypt of no cost.

    What is kept tells its own function and parameters, as PHC strings do: a client that was started with
    another cost than the one before takes the passwords that were kept under that one.
    """

    def __init__(self, kdf: str) -> None:
        self.light = kdf == "light"
        self.cost = COSTS[kdf]
        self._room: asyncio.Semaphore | None = None

    async def hash(self, password: str) -> str:
        """What is kept of a password."""
        salt, cost = os.urandom(16), self.cost
        if self.light:
            digest = await self._by_scrypt(cost, password, salt)
            return f"$scrypt$ln={cost.n.bit_length() - 1},r={cost.r},p={cost.p}${salt.hex()}${digest.hex()}"
        digest = await self._by_argon(KIBIBYTES, PASSES, 1, password, salt)
        return f"$argon2id$v=19$m={KIBIBYTES},t={PASSES},p=1${salt.hex()}${digest.hex()}"

    async def fits(self, password: str, kept: str) -> bool:
        """Whether a password is the one of which `kept` was kept."""
        if found := _OF_ARGON.fullmatch(kept):
            salt = bytes.fromhex(found[4])
            derived = await self._by_argon(int(found[1]), int(found[2]), int(found[3]), password, salt)
        elif found := _OF_SCRYPT.fullmatch(kept) or _BEFORE.fullmatch(kept):
            cost = Cost(2 ** int(found[1]), int(found[2]), int(found[3])) if found[1] else self.cost
            derived = await self._by_scrypt(cost, password, bytes.fromhex(found[4]))
        else:
            return False
        return hmac.compare_digest(derived, bytes.fromhex(found[5]))

    def is_dated(self, kept: str) -> bool:
        """Whether `kept` was made by a weaker function than this client's."""
        return not self.light and _OF_ARGON.fullmatch(kept) is None

    async def _by_argon(self, kibibytes: int, passes: int, lanes: int, password: str, salt: bytes) -> bytes:
        return await self._apart(_argon2id, _digest(password), salt, kibibytes, passes, lanes)

    async def _by_scrypt(self, cost: Cost, password: str, salt: bytes) -> bytes:
        if cost.n <= COSTS["light"].n:
            return _scrypt(_digest(password), salt, cost)
        return await self._apart(_scrypt, _digest(password), salt, cost)

    async def _apart(self, function: Callable[..., bytes], *given: object) -> bytes:
        self._room = self._room or asyncio.Semaphore(AT_ONCE)
        async with self._room:
            return await asyncio.to_thread(function, *given)


def _digest(password: str) -> bytes:
    # scrypt's HMAC takes `pw` and `pw\0` for one; a digest of fixed length does not.
    return hashlib.sha512(password.encode("utf-8")).digest()


def _scrypt(digest: bytes, salt: bytes, cost: Cost) -> bytes:
    return hashlib.scrypt(digest, salt=salt, n=cost.n, r=cost.r, p=cost.p, dklen=32, maxmem=64 * 1024 * 1024)


def _argon2id(digest: bytes, salt: bytes, kibibytes: int, passes: int, lanes: int) -> bytes:
    try:
        function = Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=kibibytes)
    except UnsupportedAlgorithm:
        raise ReferenceFault(
            "The cryptography library here has no Argon2id.", "Install its wheel, or give --kdf light."
        ) from None
    return function.derive(digest)


def assert_strong(name: str, password: str) -> str:
    """The documented rule for the passwords of API users."""
    kinds = (r"[0-9]", r"[A-Z]", r"[a-z]", f"[{re.escape(SPECIAL)}]")
    if not 8 <= len(password) <= 64 or not all(re.search(kind, password) for kind in kinds):
        raise invalid(name, "must have 8 to 64 characters, with a digit, both letter cases and punctuation")
    return password


class Users:
    """The accounts of one client."""

    def __init__(self, coreapp: Coreapp, passwords: Passwords) -> None:
        self.store = coreapp.store
        self.options = coreapp.options
        self.passwords = passwords
        self.guesses = Guesses(0.0 if passwords.light else LONGEST_PAUSE)
        self.decoy: str | None = None

    async def prepare(self) -> None:
        """Make the built-in admin, unless it is there; its factory password has to be changed."""
        given = self.options.admin_password
        there = self.store.user(ADMIN)
        factory = given is None if there is None else there[2]
        if factory and self.options.exposed:
            raise ReferenceFault(
                "Beyond loopback no client is served with the factory password.",
                "Set WA_ADMIN_PASSWORD, or give --admin-password-file FILE.",
            )
        if there is not None:
            return
        kept = await self.passwords.hash(FACTORY_PASSWORD if given is None else given)
        self.store.put_user(ADMIN, kept, ROLE_ADMIN, must_change=given is None)

    def operations(self) -> list[Operation]:
        """What this room answers."""
        return [
            Operation("POST", "/v1/users/login", "open", self.login),
            Operation("POST", "/v1/users/logout", "user", self.logout),
            Operation("POST", "/v1/users", "admin", self.create),
            Operation("GET", "/v1/users/{username:path}", "user", self.read),
            Operation("PUT", "/v1/users/{username:path}", "user", self.change),
            Operation("DELETE", "/v1/users/{username:path}", "admin", self.delete),
        ]

    async def login(self, call: Call) -> Reply:
        """A new token for a name and password; other tokens stay valid."""
        name, password = self.credentials(call)
        found = self.store.user(name)
        if not await self.passwords.fits(password, found[0] if found else await self.bait()) or found is None:
            await self.guesses.wrong(name)
            raise self.denied()
        self.guesses.right(name)
        if self.passwords.is_dated(found[0]):
            self.store.put_user(name, await self.passwords.hash(password), found[1], must_change=found[2])
        body = call.object()
        new = optional(body, "new_password", string)
        if new is not None:
            kept = await self.passwords.hash(assert_strong("new_password", new))
            self.store.put_user(name, kept, found[1])
        elif found[2]:
            raise Refusal(400, 1024, "Log in with a new_password.")
        return Reply({"users": [self.grant(name)]})

    def grant(self, name: str) -> dict[str, str]:
        """A new token, as the login shows it."""
        token = ".".join(secrets.token_urlsafe(size) for size in (12, 24, 24))
        expires = time.time() + self.token_seconds()
        self.store.put_token(token_digest(token), name, expires)
        return {
            "token": token,
            "expires_after": time.strftime("%Y-%m-%d %H:%M:%S+00:00", time.gmtime(expires)),
        }

    def token_seconds(self) -> float:
        """How long a token lives."""
        return TOKEN_SECONDS

    def credentials(self, call: Call) -> tuple[str, str]:
        """Name and password of a Basic header."""
        scheme, _, encoded = call.headers.get("authorization", "").partition(" ")
        try:
            name, colon, password = (
                base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
            )
        except (binascii.Error, ValueError):
            raise self.denied() from None
        if scheme.lower() != "basic" or not colon:
            raise self.denied()
        return name, password

    async def bait(self) -> str:
        """A hash for names that do not exist, so that they take as long as others."""
        if self.decoy is None:
            self.decoy = await self.passwords.hash(secrets.token_hex(16))
        return self.decoy

    def denied(self) -> Refusal:
        """The refusal of wrong credentials."""
        return Refusal(401, 1005, "Wrong credentials.", headers=(("www-authenticate", "Basic"),))

    async def logout(self, call: Call) -> Reply:
        """Revoke the token that was sent, and no other."""
        self.store.drop_token(call.caller.token)
        return Reply({})

    async def create(self, call: Call) -> Reply:
        """A new account, which is no admin."""
        body = call.object()
        name = required(body, "username", text(32, 4))
        password = assert_strong("password", required(body, "password", string))
        kept = await self.passwords.hash(password)
        if self.store.user(name) is not None:
            raise Refusal(409, 1014, "Unable to create user. Already exist?")
        self.store.put_user(name, kept, ROLE_USER)
        return Reply({"users": [{"username": name}]}, status=201)

    async def read(self, call: Call) -> Reply:
        """An account's name and role."""
        name, role = self._known(call)
        return Reply({"users": [{"ROLES": role, "username": name}]})

    async def change(self, call: Call) -> Reply:
        """Change a password: an admin anyone's, a user its own. Tokens stay valid."""
        name, role = self._known(call)
        if not call.caller.is_admin and call.caller.name != name:
            raise Refusal(403, 1005, "Only an admin may change another user.")
        password = assert_strong("password", required(call.object(), "password", string))
        self.store.put_user(name, await self.passwords.hash(password), role)
        return Reply({"users": [{"username": name}]})

    async def delete(self, call: Call) -> Reply:
        """Delete an account with its tokens; the built-in admin stays."""
        name, _ = self._known(call)
        if name == ADMIN:
            raise Refusal(403, 1005, "The built-in admin cannot be deleted.")
        self.store.drop_user(name)
        return Reply({"users": [{"username": name}]})

    def _known(self, call: Call) -> tuple[str, str]:
        name = call.parameters["username"]
        found = self.store.user(name)
        if found is None:
            raise not_found("The user")
        return name, found[1]
