"""The catalog of clauses: what the shipped one holds, and what becomes of a bad one."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from pytest_wa_settings.verdicts.catalog import EFFECTS, Catalog, CatalogError, Clause, load_catalog

GOOD = """
version = "1.0"
[[clause]]
id = "RESTORE-5"
level = "MUST"
text = "Any other password is refused."
source = "doc"
sentence = []
needs = [["registered"]]
profiles = ["restore"]
effect = "access gained"
"""

SECTIONS = {"ACCESS": 5, "BACKUP": 14, "RESTORE": 17, "SHARD": 4, "CODE": 5, "ERROR": 4, "ROBUST": 4}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(("section", "count"), SECTIONS.items())
def test_every_section_counts_up_without_a_gap(catalog: Catalog, section: str, count: int) -> None:
    ids = [clause.id for clause in catalog if clause.section == section]
    assert ids == [f"{section}-{number}" for number in range(1, count + 1)]


def test_no_other_section_exists(catalog: Catalog) -> None:
    assert {clause.section for clause in catalog} == set(SECTIONS)


def test_derived_clauses_are_should(catalog: Catalog) -> None:
    assert {clause.level for clause in catalog if "derived" in clause.source} == {"SHOULD"}


def test_every_source_says_its_kind(catalog: Catalog) -> None:
    assert [clause.id for clause in catalog if not re.match(r"(doc|api|card|derived)\b", clause.source)] == []


def test_info_clauses_need_nothing_and_are_judged_nowhere(catalog: Catalog) -> None:
    info = [clause for clause in catalog if clause.level == "INFO"]
    assert [clause.id for clause in info] == [
        "BACKUP-12",
        "BACKUP-14",
        "RESTORE-16",
        "RESTORE-17",
        "CODE-5",
    ]
    assert all(clause.needs == () and clause.profiles == () for clause in info)


def test_every_other_clause_says_what_it_needs(catalog: Catalog) -> None:
    assert [clause.id for clause in catalog.judged() if not clause.needs] == []


def test_full_judges_every_must_and_should(catalog: Catalog) -> None:
    assert catalog.judged("full") == tuple(clause for clause in catalog if clause.level != "INFO")


def test_the_backup_profile_judges_nothing_that_needs_a_restore(catalog: Catalog) -> None:
    assert {clause.id for clause in catalog.judged("backup")} == {
        *("ACCESS-1", "ACCESS-2", "ACCESS-5"),
        *(f"BACKUP-{number}" for number in (1, 2, 3, 4, 5, 6, 10, 11)),
        *(f"ERROR-{number}" for number in (1, 2, 3, 4)),
        *("ROBUST-1", "ROBUST-2", "ROBUST-4"),
    }


def test_the_restore_profile_judges_all_but_shards(catalog: Catalog) -> None:
    assert catalog.judged("restore") == tuple(c for c in catalog.judged() if c.section != "SHARD")


def test_the_multiconnect_profile_judges_shards_and_the_way_there(catalog: Catalog) -> None:
    judged = {clause.id for clause in catalog.judged("multiconnect")}
    assert judged == {"BACKUP-1", "RESTORE-1", "SHARD-1", "SHARD-2", "SHARD-3", "SHARD-4"}


def test_every_effect_is_used(catalog: Catalog) -> None:
    assert {clause.effect for clause in catalog} == set(EFFECTS)


def test_alternative_needs_read_as_such(catalog: Catalog) -> None:
    assert catalog["RESTORE-1"].needs_text == "unregistered; or registered, restart"


def test_an_unknown_id_is_a_key_error(catalog: Catalog) -> None:
    assert "RESTORE-99" not in catalog
    with pytest.raises(KeyError):
        catalog["RESTORE-99"]


def test_a_clause_cannot_be_changed(catalog: Catalog) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        catalog["RESTORE-5"].level = "INFO"  # type: ignore[misc]


def test_the_digest_ignores_comments_and_order_of_keys(tmp_path: Path) -> None:
    digest = load_catalog(written(tmp_path, GOOD)).digest
    lines = GOOD.splitlines()
    other = "\n".join(["# a comment", *lines[:3], lines[4], lines[3], *lines[5:]])
    assert load_catalog(written(tmp_path, other)).digest == digest
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest)


def test_the_digest_follows_the_wording(tmp_path: Path) -> None:
    digest = load_catalog(written(tmp_path, GOOD)).digest
    assert load_catalog(written(tmp_path, GOOD.replace("refused", "denied"))).digest != digest


def test_a_catalog_of_ones_own_can_be_loaded(tmp_path: Path) -> None:
    assert load_catalog(written(tmp_path, GOOD)).clauses == (
        Clause(
            id="RESTORE-5",
            level="MUST",
            text="Any other password is refused.",
            source="doc",
            sentence=(),
            needs=(("registered",),),
            profiles=("restore", "full"),
            effect="access gained",
        ),
    )


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('version = "1.0"', "", "no version"),
        ("[[clause]]", "[clause]", "no clauses"),
        ('id = "RESTORE-5"', 'id = "restore five"', "the id 'restore five'"),
        ('id = "RESTORE-5"', "", "clause 1 has no id"),
        ('level = "MUST"', 'level = "MAY"', "unknown level 'MAY'"),
        ('effect = "access gained"', 'effect = "bad luck"', "unknown effect 'bad luck'"),
        ('effect = "access gained"', 'efect = "access gained"', "unknown key 'efect'"),
        ('profiles = ["restore"]', 'profiles = ["all"]', "unknown profile 'all'"),
        ('needs = [["registered"]]', 'needs = ["registered"]', "no list of lists"),
        ('needs = [["registered"]]', 'needs = [["luck"]]', "unknown need 'luck'"),
        ('needs = [["registered"]]', "", "no list of needs"),
        ("sentence = []", 'sentence = ""', "no list of strings sentence"),
        ('level = "MUST"', 'level = "INFO"', "INFO and yet to be run"),
        ('text = "Any', 'note = 5\ntext = "Any', "a note that is no text"),
        ('version = "1.0"', 'version = "1.0"\nterms = 5', "terms that are no text"),
        ('version = "1.0"', 'version = "1.0"\nreviewed = 2026-11-24', "a date or time"),
        ('version = "1.0"', "version = ", "not valid TOML"),
    ],
)
def test_a_bad_catalog_says_what_is_wrong(tmp_path: Path, old: str, new: str, problem: str) -> None:
    with pytest.raises(CatalogError) as caught:
        load_catalog(written(tmp_path, GOOD.replace(old, new)))
    assert problem in caught.value.problem
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


def test_an_id_given_twice_is_refused(tmp_path: Path) -> None:
    row = GOOD.partition("[[clause]]")[2]
    with pytest.raises(CatalogError, match="RESTORE-5 twice"):
        load_catalog(written(tmp_path, f"{GOOD}[[clause]]{row}"))


def test_a_missing_catalog_says_so(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"absent\.toml cannot be read: No such file"):
        load_catalog(tmp_path / "absent.toml")


def test_a_catalog_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(GOOD.encode() + "# größer\n".encode("latin-1"))
    with pytest.raises(CatalogError, match="not UTF-8"):
        load_catalog(path)
