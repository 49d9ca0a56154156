"""A campaign as its pages, commands and report count it: its plan beside done, and its items."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from contracts.campaigns.composition import plan_in
from contracts.campaigns.plan import CampaignPlan, Metric
from contracts.campaigns.progress import CampaignItem, Progress

INDICATORS: Mapping[Metric, str] = {
    "items": "items_published",
    "delivered": "delivered",
    "opinions": "opinions_received",
}
"""The indicator of reports that each metric of a target is."""
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Campaign:
    """A campaign with the title and plan that count: approved ones, else the newest."""

    content_id: str
    title: str
    unit: str
    plan: CampaignPlan

    @classmethod
    def of(
        cls, content_id: str, unit: str, approved: Mapping[str, Any], newest: Mapping[str, Any]
    ) -> "Campaign | None":
        """The campaign of an item by its texts; None if the item is none.

        *approved*: the text that is out or goes out next; empty without one.
        """
        if (plan := plan_in(approved) or plan_in(newest)) is None:
            return None
        return cls(content_id, str((approved or newest).get("title", "")), unit, plan)


@dataclass(frozen=True)
class ReportedCampaign(Campaign):
    """A campaign as it was on *today*. `withdrawn`: what readers have seen and no longer have.

    The campaign's own item announces it and is not counted.
    """

    progress: Progress
    today: date
    withdrawn: tuple[CampaignItem, ...] = ()

    @property
    def counted_days(self) -> tuple[date, date]:
        """The days of the campaign and of its items that are over; the first one at least."""
        items = (*self.progress.published, *self.withdrawn)
        shown = [one.shown_on for one in items if one.shown_on]
        first, last = min([self.plan.first_day, *shown]), max([self.plan.last_day, *shown])
        return first, max(first, min(last, self.today - _DAY))

    @property
    def content_ids(self) -> tuple[str, ...]:
        """The items that readers have seen, also those that were withdrawn since."""
        shown = (*self.progress.published, *self.withdrawn)
        return tuple(sorted(one.content_id for one in shown))
