"""A browser's headers about the page that caused a request: Origin and the Sec-Fetch headers."""

from collections.abc import Mapping


def is_cross_site_request(headers: Mapping[str, str]) -> bool:
    """Whether a page of another site caused the request, unless a person followed a link.

    Programs send none of these headers. *headers* must ignore case.
    """
    origin = headers.get("Origin")
    if origin is not None and _authority(origin) != headers.get("Host", "").lower():
        return True
    if headers.get("Sec-Fetch-Site", "none") in {"none", "same-origin"}:
        return False
    return headers.get("Sec-Fetch-Dest") != "document"


def _authority(origin: str) -> str:
    """Host and port of an origin; empty for an opaque one."""
    return origin.partition("://")[2].lower()
