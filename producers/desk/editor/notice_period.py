"""Check of the period between the announcement of an interruption and its begin."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.base.errors import UnknownYear
from contracts.base.working_days import WorkingDays
from contracts.desk.editorial import ItemView
from contracts.desk.shown.known_interruption import known_interruption
from contracts.errors import Invalid
from contracts.interruptions.announcement import Announcement
from contracts.interruptions.interruption import TOPIC
from contracts.interruptions.known import KnownInterruption
from contracts.interruptions.notice_period import check_announced, earliest_begin
from producers.desk.editor.checks import Finding
from producers.desk.rendering import sentence_about


@dataclass(frozen=True)
class NoticePeriod:
    """The rule for a text that goes out now. `known`: the interruption that readers know of."""

    now: datetime
    days: WorkingDays
    known: KnownInterruption | None = None

    def check(self, data: Mapping[str, Any]) -> Iterator[Finding]:
        """Findings that would refuse the text on its way to readers, and missing facts."""
        said = Announcement.read(data)
        if data.get("topic") == TOPIC and not data.get("interruption"):
            yield Finding("interruption_missing", "interruption.services")
        try:
            check_announced(said, self.now, self.days, self.known)
        except Invalid as late:
            for one in late.errors:
                words = sentence_about(one.field, one.message_vi)
                yield Finding("interruption", one.field.removeprefix("data."), words)

    @property
    def earliest_day(self) -> str:
        """The first day on which an interruption may begin; empty if its year is not known."""
        with suppress(UnknownYear):
            return f"{earliest_begin(self.now, self.days):%d/%m/%Y}"
        return ""


def known_to_readers(item: ItemView | None, now: datetime) -> KnownInterruption | None:
    """The interruption that readers of the item know of."""
    return known_interruption(item.history, item.texts, now) if item else None
