"""A Business API client on http.server: one JSON file on disk, HTTP/1.0 that closes, `meta` in most answers.

The vendor's choices where the documentation is silent: `data` is base64url in lines; backup passwords have 8
characters or more; refusals are 422 with details; a role that is too low is a 401; a restore merges, drops
all users but the admin, and always ends the process, on a new machine too (--restart-policy no); tokens live
in memory; only a few settings are known, `wa_id` is not among them; no two-step; a machine that lost its
number does not notice, and takes any number's backup.
"""

import argparse
import base64
import copy
import hashlib
import hmac
import json
import os
import queue
import re
import secrets
import ssl
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

LARGEST = 2 << 20
LINE = 64
MEDIA = ("audio", "document", "image", "sticker", "video", "voice")
SETTINGS = {  # name -> (default, does a value fit)
    "callback_backoff_delay_ms": (3000, lambda v: type(v) is int and 0 <= v <= 10**9),
    "max_callback_backoff_delay_ms": (900000, lambda v: type(v) is int and 0 <= v <= 10**9),
    "show_security_notifications": (False, lambda v: type(v) is bool),
    "media.auto_download": (["image"], lambda v: type(v) is list and all(one in MEDIA for one in v)),
    "webhooks.url": (None, lambda v: type(v) is str and re.match(r"https?://[^/\s]+", v)),
    "webhooks.max_concurrent_requests": (6, lambda v: type(v) is int and v in (6, 12, 18, 24)),
}
BUSINESS = {"address": 256, "description": 256, "email": 128, "vertical": 128}
ROUTES: list = []


@dataclass
class Refusal(Exception):
    status: int
    code: int
    title: str
    details: str

    def body(self):
        return {"errors": [{"code": self.code, "title": self.title, "details": self.details}]}


def missing(name):
    return Refusal(422, 1008, "Required parameter is missing", f"{name} is required")


def unfit(name):
    return Refusal(422, 1009, "Parameter value is not valid", f"{name} does not fit")


@dataclass
class Call:
    """One request, after access was checked."""

    user: str
    token: str
    raw: bytes
    match: re.Match
    basic: tuple = ("", "")

    def body(self):
        try:
            value = json.loads(self.raw)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise Refusal(422, 1025, "Invalid Request", "the body is to be a JSON object")
        return value

    def text(self, name, most=1 << 22, least=0):
        given = self.body()
        if name not in given:
            raise missing(name)
        value = given[name]
        if not isinstance(value, str) or not least <= len(value) <= most:
            raise unfit(name)
        try:
            value.encode()
        except UnicodeEncodeError:
            raise unfit(name) from None
        return value


def route(verb, path, role="admin"):
    def register(function):
        ROUTES.append((verb, re.compile(path), role, function))
        return function
    return register


