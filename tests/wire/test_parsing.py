"""Bodies are read within limits, and a body that is no JSON is MISSING, never an exception."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib

import pytest

from pytest_wa_settings.wire import MISSING
from pytest_wa_settings.wire.parsing import Undecodable, decode, dump_json, parse_json, whole


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"null", None),
        (b"{}", {}),
        (b"\xef\xbb\xbf{}", {}),
        (b' \r\n[1, 2.5, "\\ud800"] ', [1, 2.5, "\ud800"]),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b"1e999", float("inf")),
        ("[" * 100 + "]" * 100, None),
    ],
)
def test_json_is_read(content, value):
    if isinstance(content, str):
        assert parse_json(content.encode()) is not MISSING
    else:
        assert parse_json(content) == value


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"NaN",
        b'{"a": Infinity}',
        b"\xff\xfe{\x00}\x00",
        b'"\xff"',
        b"{}{}",
        b"<html></html>",
        b"[" * 100_000 + b"]" * 100_000,
        b"[" * 102 + b"]" * 102,
        b'{"a":' * 50_000,
        '"é'.encode() + b"x" * 17 * 2**20 + b'"',
    ],
)
def test_what_is_no_json_is_missing(content):
    assert parse_json(content) is MISSING


def test_a_number_of_a_million_digits_is_read_in_no_time():
    started = time.perf_counter()
    parse_json(b"9" * 1_000_000)
    assert time.perf_counter() - started < 1


def test_a_body_of_millions_of_values_is_not_unfolded():
    tracemalloc.start()
    assert parse_json(b"[" + b"[]," * 2_000_000 + b"0]") is MISSING
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 2**20


@pytest.mark.parametrize("name", ["gzip", "X-GZIP", "deflate", "identity", "gzip, identity"])
def test_known_content_encodings_are_undone(name):
    packed = {"deflate": zlib.compress(b"{}"), "identity": b"{}"}.get(name, gzip.compress(b"{}"))
    assert decode(packed, name, 1000) == b"{}"


def test_a_raw_deflate_stream_is_undone_too():
    packer = zlib.compressobj(wbits=-15)
    assert decode(packer.compress(b"{}") + packer.flush(), "deflate", 1000) == b"{}"


@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        (gzip.compress(b"0" * 2**21, mtime=0), "gzip", "unpacks to more than 1 MiB"),
        (
            gzip.compress(gzip.compress(b"0" * 2**21, mtime=0), mtime=0),
            "gzip, gzip",
            "unpacks to more than 1 MiB",
        ),
        (b"no gzip", "gzip", "damaged"),
        (gzip.compress(b"abc" * 99, mtime=0)[:-9], "gzip", "ends too early"),
        (b"x", "br", "not asked for"),
    ],
)
def test_what_cannot_be_undone_within_the_limit_says_why(content, name, why):
    with pytest.raises(Undecodable, match=why):
        decode(content, name, 2**20)


def test_a_bomb_is_not_unpacked_beyond_the_limit():
    bomb = gzip.compress(b"\0" * (64 * 2**20))
    tracemalloc.start()
    with pytest.raises(Undecodable):
        decode(bomb, "gzip", 2**20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20


def test_lone_surrogates_are_sent_as_escapes_and_all_else_as_utf_8():
    assert dump_json({"a": "\ud800ü"}) == b'{"a":"\\ud800\\u00fc"}'
    assert dump_json({"a": "ü"}) == '{"a":"ü"}'.encode()


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1005, 1005),
        (1005.0, 1005),
        (1.5, None),
        (True, None),
        ("1", None),
        (None, None),
        (float("inf"), None),
    ],
)
def test_whole_numbers_are_told_from_others(value, number):
    assert whole(value) == number
