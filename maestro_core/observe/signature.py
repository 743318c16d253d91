"""What kind of failure an error text tells of: the text without what differs from run to run.

Pure. Two errors with the same signature are one problem; notes and groups go by it.
"""

from __future__ import annotations

import re

LIMIT = 160
NONE = "no reason was recorded"

_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), word)
    for pattern, word in (
        (r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b", "<id>"),
        (r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?", "<time>"),
        (r"\b\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?(?: ?[ap]m\b)?", "<time>"),
        (r"\b0x[0-9a-fA-F]+\b", "<hex>"),
        (r"\b(?=[0-9a-fA-F]*\d)(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{8,}\b", "<hex>"),
        (r"\b(?:req|msg|toolu|session|run)_[A-Za-z0-9]{6,}\b", "<id>"),
        (r"(?<![\w<])(?:~|\.{1,2})?(?:/[\w.@%+,=-]+){2,}/?", "<path>"),
    )
)
_NUMBER = re.compile(r"(?<![\w<.])\d+(?:[.,]\d+)*(?![\w>])|\d{4,}")
_COUNTED = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(ms|s|m|h|kB|MB|GB|MiB|%)(?!\w)")
_KEPT = re.compile(
    r"\b(?:exit|signal|status|HTTP|code|errno|Errno|Error:?|answered)[ :=]*\d{1,3}\b"
)
_BLANKS = re.compile(r"\s+")


def signature(error: str | None) -> str:
    """The signature of an error text, at most 160 characters; exit and HTTP codes stay."""
    text = _BLANKS.sub(" ", (error or "")[:4000]).strip()
    if not text:
        return NONE
    for pattern, word in _RULES:
        text = pattern.sub(word, text)
    return _without_numbers(text)[:LIMIT]


def _without_numbers(text: str) -> str:
    """Numbers become N, but for the codes that tell one failure from another."""
    parts, end = [], 0
    for code in _KEPT.finditer(text):
        parts += [_masked(text[end : code.start()]), code.group()]
        end = code.end()
    return "".join([*parts, _masked(text[end:])])


def _masked(text: str) -> str:
    return _NUMBER.sub("N", _COUNTED.sub(r"N \1", text))
