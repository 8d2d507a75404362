"""How restores are sent to one client: allowed, counted, and noted with what they may have done."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from pytest_wa_settings.api.codes import not_now
from pytest_wa_settings.api.resources import RESTORE
from pytest_wa_settings.testbed.accounts import ClientDriver
from pytest_wa_settings.testbed.errors import NotBack, Unavailable
from pytest_wa_settings.testbed.life import Budget
from pytest_wa_settings.testbed.retry import RetryPolicy, never_sent
from pytest_wa_settings.wire import ADMIN, Answer, Token

Pending = Literal["accepted", "unknown"]


LET_IT_RESTORE = (
    "judge another profile than backup, and add --wa-allow-restore, or may_restore = true to its entry in "
    "clients.toml"
)
"""What lets the suite restore on a declared client."""


class Restoring(ABC):
    """The part of a client under test that restores on it; see `Client` for the attributes."""

    driver: ClientDriver
    may_restore: bool
    budget: Budget
    pending: Pending | None
    pending_since: float
    down_at: float | None
    touched: bool
    given_up: NotBack | None
    _guard: Callable[[bool], None] | None
    _number: tuple[str | None, float] | None
    retry: RetryPolicy

    @abstractmethod
    def _entered(self, call: Callable[[], Answer]) -> Answer:
        """The answer to a call, made again after a first login where the password was refused."""

    def restore(
        self,
        password: object,
        data: object,
        *,
        token: str | Token = ADMIN,
        timeout: float | None = None,
        fresh: bool = False,
    ) -> Answer:
        """POST /v1/settings/restore (doc, restore), sent again only while the client says *not now*.

        `fresh` asks for a new connection. On a kept one that is dropped at this moment it stays open whether
        the restore was made, which must not be so where something is concluded from its being made.

        Counts as made when the answer is 2xx, and when none arrives from the client. Raises Unavailable where
        restores are not allowed, or none is left.
        """
        self.prepare_restore()
        return self.retry.call(
            f"POST {RESTORE}",
            lambda: self._restoring(
                lambda: self._entered(
                    lambda: self.driver.restore(password, data, token=token, timeout=timeout, fresh=fresh)
                )
            ),
            repeatable=False,
        )

    def restore_at_once(self, pairs: Iterable[tuple[object, object]]) -> list[Answer]:
        """The answers to several restores (password, data) sent at the same time, in order.

        They are sent anew where each of them is *not now*, as from a gateway that limits calls.
        """
        wanted = list(pairs)
        answers: list[Answer] = []

        def send() -> Answer:
            answers[:] = self._send_at_once(wanted)
            return next((one for one in answers if not_now(one) is None), answers[0])

        self.retry.call(f"POST {RESTORE} at once", send, repeatable=False)
        return answers

    def _send_at_once(self, wanted: Sequence[tuple[object, object]]) -> list[Answer]:
        self.prepare_restore(len(wanted))
        drivers = self.driver.parallel(len(wanted))
        self.touched = True  # before they are sent: the run may end meanwhile
        try:
            with ThreadPoolExecutor(max(1, len(wanted))) as pool:
                calls = [pool.submit(one.restore, *pair) for one, pair in zip(drivers, wanted, strict=True)]
                return [self.noted(call.result()) for call in calls]
        finally:
            for driver in drivers:
                driver.close()

    def restore_in_background(self, password: object, data: object) -> None:
        """Sends one restore without patience, from a thread of the caller's; what comes of it is noted."""
        try:
            self.prepare_restore()
        except Unavailable:
            return
        driver = self.driver.clone()
        self.touched = True  # before it is sent: the run may end meanwhile
        try:
            self.noted(driver.restore(password, data))
        finally:
            driver.close()

    def restore_and_close(self, password: str, data: str, *, fraction: float) -> Answer:
        """Sends the first part of a restore request, then closes the connection without waiting."""
        self.prepare_restore()
        request = self.driver.compose("POST", RESTORE, json={"password": password, "data": data})
        cut = max(1, min(len(request), int(len(request) * fraction)))
        return self._restoring(
            lambda: self.driver.send_raw(request, cut_after=cut, secrets=(password,), of_client=(data,))
        )

    def prepare_restore(self, count: int = 1) -> None:
        """Raises Unavailable unless so many restores may be sent; sees to the safety backup first."""
        if not self.may_restore:
            raise Unavailable(
                "the suite may not restore on this client",
                LET_IT_RESTORE,
            )
        if self.budget.left < count:
            raise Unavailable(
                f"all {self.budget.limit} restores that this client may take are used up",
                "raise --wa-max-restores",
            )
        if self._guard is not None:
            self._guard(True)

    def _restoring(self, call: Callable[[], Answer]) -> Answer:
        """The answer to a restore; one that is broken off may have been made, and is noted as that."""
        try:
            return self.noted(call())
        except BaseException:
            self.pending = self.pending or "unknown"
            self.touched = True
            raise

    def have_put_back(self) -> None:
        """Has the client put back by a restore at the end, so that what cannot be set back may be changed.

        Raises Unavailable as `restore` does.
        """
        self.prepare_restore()
        self.touched = True

    def carried_out_after_all(self) -> None:
        """Notes that a restore was carried out, although its answer says otherwise, or none came."""
        if self.pending is None:
            self.budget.spent += 1
        self.pending, self.pending_since = "accepted", time.monotonic()
        self.given_up = self._number = None
        self.touched = True

    def noted(self, answer: Answer) -> Answer:
        """Notes what a restore may have done."""
        if never_sent(answer):
            return answer
        if answer.ok or not answer.answered:
            if self.pending != "accepted":
                self.pending = "accepted" if answer.ok else "unknown"
            self.pending_since, self.down_at = time.monotonic(), None
            self.given_up = None
            self.budget.spent += 1
            self.touched = True
            self._number = None
        return answer
