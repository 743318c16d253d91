"""A stdout log of stream-json as steps, read from its beginning in slices and then followed.

Memory is bounded by the transcript (its newest steps). One thread at a time: whoever calls
`read` or looks at `steps`.
"""

from __future__ import annotations

from pathlib import Path

from maestro_core.observe.logfile_bytes import FileBytes
from maestro_core.session.steps import Step
from maestro_core.session.transcript import Transcript

SLICE = 1 << 20
PEEK = 4096


class StepsFile:
    """See the module docstring."""

    def __init__(self, path: Path) -> None:
        self.file = FileBytes(path)
        self.transcript = Transcript()
        self.offset = 0
        """Bytes that were taken in."""

    @property
    def share(self) -> float:
        return min(1.0, self.offset / self.file.size) if self.file.size else 1.0

    @property
    def steps(self) -> list[Step]:
        """The newest steps, oldest first; `transcript.steps.dropped` came before them."""
        return self.transcript.steps.all()

    def refresh(self) -> bool:
        """Look at the file; True when there is something to `read`."""
        if self.file.refresh() == "restarted":
            self.transcript, self.offset = Transcript(), 0
        return self.offset < self.file.size

    def read(self, now: float | None) -> bool:
        """Take in one slice; True when all is taken. `now`: its time, None if not watched live."""
        data = self.file.read(self.offset, SLICE)
        self.transcript.feed(data, now)
        self.offset += len(data)
        return not data or self.offset >= self.file.size


def is_stream_json(path: Path) -> bool:
    """Whether a log begins like the CLI's stream-json."""
    file = FileBytes(path)
    file.refresh()
    head = file.read(0, PEEK).lstrip()
    return head.startswith(b"{") and b'"type"' in head
