"""Whether a reader has the newest bytes already (RFC 9110, 13.1)."""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def not_modified(tag: str, modified_s: int, if_none_match: str | None, since: str | None) -> bool:
    """True for a 304. If-None-Match wins, whatever If-Modified-Since says; tags compare weakly."""
    if if_none_match is not None:
        return if_none_match.strip() == "*" or _bare(tag) in _TAG.findall(if_none_match)
    return since is not None and modified_s <= _seconds(since)


def _bare(tag: str) -> str:
    return tag.removeprefix("W/")


def _seconds(written: str) -> float:
    """An HTTP date in seconds; what isn't one is older than everything."""
    try:
        at = parsedate_to_datetime(written)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return float("-inf")
