"""Registered secrets are found in every spelling in which they tend to come back."""

from __future__ import annotations

import json
import random
import string
import time
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

import pytest

from pytest_wa_settings.wire.scrubber import Scrubber

SECRET = 'p/ä"ss w\\örd+7?'


def scrubber(*secrets: str) -> Scrubber:
    made = Scrubber()
    for secret in secrets:
        made.add(secret)
    return made


@pytest.mark.parametrize(
    "spell",
    [
        str,
        json.dumps,
        lambda s: json.dumps(s, ensure_ascii=False),
        repr,
        lambda s: quote(s, safe=""),
        quote,
        quote_plus,
        lambda s: s.encode().hex(),
        lambda s: s.encode().hex().upper(),
        lambda s: b64encode(s.encode()).decode(),
        lambda s: b64encode(b"admin:" + s.encode()).decode(),
        lambda s: b64encode(b"a" + s.encode() + b"!").decode(),
        lambda s: b64encode(b"ab" + s.encode() + b"!?").decode(),
        lambda s: urlsafe_b64encode(s.encode()).decode(),
    ],
)
def test_a_secret_is_found_in_every_spelling(spell):
    text = f"before {spell(SECRET)} after"
    scrubbed = scrubber(SECRET).scrub(text)
    assert "<secret>" in scrubbed
    assert spell(SECRET)[3:-3] not in scrubbed
    assert scrubbed.startswith("before ")
    assert scrubbed.endswith(" after")


def test_text_without_secrets_stays_as_it_is():
    assert scrubber(SECRET, "another-one").scrub("nothing here: anot, p/a") == "nothing here: anot, p/a"


@pytest.mark.parametrize("again", [Scrubber.add, Scrubber.add_volatile])
def test_a_text_looked_through_before_the_secret_was_known_is_looked_through_again(again):
    made = scrubber()
    assert made.scrub("x-horse-battery-1") == "x-horse-battery-1"
    again(made, "horse-battery")
    assert made.scrub("x-horse-battery-1") == "x-<secret>-1"


def test_more_texts_than_are_remembered_are_each_looked_through():
    made = scrubber("horse-battery")
    texts = [f"harmless-{number}" for number in range(5000)]
    assert [made.scrub(text) for text in texts] == texts
    assert made.scrub("horse-battery") == "<secret>"


def test_secrets_that_begin_alike_are_each_found():
    made = scrubber("password-one", "password-two", "password-one-and-more")
    assert made.scrub("password-two password-one-and-more password-one!") == "<secret> <secret> <secret>!"


def test_secrets_shorter_than_four_characters_are_too_common_to_look_for():
    assert scrubber("abc").scrub("abc") == "abc"


def test_a_long_secret_is_found_by_its_beginning_even_when_cut_short():
    data = "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=5000))
    made = scrubber(data)
    assert made.scrub(f'invalid data "{data[:60]}": bad') == 'invalid data "<secret>": bad'
    assert made.scrub(data) == "<secret>"
    assert data[100:200] not in made.scrub(data[:1000])


def test_volatile_secrets_are_forgotten_only_when_there_are_very_many():
    made = Scrubber()
    started = time.perf_counter()
    for number in range(60_000):
        made.add_volatile(f"password number {number}")
    assert "<secret>" in made.scrub("password number 59999")
    assert "<secret>" in made.scrub("password number 41000")
    assert made.scrub("password number 10!") == "password number 10!"
    assert time.perf_counter() - started < 30


def test_monotonous_or_short_drawn_passwords_are_not_looked_for():
    made = Scrubber()
    for secret in ("0000000000000", "short", ""):
        made.add_volatile(secret)
    assert made.scrub("0000000000000 short") == "0000000000000 short"


def test_lone_surrogates_do_no_harm():
    made = scrubber("abc\ud800def")
    assert made.scrub("x abc\ud800def y") == "x <secret> y"


@pytest.mark.parametrize("word", ["PASSWORD", "password", "Settings", "new_password", "administrator"])
def test_a_drawn_password_that_is_a_word_of_the_suites_own_hides_nothing(word):
    made = Scrubber()
    made.add_volatile(word)
    assert made.scrub(f"restore with the {word} in a list") == f"restore with the {word} in a list"


def test_a_real_one_is_hidden_in_what_comes_from_elsewhere_and_not_in_the_suites_own_sentences():
    made = scrubber("admin", "horse-battery")
    assert made.scrub("wrong password admin, horse-battery") == "wrong password <secret>, <secret>"
    told = "the administrator, the admin, horse-battery"
    assert made.scrub(told, wording=True) == "the administrator, the admin, <secret>"
    assert made.scrub("admin") == "<secret>"


@pytest.mark.parametrize("secret", ["admin-1", "pass word", "zwiebelkuchen", "Mock-Admin-1"])
def test_what_is_no_word_of_the_suites_own_is_hidden_in_its_sentences_too(secret):
    assert scrubber(secret).scrub(f"a {secret} b", wording=True) == "a <secret> b"


def test_a_secret_written_as_json_within_json_is_found():
    assert SECRET[3:-3] not in scrubber(SECRET).scrub(json.dumps({"a": json.dumps({"b": SECRET})}))
