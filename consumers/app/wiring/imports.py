"""Build the importer: the client that fetches units' sites, and its schedule."""

import asyncio

from channels.fetch.errors import FetchError, ResourceGone, RetryAfter, TemporaryFetchError
from channels.fetch.fetcher import ConditionalFetcher, FetchLimits
from channels.fetch.url_policy import parse_policy
from consumers.app.node import Node
from consumers.app.settings import ImportSettings, read_settings
from contracts.base.conditional_response import ConditionalResponse
from contracts.base.times import Clock
from contracts.errors import Bilingual
from contracts.vocabulary import Vocabulary
from producers.bus import Bus
from producers.imports.errors import FeedUnavailable
from producers.imports.feed_request import HostPacing
from producers.imports.service import ImportService
from producers.imports.visit import Importer
from producers.texts import get_text
from producers.units.registry import UnitRegistry

FETCH_LIMITS = FetchLimits(max_bytes=5_000_000, total_s=20.0, connect_s=5.0, max_redirects=3)


class SiteFetcher:
    """Fetches a unit's site; errors are the importer's."""

    def __init__(self, fetcher: ConditionalFetcher) -> None:
        self.fetcher = fetcher

    async def __call__(
        self, url: str, *, etag: str = "", last_modified: str = ""
    ) -> ConditionalResponse:
        try:
            return await self.fetcher.fetch_if_changed(url, etag=etag, last_modified=last_modified)
        except FetchError as error:
            raise import_error(error) from error


def import_error(error: FetchError) -> FeedUnavailable:
    if isinstance(error, ResourceGone):
        return FeedUnavailable(get_text("import", "over").as_field_error("url"), is_gone=True)
    after_s = error.after_s if isinstance(error, RetryAfter) else 0.0
    text = _error_text(error).as_field_error("url")
    return FeedUnavailable(text, retry_after_s=after_s, detail=error.reason)


def _error_text(error: FetchError) -> Bilingual:
    """The reason why a site could not be read, in each language."""
    code = "unreached" if isinstance(error, TemporaryFetchError) else "closed"
    reason = get_text("import", f"why_{error.fetch_reason.code}", detail=error.detail)
    return Bilingual(
        get_text("import", code, detail=reason.en).en, get_text("import", code, detail=reason.vi).vi
    )


def open_fetcher(settings: ImportSettings, public_url: str) -> SiteFetcher:
    """Open the fetcher of units' sites: public addresses, and those that the operator allows."""
    fetcher = ConditionalFetcher(parse_policy(settings.allow), FETCH_LIMITS)
    if public_url:
        fetcher.user_agent = f"Loa (+{public_url})"
    return SiteFetcher(fetcher)


def open_importer(bus: Bus, vocabulary: Vocabulary, clock: Clock, public_url: str) -> Importer:
    settings = read_settings(ImportSettings)
    hosts = HostPacing(settings.pause_s, asyncio.get_running_loop().time)
    return Importer(bus, vocabulary, clock, open_fetcher(settings, public_url), hosts)


async def add_imports(node: Node) -> None:
    """Sites of units → CONTENT, by the same admission as other senders."""
    importer = open_importer(node.bus, node.vocabulary, node.clock, node.settings.public_url)
    registry = UnitRegistry(node.bus, node.vocabulary, node.clock)
    node.tasks.append(ImportService(importer, registry).run)
