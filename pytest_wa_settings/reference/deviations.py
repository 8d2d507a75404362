"""Deviations of the clean reference, made from outside: they replace methods before a client is put together.

They do so in a process that runs one client at a time, and only for that client: what they replaced, and what
they remember, is gone after it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Any, Literal

from pytest_wa_settings.reference.errors import ReferenceFault

Place = Literal["client", "network"]
NOTHING_ELSE: Mapping[str, str] = MappingProxyType({})
_ABSENT = object()
_replaced: list[tuple[type | ModuleType, str, Any]] = []


def replace(owner: type | ModuleType, name: str, new: Any) -> None:
    """Put `new` in the place of an attribute, until the deviations are left."""
    _replaced.append((owner, name, vars(owner).get(name, _ABSENT)))
    setattr(owner, name, new)


def wrap(owner: type | ModuleType, name: str, around: Callable[..., Any]) -> None:
    """Put `around` in the place of a method: it gets the clean one first, then what the caller gave."""
    clean = getattr(owner, name)

    @functools.wraps(clean)
    def replacement(*arguments: Any, **named: Any) -> Any:
        return around(clean, *arguments, **named)

    replace(owner, name, replacement)


@dataclass(frozen=True)
class Deviation:
    """One way in which a client is not the clean reference.

    `apply` replaces what it needs to; `place` is the process in which it does so. `clause` is the one clause
    that a mutant breaks, None for a variant or a sparse client; `also` holds those that must break with it
    (or the SHOULDs that a variant does not keep), each with the reason. `options` are set-up options of the
    client that belong to the deviation, `run` options of the suite that its user needs.
    """

    name: str
    summary: str
    apply: Callable[[], None]
    clause: str | None = None
    also: Mapping[str, str] = field(default_factory=dict)
    place: Place = "client"
    options: Mapping[str, Any] = field(default_factory=dict)
    run: tuple[str, ...] = ()

    def listed(self) -> dict[str, Any]:
        """The deviation as the lists show it."""
        reasons = [f"{clause} breaks with it: {reason}." for clause, reason in self.also.items()]
        told: dict[str, Any] = {"name": self.name}
        if self.clause is not None:
            told["clause"] = self.clause
        told.update(also=list(self.also), summary=" ".join([self.summary, *reasons]))
        if self.run:
            told["run"] = list(self.run)
        if self.options:
            told["options"] = dict(self.options)
        return told


class Register:
    """Deviations of one kind, by name.

    `kind` is what one of them is called, `listing` the command that lists them and their package.
    """

    def __init__(self, kind: str, listing: str) -> None:
        self.kind = kind
        self.listing = listing
        self.known: dict[str, Deviation] = {}

    def load(self) -> None:
        """Take up all deviations of this kind that there are."""
        import_module(f"pytest_wa_settings.reference.{self.listing}")

    def add(self, deviation: Deviation) -> None:
        """Take a deviation up; a second one of a name is a mistake of the author's."""
        if deviation.name in self.known:
            raise ValueError(deviation.name)
        self.known[deviation.name] = deviation

    def mark(
        self,
        clause: str | None = None,
        *,
        also: Mapping[str, str] = NOTHING_ELSE,
        place: Place = "client",
        run: tuple[str, ...] = (),
        **options: Any,
    ) -> Callable[[Callable[[], None]], Callable[[], None]]:
        """Take up the decorated function: its name names the deviation, its docstring is the summary."""

        def take(apply: Callable[[], None]) -> Callable[[], None]:
            name = apply.__name__.replace("_", "-")
            summary = " ".join((inspect.getdoc(apply) or "").split())
            self.add(Deviation(name, summary, apply, clause, also, place, options, run))
            return apply

        return take

    def find(self, name: str) -> Deviation:
        """The deviation of a name, or a fault that says where the names are listed."""
        if name not in self.known:
            raise ReferenceFault(
                f"There is no {self.kind} {name!r}.", f"List them with wa-settings {self.listing}."
            )
        return self.known[name]


MUTANTS = Register("mutant", "mutants")
VARIANTS = Register("variant", "variants")
SPARSE = Register("sparse client", "sparse")
REGISTERS: Mapping[str, Register] = MappingProxyType(
    {"mutant": MUTANTS, "variant": VARIANTS, "sparse": SPARSE}
)
"""The registers by the option that chooses from them, in the order in which what was chosen is applied.

A sparse client comes last, so that it hides what the others show, too.
"""
mutant = MUTANTS.mark
variant = VARIANTS.mark
sparse = SPARSE.mark


def mutant_of(
    name: str, clause: str, summary: str, apply: Callable[[], None], also: Mapping[str, str] = NOTHING_ELSE
) -> None:
    """Take up one of a family of mutants."""
    MUTANTS.add(Deviation(name, summary, apply, clause, also))


def variant_of(
    name: str,
    summary: str,
    apply: Callable[[], None],
    also: Mapping[str, str] = NOTHING_ELSE,
    options: Mapping[str, Any] = NOTHING_ELSE,
) -> None:
    """Take up one of a family of variants."""
    VARIANTS.add(Deviation(name, summary, apply, None, also, options=options))


class Chosen:
    """The deviations of one client."""

    def __init__(self, *deviations: Deviation) -> None:
        self.deviations = deviations

    @property
    def options(self) -> dict[str, Any]:
        """The set-up options that belong to them."""
        return {name: value for deviation in self.deviations for name, value in deviation.options.items()}

    def enter(self, place: Place) -> None:
        """Make this process deviate; call it before a client's parts are put together."""
        for deviation in self.deviations:
            if deviation.place == place:
                deviation.apply()

    def leave(self) -> None:
        """Make this process clean again; call it when the client is gone."""
        while _replaced:
            owner, name, clean = _replaced.pop()
            if clean is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, clean)


def taken_from(given: dict[str, Any]) -> dict[str, str | None]:
    """The names of deviations among options, by register; they are taken out of `given`."""
    return {option: given.pop(option, None) for option in REGISTERS}


def chosen(names: Mapping[str, str | None]) -> Chosen:
    """The deviations of these names, one a register at most; a fault where there is none of a name."""
    found = []
    for option, register in REGISTERS.items():
        name = names.get(option)
        if name is not None:
            register.load()
            found.append(register.find(name))
    return Chosen(*found)
