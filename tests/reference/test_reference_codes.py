"""Security codes and notices, as contacts see them."""

from __future__ import annotations

import pytest
from driving import Pool, Reference

CONTACT = "15557770001"


def notify(pool: Pool, wa_id: str, wanted: bool) -> None:
    """Switch a contact's security notifications."""
    answer = pool.plain.put(f"/contacts/{wa_id}", json={"security_notifications": wanted})
    assert answer.is_success


def test_a_contact_exists_from_first_use_with_notifications_off(client: Reference) -> None:
    shown = client.contact("15557770009")
    assert shown["security_notifications"] is False
    assert len(shown["security_code"]) == 60
    assert shown["notices"] == []


def test_an_unknown_business_has_no_code(pool: Pool) -> None:
    view = pool.plain.get(f"/contacts/{CONTACT}", params={"business": "19999999999"}).json()
    assert view["security_code"] is None


@pytest.mark.parametrize("path", ["/contacts/123", "/contacts/not-digits", "/contacts/1234567890123456"])
def test_only_8_to_15_digits_are_a_contact(pool: Pool, path: str) -> None:
    assert pool.plain.get(f"{path}").status_code == 404


def test_a_restore_gives_a_new_code_and_one_notice_to_those_who_want_it(
    pool: Pool, client: Reference, new_machine: Reference
) -> None:
    notify(pool, CONTACT, True)
    before, quiet = client.contact(CONTACT), client.contact("15557770002")
    new_machine.restore(client.data())
    after = client.contact(CONTACT)
    assert after["security_code"] != before["security_code"]
    (notice,) = after["notices"]
    assert (notice["type"], notice["business"]) == ("security_code_changed", client.number)
    assert client.contact("15557770002")["notices"] == []
    assert client.contact("15557770002")["security_code"] != quiet["security_code"]
    notify(pool, CONTACT, False)


def test_a_start_after_a_restore_gives_no_second_notice(pool: Pool, client: Reference) -> None:
    notify(pool, CONTACT, True)
    client.contact(CONTACT)
    client.restore(client.data())
    client.start_again()
    client.start_again()
    assert len(client.contact(CONTACT)["notices"]) == 1
    notify(pool, CONTACT, False)


@pytest.mark.parametrize(("version", "changes"), [("2.29.1", False), ("2.31.3", False), ("2.31.4", True)])
def test_the_code_changes_from_v2_31_4_on(pool: Pool, version: str, changes: bool) -> None:
    client = pool.start(version=version)
    before = client.contact(CONTACT)["security_code"]
    client.restore(client.data())
    client.start_again()
    assert (client.contact(CONTACT)["security_code"] != before) is changes


def test_refusals_and_backups_leave_the_code(client: Reference) -> None:
    before = client.contact(CONTACT)["security_code"]
    client.restore(client.data(), "wrong")
    assert client.contact(CONTACT)["security_code"] == before


def test_the_identity_is_new_and_the_registration_id_stays(client: Reference) -> None:
    before = client.ask("GET", "/v1/support").json()["support"]["e2e"]
    client.restore(client.data())
    client.start_again()
    after = client.ask("GET", "/v1/support").json()["support"]["e2e"]
    assert after["registration_id"] == before["registration_id"]
    assert after["identity_timestamp"] > before["identity_timestamp"]
