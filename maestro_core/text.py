"""Text from files, agents and names, made safe to print: what a terminal would obey is shown.

Job: no control, escape, bidi, zero-width or otherwise invisible character survives; each
becomes a Python-like escape (`\\x1b`, `\\u202e`). Pure, safe from any thread, and quick for
plain lines, because every line of a log passes through here.
"""

from __future__ import annotations

import re

_ESCAPED = (
    "\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # soft hyphen, joiners, fillers
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"  # zero width, bidi
    "\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2"  # Arabic and Syriac format characters
    "\ufe00-\ufe0d\ufdd0-\ufdef\ufffe\uffff"  # variation selectors (not text/emoji), noncharacters
    "\ud800-\udfff"  # lone surrogates
    "\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"  # tags and more variation selectors
)
_UNSAFE = {
    kept: re.compile(f"(?![{kept}])[{_ESCAPED}]" if kept else f"[{_ESCAPED}]")
    for kept in ("", "\n", "\t", "\n\t")
}
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_HALVES = re.compile("[\ud800-\udfff]")
_BLANKS = re.compile(r"[ \t\r\n\f\v\x85\u2028\u2029]+")
ELLIPSIS = "…"


def visible(text: str, limit: int | None = None, keep: str = "") -> str:
    """`text` with everything that is not plainly printable written as an escape.

    Args:
        limit: at most so many characters come back, the last one then an ellipsis.
        keep: which of newline and tab stay as they are ("\\n", "\\t" or both); nothing else may.
    """
    if limit is not None and len(text) > limit:
        text = text[: limit + 1]  # an escape only grows, so no more than this can be needed
    if not text.isprintable():
        kept = ("\n" if "\n" in keep else "") + ("\t" if "\t" in keep else "")
        text = _UNSAFE[kept].sub(_escape, text)
    elif not text.isascii():
        text = _UNSAFE[""].sub(_escape, text)  # a few invisible letters count as printable
    if limit is not None and len(text) > limit:
        return text[: limit - 1] + ELLIPSIS if limit > 0 else ""
    return text


def well_formed(text: str) -> str:
    """`text` with U+FFFD for each half of a surrogate pair, which no file and no base takes.

    JSON can spell one (programs that count in UTF-16 cut an emoji in two), and names that are
    no UTF-8 come from the system with them.
    """
    return text if text.isascii() else _HALVES.sub("\ufffd", text)


def one_line(text: str, limit: int | None = None) -> str:
    """Like `visible`, with line breaks and runs of blanks become one space, ends trimmed."""
    if limit is not None:
        text = text[: 16 * limit + 1024]  # blanks may shrink it; more than this is not looked at
    return visible(_BLANKS.sub(" ", text).strip(), limit)


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    if code <= 0xFF:
        return _SHORT.get(character) or f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
