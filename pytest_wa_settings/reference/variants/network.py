"""Variants of WhatsApp's side: whom it hands what it has for a number."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from pytest_wa_settings.reference.deviations import variant, wrap
from pytest_wa_settings.reference.network import Account, Network, NetworkRefusal
from pytest_wa_settings.reference.networkapp import NetworkApp

GONE = "http.disconnect"


@dataclass
class _Machines:
    """The sessions that held a number before, and what waits for each; which sessions ask just now."""

    waiting: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    asking: list[str] = field(default_factory=list)
    turn: int = 0

    def next(self) -> str | None:
        """The former session that the next message is for, or None where it is for the one that holds it."""
        former = [session for session in self.waiting if session in self.asking]
        self.turn += 1
        return [*former, None][(self.turn - 1) % (len(former) + 1)]


@variant(place="network")
def inbound_goes_to_any_machine_of_the_number() -> None:
    """After a move what a contact writes goes in turn to each machine of the number that still runs.

    The reports on a message go to the machine that sent it. Only the machine that holds the number can send.
    """
    known: dict[str, _Machines] = {}

    def machines(number: str) -> _Machines:
        return known.setdefault(number, _Machines())

    def register(clean: Any, network: Network, number: str, session: str, *given: Any) -> None:
        account = network.accounts.get(number)
        if account is not None and account.session != session:
            reports = [event for event in account.events if event["kind"] == "status"]
            machines(number).waiting[account.session] = reports
        machines(number).waiting.pop(session, None)
        clean(network, number, session, *given)

    def attach(clean: Any, network: Network, number: str, session: str, identity: str) -> bool:
        return clean(network, number, session, identity) or session in machines(number).waiting

    def queue(clean: Any, network: Network, account: Account, event: dict[str, Any]) -> None:
        clean(network, account, event)
        session = machines(account.number).next() if event["kind"] == "message" else None
        if session is not None:
            machines(account.number).waiting[session].append(account.events.pop())

    def take(
        clean: Any, network: Network, number: str, session: str, after: int
    ) -> list[dict[str, Any]] | None:
        waiting = machines(number).waiting
        if session not in waiting:
            held: list[dict[str, Any]] | None = clean(network, number, session, after)
            return held
        waiting[session] = [event for event in waiting[session] if event["seq"] > after]
        return waiting[session][:100]

    async def events(clean: Any, app: NetworkApp, request: Request, body: dict[str, Any]) -> object:
        asked = request.query_params
        asking = machines(asked["number"]).asking
        asking.append(asked["session"])
        try:
            return await _unless_gone(request, clean(app, request, body))
        finally:
            asking.remove(asked["session"])

    wrap(Network, "register", register)
    wrap(Network, "attach", attach)
    wrap(Network, "queue", queue)
    wrap(Network, "take", take)
    wrap(NetworkApp, "events", events)


async def _unless_gone(request: Request, answer: Any) -> object:
    """The answer, or a refusal as soon as the machine that asked is gone: nothing must be handed to it."""

    async def gone() -> None:
        while (await request.receive())["type"] != GONE:
            continue

    tasks = [asyncio.ensure_future(answer), asyncio.ensure_future(gone())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0].done():
            return tasks[0].result()
        raise NetworkRefusal(400, "the machine is gone")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
