"""Other consoles that are open on this agent root: several may watch and steer at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from maestro_core.consumer.ownership import holder
from maestro_core.doctor.context import Check, Context
from maestro_core.doctor.finding import Verdict, ok
from maestro_core.errors import UsageError
from maestro_core.layout import Layout, find_root
from maestro_core.session import processes

PROGRAM = "maestro-tui"
_NO_CONSOLE = frozenset(
    ("run", "enqueue", "status", "cadences", "explain", "runs", "tail", "journal", "costs", "dlq",
     "circuit", "hold", "pause", "resume", "cancel", "estop", "doctor", "schedule", "service",
     "adopt", "metrics", "completion", "demo", "--help", "--version", "-h")
)  # fmt: skip


def others(context: Context) -> Verdict:
    pids = [
        one.pid
        for one in processes.commands()
        if is_console(one.argv) and root_of(one) == context.layout.root
    ]
    if not pids:
        return ok("none besides this program")
    count = f"{len(pids)} other console{'s' if len(pids) > 1 else ''}"
    who = holder(context.layout)
    works = f"; the consumer is {who}" if who else ""
    return ok(f"{count} on this agent root: pid {', '.join(map(str, sorted(pids)))}{works}")


def is_console(argv: Sequence[str]) -> bool:
    """Whether that command line opens the console."""
    rest = list(_after_program(argv))
    return bool(argv) and rest != [""] and not _NO_CONSOLE & set(rest)


def _after_program(argv: Sequence[str]) -> Iterator[str]:
    """The words behind the program's name; one empty word when it is another program."""
    for at, word in enumerate(argv[:4]):
        if Path(word).name == PROGRAM or (word == "maestro_tui" and argv[at - 1] == "-m"):
            yield from argv[at + 1 :]
            return
    yield ""


def root_of(one: processes.Command) -> Path | None:
    """The agent root that it was started on; None when that cannot be seen."""
    try:
        found: Layout = find_root(_given(one.argv), one.env, one.cwd)
    except (UsageError, OSError):
        return None
    return found.root


def _given(argv: Sequence[str]) -> str | None:
    for at, word in enumerate(argv):
        if word == "--root" and at + 1 < len(argv):
            return argv[at + 1]
        if word.startswith("--root="):
            return word.removeprefix("--root=")
    return None


CHECKS = (Check("consumer.consoles", "Other consoles", others),)
