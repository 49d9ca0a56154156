"""The list of items by author at the desk; each one is in the audit log."""

import asyncio
from dataclasses import dataclass
from datetime import date

from consumers.desk.names import AccountNames
from consumers.periodic_reports.archive import HeaderSources
from consumers.periodic_reports.authors import AuthorList, published_by_author
from consumers.periodic_reports.span import Span
from contracts.desk.person import DeskAct, Person
from contracts.facts.live_reports import AuthorFormat
from producers.bus import Bus


@dataclass(frozen=True)
class AuthorLists:
    """Makes the list for a person who may, as a file."""

    bus: Bus
    names: AccountNames
    sources: HeaderSources

    async def export(self, person: Person, days: tuple[date, date], format: AuthorFormat) -> bytes:
        """Raises Forbidden, BusError."""
        span = Span(*days)
        await person.record(DeskAct("report.authors", f"{span.first}..{span.last}", after=format))
        rows = await published_by_author(self.bus, span, await self.names.all())
        found = AuthorList(rows, self.sources.texts, self.sources.vocabulary)
        return await asyncio.to_thread(found.workbook if format == "xlsx" else found.csv)
