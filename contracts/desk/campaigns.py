"""A campaign's plan beside its items, as the desk's index lists them."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from contracts.campaigns.composition import PLAN, plan_in
from contracts.campaigns.plan import CampaignPlan
from contracts.campaigns.progress import CampaignItem
from contracts.desk.index import ItemFilter, ItemRow
from contracts.editorial import Status
from contracts.text.moments import VIETNAM

MOST_ITEMS = 500
"""Items of one campaign that are read: the most rows that the index gives at once."""
_LEFT = frozenset({Status.WITHDRAWN, Status.REJECTED})
CAMPAIGNS = ItemFilter(is_campaign=True, limit=MOST_ITEMS)


def items_of(campaign: str) -> ItemFilter:
    """The items that joined a campaign, and its own."""
    return ItemFilter(campaign=campaign, limit=MOST_ITEMS)


def plan_of(row: ItemRow) -> CampaignPlan | None:
    """The plan of an item that is a campaign."""
    return plan_in({PLAN: row.campaign_plan})


def joined_items(campaign: str, rows: Iterable[ItemRow], now: datetime) -> Iterator[CampaignItem]:
    """The items among *rows* that joined; without those that were withdrawn or rejected."""
    for row in rows:
        if row.content_id == campaign or row.stored_status in _LEFT:
            continue
        shown_at = row.first_shown_at if row.out else None
        is_shown = shown_at is not None and shown_at <= now
        yield CampaignItem(
            content_id=row.content_id,
            title=row.title,
            unit=row.unit,
            entry=row.campaign_entry,
            shown_on=shown_at.astimezone(VIETNAM).date() if shown_at and is_shown else None,
        )


def shown_ids(campaign: str, rows: Iterable[ItemRow]) -> tuple[str, ...]:
    """The items that joined and that readers saw, also those that were withdrawn since."""
    shown = (row.content_id for row in rows if row.first_shown_at)
    return tuple(sorted(id for id in shown if id != campaign))
