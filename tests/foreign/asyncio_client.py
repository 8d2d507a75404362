"""A Business API client on bare asyncio: a journal on disk, a connection closes after its answer, no `meta`.

The vendor's choices where the documentation is silent, each to be left out by name with --without: the
settings are answered as they are, without `settings.application` around them (flat), only what was set
among them (sparse), numbers as strings (strings); health is a text (health); a 401 has no body (bare401);
`data` is base85 behind a prefix (data); a restore answers, goes on reading for 300 ms, and only then ends
the process, which starts itself again (linger; without it, nothing is answered any more and it ends at
once); a token that was logged out may be the next one of its user, for some seconds (reissue). Besides: 503
while it starts, with the port open; passwords are prepared as RFC 8265's OpaqueString says; a restore
replaces the settings and drops all users but the admin; tokens live in memory; an unknown setting is
refused, whole; a profile of `about` and business, no photo, no support.
"""

import argparse
import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import os
import re
import secrets
import ssl
import sys
import time
import unicodedata
import urllib.request
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path

HABITS = ("flat", "sparse", "strings", "health", "bare401", "data", "linger", "reissue")
MOST, REISSUED, PREFIX = 1 << 20, 3.0, "wa85:"
KINDS = {
    "callback_persist": True, "callback_backoff_delay_ms": 3000, "max_callback_backoff_delay_ms": 900000,
    "heartbeat_interval": 5, "unhealthy_interval": 30, "sent_status": False, "log_level": "info",
    "show_security_notifications": False, "notify_user_change_number": False, "media": {"auto_download": []},
    "webhooks": {"url": "", "max_concurrent_requests": 6,
                 "message": {"sent": True, "delivered": True, "read": False}},
}
BUSINESS = {"address": 256, "description": 256, "email": 128, "vertical": 128}
MEDIA = {"audio", "document", "image", "sticker", "video", "voice"}
ROUTES = []


class Refusal(Exception):
    def __init__(self, status, code, title):
        self.status, self.body = status, {"errors": [{"code": code, "title": title}]}


MISSING = (400, 1008, "Required parameter is missing")
UNFIT = (400, 1009, "Parameter value is not valid")
NOT_READY = (503, 1011, "Service not ready")
UNREGISTERED = (400, 1011, "Service not ready")
ANOTHER = (400, 1000, "Generic error")


def route(verbs, path, who="admin", starting=False):
    def register(act):
        ROUTES.append((verbs.split(), re.compile(path), who, starting, act))
        return act
    return register


# -- state: the last whole line of a journal ---------------------------------------------------------------


class Client:
    def __init__(self, options):
        self.options, self.phase = options, "starting"
        self.tokens, self.spare, self.tasks = {}, {}, set()
        self.odd = {habit for habit in HABITS if habit not in options.without.split(",")}
        self.file = Path(options.state) / "journal"
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.state = self.last_line() or {
            "machine": secrets.token_hex(8), "number": options.registered, "identity": secrets.token_hex(32),
            "claim": True, "users": {"admin": digest(os.environ["ADMIN_PASSWORD"])}, "app": {}, "about": "",
            "business": {}}
        fresh = self.file.with_suffix(".new")  # the journal begins anew at every start
        self.journal = fresh.open("a")
        self.keep()
        fresh.replace(self.file)

    def last_line(self):
        for line in reversed(self.file.read_text().split("\n") if self.file.exists() else []):
            with suppress(ValueError):
                return json.loads(line)
        return None

    def keep(self, **changed):
        self.state = {**self.state, **changed}
        self.journal.write(json.dumps(self.state) + "\n")
        self.journal.flush()
        os.fsync(self.journal.fileno())

    async def ask(self, verb, **more):
        if not self.options.network or not self.state["number"]:
            return {"held": True, "messages": []}
        body = {"machine": self.state["machine"], "identity": self.state["identity"], **more}
        return await post(f"{self.options.network}/business/{self.state['number']}/{verb}", body)

    async def claim(self):
        claimed = self.state["identity"]
        held = (await self.ask("claim" if self.state["claim"] else "connect"))["held"]
        if held and self.state["claim"] and self.state["number"] and self.state["identity"] == claimed:
            self.keep(claim=False)

    async def listen(self):
        await asyncio.sleep(self.options.start_time / 1000)
        done = 0
        while True:
            try:
                await self.claim()
                if self.phase == "starting":
                    self.phase = "running"
                news = await self.ask("poll", done=done)
                for message in news["messages"]:
                    done = message.pop("seq")
                    self.call_back({"messages": [message], "contacts": [{"wa_id": message["from"]}]})
                if not (news["held"] and self.state["number"] and self.options.network):
                    await asyncio.sleep(0.1)
            except (OSError, ValueError):
                await asyncio.sleep(0.1)

    def call_back(self, body):
        async def persist():
            tries = 0
            while url := self.setting("webhooks").get("url"):
                with suppress(OSError, ValueError):
                    await post(url, body)
                    return
                tries += 1
                wait = self.setting("callback_backoff_delay_ms") * tries
                await asyncio.sleep(min(wait, self.setting("max_callback_backoff_delay_ms")) / 1000)
        task = asyncio.create_task(persist())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def setting(self, name):
        return self.state["app"].get(name, KINDS[name])

    def end(self):
        if self.options.restart_policy == "always":
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
        os._exit(0)


