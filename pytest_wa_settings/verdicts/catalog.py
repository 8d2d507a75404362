"""The clauses, read from catalog.toml: the one source of their ids, levels, texts, needs and effects."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import tomllib

from pytest_wa_settings.wire.textfiles import text_of

Level = Literal["MUST", "SHOULD", "INFO"]
Profile = Literal["backup", "restore", "multiconnect", "full"]
Effect = Literal[
    "data lost", "data exposed", "access gained", "locked out", "silent corruption", "hard to operate"
]

LEVELS: tuple[str, ...] = get_args(Level)
PROFILES: tuple[str, ...] = get_args(Profile)
EFFECTS: tuple[str, ...] = get_args(Effect)

SHIPPED = Path(__file__).with_name("catalog.toml")

_ID = re.compile(r"[A-Z]+-[1-9][0-9]*")
_NEED = re.compile(
    r"registered|unregistered|restart|user|consumer|webhook|shards:(?:N|M|[1-9][0-9]*)|version:(?:A<B|<[0-9.]+)"
)
_MEMBERS = {"id", "level", "text", "note", "source", "sentence", "needs", "profiles", "effect"}


class CatalogError(Exception):
    """The catalog file cannot be used.

    Attributes:
        problem: what is wrong, and where; one line.
        remedy: what to do about it; one line.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem} {remedy}")
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True)
class Clause:
    """One thing that a client must do.

    Attributes:
        id: its section and number, never used again for something else ("RESTORE-5").
        level: MUST decides a certificate, SHOULD is reported, INFO is never run.
        text: what is demanded, one sentence or two.
        source: where it comes from: doc, api, card or derived, with the part.
        sentence: the document's own words that it rests on; empty where none says it.
        needs: alternatives; of each, everything must be offered by the testbed. Empty: nothing is needed.
        profiles: where it is judged, `full` among them; empty for INFO.
        effect: what a break of it means for the people who run the client.
        note: how it is judged, where the text alone leaves that open; "" mostly.
    """

    id: str
    level: Level
    text: str
    source: str
    sentence: tuple[str, ...]
    needs: tuple[tuple[str, ...], ...]
    profiles: tuple[Profile, ...]
    effect: Effect
    note: str = ""

    @property
    def section(self) -> str:
        """The part of the catalog that it stands in ("RESTORE")."""
        return self.id.rpartition("-")[0]

    @property
    def needs_text(self) -> str:
        """The needs as a reader wants them ("unregistered; or registered, restart"), "-" for none."""
        return "; or ".join(", ".join(alternative) for alternative in self.needs) or "-"


@dataclass(frozen=True)
class Catalog:
    """All clauses of one catalog, in its order; `catalog["RESTORE-5"]` is one of them.

    Attributes:
        version: the catalog's own version; it changes when a clause comes, goes or changes its meaning.
        digest: "sha256:…" of the content, whatever the file's comments and layout.
        clauses: every clause, INFO among them.
        terms: words that the clauses use in a fixed sense, with it.
    """

    version: str
    digest: str
    clauses: tuple[Clause, ...]
    terms: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, clause_id: str) -> Clause:
        """The clause with this id; KeyError for an unknown one."""
        for clause in self.clauses:
            if clause.id == clause_id:
                return clause
        raise KeyError(clause_id)

    def __contains__(self, clause_id: object) -> bool:
        return any(clause.id == clause_id for clause in self.clauses)

    def __iter__(self) -> Iterator[Clause]:
        return iter(self.clauses)

    def __len__(self) -> int:
        return len(self.clauses)

    def judged(self, profile: str = "full") -> tuple[Clause, ...]:
        """The clauses that a run of this profile judges; INFO is never among them."""
        return tuple(clause for clause in self.clauses if profile in clause.profiles)


