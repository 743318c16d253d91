"""The log viewer, alone on the screen: stdout, stderr, both as they arrived, the transcript.

Each view keeps its place while another one is shown. Files are read by the widgets; this
screen switches views, asks what to look for, and saves a masked copy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, cast

from textual.app import ComposeResult
from textual.content import Content
from textual.geometry import Region
from textual.screen import Screen
from textual.widgets import Static

from maestro_core.clock import SystemClock
from maestro_core.observe.logfile import LogFile
from maestro_core.observe.logfile_merge import MergedBytes
from maestro_core.observe.logfile_save import SavedCopy
from maestro_core.observe.logfile_steps import is_stream_json
from maestro_tui.keys import BY_ID, Key, bindings, footer
from maestro_tui.presentation.cells import data, masked
from maestro_tui.presentation.log_head import View
from maestro_tui.presentation.log_steps import details
from maestro_tui.screens.log_save import save_folder, scp_line
from maestro_tui.widgets.keybar import KeyBar
from maestro_tui.widgets.log_view import LogView
from maestro_tui.widgets.log_view_bar import FindBar
from maestro_tui.widgets.log_view_head import LogHead
from maestro_tui.widgets.log_view_steps import StepsView

if TYPE_CHECKING:
    from maestro_tui.app import MaestroApp

TITLES = {"transcript": "transcript", "stdout": "stdout", "stderr": "stderr", "both": "both"}


class RunLogs(NamedTuple):
    """The two logs of a run; None = it has none of that kind."""

    stdout: Path | None
    stderr: Path | None

    @classmethod
    def of(cls, path: Path) -> RunLogs:
        """From one of them: the other has the same name but for its kind."""
        if path.name.endswith(".stderr.log"):
            other = path.with_name(path.name.removesuffix(".stderr.log") + ".stdout.log")
            return cls(other if other.exists() else None, path)
        other = path.with_name(path.name.removesuffix(".stdout.log") + ".stderr.log")
        return cls(path, other if other != path and other.exists() else None)

    def views(self) -> list[str]:
        """Names of the views that there is something for."""
        names = ["transcript"] if self.stdout and is_stream_json(self.stdout) else []
        names += ["stdout"] if self.stdout else []
        names += ["stderr"] if self.stderr else []
        return [*names, "both"] if self.stdout and self.stderr else names


class OpaqueScreen(Screen[None]):
    """A screen that is not painted again when one below it, of which nothing is seen, is."""

    def refresh(
        self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False
    ) -> Self:
        """Regions come from the screens below when they tick; under this one nothing is seen."""
        if regions and not layout and not recompose:
            return self
        return super().refresh(repaint=repaint, layout=layout, recompose=recompose)


_OURS = ("go", "step", "back", "leave", "help")
"""Actions of the app that mean something else here."""
_NOT_HERE = ("view.freeze",)
"""`f` stops a log; nothing here says FROZEN."""


def _bindings() -> list[Any]:
    found = bindings("app", "log") + [one for one in bindings("list") if one.id == "view.filter"]
    return [
        replace(one, action=one.action.removeprefix("app."))
        if one.action.removeprefix("app.").partition("(")[0] in _OURS
        else one
        for one in found
        if one.id not in _NOT_HERE
    ]


def _matters(key: Key) -> bool:
    """A log belongs to one agent: going to another one from here is no use of the room."""
    return not key.id.startswith("agents.")


def _footer() -> list[Key]:
    """The keys of the log, and of search, which every list has too."""
    extra = (
        BY_ID["view.filter"]._replace(label="search", footer=2),
        BY_ID["log.next_error"]._replace(footer=4),
        BY_ID["log.raw"]._replace(footer=5),
        BY_ID["log.save"]._replace(footer=6),
    )
    return sorted([*footer(("app", "log"), _matters), *extra], key=lambda key: key.footer)


class LogOverlay(OpaqueScreen):
    """See the module docstring."""

    CSS_PATH = "log_screen.tcss"
    BINDINGS: ClassVar[list[Any]] = _bindings()

    def __init__(
        self,
        logs: RunLogs | Path,
        title: str,
        *,
        failed: bool = False,
        wall: Callable[[], float] | None = None,
        note: Callable[[], str] | None = None,
    ) -> None:
        """`failed`: the run did, so its stderr comes first, which its reason was taken from."""
        super().__init__()
        self.logs = RunLogs.of(logs) if isinstance(logs, Path) else logs
        self.titled = title
        self._clock = SystemClock()
        self._wall = wall or self._clock.wall
        self.names = self.logs.views()
        self.shown = self.names[0] if self.names else ""
        if failed and "stderr" in self.names:
            self.shown = "stderr"
        self._views: dict[str, LogView | StepsView] = {}
        self._note = note
        """What is to be known of where the log comes from, asked every second."""

    @property
    def console(self) -> MaestroApp:
        return cast("MaestroApp", self.app)

    @property
    def view(self) -> LogView | StepsView | None:
        """The view on the screen."""
        return self._views.get(self.shown)

    def compose(self) -> ComposeResult:
        yield LogHead(self.titled)
        if self._note is not None:
            yield Static(id="log-note")
        yield FindBar()
        yield KeyBar(_footer())

    async def on_mount(self) -> None:
        keybar = self.query_one(KeyBar)
        keybar.keymap = self.console.keymap_of_user
        await self.choose(self.shown)
        if self._note is not None:
            self._show_note()
            self.set_interval(1.0, self._show_note)

    def _show_note(self) -> None:
        if self._note is not None:
            self.query_one("#log-note", Static).update(Content(f" {data(self._note(), 1000)}"))

    # ---- views ------------------------------------------------------------------------------

    async def choose(self, name: str) -> None:
        """Put that view on the screen."""
        if name not in self.names:
            return
        self.shown = name
        if name not in self._views:
            self._views[name] = self._make(name)
            await self.mount(self._views[name], after=self.query_one(LogHead))
        for one, view in self._views.items():
            view.display = one == name
        self._views[name].focus()
        self.show_head()

    def _make(self, name: str) -> LogView | StepsView:
        stdout, stderr = self.logs
        if name == "transcript" and stdout is not None:
            return StepsView(stdout, wall=self._wall)
        if name == "both" and stdout is not None and stderr is not None:
            view = LogView(wall=self._wall)
            view.open(LogFile(MergedBytes(stdout, stderr, self._clock.awake)), self.titled)
            return view
        return LogView(stderr if name == "stderr" else stdout, wall=self._wall)

    def show_head(self) -> None:
        views = [View(name, TITLES[name], name == self.shown) for name in self.names]
        note = self.view.status() if isinstance(self.view, StepsView) else ""
        self.query_one(LogHead).show(views, note)

    def on_steps_view_counted(self) -> None:
        self.show_head()

    async def on_log_head_chosen(self, message: LogHead.Chosen) -> None:
        await self.choose(message.name)

    async def action_step(self, step: int) -> None:
        """The next or previous view."""
        if self.names:
            place = self.names.index(self.shown)
            await self.choose(self.names[(place + step) % len(self.names)])

    async def action_raw(self) -> None:
        """From the transcript to its raw line, and back."""
        view = self.view
        if isinstance(view, StepsView):
            row = view.current
            await self.choose("stdout")
            raw = self.view
            if isinstance(raw, LogView) and row is not None and not view.follow:
                self.call_after_refresh(raw.show_line, row.step.offset)
        else:
            await self.choose("transcript")

    # ---- keys -------------------------------------------------------------------------------

    async def action_filter(self) -> None:
        """Search looks at the file: from the transcript it goes to the raw log."""
        if isinstance(self.view, StepsView):
            await self.choose("stdout")
        self.query_one(FindBar).open()

    def on_find_bar_asked(self, message: FindBar.Asked) -> None:
        view = self.view
        if isinstance(view, LogView):
            view.focus()
            view.finder.find(message.text)

    def action_back(self) -> None:
        """Peel a layer: the search line, a match, marks; without one, go back."""
        view = self.view
        if self.query_one(FindBar).close() and view is not None:
            view.focus()
        elif not (isinstance(view, LogView) and view.peel()):
            self.action_leave()

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_go(self, name: str) -> None:
        """Leave for another screen."""
        self.dismiss(None)
        self.app.call_later(self.console.action_go, name)

    def action_zoom(self) -> None:
        self.toggle_class("zoomed")

    def action_help(self) -> None:
        from maestro_tui.screens.help import HelpOverlay

        self.app.push_screen(HelpOverlay("log", self.console.keymap_of_user))

    def on_log_view_zoomed(self) -> None:
        self.action_zoom()

    def on_log_view_copied(self, message: LogView.Copied) -> None:
        self.console.copy(message.text)

    def on_steps_view_copied(self, message: StepsView.Copied) -> None:
        self.console.copy(message.text)

    def on_table_opened(self) -> None:
        view = self.view
        if isinstance(view, StepsView) and view.current is not None:
            step = view.current.step
            self.console.show_lines("Step", lambda _now: details(step))

    # ---- saving -----------------------------------------------------------------------------

    def on_log_view_save_asked(self) -> None:
        self.action_save()

    def action_save(self) -> None:
        view = self.view
        path = self.logs.stderr if self.shown == "stderr" else self.logs.stdout
        if path is None:
            return
        file = view.file if isinstance(view, LogView) else LogFile(path)
        name = path.name if self.shown != "both" else path.name.replace(".stdout.", ".both.")
        self.run_worker(self._save(file, name), group="log-save", exit_on_error=False)

    async def _save(self, file: LogFile, name: str) -> None:
        """Slice by slice in a thread; what becomes of it is told."""
        file.refresh()
        try:
            copy = SavedCopy(file, save_folder(), name, masked)
            while not await asyncio.to_thread(copy.step):
                pass
        except OSError as error:
            self.console.say(f"not saved: {error}", severity="error")
        else:
            self.console.say(f"saved, masked: {copy.path}\n{scp_line(copy.path)}", seconds=20)
