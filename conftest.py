"""pytester, and what the project's own tests share; nothing of the product."""

from __future__ import annotations

import signal
import threading
from typing import Any

import pytest

pytest_plugins = ["pytester"]


def pytest_configure() -> None:
    """Lets the runs that tests start be interrupted: what a shell starts behind itself ignores SIGINT."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Under `-n 2` a worker that has nothing left takes over what waits for the other."""
    if config.getvalue("dist") != "load":
        return None
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)
