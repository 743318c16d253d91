"""`maestro-tui`: finds the command, the agent root and the words for what went wrong.

Global options may stand before or after the command. Nothing slow is imported here: starting
up is most of what a small command costs. The console is handed in, so that the core does not
know it.

Exit codes: 0 done, 1 refused or failed (the reason on stderr), 2 wrong usage; doctor also 3.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

from maestro_core import __version__
from maestro_core.errors import MaestroError, UsageError
from maestro_core.layout import Layout, find_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any, Protocol

    from maestro_core.doctor import Check

    Checks = Callable[[], list[Check]]

    class OpenConsole(Protocol):
        """Opens the console on an agent root and returns its exit code."""

        def __call__(
            self, layout: Layout, *, attach: bool, read_only: bool, demo: bool = False,
            eco: bool = False, roots: tuple[str, ...] = (),
        ) -> int: ...  # fmt: skip


PROGRAM = "maestro-tui"

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "a throw-away agent root with lively cadences, in the console"),
    "run": ("run", "the consumer without a console"),
    "enqueue": ("enqueue", "put a tick into the inbox"),
    "withdraw": ("withdraw", "take a waiting tick back, to the trash"),
    "status": ("status", "what runs, what is held and why, what waits"),
    "cadences": ("cadences", "every cadence and how it stands"),
    "explain": ("explain", "why a cadence is not running, and what lifts it"),
    "runs": ("runs", "the ledger: sub-sessions that ran"),
    "tail": ("tail", "follow the output of a run"),
    "journal": ("journal", "what the bus and its operators did"),
    "costs": ("costs", "tokens and money by day, cadence or model"),
    "dlq": ("dlq", "dead letters: list, retry, discard, restore, unretry"),
    "circuit": ("circuit", "close, open or probe the circuit of a cadence"),
    "hold": ("hold", "lift a usage-limit, sign-in or budget hold"),
    "pause": ("pause", "hold a cadence until it is resumed"),
    "resume": ("pause", "let a paused cadence run again"),
    "cancel": ("cancel", "end a run"),
    "estop": ("estop", "emergency stop: nothing is claimed; --clear lifts it"),
    "doctor": ("doctor", "checks with a remedy each"),
    "schedule": ("schedule", "due times, and the timers of launchd or systemd for them"),
    "service": ("service", "the consumer kept running by launchd or systemd"),
    "bus": ("bus", "folders or server: which it is, its tables, moving between them"),
    "adopt": ("adopt", "what another program's agent root holds, and what starting would do"),
    "metrics": ("metrics", "the agent's numbers as Prometheus text"),
    "web": ("web", "the console in a browser on this machine, by a link that is good once"),
    "completion": ("completion", "completion of these commands for bash, zsh or fish"),
}
"""Command -> its module in this package, and what it does."""


class Context:
    """What a command is run with. `read_only` is enforced by the operator, not by the command."""

    def __init__(
        self, options: Globals, open_console: OpenConsole, console_checks: Checks = list
    ) -> None:
        self.read_only = options.read_only
        self.open_console = open_console
        self.console_checks = console_checks
        self._roots = options.roots
        self._all = options.all

    def layout(self, *, gone: bool = False) -> Layout:
        """The one agent root. Raises UsageError when there is none, or several are named.

        Args:
            gone: a --root whose folder was moved or deleted will do: its jobs are still there.
        """
        if self.several:
            raise UsageError(
                "this works on one agent root, and several are named",
                f"{PROGRAM} status and the console take several",
            )
        if gone and self._roots and not os.path.lexists(self._roots[0]):
            return Layout(os.path.abspath(self._roots[0]))
        return find_root(self._roots[0] if self._roots else None, os.environ, ".")

    def console_layout(self) -> Layout:
        """The agent root that a console begins with; without any, the list is taken.

        Raises UsageError when none can be used.
        """
        try:
            if not self.several:
                return self.layout()
        except UsageError:
            named = self._roots or os.environ.get("AGENT_ROOT") or os.environ.get("AGENT_DIR")
            if named or not _listed():
                raise
            self._all = True
        from maestro_core.observe.agents import root_problem

        problems = {root: root_problem(Layout(root)) for root in self.roots()}
        for root, problem in problems.items():
            if problem is None:
                return Layout(root)
        lines = "; ".join(f"{root}: {problem}" for root, problem in problems.items())
        raise UsageError(f"none of these agent roots can be read: {lines}")

    @property
    def several(self) -> bool:
        """More than one --root was given, or --all."""
        return self._all or len(self._roots) > 1

    def roots(self) -> tuple[str, ...]:
        """The agent roots that are named, whether they exist or not.

        Raises UsageError for --all without a list.
        """
        from maestro_core.roots import config_path, distinct, listed_roots

        if not self._all:
            return distinct(self._roots)
        listed = listed_roots(os.environ)
        if listed.problems or not listed.roots:
            path = config_path(os.environ)
            said = "; ".join(listed.problems) or f"{path} lists no agents"
            raise UsageError(f"--all: {said}", f'write agents = ["/path/of/an/agent"] into {path}')
        return distinct((*self._roots, *listed.roots))


def _listed() -> tuple[str, ...]:
    from maestro_core.roots import listed_roots

    return listed_roots(os.environ).roots


class Globals:
    """The options that stand before the command."""

    def __init__(self) -> None:
        self.roots: list[str] = []
        self.all = False
        self.attach = False
        self.read_only = False
        self.eco = False
        self.help = False
        self.version = False


def main(argv: list[str], open_console: OpenConsole, console_checks: Checks = list) -> int:
    """Run one command line and return its exit code.

    `console_checks` makes the doctor's checks of the console's own files.
    """
    _occupy_standard_descriptors()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        return _guarded(lambda: _flushed(_run(argv, open_console, console_checks)))
    except BrokenPipeError:
        return 0  # whoever read our output has seen enough
    finally:
        _forget_unwritten()


def _occupy_standard_descriptors() -> None:
    """Started with one of them closed, the next file opened would get its number, and
    whatever is printed would end up in it."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one


