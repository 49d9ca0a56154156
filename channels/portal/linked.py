"""The `Link` header of a feed that names a WebSub hub: both addresses as the feed has them."""

import re
from html import unescape

_HEAD = 4096
"""Everything that a feed says of itself stands before its first item."""
_HUBS = (
    re.compile(rb'<(?:atom:)?link rel="hub" href="([^"]*)"'),
    re.compile(rb'"hubs": \[\{"type": "WebSub", "url": "([^"]*)"'),
)
_SELVES = (
    re.compile(rb'<(?:atom:)?link rel="self" type="[^"]*" href="([^"]*)"'),
    re.compile(rb'"feed_url": "([^"]*)"'),
)


def links(body: bytes) -> bytes:
    """The header's value; empty for a feed without a hub."""
    head = body[:_HEAD]
    for hub, itself in zip(_HUBS, _SELVES, strict=True):
        found, own = hub.search(head), itself.search(head)
        if found and own:
            return b'<%b>; rel="hub", <%b>; rel="self"' % (_plain(found[1]), _plain(own[1]))
    return b""


def _plain(address: bytes) -> bytes:
    return unescape(address.decode()).encode()
