"""The page around the console, its headers, and the files of textual-serve that it takes. Pure but
for finding those.
"""

from __future__ import annotations

from html import escape
from importlib.resources import files

STATIC = {
    "textual.js": ("js/textual.js", "text/javascript"),
    "xterm.css": ("css/xterm.css", "text/css"),
    "font.ttf": ("fonts/RobotoMono-VariableFont_wght.ttf", "font/ttf"),
}
"""Name under /static/ -> file of textual-serve, content type."""

_SCRIPTS = {
    "focus.js": 'addEventListener("load", () => '
    'document.querySelector(".xterm-helper-textarea").focus());\n',
}
"""Of our own: keys are the console's without a click first."""

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<link rel="stylesheet" href="/static/xterm.css">
<style>
@font-face {{ font-family: "Roboto Mono"; src: url("/static/font.ttf"); }}
html, body {{ margin: 0; height: 100%; background: #0d1117; color: #c9d1d9; font: 16px monospace; }}
.textual-terminal {{ width: 100vw; height: 100vh; }}
#closed {{ display: none; position: fixed; inset: 40% 0 auto; text-align: center; z-index: 10; }}
#closed a {{ color: inherit; background: #30363d; padding: 1em; }}
.-closed #closed {{ display: block; }}
.-closed .textual-terminal {{ opacity: 0.25; }}
</style>
<script src="/static/textual.js"></script>
<script src="/static/focus.js"></script>
<body>
<div id="closed"><a href="/">The console has ended. Open it again</a></div>
<div id="terminal" class="textual-terminal" data-font-size="15"
  data-session-websocket-url="ws://{host}/ws"></div>
</body>
</html>
"""


def page(title: str, host: str) -> str:
    """The document; `host` is the checked Host of its request."""
    return _PAGE.format(title=escape(title), host=escape(host))


def headers(host: str) -> dict[str, str]:
    """On every answer: no other page may frame, read or feed this one, and nothing is kept."""
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self';"
        f" img-src 'self' data:; connect-src 'self' ws://{host}; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "Server": "maestro-tui",
    }


def static_file(name: str) -> tuple[bytes, str] | None:
    """A file of the page and its content type; None for any other name."""
    if name in _SCRIPTS:
        return _SCRIPTS[name].encode(), "text/javascript"
    if name not in STATIC:
        return None
    path, content_type = STATIC[name]
    return (files("textual_serve") / "static" / path).read_bytes(), content_type
