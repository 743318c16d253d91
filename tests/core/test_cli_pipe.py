"""Proves that a line printed into a pipe can be read at once, while the command goes on."""

from __future__ import annotations

import subprocess
import sys

PRINT_AND_STAY = """
import sys
from maestro_core.cli.output import Printer
Printer(str).line("first")
sys.stdin.read()
"""


def test_a_line_is_in_the_pipe_before_the_command_ends() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PRINT_AND_STAY],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={"PATH": "/usr/bin:/bin"},
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == "first\n"
        assert child.poll() is None
        child.communicate()
