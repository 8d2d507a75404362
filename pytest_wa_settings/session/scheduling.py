"""Keeps a declared testbed's tests on one worker of pytest-xdist; imported only where xdist runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pytest_wa_settings.session.several import split


def keep_together(config: pytest.Config, log: Any, names: Sequence[str]) -> Any:
    """A scheduler that gives all tests of a testbed to one worker, in their order; another takes over if
    that one dies.

    (The marker `xdist_group` does nothing under plain `-n`.)
    """
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped,unused-ignore]

    class ByTestbed(LoadScopeScheduling):  # type: ignore[misc,unused-ignore]
        """Splits by testbed."""

        def _split_scope(self, nodeid: str) -> str:
            return split(nodeid, names)[1]

    return ByTestbed(config, log)
