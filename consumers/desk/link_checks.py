"""Checks whether the links of a text lead anywhere, asked with the guarded fetcher."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import NamedTuple
from urllib.parse import urldefrag, urlsplit
from weakref import WeakValueDictionary

import structlog

from channels.fetch.errors import FetchError, FetchReason
from channels.fetch.fetcher import FetchLimits, LinkProbe
from contracts.base.times import Clock, utc_now
from contracts.desk.checks.links import HOST_LINKS_MAX, LINKS_MAX, CheckedLink

log = structlog.get_logger()
_LIMITS = FetchLimits(total_s=8.0, max_redirects=5)
_AT_ONCE, _AT_ONCE_OF_HOST = 16, 2
"""Requests of all people together, and those that begin at one host."""
_BEGIN_WITHIN_S = 17.0
"""With the last link's own seconds a page waits 25: proxies give up after a minute."""
_KEPT_FOR = timedelta(hours=1)
_MOST_KEPT = 4000


class _Page(NamedTuple):
    """An address without its place in the page, which no server sees."""

    url: str
    host: str


def _new_slots() -> asyncio.Semaphore:
    return asyncio.Semaphore(_AT_ONCE)


def _new_probe() -> LinkProbe:
    return LinkProbe(limits=_LIMITS)


@dataclass
class DeskLinkChecks:
    """The results of this process: a page shows those of its text for an hour."""

    clock: Clock
    probe: LinkProbe = field(default_factory=_new_probe)
    begin_within_s: float = _BEGIN_WITHIN_S
    """Links that have found no slot by then are not asked."""
    _slots: asyncio.Semaphore = field(default_factory=_new_slots)
    _slots_of: WeakValueDictionary[str, asyncio.Semaphore] = field(
        default_factory=WeakValueDictionary
    )
    """The slots of each host that is being asked."""
    _known: dict[str, CheckedLink] = field(default_factory=dict)

    async def check(self, urls: Sequence[str]) -> None:
        """Ask the pages behind *urls* once each, within the limits; new results replace old ones.

        Pages without a result come first, so that another check goes on where one has ended.
        """
        wanted = self._choose(urls)
        begin_by = asyncio.get_running_loop().time() + self.begin_within_s
        found = await asyncio.gather(*(self._ask_in_time(one, begin_by) for one in wanted))
        asked = [one for one in found if one]
        for one in asked:
            self._known.pop(one.url, None)
            self._known[one.url] = one
        while len(self._known) > _MOST_KEPT:
            del self._known[next(iter(self._known))]
        dead = sum(bool(one.reason) for one in asked)
        log.info("desk_links_checked", links=len(wanted), asked=len(asked), dead=dead)

    def known(self, urls: Sequence[str]) -> Sequence[CheckedLink]:
        """The results for those of *urls* that were asked within the hour, in their order."""
        found = ((url, self._result(_page_of(url))) for url in urls)
        return [one._replace(url=url) for url, one in found if one]

    def _result(self, page: _Page) -> CheckedLink | None:
        found = self._known.get(page.url)
        is_fresh = found and found.at > utc_now(self.clock) - _KEPT_FOR
        return found if is_fresh else None

    def _choose(self, urls: Sequence[str]) -> list[_Page]:
        """At most LINKS_MAX pages, and at most HOST_LINKS_MAX of one host."""
        pages = dict.fromkeys(map(_page_of, urls))
        by_need = sorted(pages, key=lambda one: self._result(one) is not None)
        return list(islice(_few_of_each_host(by_need), LINKS_MAX))

    async def _ask_in_time(self, page: _Page, begin_by: float) -> CheckedLink | None:
        """The result for a page; None where no slot was free by *begin_by*."""
        of_host = self._slots_of.setdefault(page.host, asyncio.Semaphore(_AT_ONCE_OF_HOST))
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout_at(begin_by):
                    await held.enter_async_context(of_host)
                    await held.enter_async_context(self._slots)
            except TimeoutError:
                return None
            return await self._ask(page.url)

    async def _ask(self, url: str) -> CheckedLink:
        reason = detail = ""
        try:
            await self.probe.probe(url)
        except FetchError as failed:
            is_status = failed.fetch_reason is FetchReason.STATUS
            reason, detail = failed.fetch_reason.code, failed.detail if is_status else ""
        return CheckedLink(url, utc_now(self.clock), reason, detail)


def _few_of_each_host(pages: Iterable[_Page]) -> Iterator[_Page]:
    counted: Counter[str] = Counter()
    for page in pages:
        counted[page.host] += 1
        if counted[page.host] <= HOST_LINKS_MAX:
            yield page


def _page_of(url: str) -> _Page:
    try:
        return _Page(urldefrag(url).url, (urlsplit(url).hostname or "").rstrip("."))
    except ValueError:
        return _Page(url, "")
