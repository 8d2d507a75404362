"""Says before a run which clauses the testbed cannot judge, and what to add."""

from __future__ import annotations

from pytest_wa_settings.testbed import Need, Testbed
from pytest_wa_settings.testbed.base import version_key
from pytest_wa_settings.verdicts.catalog import Catalog, Clause


def forecast(catalog: Catalog, profile: str, testbed: Testbed) -> list[str]:
    """One line a reason: the clauses that want what is not offered, and what to add.

    Whether a client can be started again, or has a non-admin account, shows only while the run goes on.
    """
    clauses_by_reason: dict[str, list[str]] = {}
    for clause in catalog.judged(profile):
        reason = _why_not(clause, testbed)
        if reason is not None:
            clauses_by_reason.setdefault(reason, []).append(clause.id)
    return [f"{', '.join(ids)}: {reason}" for reason, ids in clauses_by_reason.items()]


def _why_not(clause: Clause, testbed: Testbed) -> str | None:
    """None where one of the clause's alternatives is offered; else what the first one lacks."""
    lacks = [_first_lack(alternative, testbed) for alternative in clause.needs]
    return lacks[0] if lacks and all(lacks) else None


def _first_lack(needs: tuple[str, ...], testbed: Testbed) -> str | None:
    for need in needs:
        lack = _lack(need, testbed)
        if lack is not None:
            return lack
    return None


def _lack(need: str, testbed: Testbed) -> str | None:
    kind, _, what = need.partition(":")
    if kind == "registered":
        return testbed.why_not(Need(state="registered"))
    if kind == "unregistered":
        return testbed.why_not(Need(state="unregistered"))
    if kind == "consumer" and testbed.consumer is None:
        return "no view of what contacts see; add consumer to the client's entry in clients.toml"
    if kind == "webhook" and testbed.webhook is None:
        return "no address at which the client reaches the suite; add --wa-webhook"
    if kind == "shards":
        return _shards(what, testbed)
    if kind == "version":
        return _version(what, testbed)
    return None


def _shards(what: str, testbed: Testbed) -> str | None:
    """`N` and `M` are two multiconnect setups, `1` is a single instance."""
    offered = {shards for shards, multiconnect in testbed.shard_setups if multiconnect}
    if what == "1":
        return testbed.why_not(Need(shards=1, multiconnect=False))
    if len(offered) >= (2 if what == "M" else 1):
        return None
    wanted = next(number for number in (2, 4) if number not in offered)
    return testbed.why_not(Need(shards=wanted, multiconnect=True))


def _version(what: str, testbed: Testbed) -> str | None:
    """`A<B` are two versions, `<2.31.4` is one before that."""
    if what == "A<B":
        return None if len(testbed.versions) >= 2 else "one client version only; add an older one"
    limit = version_key(what.lstrip("<"))
    if any(version_key(version) < limit for version in testbed.versions):
        return None
    return f"no client version before {what.lstrip('<')}; add one"
