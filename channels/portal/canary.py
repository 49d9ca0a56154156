"""The canary's file: a feed that no list names, written as every file and read as readers do."""

import aiohttp
from lxml import etree

from channels.base import Canary, Outcome, Verdict
from channels.portal.site import CANARY_PATH, Site
from channels.portal.texts import say
from channels.portal.tree import ATOM, LANGUAGE, atom, child, document, instant

READ_S = 10.0
ANSWER_MAX = 64 * 1024
DELIVERED = Outcome(Verdict.DELIVERED)


def feed(canary: Canary, site: Site) -> bytes:
    """A feed of one entry, which says number and time."""
    url = site.url(CANARY_PATH)
    root = etree.Element(atom("feed"), nsmap={None: ATOM})
    root.set(LANGUAGE, "vi")
    child(root, atom("id"), url)
    child(root, atom("title"), say("canary", "title"))
    child(root, atom("updated"), instant(canary.at))
    child(root, atom("link"), rel="self", type="application/atom+xml", href=url)
    child(child(root, atom("author")), atom("name"), say("site", "owner"))
    entry = child(root, atom("entry"))
    child(entry, atom("id"), f"{url}#{canary.number}")
    child(entry, atom("title"), say("canary", "entry", number=str(canary.number)))
    child(entry, atom("updated"), instant(canary.at))
    child(entry, atom("content"), say("canary", "text"))
    return document(root)


async def body(answer: aiohttp.ClientResponse) -> bytes:
    """What the public address gives, in however many parts; no more than our file could be."""
    found = bytearray()
    async for part in answer.content.iter_any():
        found += part
        if len(found) > ANSWER_MAX:
            break
    return bytes(found)


async def read_back(canary: Canary, wanted: bytes) -> Outcome:
    """Whether the public address shows *wanted*; the query keeps caches out of the way."""
    url = canary.target.rstrip("/") + CANARY_PATH
    timeout = aiohttp.ClientTimeout(total=READ_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(url, params={"lan": str(canary.number)}) as answer,
        ):
            found = await body(answer) if answer.status == 200 else b""
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return Outcome(Verdict.HELD, f"public address: {type(error).__name__}")
    if status != 200:
        return Outcome(Verdict.HELD, f"public address: HTTP {status}")
    if found != wanted:
        return Outcome(Verdict.HELD, "public address: not the file that was written")
    return DELIVERED