def _flushed(code: int) -> int:
    """The exit code, once all output is out: a full disk is to be told, not swallowed."""
    if sys.stdout is not None:
        sys.stdout.flush()
    return code


def _forget_unwritten() -> None:
    """Output that could not be written would make Python complain again at its exit."""
    try:
        _flushed(0)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _guarded(run: Callable[[], int]) -> int:
    """Errors that people can do something about become a line on stderr."""
    try:
        return run()
    except MaestroError as error:
        complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        complain(MaestroError(f"{error.strerror or error}{where}"))
        return 1


def complain(error: MaestroError) -> None:
    """What went wrong, and what to do about it, on stderr."""
    from maestro_core.redact import Redactor
    from maestro_core.text import visible

    if sys.stderr is None:
        return  # print would take stdout instead
    redact = Redactor(os.environ)
    problems = getattr(error, "problems", None) or [error.message]
    for line in problems:
        print(f"{PROGRAM}: {visible(redact(line))}", file=sys.stderr)
    if error.hint:
        print(f"  {visible(redact(error.hint))}", file=sys.stderr)


def _run(argv: list[str], open_console: OpenConsole, console_checks: Checks) -> int:
    options, rest = split(argv)
    if options.version:
        from maestro_core.cli.versions import underneath

        print(f"{PROGRAM} {__version__}\n{underneath()}")
        return 0
    if options.help:
        print(overview())
        return 0
    context = Context(options, open_console, console_checks)
    if not rest:
        return _console(options, context)
    if options.eco:
        raise UsageError("--eco belongs to the console: it goes with no command")
    if options.attach:
        raise UsageError("--attach belongs to the console: it goes with no command")
    return _command(rest[0], rest[1:], context)


def _console(options: Globals, context: Context) -> int:
    """On one agent root, or on several: then the first that can be read is the first shown."""
    more: dict[str, Any] = {"eco": True} if options.eco else {}
    layout = context.console_layout()
    if context.several:
        more["roots"] = context.roots()
    return context.open_console(layout, attach=options.attach, read_only=options.read_only, **more)


