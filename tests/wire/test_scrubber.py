"""Registered secrets are found in every spelling in which they tend to come back."""

from __future__ import annotations

import json
import random
import string
import time
import uuid
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

import pytest

from pytest_wa_settings.wire.scrubber import GENERATION, MOST_STEPS, MOST_TEXT, Scrubber
from pytest_wa_settings.wire.spellings import unmistakable

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


OURS = (
    "POST https://wa.example/v1/settings/backup answers 200 with a password; see reports/run-12/report.json, "
    "clause RESTORE-5: the wrong password is refused, and settings are unchanged"
)
COMMON = [
    "backup",
    "200 with",
    "password",
    "settings",
    "reports/run-12/report.json",
    "RESTORE-5",
    "clause",
    OURS,
]


@pytest.mark.parametrize("token", COMMON)
def test_a_client_cannot_rewrite_our_text_by_what_it_calls_its_token(token):
    made = Scrubber()
    made.add_of_client(token)
    assert made.scrub(OURS) == OURS
    assert token not in made.scrub_of_client(f"no such token: {token}!")


@pytest.mark.parametrize("token", ["backup", "reports/run-12", "0123"])
@pytest.mark.parametrize("text", ["Authorization: Bearer {}", '{{"token": "{}"}}', "token={}", "Token: '{}'"])
def test_a_common_token_is_hidden_where_it_stands_as_a_token(token, text):
    made = Scrubber()
    made.add_of_client(token)
    assert made.scrub(text.format(token)) == text.format("<secret>")
    assert made.scrub(text.format("another-one")) == text.format("another-one")


@pytest.mark.parametrize("spell", [str, quote, lambda s: b64encode(b"ab" + s.encode()).decode()])
def test_a_random_token_is_hidden_in_our_text_too(spell):
    made = Scrubber()
    token = "9fE2kQx7Lm3Zt8Rb1Vc6Ny4H"
    made.add_of_client(token)
    assert spell(token)[4:-4] not in made.scrub(f"before {spell(token)} after")


def test_backup_data_that_begins_like_our_text_hides_none_of_it():
    made = Scrubber()
    made.add_of_client(OURS * 10)
    assert made.scrub(OURS) == OURS


def test_what_the_client_chooses_drives_out_nothing_that_the_suite_chose():
    made = Scrubber()
    made.add_volatile("horse-battery-1")
    for number in range(2 * GENERATION + 2):
        made.add_of_client(f"token number {number}")
    assert made.scrub("horse-battery-1") == "<secret>"


def test_words_and_paths_are_mistakable_and_random_tokens_are_not():
    drawn = random.Random(5)
    words = [
        *("/home/agent/work-2026/reports-12/report.json", "test_restore_replaces_all", "RESTORE-5"),
        *("wacore1.example:9090", "run-12", "2026-11-30T23:40:24.123Z", "pytest-of-agent/pytest-12/r3"),
        *("wa-backup-127.0.0.1-9090.json", "/srv/ci1/a2/b3/c4/d5/e6/f7", "settings.application.x1y2z3"),
    ]
    assert not any(unmistakable(word) for word in [*words, *COMMON, "a" * 40, "0123456789" * 4])
    hexes = [drawn.randbytes(16).hex() for _ in range(1000)]
    texts = [b64encode(drawn.randbytes(24)).decode() for _ in range(1000)]
    ids = [str(uuid.UUID(bytes=drawn.randbytes(16))) for _ in range(1000)]
    for kind in (hexes, texts, ids):
        assert sum(map(unmistakable, kind)) > 850
    assert unmistakable("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyIjoiYWRtaW4ifQ")


ALIKE = {
    "the same beginning": lambda n: "a" * 23 + f"b{n}",
    "the same long beginning": lambda n: "ab" * 200 + str(n),
    "every length": lambda n: ("abcd" * 120)[: 5 + n % 400] + "X",
    "longer than is known": lambda n: "abcd" * 200 + str(n),
}
TEXTS = {"of a": "a", "of ab": "ab", "of abcd": "abcd", "of words": "the quick brown fox "}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.parametrize("make", ALIKE.values(), ids=ALIKE.keys())
def test_the_steps_grow_neither_with_the_secrets_nor_faster_than_the_text(make, text):
    few, many = Scrubber(), Scrubber()
    for number in range(2000):
        many.add(make(number))
    for number in range(400):
        few.add(make(number))
    megabyte = text * (2**20 // len(text))
    for made in (few, many):
        made.scrub(megabyte[: 2**16])
    small, steps = many.steps, few.steps
    assert small <= 1.2 * steps + 1000
    many.scrub(megabyte)
    assert many.steps - small <= 16 * small + 1000
    assert small <= 24 * 2**16


def test_what_is_beyond_the_budget_is_left_out_and_not_shown():
    made = scrubber("horse-battery")
    shown = made.scrub("x" * MOST_TEXT + "horse-battery" + "y" * 10)
    assert shown == "x" * MOST_TEXT + " <23 more characters, not looked through>"
    assert made.scrub("x" * (MOST_TEXT - 3) + "horse-battery").endswith("x<secret>")


def test_the_budget_is_checked_inside():
    made = scrubber(*(("abcd" * 6)[at : at + size] + "X" for size in range(4, 24) for at in range(4)))
    shown = made.scrub("abcd" * (MOST_TEXT // 4))
    assert made.steps <= MOST_STEPS + 200
    assert "more characters, not looked through" in shown


def test_a_secret_that_begins_a_longer_one_is_hidden_with_it():
    made = scrubber("abcdefghijklmnopqrstuvwxyz-1", "abcdefghijklmnopqrstuvwxyz-1234567890")
    assert made.scrub("=abcdefghijklmnopqrstuvwxyz-1;") == "=<secret>;"
    assert made.scrub("=abcdefghijklmnopqrstuvwxyz-1234567890;") == "=<secret>;"
    assert made.scrub("=abcdefghijklmnopqrstuvwxyz-1245;") == "=<secret>;"
