"""Reading a string in every encoding that it could be."""

from __future__ import annotations

import base64
import gzip
import random
import zlib

import pytest

from pytest_wa_settings.conformance.decoding import could_mean_the_same, longest_run
from pytest_wa_settings.conformance.views import readable_in

CANARY = "q8w7e6r5t4y3"
SEALED = random.Random(1).randbytes(301)

ENCODERS = {
    "hex": bytes.hex,
    "upper-case hex": lambda raw: raw.hex().upper(),
    "base64": lambda raw: base64.b64encode(raw).decode(),
    "base64url": lambda raw: base64.urlsafe_b64encode(raw).decode(),
    "unpadded base64url": lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("="),
    "labelled hex": lambda raw: "wa1:" + raw.hex(),
    "labelled base64": lambda raw: "$v1$" + base64.b64encode(raw).decode(),
}


@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS.keys())
def test_the_run_is_found_and_encoded_again_as_it_was(encoder) -> None:
    run = longest_run(encoder(SEALED))
    assert run.decoded() == SEALED
    assert run.encode(SEALED) == run.text


@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS.keys())
def test_one_changed_bit_never_means_the_same(encoder) -> None:
    run = longest_run(encoder(SEALED))
    for at in (0, 1, 150, 299, 300):
        changed = bytearray(SEALED)
        changed[at] ^= 1
        assert not could_mean_the_same(run.text, run.encode(bytes(changed)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("deadbeef", "DEADBEEF"),
        ("QUI=", "QUJ="),
        ("QUI=", "QUI"),
        ("QUJD+/8=", "QUJD-_8="),
        ("QUJD", " QUJD\n"),
        ("QUJDRA==", "QUJDRA==QUJD"),
        ("wa1:deadbeef", "wa1:DEADBEEF"),
        ('{"a": 1, "b": "QUI="}', '{"b":"QUJ=","a":1}'),
        ("%41%42", "AB"),
    ],
)
def test_what_a_fair_reader_takes_for_the_same(one: str, other: str) -> None:
    assert could_mean_the_same(one, other)


@pytest.mark.parametrize(
    "seal",
    [
        lambda text: text,
        lambda text: base64.b64encode(b"x" + text.encode()).decode(),
        lambda text: base64.b64encode(b"hdr" + gzip.compress(text.encode())).decode(),
        lambda text: "wa1:" + zlib.compress(base64.b64encode(text.encode())).hex(),
        lambda text: text.encode("utf-16").hex(),
        lambda text: base64.urlsafe_b64encode(zlib.compress(text.encode())[2:-4]).decode(),
        lambda text: base64.b64encode(base64.b64encode(base64.b64encode(text.encode()))).decode(),
        lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    ],
)
def test_a_canary_is_read_through_encodings_and_compressions(seal) -> None:
    text = '{"about": "' + CANARY + '", "filler": "abcdefghijklmnopqrstuvwxyz"}'
    assert readable_in(seal(text), {"the about text": CANARY})


def test_sealed_bytes_show_nothing() -> None:
    for encoder in ENCODERS.values():
        assert readable_in(encoder(SEALED), {"the about text": CANARY}) is None
