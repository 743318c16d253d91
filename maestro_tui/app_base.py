"""What every part of the console needs of the app: the backend, the time that is shown, toasts,
threads. Main thread but for `post_message`. See app.py for how the parts are put together.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from textual.events import Event, Key
from textual.filter import Monochrome, NoColor
from textual.screen import Screen

from maestro_core.observe.snapshot import Snapshot
from maestro_tui.alerts import Alerts, send
from maestro_tui.backend import Backend
from maestro_tui.feed import SnapshotFeed
from maestro_tui.messages import WorkerFailed
from maestro_tui.presentation.cells import data
from maestro_tui.presentation.strip import Here
from maestro_tui.screens.base import ConsoleScreen
from maestro_tui.typeahead import TypeAhead
from maestro_tui.wire.app import WiredApp


class BaseApp(WiredApp):
    """See the module docstring."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "maestro"
    CSS_PATH = Path(__file__).with_name("screens") / "base.tcss"
    """Known before the first screen asks for it: taking it in later parses everything anew."""

    def __init__(
        self, backend: Backend, *, keymap: Mapping[str, str] | None = None, driver_class: Any = None
    ) -> None:
        super().__init__(driver_class=driver_class)
        if self.no_color:  # Textual's own choice here is shades of grey
            self._filters = [
                NoColor() if isinstance(one, Monochrome) else one for one in self._filters
            ]
        self.backend = backend
        self.keeps_board = False
        """What the board shows at the end is kept for the next start."""
        self.keymap_of_user = dict(keymap or {})
        self.alerts, self.notices_way = Alerts(), "off"
        """How the person is called when something changes, as in their config.toml."""
        self.snapshot: Snapshot | None = None
        """What is shown; None = nothing was read yet."""
        self.feed = SnapshotFeed(backend.snapshot, backend.make_feed, self.post_message)
        self._typed = TypeAhead(self, super().on_event)
        self._frozen_at: float | None = None
        self._trouble: str | None = None
        self._consumer_trouble: str | None = None
        self._consumer_was_cut = False

    @property
    def now(self) -> float:
        """The wall time of what is shown: it stands still while the view is frozen."""
        return self._frozen_at if self._frozen_at is not None else self.backend.clock.wall()

    @property
    def here(self) -> Here:
        """What this console knows of itself."""
        return Here(
            os.getpid(),
            self.backend.read_only,
            self._frozen_at,
            self._trouble or self._consumer_trouble or self.feed.degraded,
        )

    def front(self) -> ConsoleScreen | None:
        """The screen at the bottom of the stack, whatever overlay lies over it."""
        found = (screen for screen in self.shown_screens() if isinstance(screen, ConsoleScreen))
        return next(found, None)

    def shown_screens(self) -> list[Screen[Any]]:
        """Screens that can be told something: none once the console is on its way out."""
        return [one for one in self.screen_stack if one.is_mounted] if self.is_running else []

    def on_worker_failed(self, message: WorkerFailed) -> None:
        """A toast and a journal line; the screen stays."""
        text = f"{message.where}: {data(message.error, 300)}"
        if message.lasting:
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

    async def on_event(self, event: Event) -> None:
        """Keys wait for each other; everything else is as Textual has it."""
        if isinstance(event, Key) and not self.is_running:
            return  # on the way out there is no screen left that it could be meant for
        if isinstance(event, Key) and not event.is_forwarded:
            await self._typed.take(event)
        else:
            await super().on_event(event)

    def exit(self, *args: Any, **rest: Any) -> None:
        """Leave, whatever the reason."""
        if self.keeps_board and self.is_running:
            from maestro_tui.splash.keep import keep_board

            keep_board(self)
        super().exit(*args, **rest)

    def refresh_css(self, animate: bool = True) -> None:
        """Before there is a screen nothing is parsed: it will be, with the first one."""
        if self._driver is None:
            self.stylesheet.set_variables(self.get_css_variables())
        else:
            super().refresh_css(animate)

    def _handle_exception(self, error: Exception) -> None:
        """On the way out some widgets are gone and others not there yet: what they miss of each
        other is no fault to end with, and no page of it to leave in the terminal."""
        if self._exit:
            self.log.error(f"while leaving: {error!r}")
        else:
            super()._handle_exception(error)

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

    def call_person(self) -> None:
        """The terminal's bell and notice, when something is to be told."""
        calls = self.alerts.due(self.backend.clock.steady())
        if self.notices_way != "off":
            send(self, calls, self.notices_way)

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
