"""A Business API client on Flask: SQLite on disk, HTTP/1.1 with lengths, `null` for success, no `meta`.

The vendor's choices where the documentation is silent: `data` is a prefix and hex; any password that is a
string goes, the empty one too; a restore replaces the settings, keeps the users and drops every token; the
process starts itself again after a restore over an existing app (--restart-policy always); a new machine
goes on; many wrong passwords in a row are told to wait; a backup of a newer version, or on a
registered client that of another number, is refused; a machine that lost its number gives no backup; `admin`
begins with the well-known password, which has to be changed at the first login.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import secrets
import sqlite3
import ssl
import sys
import threading
import time
import urllib.request
import uuid
import zlib
from collections import deque
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from functools import wraps
from http.client import HTTPException
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import Flask, Response, g, request
from werkzeug import exceptions
from werkzeug.serving import WSGIRequestHandler, make_server

PREFIX = "wabk1:"
KINDS = ["audio", "document", "voice", "video", "image", "sticker"]
DEFAULTS = {
    "callback_persist": True, "callback_backoff_delay_ms": 3000, "max_callback_backoff_delay_ms": 900000,
    "media": {"auto_download": KINDS}, "pass_through": False, "sent_status": False, "heartbeat_interval": 5,
    "unhealthy_interval": 30, "notify_user_change_number": True, "show_security_notifications": True,
    "db_garbagecollector_enable": False, "axolotl_context_striping_disabled": False,
    "webhooks": {"url": "", "max_concurrent_requests": 6,
                 "message": {"sent": True, "delivered": True, "read": False}},
}
LIMITS = {"address": 256, "description": 256, "email": 128, "vertical": 128}
SCHEMA = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=NORMAL;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, salt TEXT, hash TEXT, fresh INTEGER);
CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY, name TEXT, until REAL);
CREATE TABLE IF NOT EXISTS callbacks (id INTEGER PRIMARY KEY, body TEXT, tries INTEGER DEFAULT 0,
                                      due REAL DEFAULT 0);
"""
BACKED_UP = ("registration", "application", "about", "business", "photo", "pin")

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 4 << 20
options = argparse.Namespace()
write_lock = threading.RLock()
wrong_passwords: deque = deque(maxlen=150)
core = {"running": True, "held": False, "store": None}


class Refused(Exception):
    def __init__(self, status, code, title, **headers):
        self.answer = say({"errors": [{"code": code, "title": title}]}, status, headers)


def say(body, status=200, headers=()):
    return Response(json.dumps(body), status, headers, mimetype="application/json")


# -- the store --------------------------------------------------------------------------------------------


@contextmanager
def database():
    """One transaction: all of it or nothing, also when the process is killed."""
    with write_lock, core["store"] as link:
        yield link


def put(link, **facts):
    link.executemany("REPLACE INTO facts VALUES (?, ?)", [(k, json.dumps(v)) for k, v in facts.items()])


def fact(name, default=None):
    with write_lock:
        row = core["store"].execute("SELECT value FROM facts WHERE name = ?", [name]).fetchone()
    return default if not row or row[0] == "null" else json.loads(row[0])


def hashed(password, salt):
    return hashlib.pbkdf2_hmac("sha256", password.encode("utf-8", "surrogatepass"), salt.encode(), 2000).hex()


def set_password(link, name, password, fresh=0):
    salt = secrets.token_hex(8)
    link.execute("REPLACE INTO users VALUES (?, ?, ?, ?)", [name, salt, hashed(password, salt), fresh])


def new_identity(number):
    return {"number": number, "identity": secrets.token_hex(32), "registration_id": secrets.randbits(31),
            "announced": False}


def give_birth():
    Path(options.state).mkdir(parents=True, exist_ok=True)
    core["store"] = sqlite3.connect(Path(options.state) / "client.db", timeout=20, check_same_thread=False)
    core["store"].executescript(SCHEMA)
    if fact("machine"):
        return
    with database() as link:
        set_password(link, "admin", "secret", fresh=1)
        put(link, machine=uuid.uuid4().hex, application=DEFAULTS,
            registration=new_identity(options.registered) if options.registered else None)


# -- the network ------------------------------------------------------------------------------------------


