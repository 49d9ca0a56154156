"""Log of refused events: a flood is summed up per unit and minute."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextvars import Context

import structlog

log = structlog.get_logger()
WINDOW_S = 60.0
LINES_PER_WINDOW = 10
"""Refusals of a unit that have a line of their own in each minute."""


class RefusalLog:
    """Logs the first refusals of a unit one by one, and the rest of the minute as one sum.

    *is_unheard*: no sender has the answer, so each line is a warning.
    """

    def __init__(self, *, is_unheard: bool = False) -> None:
        self.is_unheard = is_unheard
        self._counts: dict[str, Counter[str]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def add(self, code: str, fields: Sequence[str], about: Mapping[str, str]) -> None:
        """Log or count one refusal; without a unit in *about* its sender is unknown."""
        unit = about.get("unit", "")
        if unit not in self._counts:
            self._counts[unit], loop = Counter(), asyncio.get_running_loop()
            end, context = self._end_window, Context()  # the sum is not of this request alone
            self._timers[unit] = loop.call_later(WINDOW_S, end, unit, context=context)
        if self._counts[unit].total() < LINES_PER_WINDOW:
            facts = {"code": code, "fields": fields, **about}
            if self.is_unheard:
                log.warning("event_refused", **facts)
            else:
                log.info("event_refused", **facts)
        self._counts[unit][code] += 1

    def end_windows(self) -> None:
        """Log every sum now, at a stop."""
        for unit in list(self._counts):
            self._timers[unit].cancel()
            self._end_window(unit)

    def _end_window(self, unit: str) -> None:
        codes, _ = self._counts.pop(unit), self._timers.pop(unit)
        if codes.total() > LINES_PER_WINDOW:
            log.warning("events_refused", unit=unit, refused=codes.total(), codes=dict(codes))
