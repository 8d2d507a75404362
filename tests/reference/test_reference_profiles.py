"""About, photo, business profile and certificates."""

from __future__ import annotations

import pytest
import trustme
from driving import Pool, Reference, code

ABOUT, PHOTO = "/v1/settings/profile/about", "/v1/settings/profile/photo"
BUSINESS, WEBHOOK_CA = "/v1/settings/business/profile", "/v1/certificates/webhooks/ca"
PNG = {"Content-Type": "image/png"}


def test_the_about_text_reads_back(client: Reference) -> None:
    for text in ("about us 💬", "", "x" * 139):
        assert client.ask("PATCH", ABOUT, json={"text": text}).json() is None
        assert client.ask("GET", ABOUT).json()["settings"]["profile"]["about"] == {"text": text}
    assert code(client.ask("PATCH", ABOUT, json={"text": "x" * 140})) == 1009
    assert code(client.ask("PATCH", ABOUT, json={})) == 1008


def test_a_photo_is_kept_as_it_was_sent(client: Reference) -> None:
    assert client.ask("GET", PHOTO).status_code == 404
    picture = bytes(range(256)) * 10
    assert client.ask("POST", PHOTO, content=picture, headers=PNG).status_code == 200
    shown = client.ask("GET", PHOTO)
    assert (shown.content, shown.headers["content-type"]) == (picture, "image/png")
    link = client.ask("GET", f"{PHOTO}?format=link").json()["settings"]["profile"]["photo"]["link"]
    assert client.ask("GET", link).content == picture
    assert client.ask("DELETE", PHOTO).status_code == 200
    assert client.ask("GET", PHOTO).status_code == 404


def test_a_photo_may_come_as_a_form(client: Reference) -> None:
    files = {"file": ("me.jpg", b"picture", "image/jpeg")}
    assert client.ask("POST", PHOTO, files=files).status_code == 200
    shown = client.ask("GET", PHOTO)
    assert (shown.content, shown.headers["content-type"]) == (b"picture", "image/jpeg")


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"", "image/png", 400),
        (b"x", "text/html", 400),
        (b"x", "", 400),
        (b"x", "multipart/form-data; boundary=b", 400),
        (b"x", "multipart/form-data", 400),
        (b"x" * (2 * 1024 * 1024 + 1), "image/png", 413),
    ],
)
def test_what_is_no_photo_is_refused(client: Reference, content: bytes, media_type: str, status: int) -> None:
    headers = {"Content-Type": media_type}
    assert client.ask("POST", PHOTO, content=content, headers=headers).status_code == status


def test_a_large_photo_travels_in_a_backup(client: Reference, new_machine: Reference) -> None:
    picture = bytes(2 * 1024 * 1024)
    assert client.ask("POST", PHOTO, content=picture, headers=PNG).status_code == 200
    assert new_machine.restore(client.data()).status_code == 200
    assert new_machine.ask("GET", PHOTO).content == picture


def test_the_business_profile_changes_in_parts(client: Reference) -> None:
    assert client.ask("POST", BUSINESS, json={"address": "Street", "vertical": "Education"}).is_success
    assert client.ask("POST", BUSINESS, json={"websites": ["https://a.invalid"], "email": ""}).is_success
    shown = client.ask("GET", BUSINESS).json()["settings"]["business"]["profile"]
    assert shown == {
        "address": "Street",
        "vertical": "Education",
        "websites": ["https://a.invalid"],
        "email": "",
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"vertical": ""}, 1009),
        ({"vertical": "Nothing"}, 1009),
        ({"email": "nobody"}, 1009),
        ({"address": "x" * 257}, 1009),
        ({"websites": ["https://a.invalid"] * 3}, 1009),
        ({"websites": ["a.invalid"]}, 1009),
        ({"other": "x"}, 1010),
    ],
)
def test_a_business_profile_follows_its_rules(
    client: Reference, body: dict[str, object], expected: int
) -> None:
    assert code(client.ask("POST", BUSINESS, json=body)) == expected


def test_the_webhooks_authority_is_kept_shown_and_deleted(client: Reference) -> None:
    missing = client.ask("GET", WEBHOOK_CA)
    assert (missing.status_code, missing.content) == (404, b"")
    pem = trustme.CA().cert_pem.bytes()
    assert client.ask("POST", WEBHOOK_CA, content=pem).status_code == 200
    assert client.ask("GET", WEBHOOK_CA).content == pem
    assert client.ask("DELETE", WEBHOOK_CA).status_code == 200
    assert client.ask("GET", WEBHOOK_CA).status_code == 404
    for content in (b"", b"no certificate", b"\xff", b"-----BEGIN CERTIFICATE-----\n!\n"):
        assert client.ask("POST", WEBHOOK_CA, content=content).status_code == 400


def test_an_uploaded_certificate_is_shown_from_the_next_start_on(pool: Pool) -> None:
    client = pool.start()
    own = trustme.CA()
    middle = own.create_child_ca()
    leaf = middle.issue_cert("127.0.0.1")
    chain = leaf.private_key_and_cert_chain_pem.bytes() + own.cert_pem.bytes()
    assert client.ask("POST", "/v1/certificates/external", content=chain).status_code == 200
    assert client.ask("GET", "/v1/certificates/external/ca").content == own.cert_pem.bytes()
    assert client.status() == "connected"
    own.configure_trust(pool.tls)
    client.start_again()
    assert client.status() == "connected"
    broken = own.cert_pem.bytes() * 2
    assert client.ask("POST", "/v1/certificates/external", content=broken).status_code == 400
