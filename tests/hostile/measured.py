"""Runs a command and notes how it went: `measured.py NOTE SECONDS COMMAND…`.

A process of its own, because the peak memory that the system tells is that of every child a process ever had.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path


def main(note: str, seconds: str, *command: str) -> None:
    """Writes {"status", "seconds", "peak_mb"} to `note`; a status of null: the command had to be killed."""
    started = time.monotonic()
    # A session of its own, so that whatever the command started ends with it.
    child = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL)
    status: int | None
    try:
        status = child.wait(float(seconds))
    except subprocess.TimeoutExpired:
        status = None
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    took = time.monotonic() - started
    Path(note).write_text(json.dumps({"status": status, "seconds": round(took, 2), "peak_mb": round(peak)}))


main(*sys.argv[1:])
