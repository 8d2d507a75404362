"""Keeps a declared client's tests on one worker of pytest-xdist; imported only where xdist runs."""

from __future__ import annotations

from typing import Any

import pytest


def keep_together(config: pytest.Config, log: Any) -> Any:
    """A scheduler that gives all tests to one worker, in their order; another takes over if that one dies.

    (The marker `xdist_group` does nothing under plain `-n`.)
    """
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped,unused-ignore]

    class OneWorker(LoadScopeScheduling):  # type: ignore[misc,unused-ignore]
        """Splits by testbed, of which there is one."""

        def _split_scope(self, nodeid: str) -> str:
            return "testbed"

    return OneWorker(config, log)
