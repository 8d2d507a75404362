"""What a run had that its evidence may rest on, and what a replay of it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_wa_settings.session.options import Options
    from pytest_wa_settings.testbed import Testbed

_ENTRY = "in a clients' file (--wa-config)"
_THINGS: Mapping[str, tuple[str, str]] = {
    "restores": ("was allowed to restore", f"--wa-allow-restore (or may_restore = true {_ENTRY})"),
    "changes": ("was allowed to change settings", f"may_change = true {_ENTRY}"),
    "unchecked certificate": ("did not check the client's certificate", "--wa-insecure (or --wa-ca FILE)"),
    "restart": ("had a command that starts the client again", "--wa-restart-command CMD"),
    "user": ("knew an account without administrator's rights", f"`user` {_ENTRY}"),
    "consumer": ("saw what contacts see", f"`consumer` {_ENTRY}"),
    "callbacks": ("had callbacks delivered to it", "--wa-webhook URL"),
    "new machine": ("had an unregistered client", f'a client with state = "unregistered" {_ENTRY}'),
}
"""What a run may have, by the name that its report uses: how a sentence says it, and what to add."""

_NUMBERS = ("timeout", "ready_timeout", "max_restores", "budget")


def options_of(options: Options) -> dict[str, Any]:
    """What report.json holds of a run's options: what a replay needs, and no secret.

    Of a command and of a receiver's address, which may hold one, only whether it was given.
    """
    return {
        "url": options.url,
        "config": None if options.config is None else str(options.config.absolute()),
        "admin": options.admin,
        "ca": None if options.ca is None else str(options.ca.absolute()),
        "profile": options.profile,
        "strict": options.strict,
        **{name: getattr(options, name) for name in _NUMBERS},
        "insecure": options.insecure,
        "allow_restore": options.allow_restore,
        "restart_command": options.restart_command is not None,
        "webhook": options.webhook is not None,
    }


def had_by(options: Options, testbed: Testbed) -> list[str]:
    """The names of what a run on this testbed has."""
    offers = testbed.offers()
    has = {
        "restores": any(one.may_restore for one in offers),
        "changes": any(one.may_change for one in offers),
        "unchecked certificate": options.insecure and not testbed.managed,
        "restart": any(one.restart for one in offers),
        "user": any(one.user for one in offers),
        "consumer": any(one.consumer for one in offers),
        "callbacks": testbed.reaches_receiver,
        "new machine": any(one.state == "unregistered" for one in offers),
    }
    return [name for name in _THINGS if has[name]]


def asked_for(options: Mapping[str, Any], given: Iterable[str]) -> list[str]:
    """The names of what must be given anew to a replay of a run with these options, and is not."""
    asked = {
        "restores": ("allow_restore", "--wa-allow-restore"),
        "unchecked certificate": ("insecure", "--wa-insecure", "--wa-ca"),
        "restart": ("restart_command", "--wa-restart-command"),
        "callbacks": ("webhook", "--wa-webhook"),
    }
    there = {one.partition("=")[0] for one in given}
    return [name for name, (option, *names) in asked.items() if options.get(option) and not there & {*names}]


def had_in(run: Mapping[str, Any], clients: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """What the run of a report had, by the name of the testbed.

    Of a report that does not say so no more is known than whether it judged restores.
    """
    if "offers" in run:
        return {one["testbed"]: list(one["had"]) for one in run["offers"]}
    restored = run.get("profile") != "backup"
    return {str(one.get("testbed")): ["restores"] if restored else [] for one in clients}


def lacking(had: Mapping[str, Sequence[str]], name: str, options: Options, testbed: Testbed) -> str | None:
    """In one sentence, what a replay on this testbed lacks of what the run had; None where it has it all.

    A testbed that the run did not have is measured against all of the run's together.
    """
    wanted = had[name] if name in had else [one for names in had.values() for one in names]
    has = {*had_by(options, testbed)}
    if testbed.managed or options.ca is not None:
        has.add("unchecked certificate")
    return sentence([one for one in _THINGS if one in wanted and one not in has])


def sentence(names: Sequence[str]) -> str | None:
    """What the run had, and what to add; None where nothing is lacking."""
    missing = [name for name in names if not (name == "changes" and "restores" in names)]
    if not missing:
        return None
    told, add = zip(*(_THINGS[name] for name in missing), strict=True)
    return f"the run that found this {_and(told)}; add {_and(add)}"


def _and(parts: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)
