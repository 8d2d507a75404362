"""Sparse clients of which their surroundings see less: the business's webhook, the contacts' phones."""

from __future__ import annotations

import asyncio
from typing import Any

from pytest_wa_settings.reference.deviations import sparse, wrap
from pytest_wa_settings.reference.network import Network
from pytest_wa_settings.reference.traffic import Traffic


@sparse()
def callbacks_never_sent() -> None:
    """The client calls no webhook, whatever is set as its address."""

    async def call_back(clean: Any, traffic: Traffic) -> None:
        await asyncio.Event().wait()

    wrap(Traffic, "call_back", call_back)


@sparse(place="network")
def codes_not_shown() -> None:
    """What is seen of a contact's phone is its messages and notices: the security code is `null`."""
    wrap(Network, "security_code", lambda clean, network, wa_id, business: None)
