"""Client versions such as `v2.31.4`, as numbers that can be compared; no format is for granted (api 2.1)."""

from __future__ import annotations

from pytest_wa_settings.wire import Answer

_LONGEST = 40


def version_numbers(version: str | None) -> tuple[int, ...] | None:
    """`v2.31.4` as numbers; None where the version is unknown or no row of numbers."""
    parts = (version or "").strip().lower().removeprefix("v").split("-")[0].split(".")
    if not all(part.isascii() and part.isdigit() for part in parts):
        return None
    return tuple(int(part) for part in parts)


def version_order(version: str) -> tuple[int, ...]:
    """A key that sorts versions, oldest first; those that are no row of numbers come before all others."""
    return version_numbers(version) or ()


def is_version(text: str) -> bool:
    """Whether a text names a client version: two to four numbers with dots between them."""
    numbers = version_numbers(text)
    return len(text) <= _LONGEST and numbers is not None and 2 <= len(numbers) <= 4


def same_version(one: str, other: str | None) -> bool:
    """Whether two texts name one version, with or without the leading v."""
    if other is None:
        return False
    return one == other or (
        version_numbers(one) is not None and version_numbers(one) == version_numbers(other)
    )


def version_of(*answers: Answer) -> str | None:
    """The version that the first `meta.version` names, without a leading v (api 2.1); None if none does."""
    for answer in answers:
        meta = answer.body.get("meta") if isinstance(answer.body, dict) else None
        version = meta.get("version") if isinstance(meta, dict) else None
        if isinstance(version, str) and 0 < len(version) <= _LONGEST and version.isprintable():
            return version.strip().removeprefix("v") or None
    return None
