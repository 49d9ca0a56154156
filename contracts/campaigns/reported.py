"""What the report of a campaign is made of: its plan beside done, and the items that it counts."""

from dataclasses import dataclass
from datetime import date

from contracts.campaigns.plan import CampaignPlan
from contracts.campaigns.progress import Progress


@dataclass(frozen=True)
class ReportedCampaign:
    """A campaign as it was on *today*.

    `content_ids`: the items that joined and that readers saw, also those that were withdrawn since.
    The campaign's own item announces it and is not counted.
    """

    content_id: str
    title: str
    unit: str
    plan: CampaignPlan
    progress: Progress
    content_ids: tuple[str, ...]
    today: date

    @property
    def withdrawn(self) -> int:
        """How many items readers saw and no longer have: no target counts them as published."""
        return len({*self.content_ids} - {one.content_id for one in self.progress.published})
