"""Checks whether the links of a text lead anywhere, asked with the guarded fetcher."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urldefrag

import structlog

from channels.fetch.errors import FetchError, FetchReason
from channels.fetch.fetcher import FetchLimits, LinkProbe
from contracts.base.times import Clock, utc_now
from contracts.desk.checks.links import LINKS_MAX, CheckedLink

log = structlog.get_logger()
_LIMITS = FetchLimits(total_s=8.0, max_redirects=5)
_AT_ONCE = 16
_TOTAL_S = 25.0
"""A page waits no longer: proxies give up after a minute."""
_KEPT_FOR = timedelta(hours=1)
_MOST_KEPT = 4000


def _slots() -> asyncio.Semaphore:
    return asyncio.Semaphore(_AT_ONCE)


def _new_probe() -> LinkProbe:
    return LinkProbe(limits=_LIMITS)


@dataclass
class DeskLinkChecks:
    """The results of this process: a page shows those of its text for an hour."""

    clock: Clock
    probe: LinkProbe = field(default_factory=_new_probe)
    _slots: asyncio.Semaphore = field(default_factory=_slots)
    _known: dict[str, CheckedLink] = field(default_factory=dict)

    async def check(self, urls: Sequence[str]) -> None:
        """Ask each of the first LINKS_MAX pages once; results of before are replaced."""
        wanted = list(dict.fromkeys(map(_page_of, urls)))[:LINKS_MAX]
        found = await asyncio.gather(*map(self._ask, wanted))
        for one in found:
            self._known.pop(one.url, None)
            self._known[one.url] = one
        while len(self._known) > _MOST_KEPT:
            del self._known[next(iter(self._known))]
        dead = sum(bool(one.reason) for one in found)
        log.info("desk_links_checked", links=len(found), dead=dead)

    def known(self, urls: Sequence[str]) -> Sequence[CheckedLink]:
        """What came of those of *urls* that were asked within the hour, in their order."""
        since = utc_now(self.clock) - _KEPT_FOR
        found = ((url, self._known.get(_page_of(url))) for url in urls)
        return [one._replace(url=url) for url, one in found if one and one.at > since]

    async def _ask(self, url: str) -> CheckedLink:
        reason = detail = ""
        try:
            async with asyncio.timeout(_TOTAL_S), self._slots:
                await self.probe.probe(url)
        except TimeoutError:
            reason = FetchReason.TOO_SLOW.code
        except FetchError as failed:
            is_status = failed.fetch_reason is FetchReason.STATUS
            reason, detail = failed.fetch_reason.code, failed.detail if is_status else ""
        return CheckedLink(url, utc_now(self.clock), reason, detail)


def _page_of(url: str) -> str:
    """The address without its place in the page, which no server sees."""
    try:
        return urldefrag(url).url
    except ValueError:
        return url
