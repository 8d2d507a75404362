"""Seconds and memory that a hostile client's `data` costs, one kind a process: prints JSON.

    python tests/benchmarks/hostile_data.py [MEGABYTES [KIND ...]]

Aim: 5 s and 300 MB each, for 10 MB.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "hostile"))

from data_kinds import KINDS

from pytest_wa_settings.conformance.budget import Budget
from pytest_wa_settings.conformance.damage import MOST_COMPARED, damages
from pytest_wa_settings.conformance.views import MOST_VISITED, readable_in

NEEDLES = {f"the field {number}": f"canary-{number}-q8w7e6r5t4y3" for number in range(10)}


def measure(kind: str, size: int) -> dict[str, object]:
    """What looking at so many bytes of a kind costs in this process."""
    data = KINDS[kind](size)
    views, compared = Budget(MOST_VISITED), Budget(MOST_COMPARED)
    began = time.perf_counter()
    readable_in(data, NEEDLES, views)
    read = time.perf_counter()
    made = sum(1 for _ in damages(data, data[::-1], compared))
    ended = time.perf_counter()
    return {
        "kind": kind,
        "bytes": len(data.encode()),
        "read_seconds": round(read - began, 2),
        "read_visited": views.spent,
        "damage_seconds": round(ended - read, 2),
        "damage_visited": compared.spent,
        "damages": made,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "left_out": [*views.cut, *compared.cut],
    }


def main(arguments: list[str]) -> None:
    """Measures each kind in a process of its own, or the one that is named last."""
    if arguments[:1] == ["--one"]:
        print(json.dumps(measure(arguments[2], int(arguments[1]))))
        return
    size = int(float(arguments[0] if arguments else "10") * 1e6)
    for kind in arguments[1:] or KINDS:
        subprocess.run([sys.executable, __file__, "--one", str(size), kind], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
