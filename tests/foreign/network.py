"""A simulated WhatsApp network for one laboratory: who serves which number, and what contacts' phones see.

Machines speak to it under /business/NUMBER/..., people look at phones under /contacts/WA_ID (the consumer
view); the prefix /as/NUMBER fixes the business meant when the query does not name one. Nothing is stored
on disk: the network lives as long as its laboratory. With --either a number may be served by several machines
at once (one that was moved away lives on), and what a contact writes goes to any one of them, as it happens.
"""

import argparse
import hashlib
import itertools
import json
import random
import re
import threading
import time
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

HOLD = 2.0  # seconds that a machine's poll is held open
TAKEN = 1.5  # seconds after which what a machine took and did not confirm goes to another (--either)


class Network:
    """The state that all machines and phones of a laboratory share."""

    def __init__(self, either=None):
        self.dice = None if either is None else random.Random(either)
        self.changed = threading.Condition()
        self.businesses = {}  # number -> {"machine", "identity", "inbox"}
        self.contacts = {}  # wa_id -> {"notifications", "notices", "messages"}
        self.latest = None
        self.numbers = itertools.count(1)

    def contact(self, wa_id):
        return self.contacts.setdefault(wa_id, {"notifications": False, "notices": [], "messages": []})

    def business(self, number):
        fresh = {"machine": None, "identity": None, "inbox": [], "all": set()}
        return self.businesses.setdefault(number, fresh)

    def present(self, number, machine, identity, claim):
        """A machine says that it serves a number; True if it does from now on."""
        with self.changed:
            seat = self.business(number)
            if seat["machine"] not in (None, machine) and not claim:
                return self.serves(seat, machine)
            seat["all"].add(machine)
            if seat["identity"] not in (None, identity):
                notice = {"type": "security_code_changed", "business": number,
                          "at": datetime.now(timezone.utc).isoformat()}
                for contact in self.contacts.values():
                    if contact["notifications"]:
                        contact["notices"].append(dict(notice))
            seat["machine"], seat["identity"], self.latest = machine, identity, number
            self.changed.notify_all()
            return True

    def serves(self, seat, machine):
        return seat["machine"] == machine or (self.dice is not None and machine in seat["all"])

    def hand_to_either(self, seat, machine, done):
        """What falls to this machine: what it took and did not confirm; by chance, what nobody took."""
        now, found = time.monotonic(), []
        for message in list(seat["inbox"]):
            taker, since = message.get("taken", (None, 0.0))
            if taker == machine and message["seq"] <= done:
                seat["inbox"].remove(message)
            elif taker == machine or ((taker is None or now - since > TAKEN) and self.dice.random() < 0.5):
                message["taken"] = (machine, now)
                found.append({name: value for name, value in message.items() if name != "taken"})
        return found

    def poll_either(self, number, machine, done):
        until = time.monotonic() + HOLD
        while True:
            with self.changed:
                seat = self.business(number)
                held = self.serves(seat, machine)
                found = self.hand_to_either(seat, machine, done) if held else []
            if found or not held or time.monotonic() > until:
                return held, found
            time.sleep(0.02)

    def poll(self, number, machine, done):
        """Wait for what was written to a number; (still its machine, messages after `done`)."""
        until = time.monotonic() + HOLD
        with self.changed:
            seat = self.business(number)
            while seat["machine"] == machine:
                seat["inbox"] = [message for message in seat["inbox"] if message["seq"] > done]
                if seat["inbox"] or not self.changed.wait(max(0.0, until - time.monotonic())):
                    break
            return seat["machine"] == machine, list(seat["inbox"]) if seat["machine"] == machine else []

    def send(self, number, machine, message):
        with self.changed:
            if not self.serves(self.business(number), machine):
                return False
            self.contact(message["to"])["messages"].append({**message, "from": number})
            return True

    def write(self, wa_id, number, text):
        """A contact writes to the business."""
        with self.changed:
            seq = next(self.numbers)
            message = {"id": f"in-{seq}", "seq": seq, "from": wa_id, "to": number, "type": "text",
                       "text": {"body": text}, "timestamp": str(int(time.time()))}
            self.contact(wa_id)["messages"].append({k: v for k, v in message.items() if k != "seq"})
            self.business(number)["inbox"].append(message)
            self.changed.notify_all()
            return message["id"]

    def view(self, wa_id, number, own_only):
        with self.changed:
            contact = self.contact(wa_id)
            identity = self.businesses.get(number, {}).get("identity")
            code = identity and str(int(hashlib.sha256(f"{identity}|{wa_id}".encode()).hexdigest(), 16))[:60]
            keep = (lambda item: number in (item.get("business"), item.get("from"))) if own_only else bool
            return {
                "wa_id": wa_id, "security_code": code, "security_notifications": contact["notifications"],
                "notices": [notice for notice in contact["notices"] if keep(notice)],
                "messages": [message for message in contact["messages"] if keep(message)],
            }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    network: Network

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def serve(self):
        try:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.answer(*self.route(json.loads(raw) if raw else {}))
        except (ValueError, KeyError, TypeError, AttributeError) as wrong:
            self.answer(400, {"error": type(wrong).__name__})
        except OSError:
            self.close_connection = True

    do_GET = do_POST = do_PUT = serve

    def route(self, body):
        url, net = urlsplit(self.path), self.network
        prefix = re.match(r"/as/(\d+)(?=/)", url.path)
        path = url.path[prefix.end():] if prefix else url.path
        number = parse_qs(url.query).get("business", [prefix[1] if prefix else net.latest])[0]
        if found := re.fullmatch(r"/business/(\d+)/(\w+)", path):
            number, verb = found.groups()
            if verb in ("claim", "connect"):
                held = net.present(number, body["machine"], body["identity"], verb == "claim")
                return 200, {"held": held}
            if verb == "poll":
                poll = net.poll if net.dice is None else net.poll_either
                held, messages = poll(number, body["machine"], body.get("done", 0))
                return 200, {"held": held, "messages": messages}
            if verb == "send":
                return (200 if net.send(number, body["machine"], body["message"]) else 409), {}
        if found := re.fullmatch(r"/contacts/\+?(\d{8,15})(/messages)?", path):
            wa_id, messages = found.groups()
            if messages and self.command == "POST":
                return 201, {"id": net.write(wa_id, number, str(body["text"]))}
            if not messages and self.command == "PUT":
                with net.changed:
                    net.contact(wa_id)["notifications"] = bool(body["security_notifications"])
            if not messages and self.command in ("GET", "PUT"):
                return 200, net.view(wa_id, number, own_only=bool(prefix))
        return 404, {"error": "no such place"}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--either", type=int, metavar="SEED", help="all of a number's machines serve it")
    options = parser.parse_args()
    Handler.network = Network(options.either)
    server = ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main()
