"""Waiting out answers that are no judgement yet: 429, 503 and code 1017 (not primary master)."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from pytest_wa_settings.testbed.life import Habits
from pytest_wa_settings.wire import Answer

NOT_PRIMARY_MASTER = 1017
_QUICK = (0.05, 0.1, 0.15)
_MASTER = (*_QUICK, *(0.2,) * 17)
_LONGEST_PAUSE = 4.0
_A_MOMENT = 1.0


class Patience:
    """Asks again while a client says *not now*, for at most `limit` seconds a call.

    A client may also use such an answer as its last word. So a 503 or 1017 that stays while the client
    otherwise `serves` is returned after a few quick tries, and remembered: the next one is returned sooner.
    After a call that was waited for in vain, later ones get a moment only, until one is answered.
    """

    def __init__(self, habits: Habits, limit: float, serves: Callable[[], bool]) -> None:
        self._habits = habits
        self._limit = limit
        self._serves = serves
        self._in_vain = False

    def settle(self, what: str, call: Callable[[], Answer]) -> Answer:
        """The answer to `call`, which may be made several times; `what` names it, such as `POST /v1/…`."""
        answer = call()
        kind = passing(answer)
        if kind is None:
            self._in_vain = False
            return answer
        limit = min(_A_MOMENT, self._limit) if self._in_vain else self._limit
        began = time.monotonic()
        deadline = began + limit
        tries = 0
        while kind is not None:
            pause = self._pause(f"{what} {kind}", kind, answer, tries, deadline - time.monotonic())
            if pause is None:
                self._habits.stubborn.add(f"{what} {kind}")
                self._in_vain = self._in_vain or time.monotonic() - began > self._limit / 2
                return answer
            time.sleep(pause)
            answer = call()
            tries += 1
            kind = passing(answer)
        self._in_vain = False
        for known in ("429", "503", "1017"):
            self._habits.stubborn.discard(f"{what} {known}")
        return answer

    def _pause(self, key: str, kind: str, answer: Answer, tries: int, left: float) -> float | None:
        """Seconds to wait before the next try; None when this answer is the client's last word."""
        asked = retry_after(answer)
        if key in self._habits.stubborn:
            pause = min(asked or 0.05, 1.0)
            return pause if tries == 0 and pause < left else None
        if asked is not None:
            if kind != "429" and tries > 0 and self._serves():
                return None
            return asked if asked < left else None
        quick = {"429": (), "503": _QUICK, "1017": _MASTER}[kind]
        if tries < len(quick):
            pause = quick[tries]
        elif kind != "429" and self._serves():
            return None
        else:
            pause = min(_LONGEST_PAUSE, 0.25 * 2 ** (tries - len(quick)))
        return pause if pause < left else None


def passing(answer: Answer) -> str | None:
    """Which *not now* the answer is: `429`, `503`, `1017`, or None for any other."""
    if answer.status is None or answer.ok:
        return None
    if answer.status == 429:
        return "429"
    if NOT_PRIMARY_MASTER in answer.codes:
        return "1017"
    return "503" if answer.status == 503 else None


def retry_after(answer: Answer) -> float | None:
    """The seconds that Retry-After asks for, 0.05 at least; None without a readable one."""
    text = (answer.header("Retry-After") or "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 9:
        return max(0.05, float(text))
    try:
        until = parsedate_to_datetime(text)
        # Measured by the client's own clock, where it tells the time: the two may be years apart.
        now = parsedate_to_datetime(answer.header("Date") or "")
        return max(0.05, (until - now).total_seconds())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