@dataclass
class Machine:
    """The client itself: what it knows, kept in one file that is only ever replaced whole."""

    options: argparse.Namespace
    facts: dict = field(default_factory=dict)
    tokens: dict = field(default_factory=dict)
    callbacks: queue.Queue = field(default_factory=queue.Queue)
    lock: threading.RLock = field(default_factory=threading.RLock)
    stopping: bool = False
    asked: int = 0

    @property
    def file(self):
        return Path(self.options.state) / "machine.json"

    def wake(self):
        self.file.parent.mkdir(parents=True, exist_ok=True)
        if self.file.exists():
            self.facts = json.loads(self.file.read_text())
            return
        password = os.environ.get("ADMIN_PASSWORD") or "secret"
        number = self.options.registered
        self.commit({
            "machine": secrets.token_hex(8), "users": {"admin": digest(password)}, "application": {},
            "about": "", "business": {}, "photo": None, "claim": True,
            "registration": {"number": number, "identity": secrets.token_hex(32)} if number else None,
        })

    def commit(self, facts):
        """Replace the state: after a kill at any moment the file holds the old or the new one."""
        fresh = self.file.with_suffix(".new")
        with fresh.open("w") as out:
            json.dump(facts, out)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(self.file)
        self.facts = facts

    def change(self, **facts):
        with self.lock:
            if self.stopping:
                raise Refusal(503, 1011, "Service not ready", "stopping")
            self.commit({**copy.deepcopy(self.facts), **facts})

    def setting(self, name):
        return self.facts["application"].get(name, SETTINGS[name][0])

    def version(self):
        return tuple(int(part) for part in re.findall(r"\d+", self.options.version)[:3])

    def ask_network(self, verb, **more):
        known = self.facts["registration"]
        if not self.options.network or not known:
            return {"held": True, "messages": []}
        body = {"machine": self.facts["machine"], "identity": known["identity"], **more}
        return post(f"{self.options.network}/business/{known['number']}/{verb}", body)

    def claim(self):
        known = self.facts["registration"]
        if known:
            held = self.ask_network("claim" if self.facts["claim"] else "connect")["held"]
            with self.lock:
                if held and self.facts["claim"] and self.facts["registration"] is known:
                    self.commit({**self.facts, "claim": False})

    def listen(self):
        done = 0
        while not self.stopping:
            try:
                self.claim()
                news = self.ask_network("poll", done=done)
                for message in news["messages"]:
                    done = message.pop("seq")
                    self.callbacks.put({"messages": [message]})
                if not news["held"] or not self.facts["registration"] or not self.options.network:
                    time.sleep(0.2)
            except (OSError, ValueError):
                time.sleep(0.2)

    def call_back(self):
        while not self.stopping:
            body, tries = self.callbacks.get(), 0
            while not self.stopping and (url := self.setting("webhooks.url")):
                try:
                    post(url, body, timeout=2)
                    break
                except (OSError, ValueError):
                    tries += 1
                    longest = self.setting("max_callback_backoff_delay_ms")
                    time.sleep(min(self.setting("callback_backoff_delay_ms") * tries, longest) / 1000)


def post(url, body, timeout=10):
    call = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    context = ssl._create_unverified_context() if url.startswith("https") else None
    try:
        with urllib.request.urlopen(call, timeout=timeout, context=context) as answer:
            raw = answer.read()
    except urllib.error.HTTPError:
        raise
    except Exception as broken:
        raise OSError(str(broken)) from broken
    try:
        return json.loads(raw)
    except ValueError:
        return None


def digest(password):
    salt = secrets.token_hex(8)
    return [salt, hashlib.sha256(f"{salt}{password}".encode("utf-8", "surrogatepass")).hexdigest()]


def fits(password, stored):
    hashed = hashlib.sha256(f"{stored[0]}{password}".encode("utf-8", "surrogatepass")).hexdigest()
    return hmac.compare_digest(hashed, stored[1])


def nested(flat):
    tree: dict = {}
    for name, value in flat.items():
        *folders, leaf = name.split(".")
        place = tree
        for folder in folders:
            place = place.setdefault(folder, {})
        if value is not None:
            place[leaf] = value
    return tree


# -- users ------------------------------------------------------------------------------------------------


@route("POST", "/v1/users/login", "basic")
def login(machine, call):
    name, password = call.basic
    stored = machine.facts["users"].get(name)
    if not stored or not fits(password, stored):
        raise Refusal(401, 1005, "Access denied", "invalid credentials")
    if password == "secret":
        if not call.raw or "new_password" not in call.body():
            raise Refusal(401, 1024, "Password Change Required", "send new_password")
        machine.change(users={**machine.facts["users"], name: digest(strong(call, "new_password"))})
    token, until = secrets.token_hex(24), datetime.now(timezone.utc) + timedelta(days=7)
    machine.tokens[token] = (name, time.time() + 7 * 86400)
    return 200, {"users": [{"token": token, "expires_after": f"{until:%Y-%m-%d %H:%M:%S}+00:00"}]}


def strong(call, name):
    password = call.text(name, 64, 8)
    if not all(re.search(kind, password) for kind in (r"\d", "[A-Z]", "[a-z]", r"[^\w\s]|_")):
        raise unfit(name)
    return password


@route("POST", "/v1/users/logout", "any")
def logout(machine, call):
    machine.tokens.pop(call.token, None)
    return 200, {}