def _command(name: str, words: list[str], context: Context) -> int:
    module, parser = parser_for(name)
    arguments = parser.parse_args(words)
    _refuse_bytes(arguments)
    context.read_only |= getattr(arguments, "read_only", False)
    context._roots = getattr(arguments, "root", context._roots)
    context._all |= getattr(arguments, "all_agents", False)
    code: int = module.run(arguments, context)
    return code


_MAY_BE_BYTES = ("root", "keep", "reason")
"""Paths are bytes to the system; a reason is for people and must keep no act from being done."""


def _refuse_bytes(arguments: argparse.Namespace) -> None:
    """Names, filters and payloads are text: neither a file of ours nor a base takes anything else.

    Raises UsageError for a word that is no UTF-8.
    """
    for name, value in vars(arguments).items():
        for word in value if isinstance(value, list) else [value]:
            if name not in _MAY_BE_BYTES and isinstance(word, str):
                try:
                    word.encode()
                except UnicodeEncodeError:
                    raise UsageError(f"{word!r} is no UTF-8") from None


def parser_for(name: str) -> tuple[ModuleType, argparse.ArgumentParser]:
    """The module of a command and its parser. Raises UsageError for an unknown one."""
    if name not in COMMANDS:
        raise UsageError(f"there is no command {name!r}", _suggestion(name))
    import argparse

    module = import_module(f"maestro_core.cli.{COMMANDS[name][0]}")
    parser = argparse.ArgumentParser(
        f"{PROGRAM} {name}", description=module.__doc__, formatter_class=_formatter
    )
    module.configure(parser, name)
    for one in _leaves(parser):
        one.formatter_class = _formatter
        one.add_argument(
            "--root", metavar="DIR", help="the agent root", action="append",
            default=argparse.SUPPRESS,
        )  # fmt: skip
        one.add_argument(
            "--read-only", action="store_true", default=argparse.SUPPRESS, help="change nothing"
        )
    return module, parser


def _formatter(prog: str) -> argparse.HelpFormatter:
    """With the width known argparse need not ask for it, which would cost 3 ms of imports."""
    import argparse

    width = os.environ.get("COLUMNS", "")
    return argparse.RawDescriptionHelpFormatter(prog, width=int(width) if width.isdigit() else 96)


def _leaves(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """The parsers that end a command line: those of the sub-commands, where there are some."""
    for action in parser._actions:
        if isinstance(action.choices, dict):
            return [*action.choices.values()]
    return [parser]


def split(argv: list[str]) -> tuple[Globals, list[str]]:
    """The options before the command, and the command with all that follows it."""
    options, rest = Globals(), list(argv)
    while rest and rest[0].startswith("-"):
        word, _, value = rest.pop(0).partition("=")
        if word == "--root":
            if not (root := value or (rest.pop(0) if rest else "")):
                raise UsageError("--root needs a folder")
            options.roots.append(root)
        elif word in _FLAGS and not value:
            setattr(options, _FLAGS[word], True)
        else:
            raise UsageError(f"there is no option {word!r}", f"see {PROGRAM} --help")
    return options, rest


_FLAGS = {
    "--all": "all",
    "--attach": "attach",
    "--read-only": "read_only",
    "--eco": "eco",
    "--help": "help",
    "-h": "help",
    "--version": "version",
    "-V": "version",
}


def overview() -> str:
    """The help of the program itself."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {says}" for name, (_, says) in COMMANDS.items()]
    return "\n".join([_HEAD, *lines, "", f"{PROGRAM} COMMAND --help says more about each."])


_HEAD = f"""\
usage: {PROGRAM} [--root DIR]... [--all] [--attach] [--read-only] [--eco]   the console
       {PROGRAM} [--root DIR] [--read-only] COMMAND ...

  --root DIR   the agent root; else $AGENT_ROOT, $AGENT_DIR, or the nearest folder upward
               that holds state/cadence-bus. Given several times: the console and
               status show these agents side by side
  --all        every agent of the list `agents` in ~/.config/{PROGRAM}/config.toml
  --attach     never run the consumer in the console: watch and steer the one elsewhere
  --read-only  change nothing
  --eco        spare the line between this machine and the terminal
  --version, --help

commands:"""


def _suggestion(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, COMMANDS, n=1)
    return f"did you mean {close[0]}?" if close else f"see {PROGRAM} --help"
