"""The canary's feed: written like every file, named in no list, read at the public address."""

import aiohttp
from lxml import etree

from channels.base import Canary, Outcome, Verdict
from channels.portal.model.site import CANARY_PATH, Site
from channels.portal.model.texts import catalog_text
from channels.portal.render.xml import (
    ATOM_NS,
    XML_LANG,
    add_child,
    atom_tag,
    format_rfc3339,
    serialize,
)

READ_TIMEOUT_S = 10.0
_BODY_MAX_BYTES = 64 * 1024
DELIVERED = Outcome(Verdict.DELIVERED)


def canary_feed(canary: Canary, site: Site) -> bytes:
    """A feed of one entry with the canary's number and time."""
    url = site.url(CANARY_PATH)
    root = etree.Element(atom_tag("feed"), nsmap={None: ATOM_NS})
    root.set(XML_LANG, "vi")
    add_child(root, atom_tag("id"), url)
    add_child(root, atom_tag("title"), catalog_text("canary", "title"))
    add_child(root, atom_tag("updated"), format_rfc3339(canary.at))
    add_child(root, atom_tag("link"), rel="self", type="application/atom+xml", href=url)
    add_child(add_child(root, atom_tag("author")), atom_tag("name"), catalog_text("site", "owner"))
    entry = add_child(root, atom_tag("entry"))
    add_child(entry, atom_tag("id"), f"{url}#{canary.number}")
    add_child(entry, atom_tag("title"), catalog_text("canary", "entry", number=str(canary.number)))
    add_child(entry, atom_tag("updated"), format_rfc3339(canary.at))
    add_child(entry, atom_tag("content"), catalog_text("canary", "text"))
    return serialize(root)


async def _read_limited(response: aiohttp.ClientResponse) -> bytes:
    """Read a response's body, but not much more than _BODY_MAX_BYTES."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _BODY_MAX_BYTES:
            break
    return bytes(body)


async def read_back(canary: Canary, expected: bytes) -> Outcome:
    """Compare the public address with *expected*; the query parameter bypasses caches."""
    url = canary.target.rstrip("/") + CANARY_PATH
    timeout = aiohttp.ClientTimeout(total=READ_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(url, params={"lan": str(canary.number)}) as response,
        ):
            body = await _read_limited(response) if response.status == 200 else b""
            status = response.status
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return Outcome(Verdict.HELD, f"public address: {type(error).__name__}")
    if status != 200:
        return Outcome(Verdict.HELD, f"public address: HTTP {status}")
    if body != expected:
        return Outcome(Verdict.HELD, "public address: not the file that was written")
    return DELIVERED
