"""The public fixtures, for a user's own tests and the shipped suite alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_wa_settings.testbed import Client, Testbed
    from pytest_wa_settings.verdicts import Case


@pytest.fixture(scope="session")
def wa_testbed_name(request: pytest.FixtureRequest) -> str:
    """Which testbed of a clients' file a test runs on, where the file names several; else ""."""
    return str(getattr(request, "param", ""))


@pytest.fixture(scope="session")
def wa_testbed(request: pytest.FixtureRequest, wa_testbed_name: str) -> Testbed:
    """Where clients come from: what `--wa-url` or `--wa-config` names, opened once and closed at the end.

    `wa_testbed.lease(Need(state="unregistered"))` gives a client of that kind for a `with` block;
    `wa_testbed.why_not(need)` says what is missing for it.
    """
    from pytest_wa_settings.session.run import RUN

    run = request.config.stash.get(RUN, None)
    if run is None:
        pytest.fail("no client to test: give --wa-url ADDRESS (mock: needs nothing else)", pytrace=False)
    return run.part(wa_testbed_name).testbed()


@pytest.fixture
def wa_new_client(wa_testbed: Testbed) -> Iterator[Callable[..., Client]]:
    """Gives clients on demand: `wa_new_client(state="unregistered", shards=2)`; all go back after the test.

    Arguments are those of `testbed.Need`: `state` ("registered" or "unregistered"), `shards`,
    `multiconnect`, `version`, `exclusive` (the test restores, restarts or changes settings; the default
    here). Two calls give two different clients. A client that the testbed does not offer skips the test,
    with a sentence that says what to add.
    """
    from pytest_wa_settings.testbed import Need

    with ExitStack() as leases:

        def new_client(**need: Any) -> Client:
            return leases.enter_context(wa_testbed.lease(Need(**{"exclusive": True, **need})))

        yield new_client


@pytest.fixture
def wa_client(wa_new_client: Callable[..., Client]) -> Client:
    """One registered, running client, the test's own while it runs.

    `wa_client.driver` speaks to it as it is; `wa_client.backup(password)`, `.restore(password, data)` and
    `.ask(method, path, json=…)` wait while it says that it is busy; `.come_back()` makes it serve again
    after a restore.
    """
    return wa_new_client()


@pytest.fixture
def wa_backup(wa_client: Client) -> Callable[[str], str]:
    """Takes a backup of `wa_client`: `wa_backup("Passw0rd!")` returns its `data`.

    The test fails if the client gives none; nothing of the answer but its status is shown.
    """

    def backup(password: str) -> str:
        answer = wa_client.backup(password)
        if not answer.ok or not answer.data:
            came = f"HTTP {answer.status}" if answer.answered else f"no answer ({answer.failure})"
            pytest.fail(f"{wa_client.name} gave no backup: {came}", pytrace=False)
        return answer.data

    return backup


@pytest.fixture
def wa_case(request: pytest.FixtureRequest, wa_testbed: Testbed, wa_testbed_name: str) -> Case:
    """What a conformance test knows: the testbed, its clauses (`wa_clause`), its seed and examples.

    `wa_case.remark(text)` notes something that decides nothing; see `verdicts.Case`.
    """
    from pytest_wa_settings.session.run import CASE, RUN
    from pytest_wa_settings.session.running import planned_test

    item: pytest.Item = request.node
    planned = planned_test(item, request.config.stash[RUN].names)
    clauses = (*planned["clauses"], *planned["widens"])
    run = request.config.stash[RUN].part(wa_testbed_name)
    case = run.case_of(planned["test"], clauses)
    item.stash[CASE] = case
    return case
