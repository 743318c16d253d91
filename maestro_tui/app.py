"""The console: wires the feed and the consumer to the screens. Runs in the main thread.

app_base (backend, time, threads) <- app_acts (what is done) <- app_views (what is shown)
<- app_agents (whose agent) <- this. Nothing in these reads or writes the bus itself: reads and
acts go through the backend.
"""

from __future__ import annotations

import gc
import os
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import BindingType
from textual.driver import Driver
from textual.screen import Screen

from maestro_core.errors import BusAway
from maestro_core.layout import Layout
from maestro_core.observe.snapshot import Snapshot
from maestro_core.roots import listed_roots
from maestro_core.web import VARIABLE
from maestro_tui import acts
from maestro_tui.app_agents import ALL, AgentsApp, add_agents
from maestro_tui.backend import Backend, RootBackend
from maestro_tui.config import load_config
from maestro_tui.feed import ConsumerThread, MadeOnce
from maestro_tui.keys import UNBOUND, bindings
from maestro_tui.messages import (
    ConsumerElsewhere,
    ConsumerEnded,
    Shutdown,
    SnapshotArrived,
    WorkerFailed,
)
from maestro_tui.presentation.cells import data, mask_with
from maestro_tui.screens.registry import ORDER, make_screen
from maestro_tui.terminal import TerminalDriver, takes_mouse
from maestro_tui.themes import THEMES

if TYPE_CHECKING:
    from maestro_tui.splash.ahead import ReadAhead

LONGEST_WAIT = 2.0
"""Seconds that the consumer waits for the first picture."""
SHORT_WAIT = 0.02
"""Seconds in which what is read ahead may still come before the first screen is made."""
LONGEST_BLANK = 0.5
"""Seconds that the terminal keeps what it shows while the first snapshot is read."""


