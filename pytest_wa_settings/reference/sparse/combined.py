"""Sparse clients that show next to nothing."""

from __future__ import annotations

from pytest_wa_settings.reference.deviations import sparse
from pytest_wa_settings.reference.http import Operation
from pytest_wa_settings.reference.sparse.answers import health_of_text
from pytest_wa_settings.reference.sparse.resources import (
    PROFILE,
    SETTINGS,
    SUPPORT,
    keep_only,
    lack,
    show_not,
)

LOGIN, BACKUP, RESTORE = "/v1/users/login", "/v1/settings/backup", "/v1/settings/restore"


@sparse()
def nothing_readable() -> None:
    """Nothing tells the state: health is the text `OK`, settings are write only, profile and support 404."""
    health_of_text()
    show_not(*SETTINGS)
    lack(*PROFILE, *SUPPORT)


@sparse()
def nothing_but_backup_and_restore() -> None:
    """The client has login, backup and restore; all other paths are 404."""

    def wanted(operation: Operation) -> bool:
        return operation.path in (LOGIN, BACKUP, RESTORE)

    keep_only(wanted)
