"""A feed's address without a suffix: which of its forms a reader wants (RFC 9110, 12.5.1)."""

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
"""Of those that a reader wants alike the first: who says nothing gets Atom."""
_ADDRESS = re.compile(r"/nguon-tin/([a-z0-9-]+)")
_RANGE = re.compile(r"\s*([^\s;,]+/[^\s;,]+)\s*((?:;[^,]*)?)")
_WEIGHT = re.compile(r";\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*(?:;|$)", re.IGNORECASE)


def candidate_paths(path: str, accept: str) -> Iterator[str]:
    """The paths that may answer for *path*, what is wanted most first; none for another address."""
    if address := _ADDRESS.fullmatch(path):
        slug = address[1]
        for kind in accepted_formats(accept):
            yield listing_path(slug) if kind == "html" else feed_path(slug, kind)


def accepted_formats(accept: str) -> list[str]:
    """The forms that *accept*, the header of a request, allows; an empty one allows each."""
    weights = dict(_weights(accept or "*/*"))
    judged = [(_offer_weight(offer, weights), kind) for offer, kind in OFFERED_TYPES.items()]
    allowed = sorted((one for one in judged if one[0]), key=lambda one: -one[0])
    return list(dict.fromkeys(kind for _, kind in allowed))


def _weights(accept: str) -> Iterator[tuple[str, float]]:
    """Media ranges with their weights; what is none is left out."""
    for found in _RANGE.finditer(accept):
        weight = _WEIGHT.search(found[2])
        yield found[1].lower(), min(float(weight[1]), 1.0) if weight else 1.0


def _offer_weight(offer: str, weights: dict[str, float]) -> float:
    """That of the narrowest range which has it; 0 = not wanted."""
    ranges = (offer, f"{offer.partition('/')[0]}/*", "*/*")
    return next((weights[one] for one in ranges if one in weights), 0.0)