class MaestroApp(AgentsApp):
    """See the module docstring."""

    DEFAULT_MODE = "board"
    """Textual makes it first; a default screen of its own would be made for nothing."""
    BINDINGS: ClassVar[list[BindingType]] = [
        binding for binding in bindings("app")
        if binding.id in ("act.emergency_stop", "app.suspend", "app.quit_now")
    ]  # fmt: skip

    def __init__(
        self, backend: Backend, *, consume: bool = False, theme: str = "maestro-dark", **rest: Any
    ) -> None:
        super().__init__(backend, **rest)
        self.leaving: str | None = None
        """Why the console closed by itself; None = somebody left it."""
        self.consumer: ConsumerThread | None = None
        self.demo = False
        """The agent root is a throw-away one: leaving asks nothing."""
        self.faults: tuple[str, ...] = ()
        """What is wrong in the person's own settings: told once the screen is there."""
        self._consume = consume
        self._begun = False
        self._first_is_due = False
        """The first snapshot is on the screen, and is not painted yet."""
        for one in THEMES.values():
            self.register_theme(one)
        self.theme = "maestro-mono" if self.no_color else theme

    # ---- life -----------------------------------------------------------------------------

    def on_load(self) -> None:
        """Before the first screen is made: what is known already is on it at once."""
        self.set_keymap({name: keys or UNBOUND for name, keys in self.keymap_of_user.items()})
        early = None if self.agents_first else self.backend.early(SHORT_WAIT)
        if early is None:
            mask_with(MadeOnce(self.backend.redactor))
            return
        mask_with(early.redact)
        self.snapshot = self._newest = early.snapshot
        self.see_changes(early.snapshot)
        self.feed.seen()

    def get_default_screen(self) -> Screen[Any]:
        """The first screen, on whose style sheet the app has begun: Textual would lay out an
        empty one before it, and take in the styles of a mode's screen by parsing all anew."""
        return make_screen(self.DEFAULT_MODE)

    async def on_mount(self) -> None:
        for name in ORDER:
            self.add_mode(name, partial(make_screen, name))
        early = self.snapshot is not None
        if not (early or self.agents_first):
            self.feed.start()
        if isinstance(self._driver, TerminalDriver):
            self.start_wire()
        if self.wire is not None and not (early or self.agents_first):
            self.wire.hold()
            self.set_timer(LONGEST_BLANK, self.wire.release)
        if self.agents_first:
            await self._show_screen(ALL)
        if self._consume:
            self.set_timer(LONGEST_WAIT, self._begin_consumer)
        self.set_interval(1.0, self._second)
        for fault in self.faults[:3]:
            self.say(fault, severity="warning", seconds=10.0)

    def on_ready(self) -> None:
        """The first moment at which a screen can be painted."""
        if self.snapshot is not None and not self.feed.is_alive():
            self._show_first()
        else:
            self.screen.refresh()

    def on_unmount(self) -> None:
        self.feed.stop()
        if self.agents is not None:
            self.agents.stop()

    def on_shutdown(self, message: Shutdown) -> None:
        self.leaving = message.why
        self.exit()

    def action_close_console(self) -> None:
        """Leave; ask first where that would end a sub-session of this console's own consumer."""
        running = self.home_snapshot.running if self.home_snapshot else ()
        here = self.consumer is not None and self.consumer.working
        if here and running and not self.demo:
            from maestro_tui.screens.confirm import ConfirmOverlay

            self.push_screen(ConfirmOverlay(acts.leave(running)), self._may_leave)
        else:
            self.exit()

    def _may_leave(self, plan: acts.Plan | None) -> None:
        if plan is not None:
            self.exit()

    def _mask_anew(self) -> None:
        mask_with(self.backend.redactor())

    def _second(self) -> None:
        self.call_person()
        if self._frozen_at is None:
            for screen in self.shown_screens():
                tick = getattr(screen, "tick", None)
                if tick is not None:
                    tick(self.now)

    # ---- snapshots ------------------------------------------------------------------------

    def on_snapshot_arrived(self, message: SnapshotArrived) -> None:
        """The one way in which new facts reach the screens."""
        if self.foreign(message.snapshot):
            return
        first = self._newest is None
        self._newest = message.snapshot
        self._trouble = None
        self.see_changes(message.snapshot)
        if self._frozen_at is None:
            self.show_snapshot(message.snapshot)
            front = self.front()
            if front is not None:
                front.changed(message.topics)
        if "settings" in message.topics and not first:
            self.in_thread("masks", self._mask_anew, where="reading the secrets to mask")
        self._start_again(message)
        if first:
            self._show_first()
        else:
            self.feed.taken()

    def _show_first(self) -> None:
        """Not by `call_after_refresh`: a screen that is covered meanwhile would never call."""
        self._first_is_due = True
        self.screen.refresh()

    def post_display_hook(self) -> None:
        """Textual calls it when something was painted, or was to be."""
        if self._first_is_due and not self._batch_count:
            self._first_is_due = False
            self.call_later(self._shown_first)

    def _shown_first(self) -> None:
        """The board is there: now for what would have delayed it."""
        if self.wire is not None:
            self.wire.release()
        if self.feed.is_alive():
            self.feed.taken()
        else:
            self.feed.start()
        self._begin_consumer()
        self.action_recap(unasked=True)

    # ---- the consumer in this console -----------------------------------------------------

    def _begin_consumer(self) -> None:
        """Once; after the first picture, or when that takes too long."""
        if self._consume and not self._begun and self.is_running:
            self._begun = True
            self._start_consumer()

    def _start_consumer(self) -> None:
        self._consumer_trouble = None
        self.consumer = ConsumerThread(self.home.make_consumer, self.post_message)
        self.consumer.start()

    def _start_again(self, message: SnapshotArrived) -> None:
        """A consumer that refused its settings is tried again when they were changed, one that
        did not reach its server when the server is there."""
        if (
            self._consume
            and self.at_home
            and self._consumer_trouble
            and self.consumer is None
            and ("settings" in message.topics or self._server_is_back(message.snapshot))
        ):
            self._start_consumer()

    def _server_is_back(self, snapshot: Snapshot) -> bool:
        fleet = snapshot.fleet
        return self._consumer_was_cut and fleet is not None and fleet.away is None

    def on_consumer_elsewhere(self, message: ConsumerElsewhere) -> None:
        self.consumer, self._consume = None, False
        self.say(f"Attached: {data(message.holder, 200)}")

    def on_consumer_ended(self, message: ConsumerEnded) -> None:
        self.consumer = None
        self._consumer_was_cut = isinstance(message.error, BusAway)
        if message.error is not None:
            self._consumer_trouble = f"the consumer in this console stopped: {message.error}"
            self.post_message(WorkerFailed("the consumer stopped", message.error))


def run_console(
    layout: Layout, *, attach: bool, read_only: bool, demo: bool = False, eco: bool = False,
    roots: tuple[str, ...] = (), ahead: ReadAhead | None = None,
) -> int:  # fmt: skip
    """Open the console on an agent root; the exit code, once it is left and its consumer ended.

    Args:
        attach: never run a consumer here.
        read_only: change nothing; no consumer either.
        demo: the root is a throw-away one.
        eco: spare the line to the terminal, whatever it carries.
        ahead: what reads the root already.
        roots: several agents, that one among them: begin with the board of all, and run no
            consumer. Otherwise those of the person's list can be gone to.
    """
    from maestro_tui.leave import leave

    config = load_config()
    app = MaestroApp(
        RootBackend(layout, read_only=read_only, ahead=ahead),
        consume=not (attach or read_only or roots),
        theme=config.theme, keymap=config.keymap, driver_class=_driver_class(),
    )  # fmt: skip
    app.faults, app.demo = config.problems, demo
    app.keeps_board = not (demo or read_only)
    if not demo:
        add_agents(
            app, roots or listed_roots(os.environ).roots,
            partial(RootBackend, read_only=read_only), first=bool(roots),
        )  # fmt: skip
    app.wire_way, app.notices_way = "eco" if eco else config.wire, config.notices
    gc.freeze()
    gc.enable()
    app.run(mouse=takes_mouse(os.environ) if config.mouse is None else config.mouse)
    return leave(app, demo=demo)


def _driver_class() -> type[Driver]:
    """A terminal's, but for a console that `maestro-tui web` has started."""
    if not os.environ.get(VARIABLE):
        return TerminalDriver
    from maestro_tui.browser import BrowserDriver

    return BrowserDriver
