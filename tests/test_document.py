"""Every sentence of the document is mapped to clauses, or to a stated reason for none.

document.ja.txt is the document as published; document.toml maps it, sentence by sentence and in its order.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import tomllib

from pytest_wa_settings.verdicts.catalog import Catalog, load_catalog

HERE = Path(__file__).parent
ROWS: list[dict[str, Any]] = tomllib.loads((HERE / "document.toml").read_text(encoding="utf-8"))["sentence"]
DOCUMENT = (HERE / "document.ja.txt").read_text(encoding="utf-8")


def sentences(document: str) -> list[str]:
    """The document's sentences in order; a heading and a sample of several lines count as one each."""
    found: list[str] = []
    for paragraph in re.split(r"\n\s*\n", document.strip()):
        if "\n" in paragraph:
            found.append(paragraph)
        else:
            # a full stop inside 「…」 is quoted and ends no sentence of the document's own
            found.extend(re.findall(r"(?:「[^」]*」|[^。])+。?", paragraph))
    return found


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def test_a_quoted_full_stop_ends_no_sentence() -> None:
    assert sentences("甲は「乙。丙」です。丁。\n\n戊") == ["甲は「乙。丙」です。", "丁。", "戊"]


def test_every_sentence_is_mapped_in_the_documents_order() -> None:
    assert [row["text"] for row in ROWS] == sentences(DOCUMENT)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["text"][:12].strip())
def test_a_sentence_has_clauses_or_a_reason_for_none(row: dict[str, Any]) -> None:
    clauses, reason = row.get("clauses", []), row.get("none", "")
    assert bool(clauses) != bool(reason)
    assert set(row) <= {"text", "clauses", "none"}


def test_no_sentence_names_an_unknown_clause(catalog: Catalog) -> None:
    assert [name for row in ROWS for name in row.get("clauses", []) if name not in catalog] == []


def test_every_clause_of_the_document_is_named_by_a_sentence(catalog: Catalog) -> None:
    named = {name for row in ROWS for name in row.get("clauses", [])}
    assert [clause.id for clause in catalog if "doc" in clause.source and clause.id not in named] == []


def test_the_catalog_quotes_the_sentences_that_name_a_clause(catalog: Catalog) -> None:
    naming = {
        clause.id: {row["text"] for row in ROWS if clause.id in row.get("clauses", [])} for clause in catalog
    }
    assert {clause.id: set(clause.sentence) for clause in catalog} == naming
