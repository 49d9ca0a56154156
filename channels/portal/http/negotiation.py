"""Content negotiation for a feed's address without a suffix (RFC 9110, 12.5.1)."""

import re
from collections.abc import Iterator

from channels.portal.model.site import feed_path, listing_path

OFFERED_TYPES = {
    "application/atom+xml": "atom",
    "application/rss+xml": "rss",
    "application/feed+json": "json",
    "application/json": "json",
    "text/html": "html",
}
"""Media types in order of preference; Atom for clients without any."""
_ADDRESS = re.compile(r"/nguon-tin/([a-z0-9-]+)")
_RANGES_MAX = 64
"""Media ranges that are read of a header; browsers send ten."""
_WEIGHT = re.compile(r";\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*(?:;|$)", re.IGNORECASE)


def candidate_paths(path: str, accept: str) -> Iterator[str]:
    """Paths of a feed's formats, most wanted first; none for other addresses."""
    if address := _ADDRESS.fullmatch(path):
        slug = address[1]
        for feed_format in accepted_formats(accept):
            yield listing_path(slug) if feed_format == "html" else feed_path(slug, feed_format)


def accepted_formats(accept: str) -> list[str]:
    """Formats that the header *accept* allows, best first; an empty one allows all."""
    weights, offers = dict(_weights(accept or "*/*")), OFFERED_TYPES.items()
    weighted = [(_offer_weight(offer, weights), feed_format) for offer, feed_format in offers]
    allowed = sorted((pair for pair in weighted if pair[0]), key=lambda pair: -pair[0])
    return list(dict.fromkeys(feed_format for _, feed_format in allowed))


def _weights(accept: str) -> Iterator[tuple[str, float]]:
    """Media ranges with their weights."""
    for part in accept.split(",", _RANGES_MAX)[:_RANGES_MAX]:
        media_range, separator, parameters = part.partition(";")
        weight = _WEIGHT.search(separator + parameters)
        yield media_range.strip().lower(), min(float(weight[1]), 1.0) if weight else 1.0


def _offer_weight(offer: str, weights: dict[str, float]) -> float:
    """Weight of the narrowest range that includes *offer*; 0 if none does."""
    ranges = (offer, f"{offer.partition('/')[0]}/*", "*/*")
    return next((weights[media_range] for media_range in ranges if media_range in weights), 0.0)
