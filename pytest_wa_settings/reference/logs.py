"""Structured logs: one JSON object a line on stderr, of events and never of what requests carry."""

from __future__ import annotations

import json
import logging
import os
import sys
import time

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Log:
    """Writes events from `level` on; fields are names, states, statuses and numbers, never secrets."""

    def __init__(self, level: str = "warning", **context: object) -> None:
        self.threshold = LEVELS[level]
        self.context = context

    def event(self, level: str, event: str, **fields: object) -> None:
        """Write one line in one system call, so that lines of several processes do not mix."""
        if LEVELS[level] < self.threshold:
            return
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = {"at": now, "level": level, "event": event, **self.context, **fields}
        try:
            os.write(sys.stderr.fileno(), (json.dumps(line, default=str) + "\n").encode())
        except OSError:  # nobody reads stderr any more: the client serves on
            return

    def debug(self, event: str, **fields: object) -> None:
        """An event of one request."""
        self.event("debug", event, **fields)

    def info(self, event: str, **fields: object) -> None:
        """An event of the life cycle."""
        self.event("info", event, **fields)

    def warning(self, event: str, **fields: object) -> None:
        """An event that the operator may want to look into."""
        self.event("warning", event, **fields)

    def error(self, event: str, **fields: object) -> None:
        """A fault of the reference itself."""
        self.event("error", event, **fields)


class ServerNoise(logging.Handler):
    """Turns what the ASGI server logs into events: the place it was said, neither arguments nor traceback."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self.log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record as an event."""
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        self.log.debug("server", said=record.funcName, exception=kind)


def quiet_server(log: Log) -> None:
    """Route the ASGI server's and asyncio's own loggers into `log`."""
    for name in ("uvicorn", "uvicorn.error", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers = [ServerNoise(log)] if name != "uvicorn.error" else []
        logger.propagate = name == "uvicorn.error"
        logger.setLevel(logging.WARNING)
