"""Asking again while an answer is no judgement yet, and finding out whether a change was made without one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from pytest_wa_settings.api.codes import NotNow, not_now
from pytest_wa_settings.api.resources import LOGIN
from pytest_wa_settings.testbed.life import Habits
from pytest_wa_settings.wire import Answer

_QUICK = (0.05, 0.1, 0.15)
_MASTER = (*_QUICK, *(0.2,) * 17)
_FIRST_TRIES: dict[NotNow, tuple[float, ...]] = {
    "429": (),
    "503": _QUICK,
    "gateway": _QUICK,
    "1016": _MASTER,
    "1017": _MASTER,
    "1018": _MASTER,
}
"""Pauses before the first further tries, in seconds; only after them a last word is thought of."""
_LONGEST_PAUSE = 4.0
_A_MOMENT = 1.0
_MOST_CHANGES = 5
"""How often a change is sent that is found not to have been made."""
_NEVER_SENT = ("refused", "connect", "tls", "login")


def never_sent(answer: Answer) -> bool:
    """Whether the call surely did not reach the client, so that it cannot have been carried out."""
    return answer.failure_kind in _NEVER_SENT or is_of_login(answer)


@dataclass(frozen=True)
class Change:
    """A call that changes something: its last answer, and whether it was made, as far as anyone can tell."""

    answer: Answer
    made: bool


class RetryPolicy:
    """Asks again while an answer is no judgement yet, for at most `limit` seconds a call.

    A client may also use such an answer as its last word. So one that stays while the client otherwise
    `serves` is returned after a few quick tries (but for 429), and remembered: the next one is returned
    sooner. After a call that was waited for in vain, later ones get a moment only, until one is answered.
    """

    def __init__(self, habits: Habits, limit: float, serves: Callable[[], bool]) -> None:
        self._habits = habits
        self._limit = limit
        self._serves = serves
        self._in_vain = False

    def call(self, what: str, call: Callable[[], Answer], *, repeatable: bool = True) -> Answer:
        """The answer to `call`, which may be made several times; `what` names it, such as `POST /v1/...`.

        What is not `repeatable` is not made again after a gateway's answer: whether it was made is unknown.
        """
        answer = call()
        kind = _wait_for(answer, repeatable)
        if kind is None:
            self._in_vain = False
            return answer
        allowed = self._habits.allowed(self._limit, self._limit)
        limit = min(_A_MOMENT, self._limit) if self._in_vain else allowed
        began = time.monotonic()
        deadline = began + limit
        tries = 0
        while kind is not None:
            pause = self._pause(f"{what} {kind}", kind, answer, tries, deadline - time.monotonic())
            if pause is None:
                self._habits.stubborn.add(f"{what} {kind}")
                self._habits.waited_in_vain += time.monotonic() - began
                self._in_vain = self._in_vain or time.monotonic() - began > self._limit / 2
                return answer
            time.sleep(pause)
            answer = call()
            tries += 1
            kind = _wait_for(answer, repeatable)
        self._in_vain = False
        for known in _FIRST_TRIES:
            self._habits.stubborn.discard(f"{what} {known}")
        return answer

    def change(
        self, call: Callable[[], Answer], look: Callable[[], bool | None], *, is_login: bool = False
    ) -> Change:
        """Makes a change, again only where `look` finds that it was not made (None: nobody can tell).

        An error (5xx) may stand for a change that was made, so that it is looked for, too.

        `call` asks again by itself while the client says *not now*; `look` waits until it can be read.
        `is_login`: the change is a login itself, with a new password.
        """
        for tries in range(_MOST_CHANGES):
            answer = call()
            failed = answer.answered and (answer.status or 0) >= 500
            if answer.answered and not failed:
                return Change(answer, answer.ok)
            if never_sent(answer) and not (is_login and answer.from_gateway):
                return Change(answer, False)
            made = look()
            if made is not False or failed:
                return Change(answer, bool(made))
            time.sleep(_QUICK[min(tries, len(_QUICK) - 1)])
        return Change(answer, False)

    def _pause(self, key: str, kind: NotNow, answer: Answer, tries: int, left: float) -> float | None:
        """Seconds to wait before the next try; None when this answer is the client's last word."""
        asked = retry_after(answer)
        if key in self._habits.stubborn:
            pause = min(asked or 0.05, 1.0)
            return pause if tries == 0 and pause < left else None
        if asked is not None:
            if kind != "429" and tries > 0 and self._serves():
                return None
            return asked if asked < left else None
        quick = _FIRST_TRIES[kind]
        if tries < len(quick):
            pause = quick[tries]
        elif kind != "429" and self._serves():
            return None
        else:
            pause = min(_LONGEST_PAUSE, 0.25 * 2 ** (tries - len(quick)))
        return pause if pause < left else None


def _wait_for(answer: Answer, repeatable: bool) -> NotNow | None:
    kind = not_now(answer)
    if kind == "gateway" and not repeatable and not is_of_login(answer):
        return None
    return kind


def is_of_login(answer: Answer) -> bool:
    """Whether it is the answer to the login that a call needs first: then the call itself was never sent."""
    return answer.path == LOGIN


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