def load_catalog(path: Path | None = None) -> Catalog:
    """The catalog in `path`, or the shipped one.

    Raises:
        CatalogError: the file cannot be read, is no TOML, or is not such a catalog.
    """
    source = SHIPPED if path is None else path
    name = source.name
    try:
        content = tomllib.loads(text_of(source))
    except OSError as error:
        raise CatalogError(
            f"The catalog {name} cannot be read: {error.strerror or 'unknown reason'}.",
            "Give the path of a readable catalog file, or leave it out for the shipped one.",
        ) from None
    except UnicodeDecodeError:
        raise CatalogError(f"The catalog {name} is not UTF-8.", "Save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise CatalogError(f"The catalog {name} is not valid TOML: {error}.", "Correct that place.") from None
    return _catalog(content, name)


def _catalog(content: Mapping[str, Any], name: str) -> Catalog:
    version, rows, terms = content.get("version"), content.get("clause"), content.get("terms", {})
    if not isinstance(version, str) or not version:
        raise CatalogError(f"The catalog {name} has no version.", 'Add a line such as version = "1.0".')
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise CatalogError(f"The catalog {name} has no clauses.", "Write each as a [[clause]] table.")
    if not isinstance(terms, dict) or not all(isinstance(text, str) for text in terms.values()):
        raise CatalogError(f"The catalog {name} has terms that are no text.", "Give each term a string.")
    clauses = tuple(_clause(row, f"{name}, clause {number}") for number, row in enumerate(rows, 1))
    ids = [clause.id for clause in clauses]
    for clause_id in ids:
        if ids.count(clause_id) > 1:
            raise CatalogError(f"{name} has {clause_id} twice.", "Give each clause an id of its own.")
    return Catalog(version, _digest(content), clauses, tuple(terms.items()))


def _clause(row: Mapping[str, Any], where: str) -> Clause:
    for member in sorted(set(row) - _MEMBERS):
        raise CatalogError(f"{where} has an unknown key {member!r}.", f"Known are {_list(_MEMBERS)}.")
    for member in ("id", "level", "text", "source", "effect"):
        if not isinstance(row.get(member), str) or not row[member]:
            raise CatalogError(f"{where} has no {member}.", f"Give {member} as a non-empty string.")
    if not _ID.fullmatch(row["id"]):
        raise CatalogError(f"{where} has the id {row['id']!r}.", 'An id looks like "RESTORE-5".')
    where = f"{where} ({row['id']})"
    _one_of(row["level"], LEVELS, where, "level")
    _one_of(row["effect"], EFFECTS, where, "effect")
    sentence = _strings(row, "sentence", where)
    profiles = _strings(row, "profiles", where)
    for profile in profiles:
        _one_of(profile, PROFILES, where, "profile")
    needs = _needs(row.get("needs"), where)
    note = row.get("note", "")
    if not isinstance(note, str):
        raise CatalogError(f"{where} has a note that is no text.", "Give note as a string.")
    if row["level"] == "INFO" and (needs or profiles):
        raise CatalogError(f"{where} is INFO and yet to be run.", "Leave needs and profiles of INFO empty.")
    if row["level"] != "INFO":
        profiles = (*(profile for profile in profiles if profile != "full"), "full")
    return Clause(
        id=row["id"],
        level=cast(Level, row["level"]),
        text=row["text"],
        source=row["source"],
        sentence=sentence,
        needs=needs,
        profiles=cast("tuple[Profile, ...]", profiles),
        effect=cast(Effect, row["effect"]),
        note=note,
    )


def _needs(value: object, where: str) -> tuple[tuple[str, ...], ...]:
    remedy = 'Give needs as a list of alternatives, each a list: [["registered", "restart"]].'
    if not isinstance(value, list):
        raise CatalogError(f"{where} has no list of needs.", remedy)
    for alternative in value:
        if not isinstance(alternative, list) or not alternative:
            raise CatalogError(f"{where} has needs that are no list of lists.", remedy)
        for need in alternative:
            if not isinstance(need, str) or not _NEED.fullmatch(need):
                raise CatalogError(
                    f"{where} has the unknown need {need!r}.",
                    "Known are registered, unregistered, restart, user, consumer, webhook, "
                    "shards:N and version:A<B.",
                )
    return tuple(tuple(alternative) for alternative in value)


def _strings(row: Mapping[str, Any], member: str, where: str) -> tuple[str, ...]:
    value = row.get(member)
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise CatalogError(
            f"{where} has no list of strings {member}.", f"Give {member} as a list of non-empty strings."
        )
    return tuple(value)


def _one_of(value: str, known: tuple[str, ...], where: str, what: str) -> None:
    if value not in known:
        raise CatalogError(f"{where} has the unknown {what} {value!r}.", f"Known are {', '.join(known)}.")


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names))


def _digest(content: Mapping[str, Any]) -> str:
    try:
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except TypeError:
        raise CatalogError("The catalog holds a date or time.", "Write it as a string.") from None
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
