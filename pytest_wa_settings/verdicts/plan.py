"""The plan of a run: which clients serve which clauses, what cannot be judged, and what is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pytest_wa_settings.api.versions import version_numbers
from pytest_wa_settings.testbed.base import setup_text
from pytest_wa_settings.testbed.offer import Offer
from pytest_wa_settings.verdicts.catalog import Catalog, Clause

Can = Literal["yes", "perhaps", "no"]
_ORDER: tuple[Can, ...] = ("yes", "perhaps", "no")

MESSAGES = 6
"""At most so many messages go to a test contact: two from the old machine, two from the new one, two around a
restore on an existing app. Where one does not arrive, it is tried again."""
_OF_MESSAGES = ("BACKUP-7", "BACKUP-8")
_OF_A_STOP = ("BACKUP-3",)
_OF_A_KNOWN_VERSION = ("CODE-1", "CODE-2")
_RESTORE = "add may_restore = true to its entry (--wa-allow-restore for one given by its address)"


@dataclass(frozen=True)
class Ground:
    """What is declared: the clients, whether they reach a receiver of callbacks, and what is judged.

    `lacks`: by state, why the testbed itself starts no client of it, and what to do.
    """

    offers: tuple[Offer, ...]
    webhook: bool
    profile: str
    lacks: Mapping[str, str] = field(default_factory=dict)

    @property
    def default(self) -> Offer | None:
        """The client that is taken where a test asks for nothing special."""
        return next((one for one in self.offers if one.state == "registered"), None) or next(
            iter(self.offers), None
        )


@dataclass(frozen=True)
class Step:
    """What is foreseen for one clause.

    Attributes:
        can: whether it can be judged; `perhaps` where that shows only while the run goes on.
        reason: what to add, or what is not sure; None for a plain yes.
        clients: the names of those that serve it.
    """

    clause: Clause
    can: Can
    reason: str | None
    clients: tuple[str, ...]


@dataclass(frozen=True)
class _Served:
    """How one need is met: by these clients; `lack` says why it is not, `doubt` why that is not sure."""

    clients: tuple[Offer, ...] = ()
    lack: str | None = None
    doubt: str | None = None


def plan(catalog: Catalog, ground: Ground) -> tuple[Step, ...]:
    """What is foreseen for every clause that some profile judges, in the catalog's order."""
    return tuple(_step(clause, ground) for clause in catalog.judged("full"))


def _step(clause: Clause, ground: Ground) -> Step:
    if ground.profile not in clause.profiles:
        return Step(clause, "no", f"not in profile {ground.profile}", ())
    ways = [_way(clause, alternative, ground) for alternative in clause.needs]
    if not ways:
        return Step(clause, "yes", None, ())
    return min(ways, key=lambda step: _ORDER.index(step.can))


def _way(clause: Clause, needs: Sequence[str], ground: Ground) -> Step:
    """The clause, judged with what one of its alternatives asks for."""
    served = [_serve(need, clause, ground) for need in needs]
    if list(needs) == ["shards:N"]:
        served.append(_new_machine_of(served[0], ground))
    served.append(_may_be_restored_on(clause, [one for each in served for one in each.clients], ground))
    named = [one.name for each in served for one in each.clients if not one.managed]
    clients = tuple(dict.fromkeys(named))
    lacks = [each.lack for each in served if each.lack]
    if lacks:
        return Step(clause, "no", "; ".join(dict.fromkeys(lacks)), ())
    doubts = [each.doubt for each in served if each.doubt]
    if doubts:
        return Step(clause, "perhaps", "; ".join(dict.fromkeys(doubts)), clients)
    return Step(clause, "yes", None, clients)


def _may_be_restored_on(clause: Clause, clients: list[Offer], ground: Ground) -> _Served:
    """Clauses outside the profile `backup` send restores; one client of theirs must take them."""
    if "backup" in clause.profiles:
        return _Served()
    targets = [one for one in clients if one.state == "unregistered"] or clients or list(ground.offers)
    if any(one.may_restore for one in targets):
        return _Served()
    names = ", ".join(dict.fromkeys(one.name for one in targets)) or "the client"
    return _Served(lack=f"nothing may be restored on {names}; {_RESTORE}")


