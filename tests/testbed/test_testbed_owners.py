"""A later run can tell whose a container is, and whether that run goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_wa_settings.testbed.owners import Owner


def test_this_process_lives() -> None:
    assert Owner.this().lives() is True


def test_what_was_written_down_is_read_again() -> None:
    assert Owner.read(str(Owner.this())) == Owner.this()


@pytest.mark.parametrize("text", ["", "a b c", "host boot space nothing born"])
def test_other_text_is_no_owner(text: str) -> None:
    assert Owner.read(text) is None


def test_a_process_that_has_ended_does_not_live() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    assert replace(Owner.this(), pid=done.pid).lives() is False


def test_a_later_process_of_the_same_number_is_another() -> None:
    assert replace(Owner.this(), born="1").lives() is False


def test_after_a_reboot_it_does_not_live() -> None:
    assert replace(Owner.this(), boot="another").lives() is False


@pytest.mark.parametrize("elsewhere", [{"host": "elsewhere", "boot": "another"}, {"space": "1"}])
def test_of_a_process_elsewhere_nothing_is_known(elsewhere: dict[str, str]) -> None:
    assert replace(Owner.this(), **elsewhere).lives() is None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only the kernel tells it, in /proc")
def test_a_process_that_nobody_has_waited_for_yet_does_not_live() -> None:
    program = "from pytest_wa_settings.testbed.owners import Owner; print(Owner.this())"
    ended = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert ended.stdout is not None
    owner = Owner.read(ended.stdout.read().strip())
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    assert owner is not None
    assert owner.lives() is False
    ended.communicate()
