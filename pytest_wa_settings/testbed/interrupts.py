"""Keeps an interrupt from breaking off what puts clients back."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def first_interrupt_waits() -> Iterator[None]:
    """Lets the first Ctrl-C or SIGTERM pass by while the block runs; a second one raises KeyboardInterrupt.

    The first one asks for just what goes on already: an end with the clients as they were.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        if len(seen) > 1:
            raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in _NUMBERS}
    for number in _NUMBERS:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
