"""A suite run: pytest within pytest, so that nothing of the folder it stands in can change a verdict."""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import os
import re
import sys
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_wa_settings.session import options as option_table
from pytest_wa_settings.session.leading import BROKE_OFF, Leading
from pytest_wa_settings.session.only import chosen
from pytest_wa_settings.session.options import OptionError, Options
from pytest_wa_settings.session.replay import had_in_report
from pytest_wa_settings.session.run import Run
from pytest_wa_settings.session.signals import signals_interrupt
from pytest_wa_settings.testbed import TestbedError, UsageError
from pytest_wa_settings.testbed.scratch import Scratch
from pytest_wa_settings.verdicts.catalog import load_catalog
from pytest_wa_settings.verdicts.entries import told
from pytest_wa_settings.verdicts.report import discard_report

INI = Path(__file__).with_name("suite.ini")

_OF_THE_FOLDER = (
    "-c",
    "--config-file",
    "--rootdir",
    "-W",
    "--pythonwarnings",
    "-o",
    "--override-ini",
    "--confcutdir",
)
_OVERRIDES = ("-o", "--override-ini")
_BUNDLE = re.compile(r"-([hlqsvx]+)([oWc].*)", re.DOTALL)
_OF_FORM = ("junit_suite_name", "junit_family", "junit_logging", "log_cli", "console_output_style")
"""The ini keys that `-o` may set for a suite run: they change how it is shown, and no verdict."""
_DRY = ("collectonly", "showfixtures", "show_fixtures_per_test", "markers", "setupplan", "cacheshow")


def run_suite(config: pytest.Config, options: Options, arguments: Sequence[str]) -> int:
    """Runs the shipped suite; returns pytest's exit status.

    Args:
        config: of the pytest that the user started; it collects nothing.
        arguments: of its command line, without paths.

    Raises:
        OptionError, testbed.UsageError: nothing was run.
    """
    if options.catalog is not None:
        raise OptionError(
            "--wa-catalog names clauses of your own tests, and no path was given", "give the tests' paths"
        )
    chosen(load_catalog(), options.only)  # an unknown one is a wrong call
    if options.replay is not None:  # before the report is discarded, which may be this very one
        options = replace(options, had=had_in_report(options.replay))
    run = Run(options, hook=config.hook)
    dry = any(getattr(config.option, name, None) for name in _DRY)
    if options.report is not None and not dry:
        prepare_report(options.report)
    for part in run.parts:
        part.parse()
    leading: Leading | None = None
    with _surroundings() as home:
        try:
            with signals_interrupt():
                parts = {} if dry else _opening(run)
                broken = next(iter(parts.values())) if len(parts) == len(run.names) else None
                leading = Leading(run, load_catalog(), broken=broken, broken_parts=parts, dry=dry)
                return _run(config, leading, nested_arguments(arguments, home), quiet=broken is not None)
        except KeyboardInterrupt:
            leading = leading or Leading(run, load_catalog())
            leading.interrupt()
            return _last_word(leading)
        finally:
            run.close()


def _opening(run: Run) -> dict[str, str]:
    """Opens and preflights every testbed; returns what is wrong with which, if anything."""
    broken = {}
    for part in run.parts:
        try:
            part.testbed()
        except UsageError:
            raise
        except TestbedError as error:
            broken[part.name] = part.scrub(told(error))
    return broken


def _run(config: pytest.Config, leading: Leading, arguments: list[str], *, quiet: bool) -> int:
    """The nested run; where nothing can be tested, for the other formats alone: the terminal gets a line."""
    if not quiet:
        _give_stdin_back(config)
        status = pytest.main(arguments, plugins=[leading])
        if status == pytest.ExitCode.USAGE_ERROR or leading.verdict is not None or leading.dry:
            return int(status)
        leading.give_up(BROKE_OFF)
        return _last_word(leading)
    if hasattr(config.option, "numprocesses"):
        arguments = [*arguments, "-n0"]
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        status = pytest.main(arguments, plugins=[leading])
    if leading.verdict is None:
        sys.stdout.write(shown.getvalue())
        if status == pytest.ExitCode.USAGE_ERROR:
            return int(status)
    return _last_word(leading)


