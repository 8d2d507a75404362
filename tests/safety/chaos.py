"""What becomes of a client when something goes wrong at one moment of a run: a trial, and the whole matrix.

python tests/safety/chaos.py [--workers N] [--only WORDS]    every trial, with its figures at the end
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

sys.path.append(str(Path(__file__).parent))

from gate import Act, Gate, Moment, Phase, Way
from owned import Foreign, Owned, Reference, State, make_its_own, state

Permission = Literal["may_change", "may_restore"]
How = Literal["run", "next run", "recover"]
FAULTS = (
    "kill",
    "terminate",
    "hang up",
    "lost answer",
    "504",
    "client down",
    "client restarts",
    "disk full",
    "report folder gone",
    "worker killed",
    "second run",
    "wrong password",
)
ACTS: dict[Permission, tuple[Act, ...]] = {
    "may_change": ("change", "put-back"),
    "may_restore": ("change", "restore", "put-back"),
}
PHASES: tuple[Phase, ...] = ("before", "inside", "after")
SUITES_TESTS = (
    "test_a_backup_of_changed_values_leaves_them or test_settings_come_back_on_the_same_machine "
    "or test_backup_refuses_a_user_that_is_no_admin"
)
OWN_TESTS = """
def test_settings(wa_client):
    assert wa_client.driver.patch_application({"heartbeat_interval": 25}).ok


def test_the_profile(wa_client):
    assert wa_client.driver.patch_about("as a test has it").ok
    assert wa_client.driver.create_user("made-by-a-test", "aA1!made-by-a-test").ok


def test_a_backup(wa_client, wa_backup):
    assert wa_client.driver.patch_application({"callback_backoff_delay_ms": "4000"}).ok
    assert wa_backup("aA1!of-a-test")
