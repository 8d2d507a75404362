"""Runs many cases at a time, shared by all worker processes of a test run, so that waiting costs little.

Each worker takes the next case that no one has taken, in the order of the tests; a test waits for the result
of its case, whoever ran it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

AT_A_TIME = 2
LOST = 240.0


class Together:
    """A pool of threads that works through `names`; `work` returns the text of a case's result."""

    def __init__(self, folder: Path, names: Sequence[str], work: Callable[[str], str]) -> None:
        self._folder = folder
        self._names = names
        self._work = work
        self._stop = threading.Event()
        folder.mkdir(parents=True, exist_ok=True)
        self._threads = [threading.Thread(target=self._run) for _ in range(AT_A_TIME)]
        for thread in self._threads:
            thread.start()

    def result(self, name: str) -> str:
        """The text that `work` returned for `name`, in this process or in another."""
        path = self._folder / f"{name}.result"
        until = time.monotonic() + LOST
        while not path.exists():
            if time.monotonic() > until:
                raise TimeoutError(f"no one has finished {name}")
            time.sleep(0.02)
        return path.read_text(encoding="utf-8")

    def close(self) -> None:
        """Takes no more cases and waits for those under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        for name in self._names:
            if self._stop.is_set():
                return
            try:
                os.close(os.open(self._folder / f"{name}.taken", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            try:
                text = self._work(name)
            except Exception as error:  # noqa: BLE001 - the test that waits for the result shows it
                text = f"the test itself broke: {type(error).__name__}: {error}"
            half = self._folder / f"{name}.half"
            half.write_text(text, encoding="utf-8")
            half.rename(self._folder / f"{name}.result")