def send(url, body):
    call = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    context = ssl._create_unverified_context() if url.startswith("https") else None
    try:
        with urllib.request.urlopen(call, timeout=10, context=context) as answer:
            raw = answer.read()
    except OSError:
        raise
    except Exception as broken:
        raise OSError(str(broken)) from broken
    with suppress(ValueError):
        return json.loads(raw)
    return None


async def post(url, body):
    return await asyncio.to_thread(send, url, body)


def digest(word, salt=None):
    salt = salt or secrets.token_hex(8)
    return f"{salt}:{hashlib.sha256((salt + word).encode('utf-8', 'surrogatepass')).hexdigest()}"


# -- what callers send -------------------------------------------------------------------------------------


def text(given, name, most=MOST, least=0):
    if name not in given:
        raise Refusal(*MISSING)
    value = given[name]
    if not isinstance(value, str) or not least <= len(value) <= most or re.search("[\ud800-\udfff]", value):
        raise Refusal(*UNFIT)
    return value


def strong(given, name):
    word = text(given, name, 64, 8)
    if not all(re.search(kind, word) for kind in ("[0-9]", "[A-Z]", "[a-z]", r"[!-/:-@\[-`{-~]")):
        raise Refusal(*UNFIT)
    return word


def prepared(given):
    """RFC 8265, OpaqueString."""
    blanks = "".join(" " if unicodedata.category(one) == "Zs" else one for one in text(given, "password"))
    word = unicodedata.normalize("NFC", blanks)
    if not word or any(unicodedata.category(one) == "Cc" for one in word):
        raise Refusal(*UNFIT)
    return word


def merged(old, change, kinds):
    new = dict(old)
    for name, value in change.items():
        if name not in kinds:
            raise Refusal(400, 1010, "Parameter is not required")
        kind = kinds[name]
        if type(kind) is int and type(value) is str and re.fullmatch("[0-9]{1,9}", value):
            value = int(value)
        if type(value) is not type(kind) or (type(kind) is int and not 0 <= value < 10**9):
            raise Refusal(*UNFIT)
        if type(kind) is dict:
            value = merged(old.get(name, {}), value, kind)
        elif type(kind) is str:
            text(change, name, 2000)
        elif type(kind) is list and not set(map(str, value)) <= MEDIA:
            raise Refusal(*UNFIT)
        new[name] = value
    return new


def filled(app, kinds):
    return {name: filled(app.get(name, {}), kind) if type(kind) is dict else app.get(name, kind)
            for name, kind in kinds.items()}


def spelt(value):
    if isinstance(value, dict):
        return {name: spelt(one) for name, one in value.items()}
    return str(value) if type(value) is int else value


# -- the calls: (client, user, body or bytes, match) -> status, body ---------------------------------------


