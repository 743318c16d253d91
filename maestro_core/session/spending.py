"""Tokens and cost out of stream-json. Pure.

Which numbers to believe (seen with the real CLI, 2.1.197 and 2.1.330): `usage` of a result
covers its last part only and counts failed attempts. `modelUsage` and `total_cost_usd` add up
over the results of a run, and in the newer one over the runs of a resumed session too; there
`model_usage_since_last_result` adds up to exactly this run. A run without a result is known
by its messages: tokens, but no cost.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from maestro_core.models import Usage
from maestro_core.session.stream import Event, dict_of, number_of, text_of

_FIELDS = (
    ("inputTokens", "input_tokens"),
    ("outputTokens", "output_tokens"),
    ("cacheReadInputTokens", "cache_read_input_tokens"),
    ("cacheCreationInputTokens", "cache_creation_input_tokens"),
)

MOST_MESSAGES = 64
"""Messages whose pieces may still come; subagents' messages come mixed."""

_Sum = list[float]
"""tokens in, out, cache read, cache write, USD"""


class ModelSpending(Struct, frozen=True):
    """What one model was used for."""

    model: str
    tokens_in: int
    tokens_out: int
    tokens_cache_read: int
    tokens_cache_write: int
    cost_usd: float


def _row(model: str, sums: _Sum) -> ModelSpending:
    tokens_in, tokens_out, cache_read, cache_write = map(int, sums[:4])
    return ModelSpending(model, tokens_in, tokens_out, cache_read, cache_write, sums[4])


def _into(sums: dict[str, _Sum], model: str, numbers: _Sum) -> None:
    into = sums.setdefault(model, [0.0] * 5)
    for place, value in enumerate(numbers):
        into[place] += value


class Spending:
    """Sums per model of one run."""

    def __init__(self) -> None:
        self._models: dict[str, _Sum] = {}
        self._messages: dict[str, tuple[str, _Sum]] = {}
        self._unsettled: dict[str, _Sum] = {}
        """Messages since the last result that are too old to be repeated once more."""

    def message(self, message: dict[str, Any]) -> None:
        """An assistant message; the pieces of one message repeat its numbers."""
        usage, key = dict_of(message, "usage"), text_of(message, "id") or ""
        numbers = [number_of(usage, name) for _, name in _FIELDS]
        before = self._messages.pop(key, ("", [0.0] * 5))[1]
        most = [max(old, new) for old, new in zip(before, [*numbers, 0.0], strict=True)]
        self._messages[key] = (text_of(message, "model") or "", most)
        if len(self._messages) > MOST_MESSAGES:
            model, oldest = self._messages.pop(next(iter(self._messages)))
            _into(self._unsettled, model, oldest)

    def result(self, event: Event) -> None:
        """A result event: it settles what the messages before it were."""
        self._messages.clear()
        self._unsettled.clear()
        if "model_usage_since_last_result" in event:
            self._add(dict_of(event, "model_usage_since_last_result"))
        else:
            self._models.clear()
            self._add(dict_of(event, "modelUsage"))
            if not self._models:
                usage = dict_of(event, "usage")
                _into(self._models, "", [*(number_of(usage, name) for _, name in _FIELDS), 0.0])
            self._trust_total(number_of(event, "total_cost_usd"))

    def _add(self, usage: dict[str, Any]) -> None:
        for model, numbers in usage.items():
            sums = self._models.setdefault(model, [0.0] * 5)
            for place, (name, _) in enumerate(_FIELDS):
                sums[place] += number_of(numbers, name)
            sums[4] += number_of(numbers, "costUSD")

    def _trust_total(self, total: float) -> None:
        """A CLI that gives a total but no split: the whole of it goes to one model."""
        missing = total - sum(one[4] for one in self._models.values())
        if missing > 1e-9:
            key = max(self._models, key=lambda name: self._models[name][4], default="")
            self._models.setdefault(key, [0.0] * 5)[4] += missing

    def by_model(self) -> list[ModelSpending]:
        """The dearest model first."""
        sums = {name: list(one) for name, one in self._models.items()}
        for model, numbers in [*self._unsettled.items(), *self._messages.values()]:
            _into(sums, model, numbers)
        rows = [_row(name, one) for name, one in sums.items()]
        return sorted(rows, key=lambda one: (-one.cost_usd, -one.tokens_out, one.model))

    def usage(self, model: str | None, turns: int | None, session_id: str | None) -> Usage:
        """The sums over all models; `model` is the one the session was begun with."""
        rows = self.by_model()
        named = [one.model for one in rows if one.model]
        return Usage(
            tokens_in=sum(one.tokens_in for one in rows),
            tokens_out=sum(one.tokens_out for one in rows),
            tokens_cache_read=sum(one.tokens_cache_read for one in rows),
            tokens_cache_write=sum(one.tokens_cache_write for one in rows),
            cost_usd=sum((one.cost_usd for one in rows), 0.0),
            model=named[0] if named else model,
            turns=turns,
            session_id=session_id,
        )
