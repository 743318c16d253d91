"""The driver of a console that draws for a browser: without a browser the console ends."""

from __future__ import annotations

import os

from textual.drivers.web_driver import WebDriver

from maestro_tui.messages import Shutdown


class BrowserDriver(WebDriver):
    """Textual's; nothing that cannot be sent is an error."""

    def write(self, data: str) -> None:
        packet = data.encode("utf-8", "replace")
        self._send(b"D" + len(packet).to_bytes(4, "big") + packet)

    def write_meta(self, data: dict[str, object]) -> None:
        if data.get("type") != "open_url":  # what a page shows opens nothing by itself
            try:
                super().write_meta(data)
            except OSError:
                self._lost()

    def run_input_thread(self) -> None:
        super().run_input_thread()
        if not self.exit_event.is_set():
            self._lost()

    def _send(self, packet: bytes) -> None:
        rest = memoryview(packet)
        try:
            while rest:
                rest = rest[os.write(self.fileno, rest) :]
        except OSError:
            self._lost()

    def _lost(self) -> None:
        self._app.call_later(self._app.post_message, Shutdown("the browser is gone"))
