"""The doctor's checks of the console itself: its own settings file, and what the terminal can."""

from __future__ import annotations

from maestro_core.doctor import Check, Context, Verdict
from maestro_core.doctor.finding import ok, warn
from maestro_tui.config import config_path, load_config


def file_checks() -> list[Check]:
    """Beside the core's checks wherever the doctor is asked, without a screen too."""
    return [Check("console.config", "Console settings and keys", _config)]


def console_checks() -> list[Check]:
    """Beside the core's checks in a console."""
    return [*file_checks(), Check("console.terminal", "terminal abilities", _terminal)]


def _config(context: Context) -> Verdict:
    path = config_path(context.environ)
    problems = load_config(context.environ).problems
    if problems:
        return warn("\n".join(problems), f"correct {path}")
    return ok(str(path) if path.exists() else f"none ({path} does not exist): the defaults")


def _terminal(context: Context) -> Verdict:
    """Colours by COLORTERM and TERM, as the console will use them."""
    env = context.environ
    term = env.get("TERM", "")
    if env.get("NO_COLOR"):
        colours = "no colour (NO_COLOR is set)"
    elif env.get("COLORTERM") in ("truecolor", "24bit"):
        colours = "full colour"
    else:
        colours = "256 colours" if "256" in term else "16 colours"
    detail = f"{term or 'TERM is not set'}{' in tmux' if env.get('TMUX') else ''}: {colours}"
    if term in ("", "dumb"):
        return warn(detail, "set TERM to what your terminal is, for example xterm-256color")
    return ok(detail)