@route("POST", "/v1/users/login", "basic", True)
def login(client, user, given, call):
    stored = client.state["users"].get(user[0], ":")
    if not hmac.compare_digest(digest(user[1], stored.partition(":")[0]), stored):
        raise Refusal(401, 1005, "Access denied")
    token, until = client.spare.pop(user[0], ("", 0))
    if until < time.monotonic() or "reissue" not in client.odd:
        token = secrets.token_urlsafe(30)
    client.tokens[token] = (user[0], time.time() + 7 * 86400)
    ends = time.strftime("%Y-%m-%d %H:%M:%S+00:00", time.gmtime(client.tokens[token][1]))
    return 200, {"users": [{"token": token, "expires_after": ends}]}


@route("POST", "/v1/users/logout", "any", True)
def logout(client, user, given, call):
    token = call.headers["authorization"].split()[1]
    del client.tokens[token]
    client.spare[user] = (token, time.monotonic() + REISSUED)
    return 200, None


@route("POST", "/v1/users", starting=True)
@route("GET PUT DELETE", "/v1/users/([^/]+)", "any", True)
def users(client, user, given, call):
    verb, known = call.verb, client.state["users"]
    name = call.match[1] if verb != "POST" else text(given, "username", 32, 4)
    if (user != "admin" and (name != user or verb == "DELETE")) or (verb, name) == ("DELETE", "admin"):
        raise Refusal(403, 1005, "Access denied")
    if (name in known) is (verb == "POST"):
        why = (400, 1014, "Internal error") if verb == "POST" else (404, 1006, "Resource not found")
        raise Refusal(*why)
    if verb == "GET":
        return 200, {"users": [{"ROLES": "ROLE_ADMIN" if name == "admin" else "ROLE_USER", "username": name}]}
    if verb == "DELETE":
        client.keep(users={one: word for one, word in known.items() if one != name})
        client.tokens = {token: about for token, about in client.tokens.items() if about[0] != name}
        client.spare.pop(name, None)
    else:
        client.keep(users={**known, name: digest(strong(given, "password"))})
    return (201 if verb == "POST" else 200), {"users": [{"username": name}]}


@route("GET", "/v1/health", "any", True)
def health(client, user, given, call):
    starting = client.phase == "starting"
    if "health" in client.odd:
        return (503, b"starting\n") if starting else (200, b"OK\n")
    status = "connecting" if starting else "connected" if client.state["number"] else "unregistered"
    if not client.options.multiconnect:
        return 200, {"health": {"gateway_status": status}}
    shards = range(client.options.shards)
    nodes = {f"core-{n}:{n:012d}": {"gateway_status": status, "role": "coreapp"} for n in shards}
    return 200, {"health": {"master:0": {"gateway_status": status, "role": "primary_master"}, **nodes}}


@route("GET PATCH DELETE", "/v1/settings/application")
def application(client, user, given, call):
    if call.verb != "GET":
        client.keep(app=merged(client.state["app"], given, KINDS) if call.verb == "PATCH" else {})
        return 200, None
    app = client.state["app"] if "sparse" in client.odd else filled(client.state["app"], KINDS)
    app = {**(spelt(app) if "strings" in client.odd else app), "wa_id": client.state["number"] or ""}
    return 200, app if "flat" in client.odd else {"settings": {"application": app}}


@route("GET PATCH", "/v1/settings/profile/about")
def about(client, user, given, call):
    if call.verb == "GET":
        return 200, {"settings": {"profile": {"about": {"text": client.state["about"]}}}}
    client.keep(about=text(given, "text", 139))
    return 200, None


@route("GET POST", "/v1/settings/business/profile")
def business(client, user, given, call):
    if call.verb == "GET":
        return 200, {"settings": {"business": {"profile": client.state["business"]}}}
    new = {name: text(given, name, most) for name, most in BUSINESS.items() if name in given}
    sites = given.get("websites", client.state["business"].get("websites", []))
    if type(sites) is not list or len(sites) > 2 or not all(text({"": site}, "", 256) for site in sites):
        raise Refusal(*UNFIT)
    client.keep(business={**client.state["business"], **new, "websites": sites})
    return 200, None


