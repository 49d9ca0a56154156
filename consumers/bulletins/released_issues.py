"""Issues of bulletins as they went out, or are to, from PUBLICATIONS."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from consumers.bulletins.publications import ANY, PeekedPublication, PublicationReader, decode, peek
from contracts.bulletins.issue import PublishedIssue
from contracts.bulletins.proposal import WITHDRAWN
from contracts.publication import StoredPublication


@dataclass(frozen=True)
class ReleasedIssues:
    """Reads the newest positions of issues. Each method raises BusError."""

    publications: PublicationReader

    async def due(
        self, topics: Iterable[str], since: datetime, until: datetime
    ) -> list[StoredPublication]:
        """The newest texts under *topics*, the series' own, whose time came in between."""
        newest: dict[str, PeekedPublication] = {}
        for topic in topics:
            async for message in self.publications.messages(topic, ANY):
                if one := peek(message):
                    newest[one.content_id] = one
        due = [one.message for one in newest.values() if since < one.shown_at <= until]
        found = [(message.seq, decode(message)) for message in due]
        return [StoredPublication(publication=one, seq=seq) for seq, one in found if one]

    async def of_series(self, topic: str, series: str) -> list[PublishedIssue]:
        """The issues that went out, in their order; one that waits for its time is among them."""
        found: dict[str, PublishedIssue] = {}
        async for one in self.publications.read(topic, ANY):
            known = found.get(one.content_id)
            if one.bulletin and one.bulletin.series == series:
                found[one.content_id] = PublishedIssue(one.content_id, one.bulletin)
            elif known and one.action == WITHDRAWN:
                found[one.content_id] = known._replace(is_out=False)
        return sorted(found.values(), key=lambda one: one.issue.order)