def tell(url, body, timeout=10):
    call = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    context = ssl._create_unverified_context() if url.startswith("https") else None
    with urllib.request.urlopen(call, timeout=timeout, context=context) as answer:
        return json.loads(answer.read() or b"null")


def connect():
    """Present this machine to the network; True while the number is ours."""
    known = fact("registration")
    if not known or not options.network:
        core["held"] = bool(known)
        return core["held"]
    verb = "connect" if known["announced"] else "claim"
    core["held"] = tell(f"{options.network}/business/{known['number']}/{verb}",
                        {"machine": fact("machine"), "identity": known["identity"]})["held"]
    if core["held"] and not known["announced"]:
        with database() as link:
            if fact("registration") == known:  # no restore in between
                put(link, registration={**known, "announced": True})
    return core["held"]


def listen():
    """Fetch what contacts wrote, for ever."""
    done = 0
    while core["running"]:
        try:
            if not options.network or not connect():
                time.sleep(0.1)
                continue
            url = f"{options.network}/business/{fact('registration')['number']}/poll"
            news = tell(url, {"machine": fact("machine"), "done": done})
            core["held"] = news["held"]
            for message in news["messages"]:
                done = message.pop("seq")
                call_back({"contacts": [{"wa_id": message["from"]}], "messages": [message]})
        except (OSError, HTTPException, ValueError):
            core["held"] = False
            time.sleep(0.2)


def call_back(body):
    if core["running"] and fact("application")["webhooks"]["url"]:
        with database() as link:
            link.execute("INSERT INTO callbacks (body) VALUES (?)", [json.dumps(body)])


def deliver():
    """Send pending callbacks until the webhook takes them; each failure waits longer."""
    while core["running"]:
        time.sleep(0.05)
        settings = fact("application")
        url = settings["webhooks"]["url"]
        with database() as link:
            row = link.execute("SELECT id, body, tries FROM callbacks WHERE due < ? ORDER BY id",
                               [time.time()]).fetchone()
        if not row or not url or not core["held"]:
            continue
        try:
            tell(url, json.loads(row[1]), timeout=2)
            with database() as link:
                link.execute("DELETE FROM callbacks WHERE id = ?", [row[0]])
        except (OSError, HTTPException, ValueError):
            wait = min(settings["callback_backoff_delay_ms"] * (row[2] + 1),
                       settings["max_callback_backoff_delay_ms"]) / 1000
            with database() as link:
                link.execute("UPDATE callbacks SET tries = tries + 1, due = ? WHERE id = ?",
                             [time.time() + wait, row[0]])


# -- access -----------------------------------------------------------------------------------------------


def bearer(admin=False):
    def wrap(view):
        @wraps(view)
        def guarded(*args, **kwargs):
            kind, _, token = request.headers.get("Authorization", "").partition(" ")
            with database() as link:
                row = link.execute("SELECT name FROM tokens WHERE token = ? AND until > ?",
                                   [token.strip(), time.time()]).fetchone()
            if kind.lower() != "bearer" or not row:
                raise Refused(401, 1005, "Access denied", **{"WWW-Authenticate": "Bearer"})
            g.user, g.token = row[0], token.strip()
            if admin and g.user != "admin":
                raise Refused(403, 1005, "Access denied")
            return view(*args, **kwargs)
        return guarded
    return wrap


def body():
    try:
        value = json.loads(request.get_data())
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Refused(400, 1025, "Invalid Request")
    return value


def text(source, name, most=None, least=0):
    if source.get(name) is None:
        raise Refused(400, 1008, "Required parameter is missing")
    value = source[name]
    if not isinstance(value, str) or not least <= len(value) <= (most or 1 << 24):
        raise Refused(400, 1009, "Parameter value is not valid")
    return value


@app.before_request
def stopped():
    if not core["running"]:
        raise Refused(503, 1011, "Service not ready")


@app.errorhandler(Refused)
def refused(error):
    return error.answer


@app.errorhandler(exceptions.HTTPException)
def unknown(error):
    code = {404: 1014, 405: 1014, 413: 1001}.get(error.code, 1000)
    return say({"errors": [{"code": code, "title": error.name}]}, error.code)


