"""The Docker engine and the base image of these tests; without an engine they are skipped, or fail in CI."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from suite import NO_REAPER, POSTGRES_STAND_IN, STAND_IN

from pytest_wa_settings.testbed import TestbedError


def no_engine() -> str | None:
    """Why there is no Docker engine to test with, or None."""
    from pytest_wa_settings.testbed.engine import Engine

    engine = Engine()
    try:
        engine.connect()
    except TestbedError as error:
        return f"{error.problem}; {error.remedy}"
    finally:
        engine.close()
    return None


@pytest.fixture(scope="session", autouse=True)
def engine() -> Iterator[Any]:
    """docker-py's client; where stand-ins for public images were made, those are taken."""
    why = no_engine()
    if why is not None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    import docker

    client = docker.from_env()
    with pytest.MonkeyPatch.context() as patch:
        if client.images.list(STAND_IN) and not os.environ.get("WA_BASE_IMAGE"):
            patch.setenv("WA_BASE_IMAGE", STAND_IN)
        if client.images.list(POSTGRES_STAND_IN) and not os.environ.get("WA_POSTGRES_IMAGE"):
            patch.setenv("WA_POSTGRES_IMAGE", POSTGRES_STAND_IN)
        for name, value in NO_REAPER.items():
            patch.setenv(name, os.environ.get(name, value))
        yield client
    client.close()
