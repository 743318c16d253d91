"""Completion for a shell, made from the commands themselves; print it where the shell reads it.

  bash   maestro-tui completion bash > ~/.local/share/bash-completion/completions/maestro-tui
  zsh    maestro-tui completion zsh > some folder of $fpath, as _maestro-tui
  fish   maestro-tui completion fish > ~/.config/fish/completions/maestro-tui.fish

Names of cadences are completed too, from the prompts and the settings of the agent root that
the shell stands in (`completion cadences` prints them).
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator

from maestro_core.cli.main import _FLAGS, COMMANDS, Context, parser_for
from maestro_core.cli.shells import Leaf, Option, render
from maestro_core.errors import UsageError
from maestro_core.layout import NAME, Layout
from maestro_core.settings_read import Unreadable, read_text

SHELLS = ("bash", "zsh", "fish")
_SUPPRESSED = "==SUPPRESS=="
_SECTION = re.compile(r"^\s*\[cadence\.[\"']?([A-Za-z0-9][\w.-]*)", re.MULTILINE)


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    parser.add_argument("shell", choices=(*SHELLS, "cadences"), metavar="bash|zsh|fish")


def run(arguments: argparse.Namespace, context: Context) -> int:
    if arguments.shell == "cadences":
        return _print_cadences(context)
    print(render(arguments.shell, leaves()), end="")
    return 0


def leaves() -> list[Leaf]:
    """Every point at which a command line may stand: the program, its commands, their verbs."""
    return [_program(), *(leaf for name in COMMANDS for leaf in _of_command(name))]


def _program() -> Leaf:
    options = [Option((flag,), "") for flag in _FLAGS]
    options.append(Option(("--root",), "the agent root", takes="DIR"))
    words = {name: says for name, (_, says) in COMMANDS.items()}
    return Leaf((), tuple(options), words)


def _of_command(name: str) -> Iterator[Leaf]:
    _, parser = parser_for(name)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            words = {one.dest: one.help or "" for one in action._choices_actions}
            yield Leaf((name,), (Option(("--help",), "show help"),), words)
            for verb in words:  # a verb without help is not for people
                yield _leaf((name, verb), action.choices[verb])
            return
    yield _leaf((name,), parser)


def _leaf(path: tuple[str, ...], parser: argparse.ArgumentParser) -> Leaf:
    options: list[Option] = []
    words: dict[str, str] = {}
    takes = None
    for action in parser._actions:
        if action.help == _SUPPRESSED:
            continue
        choices = tuple(map(str, action.choices or ()))
        if action.option_strings:
            options.append(_option(action, choices))
        elif choices:
            words |= dict.fromkeys(choices, "")
        elif action.metavar == "CADENCE":
            takes = "CADENCE"
    return Leaf(path, tuple(options), words, takes)


def _option(action: argparse.Action, choices: tuple[str, ...]) -> Option:
    takes = None
    if action.nargs != 0:
        takes = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    return Option(tuple(action.option_strings), action.help or "", takes, choices)


# ---- names of cadences ---------------------------------------------------------------------


def _print_cadences(context: Context) -> int:
    """Quick and quiet: it answers a key press."""
    try:
        layout = context.layout()
    except UsageError:
        return 0
    for name in sorted(_cadences(layout)):
        print(name)
    return 0


def _cadences(layout: Layout) -> set[str]:
    found = set()
    try:
        names = os.listdir(layout.triggers)
        found |= {name.removesuffix(".md") for name in names if name.endswith(".md")}
    except OSError:
        pass  # no prompts, no names
    try:
        found |= set(_SECTION.findall(read_text(layout.cadences_toml) or ""))
    except Unreadable:
        pass  # no settings, no names
    return {name for name in found if NAME.match(name)}
