"""Every ini key takes what its file can write: texts in an ini file, numbers and the like in native TOML."""

from __future__ import annotations

import pytest
from small_suite import FakeSuite

NATIVE = int(pytest.__version__.partition(".")[0]) >= 9
needs_native = pytest.mark.skipif(not NATIVE, reason="pytest before 9 has no TOML tables of its own")


def values(**keys: str) -> str:
    """Lines of an ini file or of a TOML table."""
    return "".join(f"wa_{key} = {value}\n" for key, value in keys.items())


@needs_native
@pytest.mark.parametrize(
    "key",
    ["timeout = 20", "ready_timeout = 60.5", "seed = 7", "examples = 3", "budget = 60", "max_restores = 5",
     "strict = true", 'report = "out"'],
)  # fmt: skip
def test_native_toml_takes_values_of_their_own_type(suite: FakeSuite, key: str) -> None:
    (suite.pytester.path / "pytest.toml").write_text(f'[pytest]\nwa_url = "mock:"\nwa_{key}\n')
    assert suite.pytester.runpytest_inprocess().ret == 0


@needs_native
@pytest.mark.parametrize(
    ("key", "told"),
    [
        ('timeout = "fast"', "the value of wa_timeout cannot be used; give a number of seconds above 0"),
        ("examples = 2.5", "the value of wa_examples cannot be used; give a whole number above 0"),
        ('strict = "yes"', "the value of wa_strict cannot be used; give true or false"),
        ("config = 5", "the value of wa_config cannot be used; give a path, as a text"),
    ],
)
def test_another_type_is_refused_in_a_sentence(suite: FakeSuite, key: str, told: str) -> None:
    url = "" if key.startswith("config") else 'wa_url = "mock:"\n'
    (suite.pytester.path / "pytest.toml").write_text(f"[pytest]\n{url}wa_{key}\n")
    result = suite.pytester.runpytest_inprocess()
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: {told}"])


def test_an_ini_file_takes_numbers_as_texts(suite: FakeSuite) -> None:
    suite.pytester.makeini("[pytest]\n" + values(url="mock:", timeout="20", seed="7", strict="yes"))
    assert suite.pytester.runpytest_inprocess().ret == 0


@pytest.mark.parametrize("value", ["fast", "0", "-1"])
def test_what_is_no_such_number_is_refused_in_a_sentence(suite: FakeSuite, value: str) -> None:
    suite.pytester.makeini("[pytest]\n" + values(url="mock:", timeout=value))
    result = suite.pytester.runpytest_inprocess()
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: the value of wa_timeout cannot be used; give a number of *"])
