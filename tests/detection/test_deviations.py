"""The lists of mutants, variants and sparse clients are whole, and each of them is a client that runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import detecting
import pytest
from driving import Pool, Reference

from pytest_wa_settings.reference import deviations
from pytest_wa_settings.reference.deviations import Chosen

PASSWORD = "aA1!a password of 30 characters"
HOLD_THE_PRODUCT = ("RESTORE-1", "RESTORE-2", "RESTORE-5", "RESTORE-6", "SHARD-2", "BACKUP-4", "CODE-1")
REPLACED = ("pytest_wa_settings.reference", "uvicorn")
MUTANTS = detecting.subjects("mutant")
VARIANTS = detecting.subjects("variant")
SPARSE = detecting.subjects("sparse")
ALL = (*MUTANTS, *VARIANTS, *SPARSE)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool whose log is read."""
    made = Pool(tmp_path_factory.mktemp("deviations") / "log")
    yield made
    assert made.close() == 0


def judged_clauses() -> list[str]:
    """The clauses that the suite judges: all but the INFO ones."""
    command = [str(Path(sys.executable).with_name("wa-settings")), "clauses", "--format", "json"]
    listed = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return [clause["id"] for clause in listed["clauses"] if clause["level"] != "INFO"]


def test_every_clause_has_a_mutant() -> None:
    broken = {subject.clause for subject in MUTANTS}
    assert broken == set(judged_clauses())


def test_the_clauses_that_hold_the_product_have_five_and_more() -> None:
    counts = Counter(subject.clause for subject in MUTANTS)
    assert {clause: counts[clause] for clause in HOLD_THE_PRODUCT if counts[clause] < 5} == {}


def test_there_are_enough_of_each() -> None:
    assert len(MUTANTS) >= 80
    assert len(VARIANTS) >= 25
    assert len(SPARSE) >= 12


def test_names_are_unique_and_fit_an_address() -> None:
    names = [subject.name for subject in ALL]
    assert len(set(names)) == len(names)
    assert all(name.replace("-", "").isalnum() and name == name.lower() for name in names)


def test_summaries_are_sentences_that_give_a_reason_for_each_further_clause() -> None:
    for subject in ALL:
        assert subject.summary[:1] != ""
        assert subject.summary.endswith(".")
        for clause in subject.also:
            assert f"{clause} breaks with it: " in subject.summary
            assert clause != subject.clause


def test_a_sparse_client_breaks_no_clause() -> None:
    assert [subject.name for subject in SPARSE if subject.clause is not None or subject.also] == []


def test_the_files_of_each_kind_are_all_loaded() -> None:
    for register in deviations.REGISTERS.values():
        package = import_module(f"pytest_wa_settings.reference.{register.listing}")
        (folder,) = package.__path__
        modules = {path.stem for path in Path(folder).glob("*.py")} - {"__init__"}
        assert modules >= set(package.MODULES)
        register.load()
        assert {name for name in modules if f"{package.__name__}.{name}" not in sys.modules} == set()


def the_life_of(one: Reference, new: Reference) -> None:
    """What every client can answer, however wrong: settings, a backup, restores, a start."""
    one.patch(heartbeat_interval=7)
    answer = one.backup(PASSWORD)
    data = answer.json().get("settings") if answer.is_success else None
    data = data.get("data") if isinstance(data, dict) else data
    new.restore(data, PASSWORD)
    one.restore("not a backup", PASSWORD)


@pytest.mark.parametrize("subject", ALL, ids=lambda subject: subject.name)
def test_a_deviation_starts_and_answers_without_a_fault_of_its_own(
    pool: Pool, subject: detecting.Subject
) -> None:
    before = pool.log.stat().st_size
    chosen = {subject.kind: subject.name}
    if next(iter(deviations.chosen(chosen).deviations)).place == "network":
        chosen["network"] = pool.ask("network", **chosen)["url"]
    try:
        the_life_of(pool.start(**chosen), pool.start(registered=False, **chosen))
    finally:
        pool.clean()
    logged = pool.log.read_bytes()[before:].decode()
    assert not [line for line in logged.splitlines() if '"fault"' in line]


@pytest.mark.parametrize(
    ("kind", "called", "listing"),
    [
        ("mutant", "mutant", "mutants"),
        ("variant", "variant", "variants"),
        ("sparse", "sparse client", "sparse"),
    ],
)
def test_an_unknown_name_is_refused_with_the_place_where_they_are_listed(
    pool: Pool, kind: str, called: str, listing: str
) -> None:
    answer = pool.ask("start", options={"network": pool.network, kind: "none-such"})
    assert answer["error"] == f"There is no {called} 'none-such'. List them with wa-settings {listing}."


def test_serve_takes_a_mutant(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest_wa_settings.reference", "serve", "--mutant", "none-such"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "wa-settings: There is no mutant 'none-such'. List them with wa-settings mutants.\n"
    )


def _attributes() -> dict[tuple[str, ...], object]:
    """Everything that a deviation could have replaced, by where it stands."""
    found: dict[tuple[str, ...], object] = {}
    for module in [one for name, one in sys.modules.items() if name.startswith(REPLACED)]:
        for name, value in vars(module).items():
            found[module.__name__, name] = value
            if isinstance(value, type):
                members = {key: one for key, one in vars(value).items() if not key.startswith("__abc_")}
                found.update(((module.__name__, name, key), one) for key, one in members.items())
    return found


@pytest.mark.parametrize("kind", list(deviations.REGISTERS))
def test_a_deviation_that_is_left_has_left_nothing_behind(kind: str) -> None:
    import_module("pytest_wa_settings.reference.pool")
    import_module("uvicorn.protocols.http.httptools_impl")
    for register in deviations.REGISTERS.values():
        register.load()
    clean = _attributes()
    for name, deviation in deviations.REGISTERS[kind].known.items():
        entered = Chosen(deviation)
        entered.enter("client")
        entered.enter("network")
        entered.leave()
        now = _attributes()
        changed = [where for where in now if now[where] is not clean.get(where)]
        assert (name, changed, clean.keys() - now.keys()) == (name, [], set())
