"""A pool for the tests of one worker, and clients that no test changes for good."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from driving import Pool, Reference


@pytest.fixture(scope="session")
def reference_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """One pool for all tests."""
    made = Pool(tmp_path_factory.mktemp("pool") / "log")
    yield made
    assert made.close() == 0


@pytest.fixture
def pool(reference_pool: Pool) -> Iterator[Pool]:
    """The pool, cleaned after the test."""
    yield reference_pool
    reference_pool.clean()


@pytest.fixture
def client(pool: Pool) -> Reference:
    """A registered single instance."""
    return pool.start()


@pytest.fixture
def new_machine(pool: Pool) -> Reference:
    """A running client without registration."""
    return pool.start(registered=False)
