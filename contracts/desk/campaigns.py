"""Campaigns in the desk's index: the items that joined each one, counted beside its plan."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from contracts.campaigns.composition import PLAN, plan_in
from contracts.campaigns.plan import CampaignPlan
from contracts.campaigns.progress import (
    CampaignItem,
    IsWorking,
    PlanCounts,
    ShownItems,
    counts_of,
    progress_of,
)
from contracts.campaigns.reported import Campaign, ReportedCampaign
from contracts.desk.index import MOST_ROWS, ItemFilter, ItemRow, Items, all_rows
from contracts.editorial import Status
from contracts.text.moments import VIETNAM

CAMPAIGNS = ItemFilter(is_campaign=True, limit=MOST_ROWS)
_REMEMBERED = 512
_LEFT = frozenset({Status.WITHDRAWN, Status.REJECTED})


def plan_of(row: ItemRow) -> CampaignPlan | None:
    """The plan of an item that is a campaign: the approved one, else the newest."""
    return _plan_in(row.campaign_plan) if row.campaign_plan else None


@lru_cache(_REMEMBERED)
def _plan_in(written: str) -> CampaignPlan | None:
    """The plan of a JSON text: each page of campaigns asks for the same ones again."""
    return plan_in({PLAN: json.loads(written)})


def _campaign_in(row: ItemRow) -> Campaign | None:
    """The campaign that an item is."""
    plan = plan_of(row)
    title = row.released_title or row.title
    return Campaign(row.content_id, title, row.unit, plan) if plan else None


@dataclass(frozen=True)
class JoinedRows:
    """The items that joined a campaign, with its own. `readable`: those that the person may read.

    Of another item the person learns what readers have.
    """

    rows: Sequence[ItemRow]
    readable: frozenset[str] = frozenset()


async def joined_rows(index: Items, campaign: str, readable: ItemFilter) -> JoinedRows:
    """Items that joined a campaign, for a person who may read *readable*. Raises as `Items`."""
    wanted = _items_of(campaign)
    own = replace(readable, campaigns=wanted.campaigns, limit=wanted.limit)
    ids = frozenset(row.content_id for row in await all_rows(index, own))
    return JoinedRows(await all_rows(index, wanted), ids)


class CountedRow(NamedTuple):
    """A campaign in a list, and how much of its plan is done."""

    row: ItemRow
    campaign: Campaign
    counts: PlanCounts


async def counted_rows(
    index: Items, rows: Iterable[ItemRow], now: datetime
) -> Sequence[CountedRow]:
    """The rows that are campaigns, counted as `count_campaign` does. Raises as `Items`."""
    found = [(row, one) for row in rows if (one := _campaign_in(row))]
    shown = defaultdict[str, list[ShownItems]](list)
    for group in await index.count_campaigns([row.content_id for row, _ in found]):
        first_on = _day(group.first_shown_at)
        channels = frozenset(group.channels)
        shown[group.campaign].append(ShownItems(group.entry, channels, first_on, group.number))
    today = _day(now)
    return [
        CountedRow(row, one, counts_of(one.plan, shown[row.content_id], today))
        for row, one in found
    ]


def _items_of(campaign: str) -> ItemFilter:
    """The items that joined a campaign, and its own."""
    return ItemFilter(campaigns=(campaign,), limit=MOST_ROWS)


def _day(at: datetime) -> date:
    return at.astimezone(VIETNAM).date()


def count_campaign(
    campaign: Campaign, joined: JoinedRows, now: datetime, is_working: IsWorking
) -> ReportedCampaign:
    """A campaign's plan beside what is done, as pages, commands and its report have it."""
    items, today = _items(campaign.content_id, joined, now), _day(now)
    return ReportedCampaign(
        *(campaign.content_id, campaign.title, campaign.unit, campaign.plan),
        progress=progress_of(campaign.plan, items, today, is_working),
        withdrawn=tuple(_withdrawn(campaign.content_id, joined.rows, now)),
        today=today,
    )


def _items(campaign: str, joined: JoinedRows, now: datetime) -> Iterator[CampaignItem]:
    """Items that readers have, and those on the way there that the person may read."""
    for row in joined.rows:
        has_left = row.stored_status in _LEFT and not row.out
        if row.content_id == campaign or has_left:
            continue
        if row.out and _was_shown(row, now):
            yield _seen(row, now)
        elif row.content_id in joined.readable:
            yield CampaignItem(channels=frozenset(row.channels), title=row.title, **_named(row))


def _withdrawn(campaign: str, rows: Iterable[ItemRow], now: datetime) -> Iterator[CampaignItem]:
    for row in rows:
        if row.content_id != campaign and not row.out and _was_shown(row, now):
            yield _seen(row, now)


def _was_shown(row: ItemRow, now: datetime) -> bool:
    """Whether readers have seen a revision of the item."""
    return row.first_shown_at is not None and row.first_shown_at <= now


def _seen(row: ItemRow, now: datetime) -> CampaignItem:
    """An item as readers have it, or had it last."""
    first_on = {channel: _day(at) for channel, at in row.first_shown.items() if at <= now}
    return CampaignItem(
        title=row.released_title,
        first_on=first_on,
        channels=frozenset(first_on),
        **_named(row),
    )


def _named(row: ItemRow) -> dict[str, Any]:
    return {"content_id": row.content_id, "unit": row.unit, "entry": row.campaign_entry}
