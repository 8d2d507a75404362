"""pytester, and what the project's own tests share; nothing of the product."""

from __future__ import annotations

import signal
import threading

pytest_plugins = ["pytester"]


def pytest_configure() -> None:
    """Lets the runs that tests start be interrupted: what a shell starts behind itself ignores SIGINT."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