@route("POST", "/v1/contacts", "any")
def contacts(client, user, given, call):
    if type(given.get("contacts", [])) is not list or "contacts" not in given:
        raise Refusal(*(UNFIT if "contacts" in given else MISSING))
    return 200, {"contacts": [{"input": one, "status": "valid", "wa_id": re.sub("[^0-9]", "", one)}
                              for one in given["contacts"] if isinstance(one, str)]}


@route("POST", "/v1/messages", "any")
async def messages(client, user, given, call):
    words = given.get("text", {})
    to, body = text(given, "to", 16), text(words if isinstance(words, dict) else {}, "body", 4096, 1)
    if not re.fullmatch(r"\+?[0-9]{8,15}", to):
        raise Refusal(400, 1013, "User is not valid")
    if not client.state["number"]:
        raise Refusal(*UNREGISTERED)
    message = {"id": secrets.token_urlsafe(12), "to": to.lstrip("+"), "type": "text", "text": {"body": body}}
    try:
        await client.ask("send", message=message)
    except OSError:
        raise Refusal(*UNREGISTERED) from None
    for status in ("sent", "delivered"):
        client.call_back({"statuses": [{"id": message["id"], "recipient_id": message["to"], "status": status,
                                        "timestamp": str(int(time.time()))}]})
    return 200, {"messages": [{"id": message["id"]}]}


