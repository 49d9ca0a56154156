"""Audiences: a publication's recipients on a channel, as one sorted, unique sequence of ids."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import NamedTuple, Protocol

from contracts.content import is_broadcast
from contracts.publication import Publication

READ_CHUNK = 5000
PORTAL = "portal"
ARTICLE, BROADCAST = "article", "broadcast"


class AudienceRow(NamedTuple):
    """One recipient; `correction`: got, or may have got, an earlier text of the item.

    `picks`: the recipient's items of a digest, as a bit mask; of a bulletin those that it has had.
    """

    id: str
    correction: bool = False
    picks: int = 0


class AudienceQuery(NamedTuple):
    """Recipients asked for: `reached` always, followers if `includes_followers`.

    A withdrawal, or a correction that no longer names this channel, is only for recipients of an
    earlier text. `reached` is sorted and unique. `had_earlier_plan`: an earlier text was planned.
    """

    publication: Publication
    includes_followers: bool
    reached: AsyncIterator[str]
    had_earlier_plan: bool = True


class Audience(Protocol):
    """A channel's recipients."""

    async def ready(self) -> None:
        """Raises RetryLater until all earlier subscriptions are known."""

    def count(self, publication: Publication) -> int:
        """The number of `rows`, without those that only get a correction."""

    def rows(self, query: AudienceQuery, after: str) -> AsyncIterator[AudienceRow]:
        """Recipients with an id greater than *after*."""


class SubscriberSource(Protocol):
    """The part of the directory that an audience needs."""

    async def ready(self) -> None: ...
    def count(self, publication: Publication) -> int: ...
    def ids_after(self, publication: Publication, last: str, limit: int) -> Sequence[str]: ...


class SubscriberAudience:
    """Subscribers: the item's present followers, and the recipients of its earlier texts."""

    def __init__(self, subscribers: SubscriberSource) -> None:
        self.subscribers = subscribers

    async def ready(self) -> None:
        await self.subscribers.ready()

    def count(self, publication: Publication) -> int:
        return self.subscribers.count(publication)

    async def rows(self, query: AudienceQuery, after: str) -> AsyncIterator[AudienceRow]:
        reached = query.reached
        wrong = await anext(reached, None)
        for id in self.followers(query.publication, after) if query.includes_followers else ():
            while wrong is not None and wrong < id:
                yield AudienceRow(wrong, True)
                wrong = await anext(reached, None)
            yield AudienceRow(id, id == wrong)
            if id == wrong:
                wrong = await anext(reached, None)
        while wrong is not None:
            yield AudienceRow(wrong, True)
            wrong = await anext(reached, None)

    def followers(self, publication: Publication, after: str) -> Iterator[str]:
        """The item's present followers, read in chunks."""
        while True:
            ids = self.subscribers.ids_after(publication, after, READ_CHUNK)
            yield from ids
            if len(ids) < READ_CHUNK:
                return
            after = ids[-1]


class PortalAudience:
    """The portal, one row: it shows every position of an item.

    A withdrawal before any text was shown has no row, because it would reveal the title.
    """

    async def ready(self) -> None:
        """Always ready: there is no directory to wait for."""

    def count(self, publication: Publication) -> int:  # noqa: ARG002 -- the same for each
        return 1

    async def rows(self, query: AudienceQuery, after: str) -> AsyncIterator[AudienceRow]:
        if after < PORTAL and (query.includes_followers or query.had_earlier_plan):
            yield AudienceRow(PORTAL)


class ZaloAudience:
    """Zalo: the article, then one broadcast of it; one row per call that has an effect.

    A correction updates the article under the broadcast's link; it is broadcast only when no
    earlier position was. A withdrawal hides the article, if there may be one. An item may ask for
    no broadcast.
    """

    async def ready(self) -> None:
        """Always ready: there is no directory to wait for."""

    def count(self, publication: Publication) -> int:
        return 2 if publication.action == "published" and is_broadcast(publication.broadcast) else 1

    async def rows(self, query: AudienceQuery, after: str) -> AsyncIterator[AudienceRow]:
        had = {id async for id in query.reached}
        wanted = {ARTICLE, BROADCAST} if query.includes_followers else {ARTICLE} & had
        if not is_broadcast(query.publication.broadcast):
            wanted.discard(BROADCAST)
        for id in sorted(wanted):
            if id > after and not (id == BROADCAST and id in had):
                yield AudienceRow(id, id in had)
