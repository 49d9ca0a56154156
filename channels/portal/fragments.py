"""How one item is written in feeds and lists: made once, so that a feed is only put together."""

from typing import NamedTuple


class Fragments(NamedTuple):
    """The item's entry in each format of a feed, and in the lists of pages."""

    updated: int
    """Microseconds since 1970."""
    line: str
    """For lists of many items; HTML."""
    story: str
    """For lists that say what it is about; HTML."""
    rss: bytes
    atom: bytes
    json: bytes