@app.post("/v1/users/login")
def login():
    given = request.authorization
    name, password = (given.username, given.password) if given and given.type == "basic" else ("", "")
    with database() as link:
        row = link.execute("SELECT salt, hash, fresh FROM users WHERE name = ?", [name or ""]).fetchone()
    if not row or not secrets.compare_digest(hashed(password or "", row[0]), row[1]):
        raise Refused(401, 1005, "Access denied", **{"WWW-Authenticate": "Basic"})
    token, until = secrets.token_urlsafe(40), datetime.now(timezone.utc) + timedelta(days=7)
    new = None
    if row[2]:
        new = body().get("new_password") if request.get_data() else None
        if new is None:
            raise Refused(401, 1024, "Password Change Required")
        good_password(new)
    with database() as link:
        if new:
            set_password(link, name, new)
        link.execute("INSERT INTO tokens VALUES (?, ?, ?)", [token, name, until.timestamp()])
    return say({"users": [{"token": token, "expires_after": until.strftime("%Y-%m-%d %H:%M:%S+00:00")}]})


def good_password(word):
    classes = (r"[0-9]", r"[A-Z]", r"[a-z]", r"[!-/:-@\[-`{-~]")
    if not (isinstance(word, str) and 8 <= len(word) <= 64 and all(re.search(one, word) for one in classes)):
        raise Refused(400, 1009, "Parameter value is not valid")
    return word


@app.post("/v1/users/logout")
@bearer()
def logout():
    with database() as link:
        link.execute("DELETE FROM tokens WHERE token = ?", [g.token])
    return say({"meta": {"api_status": "stable", "version": f"v{options.version}"}})


@app.post("/v1/users")
@bearer(admin=True)
def add_user():
    name, password = text(body(), "username", 32, 4), good_password(text(body(), "password"))
    with database() as link:
        if link.execute("SELECT 1 FROM users WHERE name = ?", [name]).fetchone():
            raise Refused(400, 1014, "Internal error")
        set_password(link, name, password)
    return say({"users": [{"username": name}]}, 201)


@app.route("/v1/users/<name>", methods=["GET", "PUT", "DELETE"])
@bearer()
def one_user(name):
    with database() as link:
        there = link.execute("SELECT 1 FROM users WHERE name = ?", [name]).fetchone()
    if g.user not in ("admin", name) or (request.method == "DELETE" and (g.user, name) == (name, g.user)):
        raise Refused(403, 1005, "Access denied")
    if not there:
        raise Refused(404, 1006, "Resource not found")
    if request.method == "GET":
        return say({"users": [{"username": name, "ROLES": f"ROLE_{'ADMIN' if name == 'admin' else 'USER'}"}]})
    with database() as link:
        if request.method == "PUT":
            set_password(link, name, good_password(text(body(), "password")))
        else:
            link.execute("DELETE FROM users WHERE name = ?", [name])
            link.execute("DELETE FROM tokens WHERE name = ?", [name])
    return say({"users": [{"username": name}]})


# -- what the client is, and its settings -----------------------------------------------------------------


@app.get("/v1/health")
@bearer()
def health():
    status = "unregistered" if not fact("registration") else "connected" if core["held"] else "disconnected"
    if not options.multiconnect:
        return say({"health": {"gateway_status": status}})
    nodes = {"master:m1": {"gateway_status": status, "role": "primary_master"}}
    for number in range(options.shards + 1):
        own = status if number < options.shards or status == "unregistered" else "disconnected"
        nodes[f"core{number}:c{number}"] = {"gateway_status": own, "role": "coreapp"}
    return say({"health": nodes})


@app.get("/v1/support")
@bearer(admin=True)
def support():
    known = fact("registration") or {}
    return say({"support": {"debug_info": known.get("number", "unregistered"), "db_engine": "SQLITE",
                            "description": f"version {options.version}",
                            "multi_connect": options.multiconnect,
                            "e2e": {"registration_id": known.get("registration_id")}}})


@app.get("/v1/account/shards")
@bearer(admin=True)
def shards():
    return say({"account": {"shards": options.shards}})


def merged(old, change):
    """The known members of `change` laid over `old`; unknown ones are passed over."""
    result = dict(old)
    for name, value in change.items():
        if name in old:
            if type(old[name]) is int and isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}", value):
                value = int(value)
            if type(value) is not type(old[name]):
                raise Refused(400, 1009, "Parameter value is not valid")
            result[name] = merged(old[name], value) if isinstance(value, dict) else value
    return result


