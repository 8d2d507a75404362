"""`serve`: one client with its network, in the foreground, until it stops or is told to end."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import ssl
import sys
from dataclasses import replace
from pathlib import Path

from pytest_wa_settings.reference.client import listen
from pytest_wa_settings.reference.deviations import chosen
from pytest_wa_settings.reference.errors import ReferenceFault
from pytest_wa_settings.reference.listing import FORMATS, LISTINGS, listed
from pytest_wa_settings.reference.logs import LEVELS, Log
from pytest_wa_settings.reference.loop import Loop
from pytest_wa_settings.reference.options import KDFS, NEWEST, POLICIES, SUCCESS_BODIES, Options
from pytest_wa_settings.reference.processes import Child, Ready, fork, freeze
from pytest_wa_settings.reference.temporary import Temporary
from pytest_wa_settings.reference.tls import NAMES, Authority
from pytest_wa_settings.reference.workers import run_client, run_network

TERM_SECONDS = 5.0
ROLES = {
    "web": "run the web of a client in pieces",
    "coreapp": "run a master or coreapp of a client in pieces",
    "launch": "run the piece that the environment names",
}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="wa-settings", description="The reference client.")
    commands = made.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="run one reference client in the foreground")
    serve.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; beyond loopback a password is to be given"
    )
    serve.add_argument("--port", type=int, default=9090, help="port to listen on")
    serve.add_argument("--http", action="store_true", help="plain HTTP instead of HTTPS")
    serve.add_argument(
        "--state-dir", metavar="DIR", help="where the state is kept (default: a temporary one)"
    )
    serve.add_argument("--shards", type=int, default=1, help="number of shards; more than 1 is multiconnect")
    serve.add_argument(
        "--multiconnect", action="store_true", help="a multiconnect setup, even with one shard"
    )
    serve.add_argument("--client-version", default=NEWEST, metavar="V", help="the version to behave as")
    serve.add_argument("--success-body", choices=SUCCESS_BODIES, default="null", help="what says nothing")
    serve.add_argument("--restart-policy", choices=POLICIES, default="no", help="after a restore stopped it")
    serve.add_argument(
        "--restarted-outside", action="store_true", help="another program (Docker, say) starts it again"
    )
    serve.add_argument("--admin-password-file", metavar="FILE", help="also: environment WA_ADMIN_PASSWORD")
    serve.add_argument(
        "--kdf",
        choices=KDFS,
        default="strong",
        help="keys and account passwords: strong (the default) is Argon2id with "
        "19 MiB and 2 passes for passwords, as OWASP advises; light costs nothing, for tests alone",
    )
    serve.add_argument("--log-level", choices=list(LEVELS), default="info", help="JSON lines on stderr")
    serve.add_argument("--network", metavar="URL", help="a network that runs already")
    serve.add_argument("--network-port", type=int, default=0, help="port of the own network")
    serve.add_argument("--register", metavar="NUMBER", help="a number to be registered with from birth")
    network = commands.add_parser("network", help="run a simulated WhatsApp network alone")
    network.add_argument("--host", default="127.0.0.1", help="address to listen on")
    network.add_argument("--port", type=int, default=9900, help="port to listen on")
    for command in (serve, network):
        command.add_argument("--mutant", metavar="NAME", help="break one clause on purpose (see mutants)")
        command.add_argument(
            "--variant", metavar="NAME", help="keep every clause in another way (see variants)"
        )
        command.add_argument("--sparse", metavar="NAME", help="show less than others do (see sparse)")
    for role, does in ROLES.items():
        part = commands.add_parser(role, help=f"{does}, set up by the real images' environment")
        part.add_argument(
            "--port", type=int, metavar="N", help="port to listen on, a coreapp's first of four"
        )
        part.add_argument("--network-port", type=int, metavar="N", help="a web's, for a simulated network")
    commands.add_parser("pool", help="run many clients, by order of JSON lines on stdin")
    for name, register in LISTINGS.items():
        listing = commands.add_parser(name, help=f"list the {register.kind}s")
        listing.add_argument("--format", choices=FORMATS, default="table")
    return made


def password_from(file: str | None) -> str | None:
    """The admin's password from a file or from the environment; never from the command line."""
    if file is None:
        return os.environ.get("WA_ADMIN_PASSWORD", "").removeprefix("\ufeff") or None
    try:
        return Path(file).read_text("utf-8-sig").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise ReferenceFault(
            "The file with the admin's password cannot be read.", "Give another one."
        ) from None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address to listen on."""
    return host in ("localhost", "::1") or host.startswith("127.")


class Server:
    """One client with its network and their lives."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.deviations = chosen(vars(arguments))
        options = Options(
            shards=arguments.shards,
            multiconnect=arguments.multiconnect or arguments.shards > 1,
            version=arguments.client_version,
            success_body=arguments.success_body,
            restart_policy=arguments.restart_policy,
            host=arguments.host,
            port=arguments.port,
            admin_password=password_from(arguments.admin_password_file),
            kdf=arguments.kdf,
            network=arguments.network,
            number=arguments.register,
            http=arguments.http,
            log_level=arguments.log_level,
            exposed=not is_loopback(arguments.host),
            api_key=os.environ.get("WA_API_KEY") or None,
        )
        self.options = replace(options, **self.deviations.options)
        self.log = Log(arguments.log_level)
        self.temporary = None if arguments.state_dir else Temporary()
        self.folder = self.temporary.path if self.temporary else Path(arguments.state_dir)
        # A temporary state is kept only when it is asked for again: after a restore that stopped the app.
        self.keep = arguments.state_dir is not None
        self.loop = Loop()
        signal.signal(signal.SIGINT, signal.getsignal(signal.SIGTERM))
        self.client: Child | None = None
        self.status = 0

    def run(self) -> int:
        """Serve; returns the exit status."""
        freeze()
        try:
            self.start_network()
            tls = self.context()
            self.loop.on_turn = lambda ended: self.client_ended(ended, tls)
            self.launch(tls)
            while self.client is not None and not self.loop.ended:
                self.loop.turn(None)
        finally:
            self.loop.end(TERM_SECONDS)
            if self.keep and self.temporary:
                self.temporary.keep()
            if not self.keep:
                shutil.rmtree(self.folder, ignore_errors=True)
        return self.status

    def start_network(self) -> None:
        """Start an own network, unless one was named; its state is kept beside the client's."""
        if self.options.network is None:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            listener = listen("127.0.0.1", self.arguments.network_port)
            path = self.folder / "network.json"

            def work(ready: Ready) -> None:
                self.deviations.enter("network")
                run_network(listener, path, ready)

            child = fork(work, frozenset({listener.fileno()}))
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            listener.close()
            self.loop.add(child)
            self.loop.await_child(child)
            self.options = replace(self.options, network=url)
        self.options = replace(self.options, state_dir=str(self.folder))

    def context(self) -> ssl.SSLContext | None:
        """The TLS context, with a certificate that stays the same over restarts."""
        if self.options.http:
            return None
        own = () if self.options.host in (*NAMES, "0.0.0.0", "::") else (self.options.host,)
        return Authority(self.folder / "tls", (*NAMES, *own)).context()

    def launch(self, tls: ssl.SSLContext | None) -> None:
        """Start the client's next process."""

        def work(ready: Ready) -> None:
            self.deviations.enter("client")
            run_client(self.options, tls, ready)

        child = fork(work)
        self.loop.add(child)
        self.client = child
        self.loop.await_child(child)
        scheme = "http" if self.options.http else "https"
        host = f"[{self.options.host}]" if ":" in self.options.host else self.options.host
        self.log.info(
            "listening",
            url=f"{scheme}://{host}:{self.options.port}",
            ca=None if self.options.http else str(self.folder / "tls" / "ca.pem"),
            network=self.options.network,
            state_dir=str(self.folder),
        )

    def client_ended(self, ended: list[Child], tls: ssl.SSLContext | None) -> None:
        """The client's process is gone: the restart policy decides."""
        client = self.client
        if client is None or client not in ended or not client.serves:
            return
        self.client = None
        by_itself = self.options.restart_policy != "no" and not self.arguments.restarted_outside
        if by_itself and not self.loop.ended:
            self.launch(tls)
            return
        self.keep = self.keep or not self.loop.ended
        self.log.info("stopped", remedy=f"Start it again with --state-dir {self.folder}.")


