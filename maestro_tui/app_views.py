"""Moving between screens, overlays over them, the frozen view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.text import Text

from maestro_core.models import Running
from maestro_core.observe.snapshot import CadenceView, Snapshot
from maestro_tui.app_acts import ActingApp
from maestro_tui.backend import Backend
from maestro_tui.keys import Key
from maestro_tui.presentation.cells import data
from maestro_tui.presentation.recap import Recap, recap_of, worth_telling
from maestro_tui.screens.registry import ORDER
from maestro_tui.themes import THEMES


class ViewsApp(ActingApp):
    """See the module docstring."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._newest: Snapshot | None = None
        self._screen_name = str(self.DEFAULT_MODE)
        self._last_screen = "dead"

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Hand it to every screen of the stack."""
        self.snapshot = snapshot
        with self.batch_update():
            for screen in self.shown_screens():
                receive = getattr(screen, "receive", None)
                if receive is not None:
                    receive(snapshot)

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
            self.action_close_console()

    def action_close_console(self) -> None:
        """Overridden where leaving may end something."""
        self.exit()

    def action_freeze(self) -> None:
        """Stand still, or go on with the newest."""
        if self._frozen_at is None:
            self._frozen_at = self.backend.clock.wall()
        else:
            self._frozen_at = None
            if self._newest is not None:
                self.show_snapshot(self._newest)
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
        self.redraw()

    def action_theme(self) -> None:
        names = list(THEMES)
        self.theme = names[(names.index(self.theme) + 1) % len(names)]

    def action_help_quit(self) -> None:
        self.say("q leaves, ? helps")

    # ---- overlays -------------------------------------------------------------------------

    def action_help(self) -> None:
        from maestro_tui.screens.help import HelpOverlay

        self.push_screen(HelpOverlay(self._screen_name, self.keymap_of_user, self._can))

    def action_palette(self) -> None:
        from maestro_tui.screens.palette import PaletteOverlay

        self.push_screen(
            PaletteOverlay(self._screen_name, self.keymap_of_user, self._can), self._run_command
        )

    def _can(self, key: Key) -> bool:
        if self.backend.read_only and key.risk != "none":
            return False
        front = self.front()
        return front is None or front.can(key)

    def _run_command(self, action: str | None) -> None:
        if action is not None:
            self.call_later(self.run_action, action, self.screen)

    def show_lines(self, title: str, make: Callable[[float], Sequence[Text]]) -> None:
        """An overlay of lines; `make` is called with the time they are shown for."""
        from maestro_tui.screens.details import DetailsOverlay

        self.push_screen(DetailsOverlay(title, make))

    def ask(self, title: str, about: str, value: str, take: Callable[[str], None]) -> None:
        """One line from the operator; `take` is called unless they escape."""
        from maestro_tui.screens.ask import AskOverlay

        def taken(text: str | None) -> None:
            if text is not None:
                take(text)

        self.push_screen(AskOverlay(title, about, value), taken)

    def action_recap(self, unasked: bool = False) -> None:
        """What happened since the console was last left; unasked only if it is worth it."""
        since = self.backend.memory.left_at
        if since is not None:
            work = partial(self._read_recap, self.backend, since, unasked)
            self.in_thread("recap", work, where="the recap")
        elif not unasked:
            self.say("this is the first console on this agent root")

    def _read_recap(self, backend: Backend, since: float, unasked: bool) -> None:
        found = recap_of(since, backend.runs(2000), backend.journal(2000))
        if not unasked or worth_telling(found, self.now):
            self.call_from_thread(self._show_recap, backend, found)

    def _show_recap(self, backend: Backend, found: Recap) -> None:
        from maestro_tui.screens.recap import RecapOverlay

        if len(self.screen_stack) == 1 and backend is self.backend:
            self.push_screen(RecapOverlay(found))

    def action_hosts(self) -> None:
        """The hosts of the fleet, kept up to date while they are looked at."""
        if self.snapshot is None or self.snapshot.fleet is None:
            self.say("the bus of this agent is its own folders: there is no other host")
            return
        from maestro_tui.presentation.hosts import host_lines

        def lines(now: float) -> Sequence[Text]:
            fleet = self.snapshot.fleet if self.snapshot is not None else None
            return host_lines(fleet, now) if fleet is not None else []

        self.show_lines("Hosts", lines)

    def explain(self, cadence: str) -> None:
        from maestro_tui.screens.explain import ExplainOverlay

        self.push_screen(ExplainOverlay(cadence))

    def open_log_of(self, view: CadenceView) -> None:
        """The log of its running sub-session, else of its last one."""
        path = self.backend.log_of(view.running) if view.running else None
        failed = False
        if path is None and view.recent:
            last = view.recent[-1]
            path, failed = self.backend.log_of(last) or last.stderr_path, last.outcome == "failed"
        self.open_log(path, view.name, failed=failed)

    def log_file(self, path: str | None) -> Path | None:
        """The file to read for a path that was read in some file, which may name any; None when
        it is no log of this agent. Logs of other hosts are followed here."""
        from maestro_core.observe.find_run import log_path

        if path is None:
            return None
        if (file := log_path(self.backend.layout, path)) is not None:
            return file
        mirror = self.backend.mirrors.of_path(path)
        return None if mirror is None else mirror.path

    def running_log(self, running: Running) -> Path | None:
        """The log of a run that goes on."""
        return self.log_file(self.backend.log_of(running))

    def find_log(self, path: str | None, run_id: str | None, title: str) -> None:
        """The log of a failure of which only its path on some host is known: looked for in a
        thread."""

        def look() -> None:
            found = self.backend.find_log(path, run_id)
            self.call_from_thread(partial(self.open_log, found, title, failed=True))

        self.in_thread("find-log", look, where="looking for the log")

    def open_log(self, path: str | None, title: str, *, failed: bool = False) -> None:
        if path is None:
            self.say(f"{title} has no log yet")
            return
        from maestro_tui.screens.log_screen import LogOverlay

        mirrors = self.backend.mirrors
        if (mirror := mirrors.of_path(path)) is None:
            self._open_file(self.log_file(path), path, title, failed)
            return

        def note() -> str:
            """Asked again and again, it is followed on."""
            return mirrors.of(mirror.row).said

        def look() -> None:
            if not mirror.asked:
                mirrors.look(mirror)
            self.call_from_thread(self.push_screen, LogOverlay(mirror.path, title, note=note))

        self.in_thread("log-of-host", look, where="reading a log of another host")

    def _open_file(self, file: Path | None, path: str, title: str, failed: bool) -> None:
        from maestro_tui.screens.log_screen import LogOverlay

        if file is None:
            self.say(f"{data(path, 200)} is no log of this agent", severity="warning")
        else:
            self.push_screen(LogOverlay(file, title, failed=failed))