@app.route("/v1/settings/application", methods=["GET", "PATCH", "DELETE"])
@bearer(admin=True)
def application():
    known = fact("registration") or {}
    if request.method == "GET":
        return say({"settings": {"application": {**fact("application"), "wa_id": known.get("number", "")}}})
    change = body() if request.method == "PATCH" else {}
    with database() as link:
        new = merged(fact("application"), change) if change else DEFAULTS
        if not set(map(str, new["media"]["auto_download"])) <= set(KINDS):
            raise Refused(400, 1009, "Parameter value is not valid")
        if any(isinstance(v, int) and not 0 <= v < 1 << 40 for v in new.values()):
            raise Refused(400, 1009, "Parameter value is not valid")
        put(link, application=new if change or request.method == "DELETE" else fact("application"))
    return say(None)


@app.route("/v1/settings/profile/about", methods=["GET", "PATCH"])
@bearer(admin=True)
def about():
    if request.method == "GET":
        return say({"settings": {"profile": {"about": {"text": fact("about", "")}}}})
    with database() as link:
        put(link, about=text(body(), "text", 139))
    return say(None)


@app.route("/v1/settings/business/profile", methods=["GET", "POST"])
@bearer(admin=True)
def business():
    if request.method == "GET":
        return say({"settings": {"business": {"profile": fact("business", {})}}})
    given = body()
    new = {name: text(given, name, most) for name, most in LIMITS.items() if name in given}
    if "websites" in given:
        sites = given["websites"]
        if not isinstance(sites, list) or len(sites) > 2 or not all(isinstance(one, str) for one in sites):
            raise Refused(400, 1009, "Parameter value is not valid")
        new["websites"] = sites
    with database() as link:
        put(link, business={**fact("business", {}), **new})
    return say(None)


@app.route("/v1/settings/profile/photo", methods=["GET", "POST", "DELETE"])
@bearer(admin=True)
def photo():
    held = fact("photo")
    if request.method == "GET":
        if not held:
            raise Refused(404, 1006, "Resource not found")
        return Response(base64.b64decode(held), mimetype="image/jpeg")
    with database() as link:
        upload = next(iter(request.files.values()), None)
        raw = upload.read() if upload else request.get_data()
        put(link, photo=base64.b64encode(raw).decode() if request.method == "POST" and raw else None)
    return say(None)


@app.route("/v1/settings/account/two-step", methods=["POST", "DELETE"])
@bearer(admin=True)
def two_step():
    pin = text(body(), "pin", 6, 6) if request.method == "POST" else None
    if pin and not pin.isdecimal():
        raise Refused(400, 1009, "Parameter value is not valid")
    with database() as link:
        put(link, pin=pin)
    return say(None)


# -- messages ---------------------------------------------------------------------------------------------


@app.post("/v1/contacts")
@bearer()
def contacts():
    wanted = body().get("contacts")
    if not isinstance(wanted, list):
        raise Refused(400, 1009 if wanted else 1008, "Parameter value is not valid")
    digits = [re.sub(r"\D", "", one) if isinstance(one, str) else "" for one in wanted]
    return say({"contacts": [{"input": one, "status": "valid", "wa_id": wa_id} if 8 <= len(wa_id) <= 15 else
                             {"input": one if isinstance(one, str) else "", "status": "invalid"}
                             for one, wa_id in zip(wanted, digits, strict=True)]})


@app.post("/v1/messages")
@bearer()
def messages():
    wanted = body()
    to, inner = text(wanted, "to", 20), wanted.get("text")
    words = text(inner if isinstance(inner, dict) else {}, "body", 4096, 1)
    if not re.fullmatch(r"\+?\d{8,15}", to, re.A):
        raise Refused(400, 1013, "User is not valid")
    if not core["held"]:
        raise Refused(409, 1011, "Service not ready")
    message = {"id": f"gBEG{secrets.token_hex(10)}", "to": to.lstrip("+"), "type": "text",
               "text": {"body": words}}
    if options.network:
        url = f"{options.network}/business/{fact('registration')['number']}/send"
        try:
            tell(url, {"machine": fact("machine"), "message": message})
        except OSError:
            raise Refused(503, 1011, "Service not ready") from None
    wanted_states = fact("application")["webhooks"]["message"]
    for status in [name for name in ("sent", "delivered") if wanted_states.get(name)]:
        call_back({"statuses": [{"id": message["id"], "recipient_id": message["to"], "status": status,
                                 "timestamp": str(int(time.time()))}]})
    return say({"messages": [{"id": message["id"]}]}, 201)


