"""The response to a conditional HTTP request, between the fetcher and the import of feeds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConditionalResponse:
    """A resource as read; `body` is None if it is unchanged since the last request."""

    body: bytes | None
    url: str
    """Address after all redirects."""
    moved_permanently: bool = False
    """Whether every redirect on the way was permanent."""
    charset: str = ""
    etag: str = ""
    last_modified: str = ""
    max_age_s: float = 0.0
