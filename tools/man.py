"""Writes docs/maestro-tui.1 from the commands themselves: `python -m tools.man`.

The page says what `--help` says and no more; a test compares both with the file.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from maestro_core import __version__
from maestro_core.cli.main import COMMANDS, PROGRAM, overview, parser_for

PAGE = Path(__file__).parents[1] / "docs" / f"{PROGRAM}.1"

HEAD = f"""\
.TH MAESTRO\\-TUI 1 "" "{PROGRAM} {__version__}" "User Commands"
.SH NAME
maestro\\-tui \\- operations console for an autonomous agent
.SH SYNOPSIS
.nf
{{synopsis}}
.fi
.SH DESCRIPTION
Without a command the console opens on an agent root and runs the consumer in it, unless another
process does. Each command does one thing without a console; those that read take
.B \\-\\-json
and print one document.
.SH OPTIONS
.nf
{{options}}
.fi
.SH COMMANDS
"""

TAIL = r"""
.SH ENVIRONMENT
.TP
.BR AGENT_ROOT ", " AGENT_DIR
The agent root, where no
.B \-\-root
is given.
.TP
.BI MAESTRO_ NAME
Overrides the key of that name in the section [consumer] of config/cadences.toml.
.TP
.B MAESTRO_CLAUDE_BIN
The claude program that sub\-sessions run.
.TP
.B NO_COLOR
A console without colours.
.SH FILES
.TP
.I config/cadences.toml
Cadences and settings of the agent, in its root; .env beside it has keys.
.TP
.I ~/.config/maestro\-tui/config.toml
A person's own settings: theme, keys, the list of agents.
.TP
.I state/cadence\-bus/
The bus: waiting, claimed and dead ticks, the consumer's heartbeat, the ledger.
.SH EXIT STATUS
.TP
.B 0
Done.
.TP
.B 1
Refused or failed; the reason is on standard error.
.TP
.B 2
Wrong usage, or no agent root.
.TP
.B 3
doctor alone: it could not check.
.SH SEE ALSO
.BR systemctl (1),
.BR launchctl (1),
.BR crontab (5)
"""


EVERYWHERE = {"--help", "--root", "--read-only"}
"""Options of every command: said once."""


def page() -> str:
    """The whole page, as troff."""
    usage, _, options = overview().partition("\n\n")
    synopsis = usage.removeprefix("usage: ")
    head = HEAD.format(
        synopsis=quoted("\n".join(one.strip() for one in synopsis.splitlines())),
        options=quoted(options.partition("\n\ncommands:")[0]),
    )
    return head + "\n".join(line for name in COMMANDS for line in command(name)) + TAIL


def command(name: str) -> Iterator[str]:
    """A command, and the verbs of it."""
    _, parser = parser_for(name)
    yield f".SS {quoted(name)}"
    yield quoted(COMMANDS[name][1][:1].upper() + COMMANDS[name][1][1:] + ".")
    verbs = verbs_of(parser)
    if not verbs:
        yield from synopsis_and_options(parser)
    for verb, (says, sub) in verbs.items():
        yield ".PP"
        yield rf"\fB{quoted(name)} {quoted(verb)}\fR: {quoted(says)}."
        yield from synopsis_and_options(sub)


def verbs_of(
    parser: argparse.ArgumentParser,
) -> dict[str, tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            says = {one.dest: one.help or "" for one in action._choices_actions}
            return {verb: (says[verb], action.choices[verb]) for verb in says}
    return {}


def synopsis_and_options(parser: argparse.ArgumentParser) -> Iterator[str]:
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    yield ".PP"
    yield rf"\fI{quoted(usage)}\fR"
    for action in parser._actions:
        if action.help == argparse.SUPPRESS or EVERYWHERE & {*action.option_strings}:
            continue
        words = ", ".join(action.option_strings) or str(action.metavar or action.dest)
        if action.option_strings and action.nargs != 0:
            words += f" {action.metavar or action.dest.upper()}"
        yield ".TP"
        yield rf"\fB{quoted(words)}\fR"
        yield quoted((action.help or "").replace("%%", "%")) or r"\&"


def quoted(text: str) -> str:
    """Text that troff takes as it is."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    text = re.sub(r"[^\x00-\x7f]", lambda one: rf"\[u{ord(one.group()):04X}]", text)
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="ascii")