@route("POST", "/v1/users")
def add_user(machine, call):
    name, password = call.text("username", 32, 4), strong(call, "password")
    with machine.lock:
        if name in machine.facts["users"]:
            raise Refusal(422, 1014, "Internal error", "Unable to create user. Already exist?")
        machine.change(users={**machine.facts["users"], name: digest(password)})
    return 201, {"users": [{"username": name}]}


@route("GET|PUT|DELETE", "/v1/users/([^/]+)", "any")
def one_user(machine, call):
    name, verb = call.match[1], call.match.string.partition(" ")[0]
    if call.user not in ("admin", name) or (verb == "DELETE" and (call.user != "admin" or name == "admin")):
        raise Refusal(401, 1005, "Access denied", "not your account")
    with machine.lock:
        users = dict(machine.facts["users"])
        if name not in users:
            raise Refusal(404, 1006, "Resource not found", "no such user")
        if verb == "GET":
            role = "ROLE_ADMIN" if name == "admin" else "ROLE_USER"
            return 200, {"users": [{"ROLES": role, "username": name}]}
        if verb == "PUT":
            users[name] = digest(strong(call, "password"))
        else:
            del users[name]
            machine.tokens = {k: v for k, v in machine.tokens.items() if v[0] != name}
        machine.change(users=users)
    return 200, {"users": [{"username": name}]}


# -- settings ---------------------------------------------------------------------------------------------


@route("GET", "/v1/health", "any")
def health(machine, call):
    status = "connected" if machine.facts["registration"] else "unregistered"
    if not machine.options.multiconnect:
        return 200, {"health": {"gateway_status": status}}
    names = ["primary_master", "secondary_master"] + ["coreapp"] * (machine.options.shards + 1)
    idle = {1, len(names) - 1}  # the second master, and the coreapp to spare
    nodes = {f"host-{i}:{i:012x}": {"gateway_status": "disconnected" if i in idle else status, "role": role}
             for i, role in enumerate(names)}
    return 200, {"health": nodes}


@route("GET|PATCH|DELETE", "/v1/settings/application")
def application(machine, call):
    verb = call.match.string.partition(" ")[0]
    if verb == "GET":
        return 200, {"settings": {"application": nested({one: machine.setting(one) for one in SETTINGS})}}
    given = call.body() if verb == "PATCH" else {}
    with machine.lock:
        known = dict(machine.facts["application"]) if verb == "PATCH" else {}
        for name, (_, fit) in SETTINGS.items():
            folder, _, leaf = name.rpartition(".")
            place = given.get(folder, {}) if folder else given
            if not isinstance(place, dict):
                raise unfit(folder)
            if leaf in place:
                if not fit(place[leaf]):
                    raise unfit(name)
                known[name] = place[leaf]
        machine.change(application=known)
    return 200, {}


@route("GET|PATCH", "/v1/settings/profile/about")
def about(machine, call):
    if call.match.string.startswith("GET"):
        return 200, {"settings": {"profile": {"about": {"text": machine.facts["about"]}}}}
    machine.change(about=call.text("text", 139))
    return 200, {}


@route("GET|POST", "/v1/settings/business/profile")
def business(machine, call):
    if call.match.string.startswith("GET"):
        return 200, {"settings": {"business": {"profile": machine.facts["business"]}}}
    given = call.body()
    new = {name: call.text(name, most) for name, most in BUSINESS.items() if name in given}
    sites = given.get("websites", [])
    if type(sites) is not list or len(sites) > 2 or not all(type(s) is str and len(s) < 257 for s in sites):
        raise unfit("websites")
    if "websites" in given:
        new["websites"] = sites
    with machine.lock:
        machine.change(business={**machine.facts["business"], **new})
    return 200, {}


@route("GET|POST|DELETE", "/v1/settings/profile/photo")
def photo(machine, call):
    if call.match.string.startswith("GET"):
        if not machine.facts["photo"]:
            raise Refusal(404, 1006, "Resource not found", "no photo")
        return 200, base64.b64decode(machine.facts["photo"])
    machine.change(photo=base64.b64encode(call.raw).decode() or None)
    return 200, {}


# -- messages ---------------------------------------------------------------------------------------------


