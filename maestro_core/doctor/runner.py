"""Runs checks in parallel, a thread and a time-out each; no check can hang or break the round.

The threads are daemons: one that hangs on a dead disk is left behind and its late answer is
dropped. `on_result` is called from the calling thread only, once for each check.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from maestro_core.clock import Clock
from maestro_core.doctor.checks import CHECKS
from maestro_core.doctor.context import Check, Context
from maestro_core.doctor.finding import Finding, Verdict, unchecked
from maestro_core.errors import UsageError
from maestro_core.layout import Layout
from maestro_core.redact import Redactor
from maestro_core.settings import Settings
from maestro_core.text import visible

SLOW_SECONDS = 1.0
_TEXT_LIMIT = 4000

OnResult = Callable[[Finding], None]
Answer = tuple[int, Verdict, float]


def run_checks(
    layout: Layout, settings: Settings | None = None, *, offline: bool = False, deep: bool = False,
    only: Collection[str] | None = None, on_result: OnResult | None = None, read_only: bool = False,
    extra: Sequence[Check] = (), environ: Mapping[str, str] | None = None,
    clock: Clock | None = None, time_scale: float = 1.0,
) -> list[Finding]:  # fmt: skip
    """One finding for each check, in the order of the registry.

    Args:
        settings: those of a running consumer, for the checks that need some while the files
            are wrong; None = go by the files.
        offline: no network. deep: also what costs a few tokens. read_only: write nothing,
            not even a trial file.
        only: ids of checks, or their first parts ("bus" for every bus.* check).
        on_result: called with each finding as it comes, from this thread.
        extra: further checks of the caller.
        time_scale: stretches every time-out.

    Raises:
        UsageError: `only` names no check.
    """
    context = Context(
        layout, settings, offline=offline, deep=deep, read_only=read_only, environ=environ,
        clock=clock,
    )  # fmt: skip
    checks = select([*CHECKS, *extra], only)
    return _Round(context, checks, time_scale, on_result).run()


def select(checks: Sequence[Check], only: Collection[str] | None) -> list[Check]:
    """The checks with these ids or first parts; all for None."""
    if only is None:
        return list(checks)
    known = {name for check in checks for name in (check.id, check.id.split(".")[0])}
    if strange := sorted(set(only) - known):
        raise UsageError(
            f"there is no check {', '.join(map(visible, strange))}",
            "known: " + ", ".join(check.id for check in checks),
        )
    return [check for check in checks if {check.id, check.id.split(".")[0]} & set(only)]


class _Round:
    """One go through some checks."""

    def __init__(
        self, context: Context, checks: list[Check], scale: float, on_result: OnResult | None
    ) -> None:
        self._context = context
        self._checks = checks
        self._limits = [check.timeout * scale for check in checks]
        self._on_result = on_result
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._found: dict[int, Finding] = {}
        self._clean: Callable[[str], str] | None = None

    def run(self) -> list[Finding]:
        started = time.monotonic()
        for index, check in enumerate(self._checks):
            threading.Thread(
                target=self._work, args=(index, check), name=f"doctor {check.id}", daemon=True
            ).start()
        while len(self._found) < len(self._checks):
            self._take_one(started)
        return [self._found[index] for index in range(len(self._checks))]

    def _work(self, index: int, check: Check) -> None:
        begun = time.monotonic()
        try:
            verdict = check.run(self._context)
        except Exception as error:
            # A broken check is reported as a finding; it ends nothing.
            verdict = unchecked(f"the check itself failed: {type(error).__name__}: {error}")
        self._answers.put((index, verdict, time.monotonic() - begun))

    def _take_one(self, started: float) -> None:
        """The next answer, or the checks whose time is up."""
        waiting = [index for index in range(len(self._checks)) if index not in self._found]
        first = min(self._limits[index] for index in waiting)
        try:
            index, verdict, seconds = self._answers.get(
                timeout=max(0.0, started + first - time.monotonic())
            )
        except queue.Empty:
            for index in waiting:
                if self._limits[index] <= first:
                    self._settle(index, _late(self._limits[index]), self._limits[index])
            return
        if index not in self._found:
            self._settle(index, verdict, seconds)

    def _settle(self, index: int, verdict: Verdict, seconds: float) -> None:
        check = self._checks[index]
        finding = Finding(
            id=check.id,
            title=check.title,
            status=verdict.status,
            detail=self._printable(verdict.detail),
            remedy=self._printable(verdict.remedy),
            seconds=round(seconds, 3),
            slow=seconds > SLOW_SECONDS,
            unchecked=verdict.unchecked,
        )
        self._found[index] = finding
        if self._on_result is not None:
            self._on_result(finding)

    def _printable(self, text: str) -> str:
        return visible(self._redactor()(text), _TEXT_LIMIT, keep="\n")

    def _redactor(self) -> Callable[[str], str]:
        if self._clean is None:
            self._clean = _redactor_in_time(self._context)
        return self._clean


def _redactor_in_time(context: Context) -> Callable[[str], str]:
    """The masks of the settings; of the environment alone while .env cannot be read."""
    box: queue.SimpleQueue[Redactor] = queue.SimpleQueue()
    threading.Thread(target=lambda: box.put(context.redactor()), daemon=True).start()
    try:
        return box.get(timeout=5.0)
    except queue.Empty:
        return Redactor(context.environ)


def _late(limit: float) -> Verdict:
    return unchecked(
        f"no answer within {limit:g} s", "try it again; the disk, the program or the network hangs"
    )
