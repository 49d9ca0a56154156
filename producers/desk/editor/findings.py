"""Everything that the checks say about one text, for the pages beside it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.desk.checks.links import LinkChecks
from contracts.desk.editorial import ItemView
from contracts.desk.index import ItemFilter, Items
from contracts.desk.uploads import UploadService
from producers.desk.editor.checks import Finding, check_text, damage_said, find_missing
from producers.desk.editor.links import LinkReport, find_links, report_links
from producers.desk.editor.near_texts import NearText, find_near
from producers.desk.editor.notice_period import NoticePeriod, known_to_readers
from producers.desk.visit import Visit


@dataclass(frozen=True)
class Findings:
    """The findings of the checks; `damaged`: sentences about texts that look damaged."""

    found: Sequence[Finding]
    damaged: Sequence[str]
    near: Sequence[NearText]
    links: LinkReport

    @property
    def is_fine(self) -> bool:
        return not (self.found or self.damaged or self.near or self.links.dead)


@dataclass(frozen=True)
class TextChecks:
    """Every check of a text, with what the checks ask. `readable`: items the person may read."""

    uploads: UploadService
    links: LinkChecks
    index: Items
    public_url: str
    readable: ItemFilter
    period: NoticePeriod

    @classmethod
    def of(cls, visit: Visit, item: ItemView | None = None) -> "TextChecks":
        """The checks of a text of *item*, or of a new one."""
        services = visit.desk.services
        own = (services.uploads, services.links, services.index, services.public_url)
        known = known_to_readers(item, visit.now)
        period = NoticePeriod(visit.now, services.working_days, known)
        return cls(*own, visit.editorial.readable, period)

    async def find_all(self, content_id: str, data: Mapping[str, Any]) -> Findings:
        """Run every check on the data of a text. Raises BusError."""
        found = [*self.period.check(data), *check_text(data)]
        links = report_links(self.links, self.public_url, data)
        missing, near = await asyncio.gather(
            find_missing(self.uploads, data),
            find_near(self.index, self.readable, content_id, data),
        )
        return Findings(found + missing, damage_said(data), near, links)

    async def ask_links(self, data: Mapping[str, Any]) -> None:
        """Ask the links of a text, for those who look at it then."""
        await self.links.check(find_links(data, self.public_url))
