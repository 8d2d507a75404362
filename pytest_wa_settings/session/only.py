"""Which clauses `--wa-only` names: single ones by id, all of a section by its name."""

from __future__ import annotations

from pytest_wa_settings.session.options import OptionError
from pytest_wa_settings.verdicts.catalog import Catalog

NOT_CHOSEN = "not among the clauses of --wa-only"


def chosen(catalog: Catalog, only: str | None) -> frozenset[str] | None:
    """The ids that "RESTORE-5,CODE" names, or None where all are meant; raises OptionError."""
    if only is None:
        return None
    found: set[str] = set()
    for name in filter(None, (part.strip().upper() for part in only.split(","))):
        named = {clause.id for clause in catalog if name in (clause.id, clause.section)}
        if not named:
            sections = ", ".join(dict.fromkeys(clause.section for clause in catalog))
            raise OptionError(
                f"--wa-only names no clause and no section: {name}",
                f"give ids such as RESTORE-5, or of {sections}",
            )
        found |= named
    if not found:
        raise OptionError("--wa-only names nothing", "give ids such as RESTORE-5, or sections such as CODE")
    return frozenset(found)