def serve_network(arguments: argparse.Namespace) -> int:
    """Serve a simulated network, in memory, until told to end; returns the exit status."""
    deviations = chosen(vars(arguments))
    loop = Loop()
    signal.signal(signal.SIGINT, signal.getsignal(signal.SIGTERM))
    listener = listen(arguments.host, arguments.port)

    def work(ready: Ready) -> None:
        deviations.enter("network")
        run_network(listener, None, ready)

    child = fork(work, frozenset({listener.fileno()}))
    port = listener.getsockname()[1]
    listener.close()
    loop.add(child)
    try:
        loop.await_child(child)
        Log("info").info("network listening", port=port)
        while loop.children and not loop.ended:
            loop.turn(None)
    finally:
        loop.end()
    return 0 if loop.ended else 1


def serve_role(given: argparse.Namespace) -> int:
    """Run one piece of a client; its database driver is an extra."""
    try:
        from pytest_wa_settings.reference.onprem import roles
    except ImportError:
        raise ReferenceFault(
            "The database driver is missing.", "Install it: pip install 'pytest-wa-settings[onprem]'."
        ) from None
    return roles.serve(given)


def main(arguments: list[str]) -> int:
    """Parse the command line and do what it says; a fault is one line on stderr and exit status 1."""
    try:
        given = parser().parse_args(arguments)
        if given.command in LISTINGS:
            sys.stdout.write(listed(given.command, given.format))
            return 0
        if given.command in ROLES:
            return serve_role(given)
        return serve_network(given) if given.command == "network" else Server(given).run()
    except ReferenceFault as fault:
        sys.stderr.write(f"wa-settings: {fault}\n")
        return 1
