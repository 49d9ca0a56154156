"""The canary's feed: written like every file, named in no list, read at the public address."""

import aiohttp

from channels.base import Canary, Outcome, Verdict
from channels.portal.model.site import CANARY_PATH, Site
from channels.portal.model.texts import catalog_text
from channels.portal.readback import read_limited
from channels.portal.render.xml import atom_feed, document, element, format_rfc3339

_READ_TIMEOUT_S = 10.0
_BODY_MAX_BYTES = 64 * 1024


def canary_feed(canary: Canary, site: Site) -> bytes:
    """A feed of one entry with the canary's number and time."""
    url, updated = site.url(CANARY_PATH), element("updated", format_rfc3339(canary.at))
    entry = element(
        "entry",
        element("id", f"{url}#{canary.number}"),
        element("title", catalog_text("canary", "entry", number=str(canary.number))),
        updated,
        element("content", catalog_text("canary", "text")),
    )
    root = atom_feed(
        element("id", url),
        element("title", catalog_text("canary", "title")),
        updated,
        element("link", rel="self", type="application/atom+xml", href=url),
        element("author", element("name", catalog_text("site", "owner"))),
        entry,
    )
    return document(root)


async def read_back(canary: Canary, expected: bytes) -> Outcome:
    """Compare the public address with *expected*; the query parameter bypasses caches."""
    url = canary.target.rstrip("/") + CANARY_PATH
    timeout = aiohttp.ClientTimeout(total=_READ_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(url, params={"lan": str(canary.number)}, allow_redirects=False) as response,
        ):
            if response.status != 200:
                return Outcome(Verdict.HELD, f"public address: HTTP {response.status}")
            body = await read_limited(response, _BODY_MAX_BYTES)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return Outcome(Verdict.HELD, f"public address: {type(error).__name__}")
    if body != expected:
        return Outcome(Verdict.HELD, "public address: not the file that was written")
    return Outcome(Verdict.DELIVERED)
