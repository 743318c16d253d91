"""Acts of the operator: asked for by risk, carried out in a thread, undone with one key."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from maestro_core.observe.snapshot import CadenceView, MarkerView
from maestro_tui import acts
from maestro_tui.app_base import BaseApp
from maestro_tui.backend import Backend
from maestro_tui.messages import ActDone
from maestro_tui.presentation.cells import data
from maestro_tui.screens.base import ListScreen
from maestro_tui.undo import UndoStack

CHORD_SECONDS = 2.0
"""The second ctrl+x must come within this time."""


class ActingApp(BaseApp):
    """See the module docstring."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.undos = UndoStack()
        self.requested: dict[str, str] = {}
        """Row id -> what was asked for it and is not answered yet."""
        self._chord_at: float | None = None

    def propose(self, plan: acts.Plan | acts.Refusal) -> None:
        """Ask by risk: reversible acts are done at once, the others are confirmed."""
        if isinstance(plan, acts.Refusal):
            self.say(plan.why, severity="warning")
        elif self.backend.read_only:
            self.say("read-only: this console changes nothing", severity="warning")
        elif plan.risk in ("none", "undo"):
            self.perform(plan)
        else:
            from maestro_tui.screens.confirm import ConfirmOverlay

            self.push_screen(ConfirmOverlay(plan, self._arrivals()), self._answered)

    def _arrivals(self) -> Callable[[], int]:
        """Counts the rows that come to the list in front from now on: an act leaves them alone."""
        front = self.front()
        if not isinstance(front, ListScreen):
            return int
        known = front.known_ids()
        return lambda: len(front.known_ids() - known)

    def _answered(self, plan: acts.Plan | None) -> None:
        if plan is not None:
            self.perform(plan)

    def perform(self, plan: acts.Plan) -> None:
        """Carry it out in a thread; its rows say "requested" until the answer is there."""
        self.requested |= dict.fromkeys(plan.targets, plan.asked)
        self._show_requested()
        self.in_thread("acts", partial(self._perform, plan, self.backend), where=plan.title)

    def _perform(self, plan: acts.Plan, backend: Backend) -> None:
        """On the agent that was open when it was asked for."""
        try:
            result = plan.run(backend.operator)
        except Exception as error:
            self.post_message(ActDone(plan, error=error, backend=backend))
        else:
            self.post_message(ActDone(plan, result, backend=backend))

    def on_act_done(self, message: ActDone) -> None:
        for target in message.plan.targets:
            self.requested.pop(target, None)
        self._show_requested()
        if message.error is not None:
            self.say(f"{message.plan.title}: {data(message.error, 400)}", severity="error")
            return
        plan = message.plan
        words, well = acts.outcome_words(plan, message.result)
        undo = plan.undo if well else None
        if plan.take_back is not None:
            taken = plan.take_back(message.result)
            undo = taken if taken.targets else None
        if undo is not None and message.backend is self.backend:
            self.undos.push(plan._replace(undo=undo), self.now)
            words += "  (u undoes)" if well else "  (u undoes the others)"
        self.say(words, severity="information" if well else "error")
        self.feed.reload()

    def _show_requested(self) -> None:
        front = self.front()
        if isinstance(front, ListScreen):
            front.pending(self.requested)

    def action_undo(self) -> None:
        entry = self.undos.pop()
        if entry is None:
            self.say("nothing to undo", severity="warning")
        elif entry.plan.undo is not None:
            self.clear_notifications()  # what the act had told is true no more
            self.perform(entry.plan.undo._replace(done=f"undone: {entry.plan.undo.done}"))

    def stop_runs(self, views: list[CadenceView]) -> None:
        """End the run of the first chosen cadence that has one."""
        for view in views:
            if view.running is not None:
                self.propose(acts.stop_run(view.running, view.name, self.now))
                return
        self.say("nothing runs there", severity="warning")

    def action_emergency_stop(self) -> None:
        """Twice within two seconds engages; when it is engaged, asks whether to lift it."""
        now = self.backend.clock.steady()
        if self._chord_at is None or now - self._chord_at > CHORD_SECONDS:
            self._chord_at = now
            what = "EMERGENCY STOP" if self._stop() is None else "lift the emergency stop"
            self.say(f"ctrl+x again: {what}", severity="warning", seconds=CHORD_SECONDS)
            return
        self._chord_at = None
        self.action_emergency_stop_now()

    def action_emergency_stop_now(self) -> None:
        """Engage, or ask whether to lift it."""
        marker = self._stop()
        self.propose(acts.engage_stop() if marker is None else acts.lift_stop(marker))

    def _stop(self) -> MarkerView | None:
        """The emergency stop that is engaged, as far as is known."""
        return self.snapshot.emergency_stop if self.snapshot is not None else None

    def action_kill_all(self) -> None:
        self.propose(acts.engage_kill(len(self.snapshot.running) if self.snapshot else 0))
