"""Who gets a publication on a channel: one sorted, unique sequence of recipient ids."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import NamedTuple, Protocol

from contracts.broadcast import announced
from contracts.publication import Publication

CHUNK = 5000
PORTAL = "portal"
ARTICLE, BROADCAST = "article", "broadcast"


class Row(NamedTuple):
    """One recipient; `correction` = got (or may have got) an earlier text of the item.

    `picks`: which of a digest's items, as a bit mask.
    """

    id: str
    correction: bool = False
    picks: int = 0


class Telling(NamedTuple):
    """What is told to whom: followers only when `following`, and `reached` in any case.

    A withdrawal, or a correction that no longer names this channel, is only for those who got (or
    may have got) an earlier text. `reached` is sorted and unique. `begun`: somebody was planned
    for an earlier text; where nobody was, nobody can ever see one.
    """

    publication: Publication
    following: bool
    reached: AsyncIterator[str]
    begun: bool = True


class Audience(Protocol):
    """A channel's recipients."""

    async def ready(self) -> None:
        """Raises Later until everybody who subscribed before now is known."""

    def count(self, publication: Publication) -> int:
        """How many `rows` will name, not counting corrections alone."""

    def rows(self, story: Telling, after: str) -> AsyncIterator[Row]:
        """Recipients with an id greater than *after*."""


class Readers(Protocol):
    """The part of the directory that an audience needs."""

    async def ready(self) -> None: ...
    def count(self, publication: Publication) -> int: ...
    def ids_after(self, publication: Publication, last: str, limit: int) -> Sequence[str]: ...


class Subscribers:
    """People: who follows the item now, and whoever got an earlier text of it."""

    def __init__(self, readers: Readers) -> None:
        self.readers = readers

    async def ready(self) -> None:
        await self.readers.ready()

    def count(self, publication: Publication) -> int:
        return self.readers.count(publication)

    async def rows(self, story: Telling, after: str) -> AsyncIterator[Row]:
        reached = story.reached
        wrong = await anext(reached, None)
        for id in self.followers(story.publication, after) if story.following else ():
            while wrong is not None and wrong < id:
                yield Row(wrong, True)
                wrong = await anext(reached, None)
            yield Row(id, id == wrong)
            if id == wrong:
                wrong = await anext(reached, None)
        while wrong is not None:
            yield Row(wrong, True)
            wrong = await anext(reached, None)

    def followers(self, publication: Publication, after: str) -> Iterator[str]:
        """Who follows the item now, read in chunks."""
        while True:
            ids = self.readers.ids_after(publication, after, CHUNK)
            yield from ids
            if len(ids) < CHUNK:
                return
            after = ids[-1]


class Portal:
    """The portal shows every position of an item, whatever became of the earlier ones.

    Only of a withdrawal before anything could be shown it learns nothing: it would tell the title.
    """

    async def ready(self) -> None:
        """Nobody to wait for."""

    def count(self, publication: Publication) -> int:  # noqa: ARG002 -- the same for each
        return 1

    async def rows(self, story: Telling, after: str) -> AsyncIterator[Row]:
        if after < PORTAL and (story.following or story.begun):
            yield Row(PORTAL)


class OfficialAccount:
    """Zalo: the article, then one broadcast of it; one row per call that has an effect.

    A correction updates the article under the broadcast's link; it is broadcast only when no
    earlier position was. A withdrawal hides the article, if there may be one. An item may ask for
    no broadcast.
    """

    async def ready(self) -> None:
        """Nobody to wait for."""

    def count(self, publication: Publication) -> int:
        return 2 if publication.action == "published" and announced(publication.broadcast) else 1

    async def rows(self, story: Telling, after: str) -> AsyncIterator[Row]:
        had = {id async for id in story.reached}
        wanted = {ARTICLE, BROADCAST} if story.following else {ARTICLE} & had
        if not announced(story.publication.broadcast):
            wanted.discard(BROADCAST)
        for id in sorted(wanted):
            if id > after and not (id == BROADCAST and id in had):
                yield Row(id, id in had)
