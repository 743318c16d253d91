"""The console: wires the feed to the screens and acts to the operator. Runs in the main thread.

Screens show `snapshot` and `now`; whatever changes something goes through `propose` (asks, by
risk) and `perform` (a thread). Nothing here reads or writes the bus itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App
from textual.binding import BindingType
from textual.screen import Screen

from maestro_core.layout import Layout
from maestro_core.observe.snapshot import CadenceView, Snapshot
from maestro_tui import acts
from maestro_tui.backend import Backend, RootBackend
from maestro_tui.feed import ConsumerThread, SnapshotFeed
from maestro_tui.keys import bindings
from maestro_tui.messages import (
    ActDone,
    ConsumerElsewhere,
    ConsumerEnded,
    Shutdown,
    SnapshotArrived,
    WorkerFailed,
)
from maestro_tui.presentation.cells import data, mask_with
from maestro_tui.presentation.strip import Here
from maestro_tui.screens.base import ConsoleScreen, ListScreen
from maestro_tui.screens.registry import ORDER, make_screen
from maestro_tui.terminal import TerminalDriver, catch_signals
from maestro_tui.themes import THEMES
from maestro_tui.undo import UndoStack

CHORD_SECONDS = 2.0
"""The second ctrl+x must come within this time."""


class MaestroApp(App[None]):
    """See the module docstring."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "maestro"
    BINDINGS: ClassVar[list[BindingType]] = [
        binding for binding in bindings("app")
        if binding.id in ("act.emergency_stop", "app.suspend", "app.quit_now")
    ]  # fmt: skip
    CSS = "Screen { layers: base overlay; } * { scrollbar-size: 1 1; }"

    def __init__(
        self,
        backend: Backend,
        *,
        consume: bool = False,
        theme: str = "maestro-dark",
        keymap: Mapping[str, str] | None = None,
        driver_class: Any = None,
    ) -> None:
        super().__init__(driver_class=driver_class)
        self.backend = backend
        self.keymap_of_user = dict(keymap or {})
        self.snapshot: Snapshot | None = None
        self.undos = UndoStack()
        self.requested: dict[str, str] = {}
        self.attached_to: str | None = None
        self.leaving: str | None = None
        """Why the console closed, for the words after it."""
        self._frozen_at: float | None = None
        self._newest: Snapshot | None = None
        self._trouble: str | None = None
        self._chord_at: float | None = None
        self._screen_name = ""
        self._last_screen = "dead"
        self.feed = SnapshotFeed(backend.snapshot, backend.make_feed, self.post_message)
        self.consumer = (
            ConsumerThread(backend.make_consumer, self.post_message) if consume else None
        )
        for one in THEMES.values():
            self.register_theme(one)
        self.theme = "maestro-mono" if self.no_color else theme
        for name in ORDER:
            self.add_mode(name, partial(make_screen, name))

    # ---- life -----------------------------------------------------------------------------

    async def on_mount(self) -> None:
        mask_with(self.backend.redactor())
        if isinstance(self._driver, TerminalDriver):
            catch_signals(self)
        self.set_keymap(self.keymap_of_user)
        await self._show_screen("board")
        self.feed.start()
        if self.consumer is not None:
            self.consumer.start()
        self.set_interval(1.0, self._second)

    def on_unmount(self) -> None:
        self.feed.stop()

    @property
    def now(self) -> float:
        """The wall time of what is shown: it stands still while the view is frozen."""
        return self._frozen_at if self._frozen_at is not None else self.backend.clock.wall()

    @property
    def here(self) -> Here:
        """What this console knows of itself."""
        return Here(os.getpid(), self.backend.read_only, self._frozen_at, self._trouble)

    def front(self) -> ConsoleScreen | None:
        """The screen at the bottom of the stack, whatever overlay lies over it."""
        for screen in self.screen_stack:
            if isinstance(screen, ConsoleScreen):
                return screen
        return None

    def _second(self) -> None:
        if self._frozen_at is None:
            for screen in self.screen_stack:
                tick = getattr(screen, "tick", None)
                if tick is not None and screen.is_mounted:
                    tick(self.now)

    # ---- snapshots ------------------------------------------------------------------------

    def on_snapshot_arrived(self, message: SnapshotArrived) -> None:
        """The one way in which new facts reach the screens."""
        self._newest = message.snapshot
        if self._frozen_at is None:
            self._show(message.snapshot)
            front = self.front()
            if front is not None:
                front.changed(message.topics)
        self.feed.taken()

    def _show(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        with self.batch_update():
            for screen in self.screen_stack:
                receive = getattr(screen, "receive", None)
                if receive is not None and screen.is_mounted:
                    receive(snapshot)

    def on_worker_failed(self, message: WorkerFailed) -> None:
        """A toast and a journal line; the screen stays."""
        text = f"{message.where}: {data(message.error, 300)}"
        self._trouble = text
        self.say(text, severity="error")
        self.in_thread(
            "journal",
            partial(self.backend.write_journal, "error", "console_error", detail=text),
            where="", quiet=True,
        )  # fmt: skip
        front = self.front()
        if front is not None:
            front.show_strip()

    # ---- the consumer in this console -----------------------------------------------------

    def on_consumer_elsewhere(self, message: ConsumerElsewhere) -> None:
        self.attached_to = message.holder
        self.consumer = None
        self.say(f"Attached: {data(message.holder, 200)}")

    def on_consumer_ended(self, message: ConsumerEnded) -> None:
        self.consumer = None
        if message.error is not None:
            self.post_message(WorkerFailed("the consumer stopped", message.error))

    # ---- screens --------------------------------------------------------------------------

    async def action_go(self, name: str) -> None:
        await self._show_screen(name)

    async def _show_screen(self, name: str) -> None:
        if name == self._screen_name or len(self.screen_stack) > 1:
            return
        if self._screen_name:
            self._last_screen = self._screen_name
        self._screen_name = name
        await self.switch_mode(name)

    async def action_step(self, step: int) -> None:
        place = ORDER.index(self._screen_name)
        await self._show_screen(ORDER[(place + step) % len(ORDER)])

    async def action_last_screen(self) -> None:
        await self._show_screen(self._last_screen)

    async def action_back(self) -> None:
        """Peel one layer; never leaves."""
        if len(self.screen_stack) > 1:
            self.pop_screen()
            return
        front = self.front()
        if front is not None:
            front.peel()

    async def action_leave(self) -> None:
        """Back to the board; from the board, leave."""
        if len(self.screen_stack) > 1:
            self.pop_screen()
        elif self._screen_name != "board":
            await self._show_screen("board")
        else:
            self.exit()

    def action_freeze(self) -> None:
        """Stand still, or go on with the newest."""
        if self._frozen_at is None:
            self._frozen_at = self.backend.clock.wall()
        else:
            self._frozen_at = None
            if self._newest is not None:
                self._show(self._newest)
        front = self.front()
        if front is not None:
            front.show_strip()

    def action_reload(self) -> None:
        self.feed.reload()
        front = self.front()
        if front is not None:
            front.reload()
        self.say("reading everything again")

    def action_redraw(self) -> None:
        self.refresh(layout=True)
        self.screen.refresh(layout=True)

    def action_theme(self) -> None:
        names = list(THEMES)
        self.theme = names[(names.index(self.theme) + 1) % len(names)]

    def action_help_quit(self) -> None:
        self.say("q leaves, ? helps")

    # ---- overlays -------------------------------------------------------------------------

    def action_help(self) -> None:
        from maestro_tui.screens.help import HelpOverlay

        self.push_screen(HelpOverlay(self._screen_name, self.keymap_of_user))

    def action_palette(self) -> None:
        from maestro_tui.screens.palette import PaletteOverlay

        self.push_screen(PaletteOverlay(self._screen_name, self.keymap_of_user), self._run_command)

    def _run_command(self, action: str | None) -> None:
        if action is not None:
            self.call_later(self.run_action, action, self.screen)

    def show_lines(self, title: str, make: Callable[[float], Sequence[Text]]) -> None:
        """An overlay of lines; `make` is called with the time they are shown for."""
        from maestro_tui.screens.details import DetailsOverlay

        self.push_screen(DetailsOverlay(title, make))

    def explain(self, cadence: str) -> None:
        from maestro_tui.screens.explain import ExplainOverlay

        self.push_screen(ExplainOverlay(cadence))

    def open_log_of(self, view: CadenceView) -> None:
        """The log of its running sub-session, else of its last one."""
        path = view.running.stdout_path if view.running else None
        if path is None and view.recent:
            last = view.recent[-1]
            path = last.stdout_path or last.stderr_path
        self.open_log(path, view.name)

    def open_log(self, path: str | None, title: str) -> None:
        if path is None:
            self.say(f"{title} has no log yet")
            return
        from maestro_tui.screens.log_screen import LogOverlay

        self.push_screen(LogOverlay(self.backend.layout.root / path, title))

    # ---- acts -----------------------------------------------------------------------------

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

            self.push_screen(ConfirmOverlay(plan), self._answered)

    def _answered(self, plan: acts.Plan | None) -> None:
        if plan is not None:
            self.perform(plan)

    def perform(self, plan: acts.Plan) -> None:
        """Carry it out in a thread; its rows say "requested" until the answer is there."""
        self.requested |= dict.fromkeys(plan.targets, plan.asked)
        self._show_requested()
        self.in_thread("acts", partial(self._perform, plan), where=plan.title)

    def _perform(self, plan: acts.Plan) -> None:
        try:
            result = plan.run(self.backend.operator)
        except Exception as error:
            self.post_message(ActDone(plan, error=error))
        else:
            self.post_message(ActDone(plan, result))

    def on_act_done(self, message: ActDone) -> None:
        for target in message.plan.targets:
            self.requested.pop(target, None)
        self._show_requested()
        if message.error is not None:
            self.say(f"{message.plan.title}: {data(message.error, 400)}", severity="error")
            return
        words, well = acts.outcome_words(message.plan, message.result)
        if well and message.plan.undo is not None:
            self.undos.push(message.plan, self.now)
            words += "  (u undoes)"
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
            self.say(f"undoing: {entry.plan.title}")
            self.perform(entry.plan.undo)

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
            self.say("ctrl+x again: EMERGENCY STOP", severity="warning", seconds=CHORD_SECONDS)
            return
        self._chord_at = None
        self.action_emergency_stop_now()

    def action_emergency_stop_now(self) -> None:
        """Engage, or ask whether to lift it."""
        engaged = self.snapshot is not None and self.snapshot.emergency_stop is not None
        self.propose(acts.lift_stop() if engaged else acts.engage_stop())

    def action_kill_all(self) -> None:
        self.propose(acts.engage_kill(len(self.snapshot.running) if self.snapshot else 0))

    # ---- nothing ends the console but its person ------------------------------------------

    async def run_action(
        self, action: Any, default_namespace: Any = None, namespaces: Any = None
    ) -> bool:
        """A fault in what a key does is told and journalled; the screen stays."""
        try:
            return await super().run_action(action, default_namespace, namespaces)
        except Exception as error:
            self.post_message(WorkerFailed(f"the key for {action}", error))
            return True

    # ---- helpers --------------------------------------------------------------------------

    def say(self, text: str, *, severity: Any = "information", seconds: float = 5.0) -> None:
        """A toast. The text is data: no markup."""
        self.notify(text, severity=severity, timeout=seconds, markup=False)

    def copy(self, text: str) -> None:
        """Send to the terminal's clipboard (OSC 52); nobody can know whether it arrived."""
        from maestro_tui.clipboard import send

        self.say(send(self, text))

    def in_thread(
        self, group: str, work: Callable[[], Any], *, where: str, quiet: bool = False
    ) -> None:
        """Run blocking work; what it raises becomes a WorkerFailed."""
        self.run_worker(
            partial(self._guarded, work, where, quiet), group=group, thread=True,
            exit_on_error=False, name=group,
        )  # fmt: skip

    def _guarded(self, work: Callable[[], Any], where: str, quiet: bool) -> None:
        try:
            work()
        except Exception as error:
            if not quiet:
                self.post_message(WorkerFailed(where, error))

    def on_shutdown(self, message: Shutdown) -> None:
        self.leaving = message.why
        self.exit()

    def get_default_screen(self) -> Screen[Any]:
        return Screen(id="_default")


def run_console(layout: Layout, *, attach: bool, read_only: bool, demo: bool = False) -> int:
    """Open the console on an agent root; the exit code, once it is left and its consumer ended.

    Args:
        attach: never run a consumer here.
        read_only: change nothing; no consumer either.
        demo: the root is a throw-away one.
    """
    from maestro_tui.leave import leave

    backend = RootBackend(layout, read_only=read_only)
    app = MaestroApp(backend, consume=not (attach or read_only), driver_class=TerminalDriver)
    app.run()
    return leave(app, demo=demo)
