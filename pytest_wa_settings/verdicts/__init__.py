"""From test outcomes to a certificate: the values a test ends with, and what is made of them."""

from pytest_wa_settings.verdicts.catalog import Catalog, Clause, load_catalog
from pytest_wa_settings.verdicts.outcomes import (
    Case,
    Evidence,
    Finding,
    FindingError,
    Judgement,
    NotApplicable,
    NotTested,
)

__all__ = [
    "Case",
    "Catalog",
    "Clause",
    "Evidence",
    "Finding",
    "FindingError",
    "Judgement",
    "NotApplicable",
    "NotTested",
    "load_catalog",
]