def sealed(word, salt, plain):
    """XOR with a stream of SHAKE-256, and the tag over all: the same call opens it."""
    key = hashlib.scrypt(hashlib.sha256(word.encode()).digest(), salt=salt, n=1024, r=8, p=1, dklen=64)
    stream = hashlib.shake_256(key[:32]).digest(len(plain))
    other = (int.from_bytes(plain, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(plain), "big")
    return other, lambda body: hmac.digest(key[32:], salt + body, "sha256")


@route("POST", "/v1/settings/backup")
def backup(client, user, given, call):
    word, options = prepared(given), client.options
    if not client.state["number"]:
        raise Refusal(*UNREGISTERED)
    part = {name: client.state[name] for name in ("number", "identity", "app", "about", "business")}
    plain = json.dumps({**part, "setup": [options.multiconnect, options.shards]}).encode()
    salt = secrets.token_bytes(16)
    body, tag = sealed(word, salt, plain + b" " * (-len(plain) % 4))
    return 200, {"settings": {"data": written(client, salt + tag(body) + body)}}


def written(client, raw):
    return PREFIX + base64.b85encode(raw).decode() if "data" in client.odd else base64.b64encode(raw).decode()


@route("POST", "/v1/settings/restore")
def restore(client, user, given, call):
    word, data, options = prepared(given), text(given, "data").strip(), client.options
    try:
        raw = base64.b85decode(data.removeprefix(PREFIX)) if "data" in client.odd else base64.b64decode(data)
        plain, tag = sealed(word, raw[:16], raw[48:])
        if written(client, raw) != data or not hmac.compare_digest(tag(raw[48:]), raw[16:48]):
            raise ValueError(data)
    except (ValueError, binascii.Error):
        raise Refusal(*ANOTHER) from None
    part = json.loads(plain)
    if part.pop("setup") != [options.multiconnect, options.shards]:
        raise Refusal(*ANOTHER)
    if tuple(map(int, re.findall("[0-9]+", options.version)[:3])) >= (2, 31, 4):
        part["identity"] = secrets.token_hex(32)
    client.keep(**part, claim=True, users={"admin": client.state["users"]["admin"]})
    client.tokens = {token: about for token, about in client.tokens.items() if about[0] == "admin"}
    client.phase = "ending"
    asyncio.get_running_loop().call_later(0.3 if "linger" in client.odd else 0.02, client.end)
    return 200, {}


# -- HTTP --------------------------------------------------------------------------------------------------


class Call:
    """One request, read by hand."""

    async def read(self, reader):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        self.verb, target, proto = head[0].split(" ")
        if not proto.startswith("HTTP/1."):
            raise ValueError(proto)
        self.path = target.partition("?")[0]
        pairs = [line.partition(":") for line in head[1:] if line]
        self.headers = {name.lower(): value.strip() for name, _, value in pairs}
        self.raw = b""
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            while size := int((await reader.readline()).split(b";")[0], 16):
                if size < 0 or len(self.raw) + size > MOST:
                    raise Refusal(413, 1001, "Message too long")
                self.raw += (await reader.readexactly(size + 2))[:-2]
            while (await reader.readline()).strip():
                pass
        else:
            length = self.headers.get("content-length", "0")
            if not re.fullmatch("[0-9]{1,15}", length):
                raise ValueError(length)
            if int(length) > MOST:
                await reader.readexactly(min(int(length), 8 * MOST))  # or the answer would not be read
                raise Refusal(413, 1001, "Message too long")
            self.raw = await reader.readexactly(int(length))

    def body(self):
        if self.verb in ("GET", "DELETE", "HEAD") or self.path in ("/v1/users/login", "/v1/users/logout"):
            return {}
        with suppress(ValueError, RecursionError):
            value = json.loads(self.raw)
            if isinstance(value, dict):
                return value
        raise Refusal(400, 1025, "Invalid Request")

    def user(self, client, who):
        kind, _, rest = self.headers.get("authorization", "").partition(" ")
        if who == "basic" and kind.lower() == "basic":
            with suppress(ValueError):
                return base64.b64decode(rest).decode().partition(":")[::2]
        name, until = client.tokens.get(rest.strip(), ("", 0))
        if who == "basic" or kind.lower() != "bearer" or until < time.time():
            raise Refusal(401, 1005, "Access denied")
        if who == "admin" and name != "admin":
            raise Refusal(403, 1005, "Access denied")
        return name

    async def run(self, client):
        found = [one for one in ROUTES if one[1].fullmatch(self.path)]
        fitting = [one for one in found if self.verb in one[0]]
        if not fitting:
            raise Refusal(405 if found else 404, 1014, "Internal error")
        _, pattern, who, starting, act = fitting[0]
        self.match = pattern.fullmatch(self.path)
        user = self.user(client, who)
        if not starting and (client.phase == "starting" or (client.phase == "ending" and self.verb != "GET")):
            raise Refusal(*NOT_READY)
        answer = act(client, user, self.body(), self)
        return await answer if asyncio.iscoroutine(answer) else answer


async def serve(client, reader, writer):
    call = Call()
    if client.phase == "ending" and "linger" not in client.odd:
        return writer.close()
    try:
        try:
            await asyncio.wait_for(call.read(reader), 20)
            status, body = await call.run(client)
        except Refusal as refusal:
            status, body = refusal.status, refusal.body
            if status == 401 and "bare401" in client.odd:
                body = b""
        except (ValueError, asyncio.LimitOverrunError):
            status, body = 400, {"errors": [{"code": 1025, "title": "Invalid Request"}]}
        kind = "text/plain" if isinstance(body, bytes) else "application/json"
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        more = "retry-after: 1\r\n" if status == 503 else ""
        head = (f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ndate: {formatdate(usegmt=True)}\r\n{more}"
                f"content-type: {kind}\r\ncontent-length: {len(raw)}\r\nconnection: close\r\n\r\n")
        writer.write(head.encode() + (b"" if getattr(call, "verb", "") == "HEAD" else raw))
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    except (OSError, EOFError, asyncio.TimeoutError):
        writer.close()
    return None


async def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    for name in ("--state", "--cert", "--key", "--registered", "--network"):
        parser.add_argument(name, required=name == "--state")
    parser.add_argument("--version", default="2.57.2")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--multiconnect", action="store_true")
    parser.add_argument("--restart-policy", choices=("no", "always"), default="always")
    parser.add_argument("--start-time", type=int, default=1000, help="ms with an open port and 503")
    parser.add_argument("--without", default="", help=f"habits to do without: {','.join(HABITS)}")
    client = Client(parser.parse_args())
    tls = None
    if client.options.cert:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(client.options.cert, client.options.key)
    server = await asyncio.start_server(lambda *pair: serve(client, *pair), "127.0.0.1", client.options.port,
                                        ssl=tls, backlog=128)
    await asyncio.gather(server.serve_forever(), client.listen())


if __name__ == "__main__":
    asyncio.run(main())
