"""The record keeps the last exchanges, redacted when somebody looks at them."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from dataclasses import replace

from pytest_wa_settings.wire import Exchange, Recorder
from pytest_wa_settings.wire.recorder import Draft
from pytest_wa_settings.wire.scrubber import GENERATION

EXCHANGE = Exchange(1, "client", "GET", "https://x/v1/health", (), "", 200, (), "{}", None, 0.0, 0.1)


def draft(number: int = 1, text: str = "", redacted: Callable[[str], str] = str) -> Draft:
    return Draft(lambda: replace(EXCHANGE, number=number, response_body=redacted(text)))


def test_only_the_last_exchanges_are_kept():
    recorder = Recorder(keep=3)
    for number in range(1, 6):
        recorder.add(draft(number))
    assert [exchange.number for exchange in recorder.exchanges] == [3, 4, 5]
    assert recorder.count == 5


def test_an_exchange_is_redacted_once_and_only_when_it_is_looked_at():
    asked = []
    recorder = Recorder()
    recorder.add(draft(redacted=lambda text: asked.append(text) or text))
    assert asked == []
    assert recorder.exchanges == recorder.exchanges
    assert len(asked) == 1


def test_a_secret_is_not_shown_that_was_forgotten_before_anybody_looked():
    recorder = Recorder(keep=1)
    recorder.add_volatile_secret("first-of-many-1")
    held = draft(text="it was first-of-many-1", redacted=recorder.scrub)
    recorder.add(held)
    recorder.add(draft(2))
    for number in range(2 * GENERATION + 2):
        recorder.add_volatile_secret(f"{number}-secret")
    assert recorder.scrub("first-of-many-1") == "first-of-many-1"
    assert held().response_body == "it was <secret>"


def test_an_exchange_can_be_written_as_json():
    assert json.loads(json.dumps(EXCHANGE.as_dict()))["url"] == "https://x/v1/health"


def test_what_only_the_garbage_collector_finds_is_let_go_of_after_long_answers():
    class Frame:
        pass

    frame = Frame()
    frame.itself, there = frame, weakref.ref(frame)
    del frame
    recorder = Recorder()
    for _ in range(3):
        recorder.received(10 * 2**20)
    assert there() is None