def _give_stdin_back(config: pytest.Config) -> None:
    """Ends the outer run's hold of stdin, so that a debugger of the nested run can read it.

    For good: what is said after the nested run, last words above all, is to be seen at once.
    """
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.suspend_global_capture(in_=True)


def _last_word(leading: Leading) -> int:
    """Says the verdict where pytest's own session did not come to say it."""
    verdict = leading.finish()
    for line, _ in leading.last_lines:
        print(line)
    return verdict.exit_status


def prepare_report(folder: Path) -> None:
    """Makes the folder, and removes an earlier run's report; raises OptionError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        discard_report(folder)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise OptionError(
            f"no report can be written into {folder}", "give --wa-report a folder that can be written"
        )


def nested_arguments(arguments: Sequence[str], home: Path) -> list[str]:
    """The command line of the nested run: the user's, but for what would bring the folder's settings back."""
    arguments = _unbundled(arguments)
    kept = [*without_options(arguments, _OF_THE_FOLDER), *overrides(arguments)]
    own = [
        "-c",
        str(INI),
        f"--rootdir={option_table.SUITE}",
        "--noconftest",
        "-W",
        "ignore",
        "--assert=plain",
    ]
    if not _blocks(kept, "cacheprovider"):
        own += ["-o", f"cache_dir={home / 'cache'}"]
    return [*kept, *own, str(option_table.SUITE)]


def _unbundled(arguments: Sequence[str]) -> list[str]:
    """The arguments with `-qoKEY=VALUE` as `-q -oKEY=VALUE`: short flags may share a dash."""
    found: list[str] = []
    for argument in arguments:
        bundle = _BUNDLE.fullmatch(argument)
        found += [f"-{bundle[1]}", f"-{bundle[2]}"] if bundle else [argument]
    return found


def overrides(arguments: Sequence[str]) -> list[str]:
    """What `-o KEY=VALUE` sets for the nested run; raises OptionError for a key that might change a verdict.

    Keys of our own (`wa_…`) are read by the outer run already.
    """
    given = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    given.add_argument(*_OVERRIDES, action="append", default=[], dest="pairs")
    kept: list[str] = []
    for pair in given.parse_known_args(list(arguments))[0].pairs:
        key = pair.partition("=")[0]
        if key in _OF_FORM:
            kept += ["-o", pair]
        elif not key.startswith("wa_"):
            raise OptionError(
                f"-o {key} does not reach the suite, as it might change a verdict",
                f"leave it out; -o sets {', '.join(_OF_FORM)} and wa_… keys",
            )
    return kept


def without_options(arguments: Sequence[str], names: Sequence[str]) -> list[str]:
    """The arguments without these options and their values (`-o X`, `-oX`, `--long X` or `--long=X`)."""
    kept: list[str] = []
    skip = False
    for argument in arguments:
        if skip:
            skip = False
        elif argument in names:
            skip = True
        elif not any(argument.startswith(f"{name}=" if name.startswith("--") else name) for name in names):
            kept.append(argument)
    return kept


def _blocks(arguments: Sequence[str], plugin: str) -> bool:
    pairs = itertools.pairwise(arguments)
    return f"-pno:{plugin}" in arguments or ("-p", f"no:{plugin}") in pairs


@contextlib.contextmanager
def _surroundings() -> Generator[Path, None, None]:
    """A temporary home for pytest's cache and Hypothesis, so that the folder stays as it was."""
    with Scratch() as home:
        changed = {"PYTEST_ADDOPTS": None, "HYPOTHESIS_STORAGE_DIRECTORY": str(home / "hypothesis")}
        before = {name: os.environ.get(name) for name in changed}
        _set(changed)
        try:
            yield home
        finally:
            _set(before)


def _set(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    hypothesis = sys.modules.get("hypothesis.configuration")
    if hypothesis is not None:  # it remembers its home from an earlier run in this process
        hypothesis.set_hypothesis_home_dir(None)