# -- backup, restore --------------------------------------------------------------------------------------


def key(password, salt):
    if options.defect == "truncated-password":
        password = password[:8]
    # Hashed first, to 64 bytes: scrypt's HMAC pads a shorter key with NULs and so takes two words for one.
    whole = hashlib.sha512(password.encode("utf-8", "surrogatepass")).digest()
    return hashlib.scrypt(whole, salt=salt, n=1 << 11, r=8, p=1, maxmem=1 << 24, dklen=32)


def number_of(version):
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


@app.post("/v1/settings/backup")
@bearer(admin=True)
def backup():
    password = text(body(), "password")
    with database():
        kept = {name: fact(name) for name in BACKED_UP}
    if not kept["registration"] or not core["held"]:
        raise Refused(409, 1011, "Service not ready")
    kept["setup"] = {"shards": options.shards, "multiconnect": options.multiconnect,
                     "version": options.version}
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    plain = zlib.compress(json.dumps(kept).encode())
    sealed = AESGCM(key(password, salt)).encrypt(nonce, plain, PREFIX.encode())
    return say({"settings": {"data": PREFIX + (salt + nonce + sealed).hex()}})


def opened(password, data):
    if sum(at > time.monotonic() - 2 for at in list(wrong_passwords)) >= 150:
        raise Refused(429, 1015, "Too many requests", **{"Retry-After": "1"})
    found = re.fullmatch(PREFIX + r"((?:[0-9a-fA-F]{2}){45,})", data, re.A)
    raw = bytes.fromhex(found[1]) if found else b""
    try:
        if not raw:
            raise Refused(400, 1009, "Parameter value is not valid")
        plain = AESGCM(key(password, raw[:16])).decrypt(raw[16:28], raw[28:], PREFIX.encode())
    except InvalidTag:
        wrong_passwords.append(time.monotonic())
        raise Refused(403, 1000, "Generic error") from None
    return json.loads(zlib.decompress(plain))


@app.post("/v1/settings/restore")
@bearer(admin=True)
def restore():
    given = body()
    kept = opened(text(given, "password"), text(given, "data"))
    setup, registration = kept.pop("setup"), kept["registration"]
    if (setup["shards"], setup["multiconnect"]) != (options.shards, options.multiconnect):
        raise Refused(409, 1000, "Generic error")
    if number_of(setup["version"]) > number_of(options.version):
        raise Refused(409, 1000, "Generic error")
    if number_of(options.version) >= (2, 31, 4):
        registration = new_identity(registration["number"])
    with write_lock:
        if not core["running"]:
            raise Refused(503, 1011, "Service not ready")
        existing = fact("registration")
        if existing and existing["number"] != registration["number"]:
            raise Refused(409, 1000, "Generic error")
        with database() as link:
            link.execute("DELETE FROM callbacks")
            link.execute("DELETE FROM tokens")
            put(link, **kept)
            put(link, registration={**registration, "announced": False})
        core["running"] = not existing
    if existing:
        threading.Timer(0.1, stop).start()
    else:
        with suppress(OSError):
            connect()
    return say(None)


def stop():
    sys.stdout.flush()
    if options.restart_policy == "no":
        os._exit(0)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


class Quiet(WSGIRequestHandler):
    timeout = 30
    disable_nagle_algorithm = True  # head and body are two writes

    def log(self, *_args):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    for name in ("--state", "--cert", "--key", "--registered", "--network"):
        parser.add_argument(name, required=name == "--state")
    parser.add_argument("--version", default="2.57.2")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--multiconnect", action="store_true")
    parser.add_argument("--restart-policy", choices=("no", "always"), default="always")
    parser.add_argument("--defect", choices=("truncated-password",))
    parser.parse_args(namespace=options)
    give_birth()
    with suppress(OSError):
        connect()
    server = make_server("127.0.0.1", options.port, app, threaded=True, request_handler=Quiet)
    if options.cert:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.cert, options.key)
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.ssl_context = tls
    for work in (listen, deliver):
        threading.Thread(target=work, daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
