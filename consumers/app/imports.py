"""Joins the parts of the import: the request that may leave, and the clock that asks for it."""

import asyncio

from channels.fetch.fetcher import Away, FetchError, Limits
from channels.fetch.public import opened
from channels.fetch.visitor import Busy, Gone, Visitor
from consumers.app.node import Node
from consumers.app.settings import ImportSettings, read
from contracts.vocabulary import Vocabulary
from producers.bus import Bus
from producers.imports.round import Importer
from producers.imports.service import Imports
from producers.imports.site import Found, Hosts, Unreached
from producers.registry import Clock, Registry
from producers.wording import Saying, say

LIMITS = Limits(size=5_000_000, total_s=20.0, connect_s=5.0, redirects=3)


class Site:
    """A request to somebody's site, in the words of the import."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor

    async def __call__(self, url: str, *, etag: str = "", modified: str = "") -> Found:
        try:
            seen = await self.visitor.visit(url, etag=etag, modified=modified)
        except FetchError as trouble:
            raise unreached(trouble) from trouble
        return Found(
            seen.body, seen.url, seen.moved_for_good, seen.charset,
            seen.etag, seen.modified, seen.max_age_s,
        )  # fmt: skip


def unreached(trouble: FetchError) -> Unreached:
    if isinstance(trouble, Gone):
        return Unreached(say("import", "over").about("url"), over=True)
    after_s = trouble.after_s if isinstance(trouble, Busy) else 0.0
    return Unreached(worded(trouble).about("url"), after_s=after_s, detail=trouble.reason)


def worded(trouble: FetchError) -> Saying:
    """Why a site could not be read, in each language."""
    code = "unreached" if isinstance(trouble, Away) else "closed"
    why = say("import", f"why_{trouble.why.code}", detail=trouble.detail)
    return Saying(
        say("import", code, detail=why.en).en,
        say("import", code, detail=why.vi).vi,
    )


def site(settings: ImportSettings, public_url: str) -> Site:
    """What may leave for the sites of units: from the Internet alone, or as the operator allows."""
    visitor = Visitor(opened(settings.allow), LIMITS)
    if public_url:
        visitor.agent = f"Loa (+{public_url})"
    return Site(visitor)


def importer(bus: Bus, vocabulary: Vocabulary, clock: Clock, public_url: str) -> Importer:
    settings = read(ImportSettings)
    hosts = Hosts(settings.pause_s, asyncio.get_running_loop().time)
    return Importer(bus, vocabulary, clock, site(settings, public_url), hosts)


async def imports(node: Node) -> None:
    """Sites of units → CONTENT, through the same door as everybody."""
    work = importer(node.bus, node.vocabulary, node.clock, node.settings.public_url)
    registry = Registry(node.bus, node.vocabulary, node.clock)
    node.tasks.append(Imports(work, registry).run)
