"""Clients that die at some stage of a restore, or do something else than restoring."""

from __future__ import annotations

import copy
from typing import Any

from .core import Core, Reply, Request
from .port import wire
from .stage import Stage, hostile

AFTER = ("RESTORE-2", "RESTORE-10", "RESTORE-11")
ANY = r"^(inconclusive|non-conformant): "
LIMIT = 60.0


class DiesOnRestore(Core):
    """Goes down when a good restore has come to `when`: read, half imported, imported, head, body."""

    def __init__(self, when: str) -> None:
        super().__init__()
        self.when = when

    def import_backup(self, state: dict[str, Any]) -> Reply:
        if self.when == "half imported":
            self.state["application"] = state["application"]
        elif self.when != "read":
            self.state = state
        return Reply(200, b"null" + b" " * 400, stops=True)

    def deliver(self, connection: Any, request: Request, reply: Reply | None) -> bool:
        if reply is None or not reply.stops:
            return super().deliver(connection, request, reply)
        head, _, body = wire(reply).partition(b"\r\n\r\n")
        if self.when == "head":
            connection.sendall(head[: len(head) // 2])
        elif self.when == "body":
            connection.sendall(head + b"\r\n\r\n" + body[:2])
        self.port.down()
        return False


@hostile(ANY, limit=LIMIT, never_passes=("RESTORE-1",), spares=("RESTORE-1",))
def dies_before_the_import(stage: Stage) -> str:
    """A good restore is read, nothing is done, and the process is gone."""
    return stage.api(DiesOnRestore("read"))


@hostile(ANY, limit=LIMIT, never_passes=("RESTORE-1",), spares=("RESTORE-1",), whole=True)
def dies_in_the_middle_of_the_import(stage: Stage) -> str:
    """Half of the state is the backup's."""
    return stage.api(DiesOnRestore("half imported"))


@hostile(ANY, limit=LIMIT, never_passes=("RESTORE-1",), spares=("RESTORE-1",))
def dies_after_the_import(stage: Stage) -> str:
    """All is done, but no answer is given."""
    return stage.api(DiesOnRestore("imported"))


@hostile(ANY, limit=LIMIT, never_passes=("RESTORE-1",), spares=("RESTORE-1",))
def dies_in_the_head_of_the_answer(stage: Stage) -> str:
    """The answer ends within its head."""
    return stage.api(DiesOnRestore("head"))


@hostile(ANY, limit=LIMIT, never_passes=("RESTORE-1",), spares=("RESTORE-1",))
def dies_in_the_body_of_the_answer(stage: Stage) -> str:
    """The answer ends within its body."""
    return stage.api(DiesOnRestore("body"))


class NeverBack(Core):
    """Restores once, and cannot be started again."""

    def deliver(self, connection: Any, request: Request, reply: Reply | None) -> bool:
        kept = super().deliver(connection, request, reply)
        if reply is not None and reply.stops:
            self.port.end()
        return kept


@hostile("RESTORE-11 fails", limit=LIMIT, never_passes=AFTER, fails=("RESTORE-11",))
def never_comes_back_after_a_restore(stage: Stage) -> str:
    """The restart command succeeds, and nothing is there."""
    return stage.api(NeverBack())


class DiesWhileStarting(Core):
    """After a restore every start ends at its first request."""

    broken = False

    def import_backup(self, state: dict[str, Any]) -> Reply:
        self.broken = True
        return super().import_backup(state)

    def answer(self, request: Request) -> Reply | None:
        if self.broken:
            self.port.down()
            return None
        return super().answer(request)


# With so many restores to spend, the first one is made by a test of another clause.
@hostile(
    "RESTORE-11 fails",
    "--wa-max-restores",
    "20",
    limit=LIMIT,
    never_passes=AFTER,
    fails=("RESTORE-11",),
)
def dies_at_every_start_after_a_restore(stage: Stage) -> str:
    """It starts, is asked, and dies."""
    return stage.api(DiesWhileStarting())


class NeverReadyAgain(Core):
    """After a restore it stays uninitialized."""

    broken = False

    def import_backup(self, state: dict[str, Any]) -> Reply:
        self.broken = True
        return super().import_backup(state)

    def answer(self, request: Request) -> Reply | None:
        if self.broken and request.path == "/v1/health":
            return Reply.json({"health": {"gateway_status": "uninitialized"}})
        if self.broken and request.path != "/v1/users/login":
            return Reply.error(503, 1011, "Service not ready")
        return super().answer(request)


@hostile("RESTORE-11 fails", limit=LIMIT, never_passes=AFTER, fails=("RESTORE-11",))
def uninitialized_for_ever_after_a_restore(stage: Stage) -> str:
    """It comes back, and is never ready."""
    return stage.api(NeverReadyAgain())


class LocksOut(Core):
    """A restore changes the administrator's password."""

    def import_backup(self, state: dict[str, Any]) -> Reply:
        self.users = {"admin": "Another-1!"}
        return super().import_backup(state)


@hostile(r"RESTORE-11 fails .*401", limit=LIMIT, never_passes=AFTER)
def locks_the_administrator_out(stage: Stage) -> str:
    """After a restore no one can log in."""
    return stage.api(LocksOut())


FACTORY: dict[str, Any] = {
    "application": {
        "callback_persist": False,
        "callback_backoff_delay_ms": 1,
        "max_callback_backoff_delay_ms": 2,
        "media": {"auto_download": []},
        "webhooks": {"url": "", "max_concurrent_requests": 24},
        "sent_status": True,
        "show_security_notifications": False,
    },
    "about": "Hey there! I am using WhatsApp.",
    "business": {"address": "", "description": "", "email": "", "vertical": ""},
}


class Forgets(Core):
    """Restores nothing at all, and says it did."""

    def import_backup(self, state: dict[str, Any]) -> Reply:
        self.state = copy.deepcopy(FACTORY)
        return Reply(200, b"null", stops=True)


@hostile(r"(BACKUP-9|RESTORE-2) fails", limit=LIMIT, never_passes=(), fails=("RESTORE-2",))
def restores_nothing(stage: Stage) -> str:
    """Every restore is a factory reset."""
    return stage.api(Forgets())


class TakesAnything(Core):
    """Any password and any data is a good restore."""

    def answer(self, request: Request) -> Reply | None:
        reply = super().answer(request)
        return Reply(200, b"null", stops=True) if request.is_restore else reply


@hostile(
    r"ACCESS-3 fails",
    "--wa-max-restores",
    "40",
    limit=LIMIT,
    never_passes=(),
    fails=("RESTORE-5", "RESTORE-6", "ACCESS-3"),
)
def restores_whatever_comes(stage: Stage) -> str:
    """Wrong passwords, damaged data, no token: 200, and down it goes."""
    return stage.api(TakesAnything())


class RefusesAll(Core):
    """No restore is ever a good one."""

    def import_backup(self, state: dict[str, Any]) -> Reply:
        return Reply.error(500, 1014, "Internal error")


@hostile(r"RESTORE-8 fails", limit=LIMIT, never_passes=AFTER)
def refuses_every_restore(stage: Stage) -> str:
    """500 for its own backup with its own password."""
    return stage.api(RefusesAll())


class Hangs(Core):
    """A good restore is never answered."""

    stage: Stage

    def answer(self, request: Request) -> Reply | None:
        reply = super().answer(request)
        if reply is not None and reply.stops:
            self.stage.over.wait(60)
        return reply


@hostile(ANY, limit=60.0, never_passes=("RESTORE-1",))
def restore_that_never_ends(stage: Stage) -> str:
    """A good restore holds the line for ever."""
    core = Hangs()
    core.stage = stage
    return stage.api(core)
