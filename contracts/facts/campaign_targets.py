"""Values of a campaign's targets: by its progress, and by the facts of its items."""

from contracts.campaigns.reported import INDICATORS, ReportedCampaign
from contracts.facts.live_reports import ItemFigures, ItemsWanted


def facts_wanted(campaign: ReportedCampaign) -> ItemsWanted | None:
    """The query of the facts for its targets; None where these need no fact."""
    asked = tuple(INDICATORS[one.metric] for one in campaign.plan.targets if one.metric != "items")
    return ItemsWanted(*campaign.counted_days, campaign.content_ids, asked) if asked else None


def reached_targets(campaign: ReportedCampaign, found: ItemFigures) -> ItemFigures:
    """The value of each target, by metric: of items by progress, of the others by *found*."""
    metrics: dict[str, str] = {indicator: metric for metric, indicator in INDICATORS.items()}
    texts = {metrics[name]: text for name, text in found.texts.items()}
    return ItemFigures({"items": str(len(campaign.progress.published)), **texts}, found.notes)
