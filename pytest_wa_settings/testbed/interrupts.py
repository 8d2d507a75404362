"""Keeps an interrupt from breaking off what puts clients back."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

_NUMBERS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


@contextlib.contextmanager
def first_interrupt_waits(what: str) -> Iterator[None]:
    """Lets the first Ctrl-C, SIGTERM or SIGHUP pass by meanwhile; a second raises KeyboardInterrupt.

    The first one asks for just what goes on already: an end with the clients as they were. `what` says on the
    terminal what that is and how long it takes, for a person who interrupts it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    count = 0

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        if count > 1:
            raise KeyboardInterrupt
        with contextlib.suppress(OSError, ValueError, AttributeError, RuntimeError):
            print(f"wa-settings: {what}; once more breaks it off", file=sys.__stderr__, flush=True)

    before = {number: signal.getsignal(number) for number in _NUMBERS}
    for number in _NUMBERS:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
