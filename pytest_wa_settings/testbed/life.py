"""How a client is started, killed and brought back, whoever can do it, and what it can bear."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field


class Life(ABC):
    """The power that the testbed has over one client's process.

    `can_restart`: it can be started again. `can_kill`: it can be ended at any moment, as by SIGKILL.
    `can_reset`: it can be put back to the state it was declared in. `policy_within`: seconds that its restart
    policy is given to bring it back, before it is started by hand; None: all the time that a start may take.
    """

    can_restart: bool = False
    can_kill: bool = False
    can_reset: bool = False
    policy_within: float | None = None

    def running(self) -> bool | None:
        """Whether its process runs; None where only its answers can tell."""
        return None

    def generation(self) -> int | None:
        """How many times it was started; None where nobody counts."""
        return None

    @abstractmethod
    def restart(self) -> None:
        """Starts it again, ending it first if it runs; raises NotBack."""

    def kill(self) -> None:
        """Ends it at once. Where only a command can, it is started again too."""
        self.restart()

    def reset(self) -> None:
        """Puts it back to the state it was declared in, running."""
        raise NotImplementedError


@dataclass
class Habits:
    """What was seen of how a kind of client behaves, so that later waits are no longer than needed.

    `down_after`: the longest time, in seconds, from a restore's answer until it was seen down.
    `stayed_up`: how many accepted restores in a row it was never seen down after.
    `needs_start`: a new machine shut down after its restore, and had to be started.
    `unshown`: fields that it takes and goes on showing as they were.
    `health_fails`: its health answered an error while it could be logged in to: an error says nothing.
    `one_token`: each login is given the same token, for as long as the suite waited.
    `stubborn`: calls whose answer that is no judgement yet turned out to be their last word.
    """

    down_after: float = 0.0
    stayed_up: int = 0
    needs_start: bool = False
    unshown: set[str] = field(default_factory=set)
    health_fails: bool = False
    one_token: bool = False
    stubborn: set[str] = field(default_factory=set)

    def went_down(self, after: float) -> None:
        """Notes that it was seen down so many seconds after a restore was answered."""
        self.down_after = max(self.down_after, after)
        self.stayed_up = 0

    def grace(self, first: float) -> float:
        """How long to look for it to go down, if `first` seconds are enough the first time."""
        if self.down_after:
            return min(first, max(0.5, 4 * self.down_after))
        return first if self.stayed_up == 0 else max(0.3, first / 5)


@dataclass
class Budget:
    """How many restores a client may still take; `limit` None is without end."""

    limit: int | None = None
    spent: int = 0

    @property
    def left(self) -> int:
        """Restores that are left; a very large number without limit."""
        return 10**9 if self.limit is None else max(0, self.limit - self.spent)
