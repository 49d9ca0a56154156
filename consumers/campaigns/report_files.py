"""The report of a campaign as a file, from the facts of its items."""

import asyncio
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from consumers.campaigns.report import CampaignReport
from consumers.facts.store import FactStore
from consumers.periodic_reports.contents.document import Document
from consumers.periodic_reports.contents.texts import Texts, load_texts
from consumers.periodic_reports.figures import Figures
from consumers.periodic_reports.gather import Gatherer
from consumers.periodic_reports.rendering.pdf import render_pdf
from consumers.periodic_reports.rendering.word import render_word
from consumers.periodic_reports.span import Span
from consumers.periodic_reports.tally import Tally
from contracts.campaigns.plan import CampaignPlan
from contracts.campaigns.reported import ReportedCampaign
from contracts.facts import FactKind, ReleaseFact
from contracts.vocabulary import Vocabulary
from producers.bus import Bus

RENDERERS: Mapping[str, Callable[[Document], bytes]] = {"docx": render_word, "pdf": render_pdf}
_TEXTS = Path(__file__).with_name("report.vi.toml")
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class CampaignReports:
    """Makes reports. *texts_file*: replaces texts, as of every report."""

    bus: Bus
    vocabulary: Vocabulary
    texts_file: Path

    async def render(self, campaign: ReportedCampaign, kind: str) -> bytes:
        """The report as `docx` or `pdf`; the same facts on the same day give the same bytes.

        Raises BusError, Unreadable for a file of texts that is none.
        """
        figures = await self._figures(campaign)
        texts = _texts(self.texts_file)
        names = {id: unit.name for id, unit in self.vocabulary.units.items()}
        document = CampaignReport(campaign, figures, texts, names).document()
        return await asyncio.to_thread(RENDERERS[kind], document)

    async def _figures(self, campaign: ReportedCampaign) -> Figures:
        """What the facts say of the campaign's items on its days, up to yesterday."""
        span = _counted_days(campaign.plan, campaign.today)
        gatherer, store = Gatherer(span), FactStore(self.bus)
        for content_id in campaign.content_ids:
            found = [fact async for fact in store.of_item(content_id)]
            for release in (one for one in found if isinstance(one, ReleaseFact)):
                gatherer.facts.learn(release)
            for fact in found:
                gatherer.add(fact)
        async for stored in store.scan(FactKind.DAY):
            if stored.fact:
                gatherer.add(stored.fact)
        return Figures(span, Tally.of(gatherer.rows), gatherer.gaps)


def _counted_days(plan: CampaignPlan, today: date) -> Span:
    """The days of the campaign that are over; its first one at least."""
    return Span(plan.first_day, max(plan.first_day, min(plan.last_day, today - _DAY)))


def _texts(own: Path) -> Texts:
    texts: dict[str, Any] = dict(load_texts(own))
    shipped = tomllib.loads(_TEXTS.read_text("utf-8"))
    return texts | {"campaign": {**shipped, **texts.get("campaign", {})}}
