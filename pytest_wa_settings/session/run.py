"""One run in one process: its options and its testbed, opened when first asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_wa_settings.session.options import Options
from pytest_wa_settings.session.repeats import had_by, lacking
from pytest_wa_settings.session.several import ONLY

if TYPE_CHECKING:
    from pytest_wa_settings.api.messages import Messages
    from pytest_wa_settings.testbed import Client, Consumer, Testbed
    from pytest_wa_settings.verdicts import Case
    from pytest_wa_settings.verdicts.entries import LogOf, Means
    from pytest_wa_settings.verdicts.outcomes import Progress
    from pytest_wa_settings.wire import Recorder

DEFAULT_EXAMPLES = 50


class Run:
    """Holds the testbed of this process from its opening to its close; `hook` calls other plugins.

    Attributes:
        progress, speak: ways to the terminal, where there is one.
        header: what the preflight found out, lines for the terminal.
        facts: what the report says about the testbed; kept after the close.
    """

    def __init__(
        self, options: Options, *, profile: str | None = None, hook: Any = None, name: str = ONLY
    ) -> None:
        self.options = options
        self.name = name
        self._parts: dict[str, Run] = {}
        self._hook = hook
        self.header: list[str] = []
        self.facts: dict[str, Any] = {
            "name": options.target, "clients": [], "exchanges": 0, "messages": [], "notes": [], "had": [],
        }  # fmt: skip
        self.progress: Progress | None = None
        self.speak: Callable[[str], None] | None = None
        self._said: list[str] = []
        self._names: tuple[str, ...] | None = None
        self._profile = profile
        self._parsed: Testbed | None = None
        self._testbed: Testbed | None = None
        self._recorder: Recorder | None = None
        self._messages: Messages | None = None
        self._error: Exception | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The testbeds of the run, `ONLY` where there is one; raises testbed.UsageError."""
        if self.options.config is None or self.name != ONLY:
            return (self.name,)
        if self._names is None:
            from pytest_wa_settings.session.settings import settings_of
            from pytest_wa_settings.testbed.declaration import testbed_names

            names = testbed_names(self.options.config, settings_of(self.options, self._say))
            self._names = names if len(names) > 1 else (ONLY,)
        return self._names

    @property
    def parts(self) -> list[Run]:
        """A run for each testbed; this one itself where there is one."""
        return [self.part(name) for name in self.names]

    def part(self, name: str) -> Run:
        """The run on the testbed of that name."""
        if name == self.name:
            return self
        if name not in self._parts:
            self._parts[name] = Run(self.options, hook=self._hook, name=name)
        part = self._parts[name]
        part.progress, part.speak = self.progress, self.speak
        return part

    @property
    def opened(self) -> Testbed | None:
        """The testbed, if it is open."""
        return self._testbed

    @property
    def declared(self) -> bool:
        """Whether clients are taken as they are, so that only one process may use them."""
        parsed = self._parsed
        return self.options.declared or (parsed is not None and not parsed.managed)

    @property
    def profile(self) -> str:
        """The profile of the options, or the one that the testbed takes without."""
        if self._profile is None:
            self._profile = self._testbed.profile if self._testbed else self.options.profile
        if self._profile is None:
            return "backup" if self.declared and not self.options.allow_restore else "full"
        return self._profile

    def judge(self, profile: str) -> None:
        """Sets the profile, where another process has found it out."""
        self._profile = profile

    @property
    def examples(self) -> int:
        """How many examples each property draws."""
        return self.options.examples or DEFAULT_EXAMPLES

    def testbed(self) -> Testbed:
        """The testbed, opened and preflighted once; a failure is the same for everyone who asks.

        Raises:
            testbed.UsageError: the address cannot be understood.
            testbed.TestbedError: the client cannot be used.
        """
        if self._error is not None:
            raise self._error.with_traceback(None)
        if self._testbed is None:
            try:
                self._open()
            except Exception as error:  # noqa: BLE001 - whatever it is, the reader gets a sentence
                from pytest_wa_settings.testbed import UsageError
                from pytest_wa_settings.testbed.errors import as_testbed_error

                self._error = error if isinstance(error, UsageError) else as_testbed_error(error)
                raise self._error from None
        assert self._testbed is not None
        return self._testbed

    def parse(self) -> Testbed:
        """The testbed that the options name, not opened yet.

        Raises:
            testbed.UsageError: the address or the file cannot be understood.
        """
        from pytest_wa_settings.session.settings import settings_of
        from pytest_wa_settings.testbed import open_testbed

        if self._parsed is None:
            settings = settings_of(self.options, self._say)
            if self.name != ONLY:
                settings = replace(settings, testbed=self.name)
            if self._hook is not None:
                settings = replace(settings, consumer_of=self._consumer_of, code_of=self._code_of)
                if settings.url is not None:
                    self._parsed = self._hook.pytest_wa_settings_testbed(
                        address=settings.url, settings=settings
                    )
            self._parsed = self._parsed or open_testbed(settings)
        return self._parsed

    def _consumer_of(self, client: Client) -> Consumer | None:
        view: Consumer | None = self._hook.pytest_wa_settings_consumer(client=client)
        return view

    def _code_of(self, number: str) -> str | None:
        code: str | None = self._hook.pytest_wa_settings_registration_code(number=number)
        return code

    def _open(self) -> None:
        from pytest_wa_settings.api.messages import Messages

        self._testbed = self.parse()
        self._recorder = self._testbed.recorder
        self._messages = Messages(self.options.schemas)
        self._recorder.on_answer = self._messages.note
        try:
            self._testbed.open()
            if self._testbed.consumer is not None:
                self._testbed.consumer.report_to(self._messages.note)
            self.header = [self._line(line) for line in self._testbed.preflight()]
        except BaseException:
            self._said = self.close()
            raise
        self._note(self._testbed)

    @cached_property
    def lacking(self) -> str | None:
        """What this run lacks of the one that it repeats, in one sentence; None where that is nothing."""
        if self.options.had is None:
            return None
        testbed = self._testbed or self.parse()
        return lacking(self.options.had, self.name or testbed.name, self.options, testbed)

    def _say(self, line: str) -> None:
        """Shows a line of the testbed while the run goes on; without a terminal it is kept for the end."""
        line = self._line(line)
        if self.speak is not None:
            self.speak(line)
        else:
            self._said.append(line)

    def _line(self, text: str) -> str:
        """A line of the testbed for the terminal; what a client or a command wrote may stand in it."""
        from pytest_wa_settings.verdicts.entries import plain

        return plain(text, self.scrub)

    def _note(self, testbed: Testbed) -> None:
        self.facts = {
            "name": testbed.name,
            "clients": testbed.clients_info(),
            "exchanges": testbed.recorder.count,
            "messages": [] if self._messages is None else self._messages.listed(),
            "notes": [*testbed.warnings(), *self._schema_notes()],
            # what was found out about the clients is forgotten at the close
            "had": self.facts["had"] or had_by(self.options, testbed),
        }

    def _schema_notes(self) -> list[str]:
        if self._messages is None or self._messages.broken is None:
            return []
        return [f"not every answer could be held against its schema: {self._messages.broken}"]

    def scrub(self, text: str, *, wording: bool = False) -> str:
        """The text without any secret that this process knows; `wording`: it is the suite's own sentence.

        In such a sentence a secret that is a word of the suite's own stays: hiding it would point at it.
        """
        from pytest_wa_settings.wire.inert import inert

        return inert(self._without_secrets(text, wording))  # once: a secret that is broken up is not found

    def _without_secrets(self, text: str, wording: bool) -> str:
        from pytest_wa_settings.wire.vocabulary import is_own_word

        password = self.options.admin_password
        if password and len(password) >= 4 and not (wording and is_own_word(password)):
            text = text.replace(password, "<password>")
        for part in self._parts.values():
            text = part._without_secrets(text, wording)
        if self._recorder is None:
            return text
        return self._recorder.scrub_wording(text) if wording else self._recorder.scrub(text)

    def means(self, log_of: LogOf | None = None) -> Means:
        """By what the entry of a test is made."""
        from pytest_wa_settings.verdicts.entries import Means, no_log

        def of_client(client: str) -> str | None:
            return self.scrub_of_client((log_of or no_log)(client) or "")

        return Means(self.scrub, partial(self.scrub, wording=True), of_client, self.options.report)

    def scrub_of_client(self, text: str) -> str:
        """As scrub, for a text that comes from a client: nothing that it chose is kept either."""
        for part in self._parts.values():
            text = part.scrub_of_client(text)
        return self.scrub(self._recorder.scrub_of_client(text) if self._recorder else text)

    def close(self) -> list[str]:
        """Closes the testbed, which puts declared clients back; returns its lines for the terminal.

        It never raises: what goes wrong here must not hide what was found out before.
        """
        testbed, self._testbed = self._testbed, None
        lines, self._said = self._said, []
        for part in self._parts.values():
            lines += part.close()
        if testbed is None:
            return lines + self._left_by_workers()
        try:
            lines += [self._line(line) for line in testbed.close()]
            self._note(testbed)
        except Exception as error:  # noqa: BLE001
            problem = getattr(error, "problem", None) or f"{type(error).__name__}: {error}"
            remedy = getattr(error, "remedy", "look whether it is as it was")
            lines.append(self.scrub(f"the testbed did not close: {problem}; {remedy}"))
        return list(dict.fromkeys(lines))

    def _left_by_workers(self) -> list[str]:
        if not self.declared:
            return []
        from pytest_wa_settings.testbed.earlier import left_by_workers

        return [self._line(line) for line in left_by_workers()]

    def case_of(self, test: str, clauses: tuple[str, ...]) -> Case:
        """What a test is given; opens the testbed if need be."""
        from pytest_wa_settings.verdicts import Case

        return Case(
            testbed=self.testbed(),
            clauses=clauses,
            test=test,
            seed=self.options.seed,
            examples=self.examples,
            examples_given=self.options.examples is not None,
            strict=self.options.strict,
            budget=self.options.budget,
            on_progress=self.progress,
        )


RUN = pytest.StashKey[Run]()
"""Where a pytest config holds the run of its process."""
CASE = pytest.StashKey["Case"]()
"""Where a test's item holds its case."""
