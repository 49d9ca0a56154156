"""The report of a campaign as a file, from the facts of its items."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from consumers.campaigns.report import CampaignReport
from consumers.facts.sources import each
from consumers.facts.store import FactStore
from consumers.periodic_reports.contents.document import Document
from consumers.periodic_reports.contents.texts import load_texts
from consumers.periodic_reports.figures import Figures
from consumers.periodic_reports.from_facts import FactRows, gaps_of
from consumers.periodic_reports.rendering.pdf import render_pdf
from consumers.periodic_reports.rendering.word import render_word
from consumers.periodic_reports.span import Span
from consumers.periodic_reports.tally import Tally
from contracts.campaigns.reported import ReportedCampaign
from contracts.facts import DayFact, Fact, FactKind, ReleaseFact
from contracts.vocabulary import Vocabulary
from producers.bus import Bus

RENDERERS: Mapping[str, Callable[[Document], bytes]] = {"docx": render_word, "pdf": render_pdf}


@dataclass(frozen=True)
class CampaignReports:
    """Makes reports. *texts_file*: replaces texts, as of every report."""

    bus: Bus
    vocabulary: Vocabulary
    texts_file: Path
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    """Held while a report is made: one at a time, however many people ask."""

    async def render(self, campaign: ReportedCampaign, kind: str) -> bytes:
        """The report as `docx` or `pdf`; the same facts on the same day give the same bytes.

        Raises BusError, and Unreadable or Invalid for a wrong file of texts.
        """
        async with self._turn:
            figures, other_days = await self._figures(campaign)
            texts = load_texts(self.texts_file)
            names = {id: unit.name for id, unit in self.vocabulary.units.items()}
            document = CampaignReport(campaign, figures, other_days, texts, names).document()
            return await asyncio.to_thread(RENDERERS[kind], document)

    async def _figures(self, campaign: ReportedCampaign) -> tuple[Figures, Figures]:
        """The figures of the campaign's items: on its days up to yesterday, and on others.

        Of other days the figures have no gaps: only what was counted is told of them.
        """
        span, store = Span(*campaign.counted_days), FactStore(self.bus)
        rows, newest = FactRows(), dict[str, Fact]()
        async for facts in each(partial(_facts_of, store), campaign.content_ids):
            for fact in facts:
                newest[fact.key] = fact
                if isinstance(fact, ReleaseFact):
                    rows.learn(fact)
        days = [one.fact for one in (await store.newest(FactKind.DAY)).values()]
        known = [one for one in days if isinstance(one, DayFact)]
        kinds, tallies = {one.on: one.counted for one in known}, (Tally(), Tally())
        for fact in newest.values():
            is_other_day = not span.first <= fact.day <= span.last
            is_counted = is_other_day or fact.kind in kinds.get(fact.day, ())
            for row in rows.of(fact) if is_counted else ():
                tallies[is_other_day].add(row)
        return Figures(span, tallies[0], [*gaps_of(known, span)]), Figures(span, tallies[1])


async def _facts_of(store: FactStore, content_id: str) -> list[Fact]:
    return [fact async for fact in store.of_item(content_id)]
