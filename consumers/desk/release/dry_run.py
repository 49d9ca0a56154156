"""The dry run of an item's release: whom it reaches, when it leaves, what it costs."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self

from channels.zalo.settings import ZaloSettings
from channels.zalo.stand_in import is_stand_in
from consumers.channel_health.pauses import paused_channels
from consumers.desk.access import Access, item_facts
from consumers.desk.release.mail_reach import MailReachCounter
from consumers.desk.release.planned_rows import PlannedRows
from consumers.desk.release.prices import Price, Prices
from consumers.desk.release.timing import DepartureClock
from consumers.directory.directory import Directory
from consumers.dispatch.audience import Audience, PortalAudience, SubscriberAudience, ZaloAudience
from consumers.editorial.internal_change import is_internal
from consumers.reporting.preview import PreviewedPublication, PublicationFinder
from consumers.reporting.reach import known_followers, largest_reach
from consumers.status.zalo_limits import LimitUse, load_publication_uses
from consumers.suppression.cache import SuppressionAwareContacts, SuppressionCache
from consumers.zalo.wait_causes import Limit
from contracts.base.times import Clock, utc_now
from contracts.base.working_days import WorkingDays
from contracts.delivery import ChannelName, Lane
from contracts.desk.previews import Wanted
from contracts.desk.reach import Cost, MailReach, Quota, ReleaseDryRun, ZaloReach
from contracts.desk.roles import READ_DRAFTS
from contracts.publication import Publication
from contracts.vocabulary import Vocabulary
from producers.bus import Bus


class MailCounter(Protocol):
    """Counts the readers of an item's mail; see `mail_reach`."""

    async def count(self, publication: Publication) -> MailReach | None: ...


class ReleaseTables(NamedTuple):
    """The operator's tables, or those that ship with Loa."""

    days: WorkingDays
    prices: Prices
    vocabulary: Vocabulary


@dataclass(frozen=True)
class ReleaseFacts:
    """Facts on which a release depends besides the item."""

    zalo: ZaloSettings
    tables: ReleaseTables


class MailReaders(NamedTuple):
    """The copy of the readers, and that of the suppressed addresses. Both are kept fresh."""

    directory: Directory
    suppressions: SuppressionCache