@route("POST", "/v1/contacts", "any")
def contacts(machine, call):
    wanted = call.body().get("contacts")
    if not isinstance(wanted, list):
        raise missing("contacts") if wanted is None else unfit("contacts")
    return 200, {"contacts": [{"input": one, "status": "valid", "wa_id": re.sub(r"[^0-9]", "", one)}
                              for one in wanted if isinstance(one, str)]}


@route("POST", "/v1/messages", "any")
def messages(machine, call):
    to, text = call.text("to", 16), call.body().get("text")
    words = text.get("body") if isinstance(text, dict) else None
    if not isinstance(words, str) or not words:
        raise missing("text.body")
    if not re.fullmatch(r"\+?[0-9]{8,15}", to):
        raise Refusal(422, 1013, "User is not valid", "to")
    if not machine.facts["registration"]:
        raise Refusal(422, 1011, "Service not ready", "register first")
    message = {"id": secrets.token_hex(11), "to": to.lstrip("+"), "type": "text", "text": {"body": words}}
    try:
        machine.ask_network("send", message=message)
    except OSError:
        raise Refusal(422, 1011, "Service not ready", "not connected") from None
    for status in ("sent", "delivered"):
        machine.callbacks.put({"statuses": [{"id": message["id"], "recipient_id": message["to"],
                                             "status": status, "timestamp": str(int(time.time()))}]})
    return 200, {"messages": [{"id": message["id"]}]}


# -- backup and restore -----------------------------------------------------------------------------------


def key(password, salt):
    """Argon2id takes the length of the password in, so no two passwords share a key."""
    return Argon2id(salt=salt, length=32, iterations=1, lanes=1, memory_cost=1024).derive(password.encode())


def lines(raw):
    text = base64.urlsafe_b64encode(raw).decode()
    return "\n".join(text[at:at + LINE] for at in range(0, len(text), LINE))


def primary(machine):
    """Behind several nodes now and then a request meets one that is not the primary master."""
    machine.asked += 1
    if machine.options.fickle and machine.asked % 5 == 0:
        raise Refusal(422, 1017, "Not Primary Master", "try again")


@route("POST", "/v1/settings/backup")
def backup(machine, call):
    primary(machine)
    password = call.text("password", 1 << 16, 8)
    facts = machine.facts
    if not facts["registration"]:
        raise Refusal(400, 1011, "Service not ready", "register first")
    kept = {name: facts[name] for name in ("registration", "about", "business", "photo")}
    kept["application"] = {name: machine.setting(name) for name in SETTINGS}
    kept["type"] = [machine.options.multiconnect, machine.options.shards]
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    sealed = ChaCha20Poly1305(key(password, salt)).encrypt(nonce, json.dumps(kept).encode(), salt)
    return 200, {"settings": {"data": lines(salt + nonce + sealed)}}


def opened(password, data):
    try:
        raw = base64.urlsafe_b64decode("".join(data.split()))
        if lines(raw) != "\n".join(data.split()) or len(raw) < 44:
            raise ValueError("not as a backup writes it")
        return json.loads(ChaCha20Poly1305(key(password, raw[:16])).decrypt(raw[16:28], raw[28:], raw[:16]))
    except (ValueError, InvalidTag):
        raise Refusal(422, 1000, "Generic error", "the backup cannot be opened") from None


@route("POST", "/v1/settings/restore")
def restore(machine, call):
    primary(machine)
    password, data = call.text("password", 1 << 16), call.text("data")
    kept, own = opened(password, data), machine.options
    multiconnect, shards = kept.pop("type")
    differs = shards > own.shards if own.defect == "shards-only-if-more" else shards != own.shards
    if multiconnect != own.multiconnect or differs:
        raise Refusal(422, 1000, "Generic error", "the backup is from another type of setup")
    with machine.lock:
        facts, registration = copy.deepcopy(machine.facts), kept["registration"]
        if machine.version() >= (2, 31, 4):
            registration["identity"] = secrets.token_hex(32)
        facts["application"].update({k: v for k, v in kept["application"].items() if v is not None})
        facts["business"].update(kept["business"])
        facts.update(registration=registration, claim=True, about=kept["about"],
                     photo=kept["photo"] or facts["photo"], users={"admin": facts["users"]["admin"]})
        machine.change(**facts)
        machine.stopping = True
    try:
        machine.ask_network("claim")
    except OSError:
        traceback.print_exc()
    return 200, {}


