"""The pytest hooks: the options, and which way a run goes: inert, the shipped suite, or a user's own tests.

Nothing but the options is imported before one of them is used.
"""

from __future__ import annotations

from typing import Any

import pytest

from pytest_wa_settings.session.options import (
    SUITE,
    OptionError,
    add_options,
    command_line,
    named,
    named_in_ini,
    resolve,
)

pytest_plugins = ("pytest_wa_settings.fixtures",)

_NESTED = "wa_settings_suite_run"
_ARGUMENTS = pytest.StashKey["list[str]"]()


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Adds the hooks by which other plugins supply testbeds and consumer views."""
    from pytest_wa_settings import hooks

    pluginmanager.add_hookspecs(hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the `--wa-…` options and their ini keys."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> None:
    """Decides before any conftest of the folder is imported whether this is a suite run.

    It is one where an address was given and no path: on the command line, whatever the folder's `addopts`
    and `testpaths` say; by the ini file, if that names no `testpaths`. Then nothing of the folder is used.
    """
    if early_config.pluginmanager.has_plugin(_NESTED):
        return
    in_ini = _named_in_ini(early_config)
    if not named(early_config.known_args_namespace) and not in_ini:
        return
    given, arguments = command_line(early_config, parser)
    by_ini = in_ini and not early_config.getini("testpaths")
    checked = getattr(given, "wa_check", None)
    if (given.file_or_dir and not checked) or not (named(given) or by_ini):
        return
    early_config.stash[_ARGUMENTS] = arguments
    early_config.known_args_namespace.noconftest = True
    args[:] = [*arguments, str(SUITE)]


def _named_in_ini(config: pytest.Config) -> bool:
    try:
        return named_in_ini(config)
    except OptionError as error:
        raise pytest.UsageError(f"{error.problem}; {error.remedy}") from None


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Runs the suite in a pytest of its own, or with `--wa-check` looks at what it could judge."""
    arguments = config.stash.get(_ARGUMENTS, None)
    if arguments is None or config.option.help or config.option.version:
        return None
    from pytest_wa_settings.testbed import UsageError

    try:
        options = resolve(config, config.option)
        if options.check:
            from pytest_wa_settings.session.check import check

            return check(options, print, hook=config.hook)
        from pytest_wa_settings.session.nested import run_suite

        return run_suite(config, options, arguments)
    except (OptionError, UsageError) as error:
        raise pytest.UsageError(f"{error.problem}; {error.remedy}") from None


def pytest_configure(config: pytest.Config) -> None:
    """Registers the hooks of this process's part, if it has one."""
    config.addinivalue_line(
        "markers",
        "wa_clause(*ids, widens=False, uses_up=None): the clauses that a test may decide; `widens` for one "
        'that only adds cases to them, `uses_up` ("restores", "new machine") for one that comes late',
    )
    config.addinivalue_line(
        "markers", "wa_breaks(*messages): the requests whose schemas a test of the suite breaks on purpose"
    )
    if config.pluginmanager.has_plugin(_NESTED):
        return
    given = getattr(config, "workerinput", {}).get("wa_settings")
    if given is not None:
        _run_as_worker(config, given)
    elif named(config.option) or _named_in_ini(config):
        _run_own_tests(config)


def _run_as_worker(config: pytest.Config, given: dict[str, Any]) -> None:
    from pytest_wa_settings.session.running import running_in

    config.pluginmanager.register(running_in(given, config.hook), "wa_settings_tests")


def _run_own_tests(config: pytest.Config) -> None:
    from pytest_wa_settings.session.own import OwnTests
    from pytest_wa_settings.session.run import RUN, Run
    from pytest_wa_settings.testbed import UsageError
    from pytest_wa_settings.verdicts.catalog import CatalogError, load_catalog

    try:
        run = Run(resolve(config, config.option), hook=config.hook)
        for part in run.parts:
            part.parse()
        own_catalog = run.options.catalog
        catalog = load_catalog(own_catalog) if own_catalog is not None else None
        if catalog is not None and run.options.report is not None and not hasattr(config, "workerinput"):
            from pytest_wa_settings.session.nested import prepare_report

            prepare_report(run.options.report)
    except CatalogError as error:
        raise pytest.UsageError(f"{error.problem} {error.remedy}") from None
    except (OptionError, UsageError) as error:
        raise pytest.UsageError(f"{error.problem}; {error.remedy}") from None
    config.stash[RUN] = run
    if catalog is not None:
        from pytest_wa_settings.session.own_clauses import OwnClauses

        own = OwnClauses(run, catalog, worker=hasattr(config, "workerinput"))
        config.pluginmanager.register(own, "wa_settings_own_clauses")
    # after the clauses' hooks, so that it closes the testbed before they decide
    config.pluginmanager.register(OwnTests(run, catalog), "wa_settings_own_tests")