@dataclass
class DryRunner:
    """Says what a release would do, and does nothing."""

    bus: Bus
    clock: Clock
    access: Access
    mail: MailCounter
    planned: PlannedRows
    facts: ReleaseFacts

    @classmethod
    def open(
        cls, bus: Bus, clock: Clock, access: Access, readers: MailReaders, facts: ReleaseFacts
    ) -> Self:
        """Dry runs that read rows as dispatch does."""
        directory = readers.directory
        audiences: dict[ChannelName, Audience] = {
            ChannelName.PORTAL: PortalAudience(),
            ChannelName.EMAIL: SubscriberAudience(directory),
            ChannelName.ZALO: ZaloAudience(),
        }
        planned = PlannedRows(bus, audiences)
        contacts = SuppressionAwareContacts(directory, readers.suppressions)
        mail = MailReachCounter(directory, contacts, planned, clock)
        return cls(bus, clock, access, mail, planned, facts)

    async def dry_run(self, wanted: Wanted) -> ReleaseDryRun:
        """Raises Invalid for an unknown item or an unfinished text, Forbidden, BusError."""
        found = await self._find(wanted)
        publication, uses = found.publication, await self._uses()
        zalo, mail, portal, paused, reach = await asyncio.gather(
            self._zalo(found, uses),
            self.mail.count(publication),
            self._rows(ChannelName.PORTAL, found),
            paused_channels(self.bus),
            largest_reach(self.bus, publication.channels),
        )
        now, days = utc_now(self.clock), self.facts.tables.days
        is_local = is_stand_in(self.facts.zalo)
        clock = DepartureClock(now, paused, zalo.quotas, days, is_local)
        return ReleaseDryRun(
            **self._text_facts(publication),
            state=found.state,
            mail=mail,
            portal_rows=len(portal),
            zalo=zalo,
            timing=clock.timing(publication, zalo.rows),
            costs=self._costs(len(portal), mail, zalo.rows),
            reach=reach,
            many_readers=self.access.policy.file.many_readers,
            needs_second=self._needs_second(publication, reach),
            is_internal=await self._is_internal(found),
        )

    async def _is_internal(self, found: PreviewedPublication) -> bool:
        text, number = found.written.text, found.publication.revision
        if text is None or number != found.written.revision:
            return False
        return await is_internal(self.bus, found.publication.content_id, number, text.data)

    def _text_facts(self, publication: Publication) -> dict[str, Any]:
        """The dry run's facts about the text itself."""
        shown = ("content_id", "revision", "title", "lane", "channels")
        return {
            **{name: getattr(publication, name) for name in shown},
            "audiences": self._audience_names(publication),
            "has_mail": ChannelName.EMAIL in publication.channels,
        }

    async def _find(self, wanted: Wanted) -> PreviewedPublication:
        finder = PublicationFinder(self.bus, utc_now(self.clock))
        found = await finder.find(wanted.content_id, wanted.revision)
        facts = item_facts(found.written, found.item)
        await self.access.require(wanted.account, facts, READ_DRAFTS)
        return found

    def _audience_names(self, publication: Publication) -> dict[str, str]:
        words = self.facts.tables.vocabulary.audiences
        return {id: words[id].name if id in words else id for id in publication.audiences}

    async def _rows(self, channel: ChannelName, found: PreviewedPublication) -> list[str]:
        """The ids of the rows that would be planned on *channel*."""
        rows = self.planned.rows(channel, found.publication, found.item.released)
        return [row.id async for row in rows]

    async def _zalo(
        self, found: PreviewedPublication, uses: Mapping[Limit | None, LimitUse]
    ) -> ZaloReach:
        rows = await self._rows(ChannelName.ZALO, found)
        told = uses.get(None)
        asked = found.publication.broadcast
        targets = (asked.ages, asked.regions, asked.provinces) if asked else ()
        return ZaloReach(
            rows,
            await known_followers(self.bus),
            is_targeted=any(targets) or bool(asked and asked.gender != "all"),
            quotas=list(_quotas(uses)),
            broadcasts_left=max(told.most - told.used, 0) if told else None,
        )

    async def _uses(self) -> Mapping[Limit | None, LimitUse]:
        """The use of our limits, and under None of Zalo's own quota, as `loa status` has them."""
        uses = await load_publication_uses(self.bus, self.facts.zalo, self.clock)
        return {use.limit: use for use in uses}

    def _costs(self, portal: int, mail: MailReach | None, zalo: Sequence[str]) -> list[Cost]:
        effects = {"portal": portal, "email": mail.sent if mail else None, **dict.fromkeys(zalo, 1)}
        return [self._cost(step, count) for step, count in effects.items() if count != 0]

    def _cost(self, step: str, count: int | None) -> Cost:
        price = self.facts.tables.prices.get(step, Price())
        total = None if price.each is None or count is None else price.each * count
        return Cost(step, price.each, total, price.source)

    def _needs_second(self, publication: Publication, reach: int) -> bool:
        is_urgent = publication.lane is Lane.URGENT
        policy = self.access.policy
        return policy.approval_action(is_urgent=is_urgent, reach=reach) != "approve"


def _quotas(uses: Mapping[Limit | None, LimitUse]) -> Iterator[Quota]:
    """The quotas of what a release sends; of the month's broadcasts ours or Zalo's: the lower."""
    of_zalo = {Limit.BROADCASTS: uses.get(None)}
    for limit in (Limit.ARTICLES, Limit.BROADCASTS, Limit.DAILY_BROADCASTS):
        known = [use for use in (uses[limit], of_zalo.get(limit)) if use and use.most]
        use = min(known, key=lambda one: one.most - one.used, default=uses[limit])
        yield Quota(limit.value, use.used, use.most)
