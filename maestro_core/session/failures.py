"""Why a run can fail, as one table: stable names, what to do about each, and its policy.

The names stand in the ledger, the journal, dead letters, the console and every --json.
`classify` in session/recognise.py finds the class; this module only knows what it means.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from maestro_core.models import HoldKind

Held = Literal["none", "cadence", "all"]

MINUTE = 60.0


class FailurePolicy(Struct, frozen=True, kw_only=True):
    """One failure class and what the consumer does about it."""

    name: str
    title: str
    """What happened, in a few words."""
    remedy: str
    """What a person can do about it."""
    outcome: str = "failed"
    spends_attempt: bool = True
    counts_for_breaker: bool = True
    hold: Held = "none"
    """Who waits: nobody beyond the back-off, this cadence, or all of them."""
    hold_kind: HoldKind = "overload"
    hold_seconds: float = 0.0
    """How long, when the CLI names no time."""


def _not_its_fault(
    name: str, title: str, remedy: str, *, kind: HoldKind, seconds: float, outcome: str = ""
) -> FailurePolicy:
    """A failure that would hit every cadence alike: all wait, and nobody pays."""
    return FailurePolicy(
        name=name, title=title, remedy=remedy, outcome=outcome or kind,
        spends_attempt=False, counts_for_breaker=False,
        hold="all", hold_kind=kind, hold_seconds=seconds,
    )  # fmt: skip


_TABLE = (
    _not_its_fault(
        "auth", "the API or the login refused the credentials",
        "put a valid ANTHROPIC_API_KEY into .env, or log in (claude auth login; without a"
        " keychain: claude setup-token and CLAUDE_CODE_OAUTH_TOKEN); then lift the hold",
        kind="auth", seconds=30 * MINUTE,
    ),
    _not_its_fault(
        "quota", "the usage limit of the subscription is reached",
        "nothing: it goes on by itself at the reset time; a bigger plan or an API key avoids it",
        kind="quota", seconds=30 * MINUTE,
    ),
    _not_its_fault(
        "billing", "the account has no credit left",
        "buy credit for the API account, or set MAESTRO_PREFER_SUBSCRIPTION_AUTH=1",
        kind="quota", seconds=60 * MINUTE,
    ),
    _not_its_fault(
        "rate_limit", "too many requests or tokens a minute (429)",
        "nothing: it goes on by itself; if it returns, spread the schedules",
        kind="overload", seconds=2 * MINUTE,
    ),
    _not_its_fault(
        "overload", "the API is overloaded or broken (529, 5xx)",
        "nothing: it goes on by itself; see the status page of the API if it lasts",
        kind="overload", seconds=MINUTE,
    ),
    _not_its_fault(
        "network", "the API could not be reached",
        "check the network, DNS, proxy and ANTHROPIC_BASE_URL; it is tried again by itself",
        kind="overload", seconds=MINUTE, outcome="network",
    ),
    _not_its_fault(
        "no_room", "the machine has no room for a run (disk, memory, processes, descriptors)",
        "see the reason: free disk space or memory; it is tried again by itself",
        kind="overload", seconds=MINUTE,
    ),
    FailurePolicy(
        name="prompt", title="the prompt cannot be used",
        remedy="correct schedules/triggers/<cadence>.md: it must exist, say something, begin"
        " with no slash command, and stay below the model's limit",
    ),
    FailurePolicy(
        name="request", title="the API refused the request",
        remedy="read the message in the run's log; often a setting or an attachment",
    ),
    FailurePolicy(
        name="config", title="the CLI refused its arguments or settings",
        remedy="check model, args and permission_mode of the cadence, and the CLI's own settings",
    ),
    FailurePolicy(
        name="permission_denied", title="a tool was denied",
        remedy="allow it (allowed_tools in the prompt's front matter, permission_mode of the"
        " cadence, or the project's settings), or tell the prompt to do without",
    ),
    FailurePolicy(
        name="max_turns", title="the limit of turns was reached",
        remedy="raise max_turns, or give the cadence less to do at once",
    ),
    FailurePolicy(
        name="budget", title="the run's budget was reached",
        remedy="raise the budget in the prompt's front matter, or give it less to do at once",
    ),
    FailurePolicy(
        name="refusal", title="the model declined to answer",
        remedy="reword the prompt; look at what the run had read just before",
    ),
    FailurePolicy(
        name="output_limit", title="the answer grew over the model's output limit",
        remedy="ask for a shorter answer, or have it write to files",
    ),
    FailurePolicy(
        name="empty_answer", title="the run ended well but did and said nothing",
        remedy="look at the transcript; make the prompt ask for something definite",
    ),
    FailurePolicy(
        name="no_result", title="the CLI ended without its result",
        remedy="look at the end of the log: it was interrupted, or its output was cut",
    ),
    FailurePolicy(
        name="timeout", title="the time was up",
        remedy="raise timeout_seconds of the cadence, or see in the transcript what it waited for",
        outcome="timeout",
    ),
    FailurePolicy(
        name="killed", title="a signal from outside ended it",
        remedy="find out who sent it (an operator, the system at shutdown)",
    ),
    FailurePolicy(
        name="out_of_memory", title="the machine or the CLI ran out of memory",
        remedy="free memory, or give the cadence less to do at once",
    ),
    FailurePolicy(
        name="cli_missing", title="there is no claude to start",
        remedy="install Claude Code, or set MAESTRO_CLAUDE_BIN in .env",
    ),
    FailurePolicy(
        name="cli_too_old", title="the claude that is installed is too old",
        remedy="update Claude Code (claude update, or npm install -g @anthropic-ai/claude-code)",
    ),
    FailurePolicy(
        name="not_started", title="the run could not be started",
        remedy="see the reason: the system refused a process, a file or a folder",
    ),
    FailurePolicy(
        name="orphaned", title="its consumer died",
        remedy="nothing: its tick was taken over", outcome="orphaned",
        spends_attempt=False, counts_for_breaker=False,
    ),
    FailurePolicy(
        name="unknown", title="it failed",
        remedy="read the run's log",
    ),
)  # fmt: skip

FAILURES: dict[str, FailurePolicy] = {one.name: one for one in _TABLE}
"""Every class by its name."""


def policy_for(name: str | None) -> FailurePolicy:
    """The policy of a class; a name that nobody knows is an ordinary failure."""
    return FAILURES.get(name or "unknown", FAILURES["unknown"])