# -- HTTP -------------------------------------------------------------------------------------------------


class Front(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    timeout = 20
    machine: Machine

    def log_message(self, *_):
        pass

    def take(self):
        """The body, whole, or a refusal."""
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            raw = b""
            while size := int(self.rfile.readline(20).split(b";")[0], 16):
                if size < 0 or len(raw) + size > LARGEST:
                    raise Refusal(413, 1001, "Message too long", "body")
                raw += self.rfile.read(size)
                self.rfile.readline(4)
            return raw
        length = self.headers.get("content-length", "0")
        if not re.fullmatch("[0-9]{1,15}", length):
            raise ValueError("content-length")
        if int(length) > LARGEST:
            raise Refusal(413, 1001, "Message too long", "body")
        return self.rfile.read(int(length))

    def caller(self, role):
        """(user, token, basic pair) of a caller who may."""
        kind, _, rest = self.headers.get("authorization", "").partition(" ")
        if role == "basic":
            try:
                name, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
            except ValueError:
                name = password = ""
            return "", "", (name, password) if kind.lower() == "basic" else ("", "")
        user, until = self.machine.tokens.get(rest.strip(), ("", 0))
        if kind.lower() != "bearer" or until < time.time() or user not in self.machine.facts["users"]:
            raise Refusal(401, 1005, "Access denied", "log in")
        if role == "admin" and user != "admin":
            raise Refusal(401, 1005, "Access denied", "for the admin")
        return user, rest.strip(), ("", "")

    def find(self):
        path, known = self.path.partition("?")[0], False
        for verbs, pattern, role, function in ROUTES:
            if match := re.compile(f"[A-Z]+ {pattern.pattern}").fullmatch(f"{self.command} {path}"):
                known = True
                if self.command in verbs.split("|"):
                    return match, role, function
        raise Refusal(405 if known else 404, 1014, "Internal error", "endpoint not found")

    def serve(self):
        if self.machine.stopping:
            return self.close_now()
        function = None
        try:
            raw = self.take()
            match, role, function = self.find()
            user, token, basic = self.caller(role)
            status, body = function(self.machine, Call(user, token, raw, match, basic))
        except Refusal as refusal:
            status, body = refusal.status, refusal.body()
        except ValueError:
            status, body = 400, {"errors": [{"code": 1025, "title": "Invalid Request"}]}
        except OSError:
            return self.close_now()
        self.answer(status, body, meta=function not in (backup, restore) or status >= 300)
        if function is restore and status == 200:
            self.wfile.flush()
            threading.Timer(0.05, self.end).start()
        return None

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.serve
        raise AttributeError(name)

    def close_now(self):
        self.close_connection = True

    def answer(self, status, body, meta):
        kind = "image/jpeg"
        if not isinstance(body, bytes):
            about_us = {"meta": {"version": self.machine.options.version, "api_status": "stable"}}
            body, kind = json.dumps({**body, **(about_us if meta else {})}).encode(), "application/json"
        try:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)
        except OSError:
            self.close_now()

    def end(self):
        if self.machine.options.restart_policy == "always":
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
        os._exit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    for name in ("--state", "--cert", "--key", "--registered", "--network"):
        parser.add_argument(name, required=name == "--state")
    parser.add_argument("--version", default="2.57.2")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--multiconnect", action="store_true")
    parser.add_argument("--restart-policy", choices=("no", "always"), default="no")
    parser.add_argument("--defect", choices=("shards-only-if-more",))
    parser.add_argument("--fickle", action="store_true", help="answer 1017 to every fifth backup or restore")
    machine = Front.machine = Machine(parser.parse_args())
    machine.wake()
    ThreadingHTTPServer.request_queue_size = 128
    server = ThreadingHTTPServer(("127.0.0.1", machine.options.port), Front)
    if machine.options.cert:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(machine.options.cert, machine.options.key)
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    for work in (machine.listen, machine.call_back):
        threading.Thread(target=work, daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