def _serve(need: str, clause: Clause, ground: Ground) -> _Served:
    kind, _, what = need.partition(":")
    if kind in ("registered", "unregistered"):
        return _of_state(kind, ground)
    if kind == "shards":
        return _shards(what, ground)
    if kind == "version":
        return _two_versions(ground) if what == "A<B" else _older_than(what.lstrip("<"), ground)
    if kind in ("restart", "consumer"):
        return {"restart": _restart, "consumer": _consumer}[kind](clause, ground)
    return {"user": _user, "webhook": _webhook}[kind](ground)


def _of_state(state: str, ground: Ground) -> _Served:
    setup = ground.default.setup if ground.default else (1, False)
    found = [one for one in ground.offers if one.state == state and one.setup == setup]
    if found:
        return _Served(tuple(found[:1]))
    if state in ground.lacks:
        return _Served(lack=ground.lacks[state])
    kind = setup_text(setup)
    return _Served(lack=f"no {state} client is declared; add one ({kind}) to clients.toml")


def _restart(clause: Clause, ground: Ground) -> _Served:
    client = ground.default
    if client is None or client.managed:
        return _Served()
    if ground.profile == "backup":
        # Nothing stops then, so nothing has to be started again either.
        lack = f"in profile backup nothing stops {client.name}; choose another and {_RESTORE}"
        return _Served(lack=lack) if clause.id in _OF_A_STOP else _Served()
    if client.restart:
        return _Served()
    if client.restart_policy == "no":
        return _Served(lack=f"nothing starts {client.name} again; add `restart` to its entry")
    if client.restart_policy is None:
        return _Served(doubt=f"only if {client.name} comes back by itself; add `restart` to its entry")
    return _Served()


def _user(ground: Ground) -> _Served:
    client = ground.default
    if client is None or client.user or client.may_change:
        return _Served()
    return _Served(
        lack=f"no account without administrator's rights; add `user` to the entry of {client.name}, "
        "or may_change = true, which lets the suite make one"
    )


def _consumer(clause: Clause, ground: Ground) -> _Served:
    watched = [one for one in ground.offers if one.consumer]
    if watched:
        client = ground.default if ground.default in watched else watched[0]
        doubt = None
        if client.version is None and clause.id in _OF_A_KNOWN_VERSION:
            doubt = f"only if the version of {client.name} is known; add `version` to its entry"
        return _Served((client,), doubt=doubt)
    return _Served(lack="no view of what contacts see; add `consumer` to the client's entry in clients.toml")


def _webhook(ground: Ground) -> _Served:
    if ground.webhook:
        return _Served()
    return _Served(lack="no address at which the client reaches the suite; add `webhook`, or --wa-webhook")


def _shards(what: str, ground: Ground) -> _Served:
    """`N`, `M`: two multiconnect setups, the first of a registered client; `1`: a single instance."""
    if what == "1":
        single = [one for one in ground.offers if one.setup == (1, False)]
        single.sort(key=lambda one: one.state != "registered")
        lack = "no single instance is declared; add one to clients.toml"
        return _Served(tuple(single[:1])) if single else _Served(lack=lack)
    several = [one for one in ground.offers if one.setup[1] and one.setup[0] > 1]
    source = next((one for one in several if one.state == "registered"), None)
    if source is None:
        lack = "no registered client with several shards is declared; add one with shards = 2"
        return _Served(lack=lack)
    if what == "N":
        return _Served((source,))
    other = [one for one in several if one.setup != source.setup]
    if other:
        return _Served((source, other[0]))
    wanted = 4 if source.setup[0] == 2 else 2
    return _Served(lack=f"one shard count only; add a client with shards = {wanted} to clients.toml")


def _new_machine_of(source: _Served, ground: Ground) -> _Served:
    """A new machine of the same setup, which is preferred where there is one."""
    setups = [one.setup for one in source.clients]
    new = [one for one in ground.offers if one.state == "unregistered" and one.setup in setups]
    return _Served(tuple(new[:1]))


def _two_versions(ground: Ground) -> _Served:
    old = [one for one in ground.offers if one.state == "registered"]
    new = [one for one in ground.offers if one.state == "unregistered"]
    for older in old:
        for newer in new:
            if _is_older(older.version, newer.version):
                return _Served((older, newer))
    if old and new and any(not one.version for one in (*old, *new)):
        return _Served((old[0], new[0]), doubt="versions are not declared, and show only on the client")
    return _Served(
        lack="no unregistered client of a newer version than a registered one; add two such, with `version`"
    )


