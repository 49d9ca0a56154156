"""Log of refused requests: a flood is summed up per unit and minute."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

import structlog

log = structlog.get_logger()
WINDOW_S = 60.0
LINES_PER_WINDOW = 10
"""Refusals of a unit that have a line of their own in each minute."""


class RefusalLog:
    """Logs the first refusals of a unit one by one, and the rest of the minute as one sum."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}

    def add(self, code: str, fields: Sequence[str], about: Mapping[str, str]) -> None:
        """Log or count one refusal; without a unit in *about* its sender is unknown."""
        unit = about.get("unit", "")
        if unit not in self._counts:
            self._counts[unit] = Counter()
            asyncio.get_running_loop().call_later(WINDOW_S, self._end_window, unit)
        if self._counts[unit].total() < LINES_PER_WINDOW:
            log.info("event_refused", code=code, fields=fields, **about)
        self._counts[unit][code] += 1

    def _end_window(self, unit: str) -> None:
        codes = self._counts.pop(unit)
        if codes.total() > LINES_PER_WINDOW:
            log.warning("events_refused", unit=unit, refused=codes.total(), codes=dict(codes))
