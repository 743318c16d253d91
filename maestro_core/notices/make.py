"""A journal whose news are sent, for a process that is no consumer: it reads the settings once."""

from __future__ import annotations

import os

from maestro_core.clock import SystemClock
from maestro_core.journal import Journal
from maestro_core.layout import Layout
from maestro_core.notices.sender import Sender
from maestro_core.notices.tap import NotingJournal
from maestro_core.redact import Redactor
from maestro_core.settings import examine_settings


def noting_journal(layout: Layout) -> tuple[NotingJournal, Sender]:
    """Close the sender at the end. Faults in the settings leave what is right in force."""
    clock, settings = SystemClock(), examine_settings(layout).settings
    redact = Redactor({**os.environ, **settings.env})
    sender = Sender(layout, lambda: settings, Journal(layout, clock, redact), clock, redact)
    return NotingJournal(layout, clock, redact, tell=sender.post), sender
