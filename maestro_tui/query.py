"""The filter language of every list: words, fields, comparisons, negation. Pure.

rate limit            both words somewhere in the row
"rate limit"          the phrase
cadence:inbox         a field contains
age:>1h  cost:<=0.5   a number compares; durations take s m h d
!word  !state:ok      not
! anything            everything inverted (a lone ! in front)
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

Fields = Mapping[str, str | float | None]
"""What a row says of itself: texts, and numbers (durations in seconds)."""

_TOKEN = re.compile(r'(!?)(?:([A-Za-z_]+):)?(?:"([^"]*)"?|(\S+))')
_COMPARISON = re.compile(r"(<=|>=|<|>|=)\s*\$?([0-9]*\.?[0-9]+)\s*(ms|s|m|h|d|k)?\Z")
_UNITS = {None: 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "k": 1000.0}
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq,
}  # fmt: skip


class Term(NamedTuple):
    """One condition. `compare` None = `value` is looked for as text."""

    field: str | None
    value: str
    negated: bool
    compare: Callable[[float, float], bool] | None = None
    number: float = 0.0


class Query(NamedTuple):
    """All terms must hold; `inverted` turns the whole round."""

    terms: tuple[Term, ...] = ()
    inverted: bool = False

    def __bool__(self) -> bool:
        return bool(self.terms)


def parse(text: str) -> Query:
    """Never fails: whatever it is, it means something."""
    text = text.strip()
    inverted = text == "!" or text.startswith("! ")
    if inverted:
        text = text[1:].lstrip()
    terms = []
    for match in _TOKEN.finditer(text):
        negation, field, quoted, word = match.groups()
        value = quoted if quoted is not None else word or ""
        if value:
            terms.append(_term(field, value, bool(negation), quoted is not None))
    return Query(tuple(terms), inverted and bool(terms))


def _term(field: str | None, value: str, negated: bool, quoted: bool) -> Term:
    name = field.lower() if field else None
    comparison = None if quoted or name is None else _COMPARISON.match(value)
    if comparison is None:
        return Term(name, value.casefold(), negated)
    sign, number, unit = comparison.groups()
    return Term(name, value, negated, _OPERATORS[sign], float(number) * _UNITS[unit])


def matches(query: Query, fields: Fields) -> bool:
    """Does a row with those fields pass?"""
    if not query.terms:
        return True
    return all(_holds(term, fields) for term in query.terms) != query.inverted


def _holds(term: Term, fields: Fields) -> bool:
    return _found(term, fields) != term.negated


def _found(term: Term, fields: Fields) -> bool:
    if term.field is None:
        return _in_any(term.value, fields)
    if term.field not in fields:
        return _in_any(f"{term.field}:{term.value}", fields)
    value = fields[term.field]
    if term.compare is not None:
        return isinstance(value, int | float) and term.compare(float(value), term.number)
    return value is not None and term.value in str(value).casefold()


def _in_any(word: str, fields: Fields) -> bool:
    return any(isinstance(value, str) and word in value.casefold() for value in fields.values())