def _older_than(limit: str, ground: Ground) -> _Served:
    older = [one for one in ground.offers if _is_older(one.version, limit)]
    if older:
        return _Served(tuple(older[:1]))
    if any(one.version is None for one in ground.offers):
        return _Served(doubt=f"only if a client is older than v{limit}; add `version` to the entries")
    return _Served(lack=f"no client version before v{limit}; add a client of one")


def _is_older(one: str | None, other: str | None) -> bool:
    """Whether both versions are known, and the first is the older one."""
    numbers, others = version_numbers(one), version_numbers(other)
    return numbers is not None and others is not None and numbers < others


def clause_lines(steps: Sequence[Step]) -> list[str]:
    """A line a clause: whether it can be judged, and where, or what to add."""
    lines = []
    for step in steps:
        told = f"on {', '.join(step.clients)}" if step.clients else ""
        told = "; ".join(part for part in (told, step.reason) if part)
        lines.append(f"{step.clause.id:<12} {step.clause.level:<6} {step.can:<7} {told}".rstrip())
    return lines


def lack_lines(steps: Sequence[Step], ground: Ground) -> list[str]:
    """One line a reason: clauses of the profile that will, or may, be left untested, and what to add."""
    told: dict[str, list[str]] = {}
    for step in steps:
        if step.can != "yes" and ground.profile in step.clause.profiles:
            what = "will not be tested" if step.can == "no" else "may be left untested"
            told.setdefault(f"{what}: {{}}: {step.reason}", []).append(step.clause.id)
    return [line.replace("{}", ", ".join(ids), 1) for line, ids in sorted(told.items(), reverse=True)]


def plan_lines(steps: Sequence[Step], ground: Ground) -> list[str]:
    """The plan in words: how much is judged, by which clients, and what is done to each."""
    judged = [step for step in steps if step.can != "no"]
    sure = sum(step.can == "yes" for step in judged)
    perhaps = f", {len(judged) - sure} perhaps" if len(judged) > sure else ""
    lines = [f"profile {ground.profile}: {sure} of {len(steps)} clauses can be tested{perhaps}"]
    lines += _outside(steps, ground)
    if any(offer.managed for offer in ground.offers):
        return [*lines, "clients are started by the testbed as each clause needs them"]
    for offer in ground.offers:
        served = [step for step in judged if offer.name in step.clients]
        version = f", version {offer.version}" if offer.version else ""
        what = f"{offer.name} ({offer.state}, {setup_text(offer.setup)}{version})"
        if not served:
            lines.append(f"{what}: not needed")
            continue
        done = "; ".join(_done_to(offer, ground))
        lines.append(f"{what}: {len(served)} clause{'s' * (len(served) != 1)}: {done}")
    lines.append(_messages(judged, ground))
    if ground.profile != "backup" and any(one.may_restore for one in ground.offers):
        lines.append("from v2.31.4 each restore gives every contact a new security code")
    return lines


def _outside(steps: Sequence[Step], ground: Ground) -> list[str]:
    """How many clauses the profile leaves out, and what lets them in."""
    outside = sum(ground.profile not in step.clause.profiles for step in steps)
    if not outside:
        return []
    what = "choose profile full"
    if ground.profile == "backup" and not any(offer.may_restore for offer in ground.offers):
        what = _RESTORE.replace("its entry", "the entry of a client")
    return [f"{outside} clauses are not in profile {ground.profile}; {what}"]


def _done_to(offer: Offer, ground: Ground) -> list[str]:
    if ground.profile == "backup" or not offer.may_restore:
        return ["settings changed, and set back" if offer.may_change else "nothing changed", "no restore"]
    if offer.state == "unregistered":
        if not offer.reset:
            return ["used once: what it must refuse first, its one restore last; no `reset` is declared"]
        return [f"at most {offer.max_restores} restores, a reset after each use"]
    told = [f"at most {offer.max_restores} restores, the one that puts it back among them"]
    if offer.restart:
        told.append("a restart after each that stops it, after refused ones, and where its stop is judged")
    return told


def _messages(judged: Sequence[Step], ground: Ground) -> str:
    if ground.profile != "backup" and any(step.clause.id in _OF_MESSAGES for step in judged):
        return f"at most {MESSAGES} messages to a test contact"
    return "no message is sent"
