"""Odd requests to one client: each beside a tame one, and blamed for what it does alone (ROBUST-1)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from pytest_wa_settings.conformance.judgements import came, robust
from pytest_wa_settings.conformance.snapshots import light
from pytest_wa_settings.testbed import Client, NotBack
from pytest_wa_settings.verdicts import Case, Evidence, Finding, FindingError, Judgement
from pytest_wa_settings.wire import Answer

PASSWORD = "aA1!wa-settings-0000"
_MOST_SUSPECTS = 64
"""Requests before a death among which the one that caused it is looked for."""
_SHOWN = 5
"""Exchanges that a finding shows where it is not known which request caused a death."""
_MOST_TRIES = 3
"""How often a request is sent that a gateway answers in the client's place."""


@dataclass(frozen=True)
class Request:
    """One odd request: what it is, in words, and how it is sent."""

    sent: str
    send: Callable[[], Answer]
    example: str | None = None


class OddRequests:
    """Sends odd requests, and judges that none makes the client answer 5xx, hang or die.

    Args:
        limit: seconds in which an answer must come.
    """

    def __init__(self, case: Case, client: Client, *, limit: float) -> None:
        self._case, self._client, self._limit = case, client, limit
        self._recent: deque[tuple[Request, Answer]] = deque(maxlen=_MOST_SUSPECTS)
        self._last = ""
        self._dead = False

    def judge_tame(self, path: str) -> None:
        """The control: a request of the plainest shape, for which no odd one may be blamed.

        Raises:
            FindingError: already this one is answered 5xx, or not in time.
            NotTested: no answer of the client comes to it.
        """
        without = "" if path.endswith("backup") else " and no `data`"
        sent = f"POST {path} with a password{without}, in a body that has nothing odd"
        self._case.judge(self._control(path, sent))

    def judge(self, request: Request, path: str) -> None:
        """One odd request; nothing is sent any more to a client that is dead and cannot be started again.

        Raises:
            FindingError: it is answered 5xx, or not in time, or the client dies of it.
            NotTested: the client answers neither it nor a tame one.
        """
        if self._dead:
            return
        answer = self._settled(request.send)
        self._recent.append((request, light(answer)))
        self._last = came(answer)
        judgement = robust(answer, request.sent, limit=self._limit, example=request.example)
        if isinstance(judgement, Evidence) and judgement.missing is None:
            self._case.judge(judgement)
            return
        if not self._client.wait_serving(registered=True):
            self._blame_for_death()
        control = self._control(path, "a tame request beside it")
        if isinstance(control, Finding):
            self._blame_for_death()  # a tame request fails as well now: an earlier one did it
        self._case.judge(control)
        if answer.from_gateway:
            judgement = self._lost(request, answer)
        if isinstance(judgement, Finding):  # a connection that is closed on a huge body is a refusal
            self._case.judge(judgement)

    def finish(self) -> None:
        """Judges that the client still serves; raises FindingError."""
        if not self._dead and not self._client.wait_serving(registered=True):
            self._blame_for_death()

    def _settled(self, send: Callable[[], Answer]) -> Answer:
        """The answer; one that a gateway gives is asked for again, as the client may have no part in it."""
        for _ in range(_MOST_TRIES):
            answer = send()
            if not answer.from_gateway:
                break
        return answer

    def _control(self, path: str, sent: str) -> Judgement:
        """What becomes of a tame request."""
        tame = partial(self._client.ask, "POST", path, json={"password": PASSWORD}, timeout=self._limit)
        return robust(self._settled(tame), sent, limit=self._limit)

    def _lost(self, request: Request, answer: Answer) -> Finding:
        """A gateway answers this request in the client's place at every try, and a tame one not."""
        observed = f"{came(answer)} at {_MOST_TRIES} tries, while a tame request is answered"
        expected = f"an answer below 500 within {self._limit:.0f} s"
        return Finding("ROBUST-1", request.sent, expected, observed, (answer,), request.example)

    def _blame_for_death(self) -> None:
        """Finds out of which request the client died, where it can be started again; raises FindingError."""
        suspects = [request for request, _ in self._recent]
        answers = tuple(answer for _, answer in self._recent)[-_SHOWN:]
        observed = f"the client no longer serves ({self._last})" if answers else "it no longer serves"
        found, answers = (
            self._narrowed(suspects, answers) if self._client.can_restart else (suspects, answers)
        )
        self._dead = not self._started()
        self._recent.clear()
        names = [request.sent for request in found]
        sent = names[0] if len(names) == 1 else f"one of the last requests: {'; '.join(names[-_SHOWN:])}"
        example = found[0].example if len(found) == 1 else None
        raise FindingError(Finding("ROBUST-1", sent, "the client still serves", observed, answers, example))

    def _narrowed(
        self, suspects: Sequence[Request], answers: tuple[Answer, ...]
    ) -> tuple[Sequence[Request], tuple[Answer, ...]]:
        """The fewest requests in a row, by halves, after which the client is dead; and their last answers."""
        while len(suspects) > 1:
            half = len(suspects) // 2
            for part in (suspects[half:], suspects[:half]):
                if not self._started():
                    return suspects, answers
                sent = tuple(light(request.send()) for request in part)
                if not self._client.serves(True):
                    suspects, answers = part, sent[-_SHOWN:]
                    break
            else:
                return suspects, answers  # only together, or not again
        return suspects, answers

    def _started(self) -> bool:
        """Whether the client serves, started again if need be."""
        if not self._client.can_restart:
            return self._client.serves(True)
        try:
            self._client.start_again()
            return self._client.wait_serving(registered=True)
        except NotBack:
            return False
