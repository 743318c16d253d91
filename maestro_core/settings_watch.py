"""Settings that follow their files while the consumer runs: a cheap look on each pass.

Owner: the consumer; one thread. Wrong settings never replace good ones: the last good ones
stay, and `error` says why until the files are right again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from maestro_core.clock import Clock, SystemClock
from maestro_core.errors import SettingsError
from maestro_core.layout import Layout
from maestro_core.redact import Redactor
from maestro_core.settings_load import load_settings
from maestro_core.settings_types import Settings

SETTLE_SECONDS = 0.25
"""Files that changed a moment ago may be half written: look again after this long."""

Mark = tuple[tuple[int, ...] | None, ...]


class SettingsWatcher:
    """`settings` are the last good ones, `error` is None or what is wrong with the files now.

    Raises:
        SettingsError: on construction, when there are no good ones to begin with.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        clock: Clock | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._layout = layout
        self._clock = clock or SystemClock()
        self._environ = environ
        self._loaded = self._seen = self._mark()
        self._seen_at = self._clock.steady()
        self.error: str | None = None
        self.settings: Settings = load_settings(layout, environ)
        secrets = os.environ if environ is None else environ
        self._redact = Redactor(secrets).also(self.settings.env)

    def redact(self, text: str) -> str:
        """Mask every secret that the settings and the environment held since the start."""
        return self._redact(text)

    @property
    def pending(self) -> bool:
        """A change was seen and waits to settle: call `poll` again within a second."""
        return self._seen != self._loaded

    def poll(self) -> bool:
        """Look at the files, a stat each; True when `settings` is new. `error` follows too."""
        mark = self._mark()
        if mark != self._seen:
            self._seen, self._seen_at = mark, self._clock.steady()
        if mark == self._loaded or not self._settled(mark):
            return False
        self._loaded = mark
        return self._reload()

    def _reload(self) -> bool:
        before = self.settings
        try:
            self.settings, self.error = load_settings(self._layout, self._environ), None
        except SettingsError as error:
            self.error = str(error)
            return False
        self._redact = self._redact.also(self.settings.env)
        return self.settings != before

    def _settled(self, mark: Mark) -> bool:
        if self._clock.steady() - self._seen_at >= SETTLE_SECONDS:
            return True
        now = self._clock.wall()
        ages = [now - one[0] / 1e9 for one in mark if one is not None]
        gone = any(
            was is not None and one is None for was, one in zip(self._loaded, mark, strict=True)
        )
        return not gone and all(age >= SETTLE_SECONDS or age < 0 for age in ages)

    def _mark(self) -> Mark:
        return tuple(_stamp(path) for path in (self._layout.env_file, self._layout.cadences_toml))


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        info = os.stat(path)
    except OSError:
        return None
    return (info.st_mtime_ns, info.st_size, info.st_ino, info.st_ctime_ns)
