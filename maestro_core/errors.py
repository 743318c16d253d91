"""The tree of errors that people see.

MaestroError              message (what, where) + hint (what to do)
├── UsageError            the command line or the agent root is wrong       exit 2
├── Refused               the request is understood and not carried out     exit 1
│   ├── ReadOnly          this session may change nothing
│   └── Busy              another process holds what is needed
├── SettingsError         .env or config/cadences.toml cannot be used       exit 1
├── BusError              the bus cannot be read or written
│   ├── ClaimLost         a settle with a claim that is no longer ours
│   └── BusAway           its server cannot be reached now
└── BadTick               bytes that are no tick (they go to quarantine)
"""

from __future__ import annotations


class MaestroError(Exception):
    """What went wrong and where, in one line; `hint` says what to do about it."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(MaestroError):
    """The command line, or the agent root it names, is wrong."""

    exit_code = 2


class Refused(MaestroError):
    """The request is understood and is not carried out."""


class ReadOnly(Refused):
    """This session was opened read-only: nothing may be changed."""


class Busy(Refused):
    """Another process holds what this one needs."""


class SettingsError(MaestroError):
    """A settings file cannot be used; `problems` has one line for each fault."""

    def __init__(self, problems: list[str], hint: str = "") -> None:
        super().__init__("; ".join(problems), hint)
        self.problems = problems


class BusError(MaestroError):
    """The bus could not be read or written."""


class ClaimLost(BusError):
    """The claim is no longer ours: somebody recovered or settled it."""


class BusAway(BusError):
    """The server of the bus cannot be reached now; sooner or later it can."""


class BadTick(MaestroError):
    """These bytes are no tick; `young` says that they may still be being written."""

    def __init__(self, message: str, *, young: bool = False) -> None:
        super().__init__(message)
        self.young = young
