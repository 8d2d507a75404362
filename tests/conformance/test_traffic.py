"""Statuses of messages in callbacks, read without trusting their shape (BACKUP-8)."""

from __future__ import annotations

import pytest

from pytest_wa_settings.conformance.traffic import statuses_of


def test_the_statuses_of_one_message_are_told() -> None:
    body = b'{"statuses": [{"id": "one", "status": "sent"}, {"id": "two", "status": "read"}]}'
    assert statuses_of(body, "one") == {"sent"}


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'{"statuses": {}}', b'{"statuses": [7]}', b"[" * 9000]
)
def test_a_body_of_another_shape_tells_none(body: bytes) -> None:
    assert statuses_of(body, "one") == set()
