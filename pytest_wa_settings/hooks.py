"""The hooks by which another plugin supplies clients, or a view of what contacts see.

In a suite run no conftest of the folder is read: such a plugin comes as a distribution of its own (entry
point `pytest11`), or by `-p NAME`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_wa_settings.testbed import Client, Consumer, Settings, Testbed


@pytest.hookspec(firstresult=True)
def pytest_wa_settings_testbed(address: str, settings: Settings) -> Testbed | None:
    """Returns the testbed for an address of `--wa-url`, not opened yet, or None to leave it to others.

    It is asked for every address, before the kinds that come with the package. A subclass of
    `pytest_wa_settings.testbed.Testbed` says with `managed` whether it starts clients itself, so that each
    worker of pytest-xdist may have one, or takes them as they are. What is wrong with an address is a
    `testbed.UsageError`.

    Args:
        address: as it was given, such as `farm:pool=eu`.
        settings: the options of the run that concern a testbed.
    """


@pytest.hookspec(firstresult=True)
def pytest_wa_settings_consumer(client: Client) -> Consumer | None:
    """Returns a view of what the contacts of a declared client see, or None to leave it to others.

    It is asked once for each client whose entry names no `consumer`, before anything is sent to it: then
    `client.name` and `client.driver.base_url` tell which one it is. A subclass of
    `pytest_wa_settings.testbed.Consumer` overrides `contact`, `set_notifications`, `write`, `test_contacts`,
    `check` and `close`.
    """


@pytest.hookspec(firstresult=True)
def pytest_wa_settings_registration_code(number: str) -> str | None:
    """Returns the registration code that a number's phone has received, or None to leave it to others.

    It is asked when `onprem:` registers a client on the real images, after the code was sent for, and may
    wait for it.

    Args:
        number: the whole number as digits, from the environment's `WA_CC` and `WA_PHONE_NUMBER`.
    """
