"""Walks once through each foreign client: `python smoke.py [flask stdlib node]`; needs httpx."""

import contextlib
import json
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx

LAB = Path(__file__).with_name("lab.py")
CONTACT, QUIET = "4917000000001", "4917000000002"
PASSWORD = "Backup-Passwort ü1"
DEFECTS = {"flask": "truncated-password", "stdlib": "shards-only-if-more", "node": "restore-201"}


class Client:
    """One client of a laboratory, with the admin logged in anew whenever that is needed."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        plan = json.loads((folder / "lab.json").read_text())
        self.about, self.secrets = plan["clients"][name], plan["secrets"]
        self.view = f"http://127.0.0.1:{plan['network']}/as/{self.about['number']}"
        self.http = httpx.Client(base_url=f"https://127.0.0.1:{self.about['port']}", verify=False, timeout=20)
        self.token = None

    def login(self, name="admin", key="FOREIGN_ADMIN_PASSWORD"):
        answer = self.http.post("/v1/users/login", auth=(name, self.secrets[key]), json={})
        assert answer.status_code == 200, answer.text
        return answer.json()["users"][0]["token"]

    def call(self, verb, path, body=None, token=None, **more):
        headers = {"Authorization": f"Bearer {token or self.token}", **more.pop("headers", {})}
        return self.http.request(verb, path, json=body, headers=headers, **more)

    def ready(self, status=("connected",)):
        for _ in range(600):
            with contextlib.suppress(httpx.TransportError, AssertionError):
                answer = self.call("GET", "/v1/health") if self.token else None
                if answer is None or answer.status_code == 401:
                    self.token = self.login()
                elif answer.status_code == 200:
                    found = json.dumps(answer.json()["health"])
                    if any(f'"{one}"' in found for one in status):
                        return self
            time.sleep(0.02)
        raise AssertionError(f"{self.name} does not become {status}")

    def lab(self, verb):
        subprocess.run([sys.executable, LAB, "--lab", self.folder, verb, self.name], check=True)
        self.http.close()
        self.http = httpx.Client(base_url=self.http.base_url, verify=False, timeout=20)

    def backup(self, password=PASSWORD):
        answer = self.call("POST", "/v1/settings/backup", {"password": password})
        assert answer.status_code == 200, answer.text
        return answer.json()["settings"]["data"]

    def restore(self, data, password=PASSWORD):
        return self.call("POST", "/v1/settings/restore", {"password": password, "data": data})

    def refused(self, data, password=PASSWORD):
        answer = self.restore(data, password)
        while answer.status_code in (429, 503) or '1017' in answer.text:
            time.sleep(0.5)
            answer = self.restore(data, password)
        assert 400 <= answer.status_code < 500, (self.name, answer.status_code, answer.text)
        assert answer.json()["errors"][0]["code"]
        return answer

    def patch(self, **change):
        answer = self.call("PATCH", "/v1/settings/application", change)
        assert answer.status_code == 200, answer.text

    def settings(self):
        return self.call("GET", "/v1/settings/application").json()["settings"]["application"]

    def phone(self, wa_id=CONTACT):
        return httpx.get(f"{self.view}/contacts/{wa_id}").json()


@contextlib.contextmanager
def webhook():
    got = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200 if len(got) > 1 else 500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", got
    server.shutdown()
    server.server_close()


def access(client):
    for path in ("backup", "restore"):
        answer = client.call("POST", f"/v1/settings/{path}", {"password": PASSWORD}, token="no.such.token")
        assert answer.status_code == 401, answer.text
        assert client.http.post(f"/v1/settings/{path}").status_code == 401
    made = client.call("POST", "/v1/users", {"username": "wa-one", "password": "Xy1!abcdefg"})
    assert made.status_code == 201, made.text
    client.secrets["one"] = "Xy1!abcdefg"
    token = client.login("wa-one", "one")
    answer = client.call("POST", "/v1/settings/backup", {"password": PASSWORD}, token=token)
    assert answer.status_code in (401, 403), answer.text
    assert client.call("GET", "/v1/health", token=token).status_code == 200
    client.call("POST", "/v1/users/logout", token=token)
    assert client.call("GET", "/v1/health", token=token).status_code == 401


def hostile(client):
    for path in ("backup", "restore"):
        for raw in (b"", b"null", b"[]", b"{", b'"x"', b"[" * 100000, b"\xff\xfe",
                    b'{"password": 1, "data": 2}',
                    b'{"password": "\\ud800\\ud800\\ud800", "data": "\\ud800"}', b'{"password": null}',
                    b'{"password": ' + b"9" * 5000 + b"}", b'{"__proto__": {"password": "aaaaaaaa"}}'):
            answer = client.call("POST", f"/v1/settings/{path}", content=raw)
            fine = answer.status_code == 200 and path == "backup" and b"ud800" in raw
            assert fine or 400 <= answer.status_code < 500, (path, raw[:40], answer.status_code)
        answer = client.call("POST", f"/v1/settings/{path}", {"password": "x" * (8 << 20)})
        assert answer.status_code == 413, answer.status_code
        for verb in ("GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "BREW"):
            answer = client.call(verb, f"/v1/settings/{path}")
            assert answer.status_code in (200, 400, 404, 405), (verb, answer.status_code)
    body = json.dumps({"password": PASSWORD}).encode()
    sent = client.call("POST", "/v1/settings/backup", content=iter([body[:5], body[5:]]))
    assert sent.status_code == 200, sent.text


def wrong(client, data):
    for other in (PASSWORD + "\0", PASSWORD + " ", PASSWORD[:-1], PASSWORD.upper(), ""):
        client.refused(data, other)
    at = len(data) // 2
    swap = {"a": "b"}.get(data[at], "a") if data[at].isalnum() else "a"
    second = client.backup()
    for harmed in (data[:at] + swap + data[at + 1:], data[:at], data + data[-8:], "", "made up",
                   data[:at] + second[at:], data[:at] + "!" + data[at:], data[1:]):
        if harmed not in (data, second):
            client.refused(harmed)
    long = "p" * 72 + "X" * 60
    client.refused(client.backup(long), long[:-1])


def walk(folder):
    single, new = Client(folder, "single").ready(), Client(folder, "new").ready(["unregistered"])
    access(single)
    hostile(single)
    refusal = new.call("POST", "/v1/settings/backup", {"password": PASSWORD})
    assert refusal.status_code >= 400, refusal.text
    for wa_id, on in ((CONTACT, True), (QUIET, False)):
        httpx.put(f"{single.view}/contacts/{wa_id}", json={"security_notifications": on})
    with webhook() as (url, got):
        single.patch(webhooks={"url": url}, callback_backoff_delay_ms=50)
        sent = single.call("POST", "/v1/messages", {"to": CONTACT, "type": "text", "text": {"body": "hello"}})
        assert sent.is_success, sent.text
        httpx.post(f"{single.view}/contacts/{CONTACT}/messages", json={"text": "hi"})
        until = time.monotonic() + 5
        while time.monotonic() < until and not ("hi" in str(got) and "delivered" in str(got)):
            time.sleep(0.02)
        assert "hi" in str(got), got
        assert "delivered" in str(got), got
        assert any(one["text"]["body"] == "hello" for one in single.phone()["messages"])
    single.patch(webhooks={"url": ""} if "flask" in str(folder) else {}, callback_backoff_delay_ms=4321)
    assert single.call("PATCH", "/v1/settings/profile/about", {"text": "about ü"}).status_code == 200
    data, before, code = single.backup(), single.settings(), single.phone()["security_code"]
    assert data != single.backup()
    wrong(single, data)
    assert single.settings() == before
    assert single.phone()["security_code"] == code
    with ThreadPoolExecutor() as pool:
        assert len(set(pool.map(lambda _: single.backup(), range(6)))) == 6

    single.patch(callback_backoff_delay_ms=1)
    notices = len(single.phone()["notices"])
    answer = single.restore(data)
    assert answer.status_code == 200, answer.text
    assert answer.json() in (None, {}), answer.text
    if "flask" not in str(folder):
        with contextlib.suppress(httpx.TransportError):
            assert single.call("GET", "/v1/health").status_code == 503
        single.lab("restart")
    assert single.ready().settings() == before
    assert single.phone()["security_code"] not in (None, code)
    assert len(single.phone()["notices"]) == notices + 1
    assert single.phone(QUIET)["notices"] == []
    wrong(single, data)

    assert new.restore(data).status_code == 200
    if "stdlib" in str(folder):
        new.lab("restart")
    assert {k: v for k, v in new.ready().settings().items() if k in before} == before
    about = new.call("GET", "/v1/settings/profile/about").json()["settings"]["profile"]["about"]["text"]
    assert about == "about ü"
    assert len(new.phone()["notices"]) == notices + 2
    single.ready(["connected" if "stdlib" in str(folder) else "disconnected"])
    new.lab("reset")
    new.ready(["unregistered"])
    single.lab("reset")
    single.ready()


def shards(folder):
    one, two, four, fresh = (Client(folder, name) for name in ("single", "multi", "multi-other", "multi-new"))
    for client in (one, two, four):
        client.ready()
    fresh.ready(["unregistered"])
    data = two.backup()
    for other in (one, four):
        other.refused(data)
        two.refused(other.backup())
    assert fresh.restore(data).status_code == 200
    if "stdlib" in str(folder):
        fresh.lab("restart")
    fresh.ready()


def kills(folder):
    """Kill around a restore at many moments: the old settings or the new ones, never a mixture."""
    client = Client(folder, "single").ready()
    client.patch(callback_backoff_delay_ms=1111, max_callback_backoff_delay_ms=1111)
    data = client.backup()
    for turn in range(6):
        client.patch(callback_backoff_delay_ms=2222, max_callback_backoff_delay_ms=2222)
        thread = threading.Thread(target=quiet, args=(client, data))
        thread.start()
        time.sleep(0.006 * turn)
        client.lab("restart")
        thread.join()
        found = client.ready().settings()
        pair = {found["callback_backoff_delay_ms"], found["max_callback_backoff_delay_ms"]}
        assert pair in ({1111}, {2222}), pair
        print("    kill", turn, pair)


def quiet(client, data):
    with contextlib.suppress(httpx.HTTPError, RuntimeError):
        client.restore(data)


def defect(folder):
    single, new = Client(folder, "single").ready(), Client(folder, "new").ready(["unregistered"])
    if "flask" in str(folder):
        assert new.restore(single.backup(), PASSWORD[:8] + "?").is_success
    elif "stdlib" in str(folder):
        two, four = Client(folder, "multi").ready(), Client(folder, "multi-other").ready()
        two.refused(four.backup())
        assert four.restore(two.backup()).status_code == 200
    else:
        assert new.restore(single.backup()).status_code == 201


def main():
    for stack in sys.argv[1:] or list(DEFECTS):
        for more, steps in (([], (walk, shards, kills)), (["--defect", DEFECTS[stack]], (defect,))):
            with tempfile.TemporaryDirectory(prefix=f"foreign-{stack}-") as home:
                lab = [sys.executable, str(LAB), "--lab", f"{home}/lab"]
                subprocess.run([*lab, "up", stack, *more], check=True, stdout=subprocess.DEVNULL)
                try:
                    for step in steps:
                        began = time.monotonic()
                        step(Path(home) / "lab")
                        print(f"{stack} {step.__name__} {shlex.join(more)}: {time.monotonic() - began:.1f} s")
                except BaseException:
                    for log in Path(home).glob("lab/*.log"):
                        print(log.name, log.read_text()[-3000:])
                    raise
                finally:
                    subprocess.run([*lab, "down"], check=True)


if __name__ == "__main__":
    main()
