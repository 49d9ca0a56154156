"""How many urgent items the band at the top of the pages has, and when one leaves it."""

from datetime import datetime, timedelta

from contracts.delivery import Lane
from contracts.publication import Publication

BAND_MAX = 5
"""Older urgent items stand in the list with all others."""
_LONGEST = timedelta(days=7)
_WITHOUT_END = timedelta(hours=24)
"""How long an urgent text without `expires_at` stays in the band."""


def urgent_until(publication: Publication) -> datetime | None:
    """When the item leaves the band; None for one that is not urgent, or was withdrawn."""
    if publication.lane is not Lane.URGENT or publication.action == "withdrawn":
        return None
    shown_at = publication.shown_at
    return min(publication.expires_at or shown_at + _WITHOUT_END, shown_at + _LONGEST)
