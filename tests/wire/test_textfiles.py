"""Files as Windows editors and shells write them are read as they are meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_wa_settings.wire.textfiles import text_of, without_mark

TEXT = "Passwört-1\nsecond line\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_text_is_read_whatever_stands_before_it(tmp_path: Path, encoding: str, ends: str) -> None:
    path = tmp_path / "text"
    path.write_bytes(TEXT.replace("\n", ends).encode(encoding))
    assert text_of(path) == TEXT


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"\xe9\xff")
    with pytest.raises(UnicodeDecodeError):
        text_of(path)


@pytest.mark.parametrize("text", ["secret", "\ufeffsecret"])
def test_a_variable_may_begin_with_the_mark(text: str) -> None:
    assert without_mark(text) == "secret"
