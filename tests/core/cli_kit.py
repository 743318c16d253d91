"""Runs a command line in this process, as a shell would see it: code, stdout, stderr."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from maestro_core.cli.main import main
from maestro_core.layout import Layout


class Done(NamedTuple):
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


class Opened(NamedTuple):
    """How the console was asked for."""

    layout: Layout
    attach: bool
    read_only: bool
    demo: bool


class Shell:
    """`shell("status", "--json")` on one agent root."""

    def __init__(self, layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
        self.layout = layout
        self.opened: list[Opened] = []
        self._capsys = capsys

    def __call__(self, *words: str, root: bool = True) -> Done:
        prefix = ["--root", str(self.layout.root)] if root else []
        try:
            code = main([*prefix, *words], self._console)
        except SystemExit as end:  # argparse: help and usage errors
            code = end.code if isinstance(end.code, int) else 1
        captured = self._capsys.readouterr()
        return Done(code, captured.out, captured.err)

    def _console(self, layout: Layout, *, attach: bool, read_only: bool, demo: bool = False) -> int:
        self.opened.append(Opened(layout, attach, read_only, demo))
        return 0
