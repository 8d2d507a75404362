"""A backup opens with its own password and in its one form only."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_wa_settings.reference.vault import LIGHT, PREFIX, STRONG, Setup, Vault, VaultError

SETUP = Setup(shards=2, multiconnect=True, version="2.57.2")
STATE = {"registration": {"number": "15551234567"}, "about": "planted text"}
PASSWORDS = st.text(st.characters(exclude_categories=("Cs",)), max_size=200)
VAULT = Vault(LIGHT)


@given(PASSWORDS)
def test_what_was_sealed_comes_out_with_the_same_password(password: str) -> None:
    opened = VAULT.open(VAULT.seal(STATE, SETUP, password), password)
    assert (opened.setup, opened.state) == (SETUP, STATE)


@given(PASSWORDS, PASSWORDS)
def test_another_password_does_not_open(password: str, other: str) -> None:
    if password == other:
        other += "x"
    with pytest.raises(VaultError):
        VAULT.open(VAULT.seal(STATE, SETUP, password), other)


@pytest.mark.parametrize(
    ("password", "other"),
    [
        ("pw", "pw\0"),
        ("", "\0"),
        ("a" * 64, "a" * 64 + "\0"),
        ("a" * 72, "a" * 73),
        ("a" * 128, "a" * 129),
        ("é", "e\u0301"),
        ("pw", "pw "),
        ("pw", "PW"),
    ],
)
def test_passwords_that_weak_derivations_confuse_are_told_apart(password: str, other: str) -> None:
    with pytest.raises(VaultError):
        VAULT.open(VAULT.seal(STATE, SETUP, password), other)


@given(st.data())
def test_any_changed_bit_is_noticed(data: st.DataObject) -> None:
    raw = bytearray(base64.b64decode(VAULT.seal(STATE, SETUP, "pw")))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(VaultError):
        VAULT.open(base64.b64encode(raw).decode(), "pw")


@given(st.data())
def test_a_cut_or_extended_backup_is_noticed(data: st.DataObject) -> None:
    raw = base64.b64decode(VAULT.seal(STATE, SETUP, "pw"))
    kept = data.draw(st.integers(0, len(raw) - 1))
    for damaged in (raw[:kept], raw + raw[:kept] + b"x"):
        with pytest.raises(VaultError):
            VAULT.open(base64.b64encode(damaged).decode(), "pw")


@given(st.text(max_size=300))
def test_made_up_data_is_refused(text: str) -> None:
    with pytest.raises(VaultError):
        VAULT.open(text, "pw")


@pytest.mark.parametrize("header", ["[]", "{}", '{"n": 1}', "[" * 60000, "nonsense", "{\xff}"])
def test_a_made_up_header_is_refused(header: str) -> None:
    text = header.encode("latin-1")
    raw = PREFIX.pack(b"WAREFB", 1, len(text)) + text + bytes(40)
    with pytest.raises(VaultError):
        VAULT.open(base64.b64encode(raw).decode(), "pw")


def test_a_header_cannot_order_a_costly_derivation() -> None:
    raw = base64.b64decode(VAULT.seal(STATE, SETUP, "pw"))
    head, header, sealed = VAULT.split(raw)
    text = json.dumps({**header, "n": 2**28}).encode()
    with pytest.raises(VaultError):
        VAULT.open(base64.b64encode(PREFIX.pack(b"WAREFB", 1, len(text)) + text + sealed).decode(), "pw")
    assert head.startswith(b"WAREFB")


def test_unused_low_bits_of_the_encoding_do_not_pass() -> None:
    for about in ("", "x", "xx"):
        data = VAULT.seal({**STATE, "about": about}, SETUP, "pw")
        if not data.endswith("="):
            continue
        last = data.rstrip("=")[-1]
        other = chr(ord(last) + 1)
        with pytest.raises(VaultError):
            VAULT.open(data.replace(last + "=", other + "="), "pw")


def test_two_backups_of_one_state_share_neither_salt_nor_nonce() -> None:
    one, other = (VAULT.split(base64.b64decode(VAULT.seal(STATE, SETUP, "pw")))[1] for _ in range(2))
    assert one["salt"] != other["salt"]
    assert one["nonce"] != other["nonce"]


def test_a_strong_backup_opens_in_a_light_vault() -> None:
    assert VAULT.open(Vault(STRONG).seal(STATE, SETUP, "pw"), "pw").state == STATE


def test_a_lone_surrogate_is_no_password() -> None:
    with pytest.raises(UnicodeEncodeError):
        VAULT.seal(STATE, SETUP, "\ud800")
