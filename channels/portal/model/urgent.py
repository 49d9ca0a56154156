"""When an urgent item leaves the band at the top of the pages."""

from datetime import datetime, timedelta

from contracts.delivery import Lane
from contracts.publication import Publication

_WITHOUT_END = timedelta(hours=24)
"""How long an urgent text without `expires_at` stays in the band."""


def urgent_until(publication: Publication) -> datetime | None:
    """When the item leaves the band; None for one that is not urgent, or was withdrawn."""
    if publication.lane is not Lane.URGENT or publication.action == "withdrawn":
        return None
    return publication.expires_at or publication.shown_at + _WITHOUT_END