"""
VARIABLE = "OWNERS_PASSWORD"
SECONDS = 150
"""What a run may take, with all its waits."""
DIES = ("kill",)


@dataclass(frozen=True)
class Trial:
    """One fault, at one moment, on one client that may be changed, or restored on as well."""

    client: str
    permission: Permission
    fault: str
    moment: Moment

    def __str__(self) -> str:
        return f"{self.client}, {self.permission}: {self.fault} {self.moment}"

    @property
    def by_hand(self) -> bool:
        """Whether `recover` is tried after it, and not one more run; half of the trials each."""
        return random.Random(str(self)).random() < 0.5


@dataclass
class Outcome:
    """What a trial showed.

    Attributes:
        put_back: what brought the client's state back, or None.
        wrong: what no run may do, each in a sentence; empty where all went well.
        said, said_next: what the run printed, and what followed it.
    """

    put_back: How | None = None
    wrong: list[str] = field(default_factory=list)
    said: str = ""
    said_next: str = ""


def trials() -> list[Trial]:
    """The whole matrix: the reference at every moment, the foreign client at two."""
    found = []
    for permission, acts in ACTS.items():
        moments = [Moment(act, phase) for act in acts for phase in PHASES]
        for fault in FAULTS:
            found += [Trial("reference", permission, fault, moment) for moment in moments]
            found += [Trial("go", permission, fault, Moment(acts[-2], "inside"))]
            found += [Trial("go", permission, fault, Moment("put-back", "inside"))]
    return found


def sample(count: int, seed: object) -> list[Trial]:
    """So many trials, each fault once before any comes twice, in the order of the matrix."""
    everything = trials()
    rng = random.Random(str(seed))
    shuffled = rng.sample(everything, len(everything))
    met: Counter[str] = Counter()
    ranked: list[tuple[int, int, Trial]] = []
    for trial in shuffled:
        ranked.append((met[trial.fault], len(ranked), trial))
        met[trial.fault] += 1
    chosen = {trial for *_, trial in sorted(ranked, key=lambda one: one[:2])[:count]}
    return [trial for trial in everything if trial in chosen]


@contextlib.contextmanager
def lent(kind: str, folder: Path) -> Iterator[Owned]:
    """A client with a state of its own."""
    client: Owned = Reference(folder) if kind == "reference" else Foreign(folder, kind)
    try:
        make_its_own(client)
        yield client
    finally:
        client.remove()


def tried(trial: Trial, folder: Path) -> Outcome:
    """Makes one trial in an empty folder; leaves no process behind."""
    with lent(trial.client, folder / "client") as client:
        return _Scene(trial, client, folder).play()


class _Scene:
    """One run with its fault, and what follows it."""

    def __init__(self, trial: Trial, client: Owned, folder: Path) -> None:
        self.trial, self.client, self.folder = trial, client, folder
        self.journals = folder / "state" / "wa-settings"
        self.outlived = False
        self.second: subprocess.CompletedProcess[str] | None = None
        self.run: subprocess.Popen[str] | None = None
        (folder / "tmp").mkdir()
        (folder / "test_own.py").write_text(OWN_TESTS)
        # the suite's own tests put back themselves what they change without a restore
        self.tests = ["test_own.py"] if trial.permission == "may_change" else ["-k", SUITES_TESTS]
        self.gate = Gate(client.url, self.journals, trial.moment, self.strike)
        self.config = self._config("clients.toml", self.gate.url)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("WA_", "PYTEST_"))},
            VARIABLE: client.password,
            "WA_ADMIN_PASSWORD": client.password,
            "XDG_STATE_HOME": str(folder / "state"),
            "TMPDIR": str(folder / "tmp"),
        }

    def play(self) -> Outcome:
        before = state(self.client)
        try:
            return self._play(before)
        finally:
            if self.run is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.run.pid, signal.SIGKILL)
                self.run.communicate()
            self.gate.close()

    def _play(self, before: State) -> Outcome:
        outcome = Outcome()
        said = self._first_run()
        outcome.said = said
        if not self.gate.struck.is_set():
            outcome.wrong.append("the moment did not come")
            return outcome
        self.gate.lift()
        if self.trial.fault == "client down":
            self.client.start()
        self.gate.done.wait(SECONDS)
        self._judge_second_run(outcome)
        self._judge_words(outcome, said)
        if self._reads_as(before) and not self._open_journals():
            outcome.put_back = "run"
        elif not self._open_journals():
            differs = self._differences(before)
            outcome.wrong.append(f"changed, and nothing is left that could put it back: {differs}")
        else:
            self._follow(outcome, before)
        return outcome

    def _first_run(self) -> str:
        more = ["-n", "1"] if self.trial.fault == "worker killed" else ["-p", "no:xdist"]
        self.run = subprocess.Popen(
            self._suite(self.config, "report", *self.tests, *more),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env=self.environment,
        )
        try:
            return self.run.communicate(timeout=SECONDS)[0]
        except subprocess.TimeoutExpired:
            os.killpg(self.run.pid, signal.SIGKILL)
            return self.run.communicate()[0] + "\n(the run did not end)"

    def _judge_words(self, outcome: Outcome, said: str) -> None:
        """A run that goes on living says where the way back is, and nothing untrue."""
        left = self._open_journals()
        if "(the run did not end)" in said:
            outcome.wrong.append("the run did not end")
        if "Traceback" in said or "INTERNALERROR" in said:
            outcome.wrong.append("a traceback was shown")
        if self.client.password in said:
            outcome.wrong.append("the password was shown")
        if self.trial.fault in DIES:
            return
        for path in left:
            if str(path) not in said.replace("\n", ""):
                outcome.wrong.append(f"no word names {path.name}, which is left")
        if left and "was put back as it was before the run" in said:
            outcome.wrong.append("it is called put back, and its journal is left")

    def _judge_second_run(self, outcome: Outcome) -> None:
        if self.trial.fault != "second run":
            return
        if self.outlived:
            return  # the first had ended when the second began, or before it was over
        said = "" if self.second is None else self.second.stdout
        # in the middle of a restore it may be down
        refused = any(words in said for words in ("another run is using", "cannot be reached"))
        if self.second is None or self.second.returncode == 0 or not refused:
            outcome.wrong.append(f"the second run was not refused: {said[-1500:]}")

    def _follow(self, outcome: Outcome, before: State) -> None:
        if self.trial.by_hand:
            for path in self._open_journals():
                outcome.said_next += self._told([*self._wa_settings(), "recover", str(path)]).stdout
            how: How = "recover"
        else:
            done = self._told(self._suite(self.config, "next", "-k", "test_two_backups_of_one_state_differ"))
            outcome.said_next += done.stdout
            how = "next run"
        left = self._open_journals()
        if self._reads_as(before) and not left:
            outcome.put_back = how
        else:
            differs = self._differences(before)
            outcome.wrong.append(f"not put back by {how}; journals left: {len(left)}; {differs}")

    # the faults

    def strike(self) -> Way:
        """What goes wrong, once the moment is there."""
        run, fault = self.run, self.trial.fault
        assert run is not None
        if fault == "kill":
            run.kill()
            run.wait()
        elif fault in ("terminate", "hang up"):
            run.send_signal(signal.SIGTERM if fault == "terminate" else signal.SIGHUP)
        elif fault == "lost answer":
            return "lost"
        elif fault == "504":
            return "504"
        elif fault == "client down":
            self.gate.answers = "lost"
            self.client.crash()
        elif fault == "client restarts":
            self.client.start()
        elif fault == "disk full":
            # the kernel refuses every write to a file, as on a full disk; pipes are no files
            resource.prlimit(run.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        elif fault == "report folder gone":
            shutil.rmtree(self.folder / "report", ignore_errors=True)
            (self.folder / "report").write_text("in its place")
        elif fault == "worker killed":
            for child in _children(run.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
        elif fault == "second run":
            config = self._config("second.toml", self.client.url.replace("127.0.0.1", "localhost"))
            self.second = self._told(self._suite(config, "second", *self.tests))
            self.outlived = run.poll() is not None
        elif fault == "wrong password":
            if self.trial.permission == "may_restore":
                self.gate.wrong_password = True
            else:
                self.gate.answers = "401"
        return "as it is"

    # small parts

    def _config(self, name: str, url: str) -> Path:
        file = self.folder / name
        lines = [
            "[[client]]",
            'name = "lent"',
            f'url = "{url}"',
            f'admin_password_env = "{VARIABLE}"',
            f"{self.trial.permission} = true",
            "timeout = 20",
            "ready_timeout = 8",
            *self.client.entry,
        ]
        file.write_text("\n".join(lines) + "\n")
        return file

    def _suite(self, config: Path, report: str, *more: str) -> list[str]:
        return [
            *(sys.executable, "-m", "pytest", "--wa-config", str(config), "--wa-examples", "1"),
            *("--wa-report", str(self.folder / report), *more),
        ]

    def _wa_settings(self) -> list[str]:
        return [sys.executable, "-c", "import sys; from pytest_wa_settings.cli import main; sys.exit(main())"]

    def _told(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=SECONDS,
            env=self.environment,
        )

    def _open_journals(self) -> list[Path]:
        return sorted(self.journals.glob("*.json"))

    def _reads_as(self, before: State) -> bool:
        """Whether it reads as before; a client that has just been started may take a moment."""
        until = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError, AssertionError):
                if state(self.client) == before:
                    return True
            if time.monotonic() > until:
                return False
            time.sleep(0.2)

    def _differences(self, before: State) -> str:
        try:
            now = state(self.client)
        except (OSError, AssertionError) as error:
            return f"it cannot be read ({error!r})"
        return "; ".join(
            f"{path} {before[path]} -> {now[path]}" for path in before if before[path] != now[path]
        )


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


# the whole matrix


def everything(chosen: list[Trial], workers: int, done: Callable[[Trial, Outcome], None]) -> list[Outcome]:
    """Makes the trials, so many at a time; `done` is called after each."""

    def one(trial: Trial) -> Outcome:
        with tempfile.TemporaryDirectory(prefix="wa-chaos-") as name:
            outcome = tried(trial, Path(name))
        done(trial, outcome)
        return outcome

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, chosen))


def figures(outcomes: list[Outcome]) -> str:
    """How many were tried, and what brought them back."""
    by = Counter(outcome.put_back for outcome in outcomes)
    return (
        f"tried {len(outcomes)}, put back by the run {by['run']}, by the next run {by['next run']}, "
        f"by hand {by['recover']}, lost {by[None]}; wrong {sum(bool(one.wrong) for one in outcomes)}"
    )


def main() -> int:
    """Makes every trial and prints its outcome; 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="", help="trials whose name has these words, in this order")
    parser.add_argument("--said", type=Path, help="a folder for what the runs printed that went wrong")
    given = parser.parse_args()
    chosen = [trial for trial in trials() if given.only in str(trial)]

    def show(trial: Trial, outcome: Outcome) -> None:
        told = "; ".join(outcome.wrong) or "ok"
        print(f"{trial}: {outcome.put_back}: {told}", flush=True)
        if outcome.wrong and given.said is not None:
            name = re.sub(r"[^a-z0-9]+", "-", str(trial))
            (given.said / name).write_text(f"{told}\n{outcome.said}\n{outcome.said_next}")

    started = time.monotonic()
    outcomes = everything(chosen, given.workers, show)
    print(f"{figures(outcomes)}; {time.monotonic() - started:.0f} s")
    return 1 if any(one.wrong for one in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
