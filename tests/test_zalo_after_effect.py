"""The call had its effect and its answer was lost, two hundred times each: one of everything.

Create, correction and broadcast go from the ledger to the sandbox; each doubt is seen in the trace
while it lasts. Nothing waits on a real clock.
"""

from collections import Counter
from dataclasses import dataclass

import pytest

from channels.zalo.transport import Doubt
from consumers.items import Item
from consumers.register import Register
from consumers.trace import Count, Trace
from contracts.delivery import BatchKey, ChannelName, Status
from contracts.publication import Publication
from tests.builders import a_publication
from tests.zalo_house import BOTH, ZaloHouse, zalo_house
from tests.zalo_stage import a_correction

TIMES = 200
TIMEOUT = "timeout"
KINDS = ["drop_after", "html_after", "truncate_after", "empty_after", "error_after", TIMEOUT]
ROUTES = {
    "article.create": "/article/create",
    "article.update": "/article/update",
    "oa.message": "/oa/message",
}
ZALO = ChannelName.ZALO


@dataclass
class Story:
    """One account, and what `loa trace` says of its items."""

    house: ZaloHouse

    def __post_init__(self) -> None:
        self.register = Register(self.house.bus)
        self.trace = Trace(self.register, self.house.ledger, self.house.clock)
        self.house.stage.rules(processing=0, article_quota=9999, broadcast_quota=9999)

    def lose(self, route: str, number: int) -> None:
        """The next answer of this call gets lost, each time in another way."""
        kind = KINDS[number % len(KINDS)]
        if kind != TIMEOUT:
            self.house.stage.fault(route, kind)
            return

        def silent(request) -> None:
            if request.url.endswith(ROUTES[route]):
                self.house.stage.after_request = lambda request: None
                raise Doubt("no answer: TimeoutError")

        self.house.stage.after_request = silent

    async def released(self, publication: Publication) -> BatchKey:
        item = Item(
            unit=publication.unit, state="released", channels=(ZALO,), revision=publication.revision
        )
        await self.register.change_item(publication.content_id, lambda _: item)
        return await self.house.publish(publication)

    async def count(self, content_id: str) -> Count:
        told = await self.trace.story(content_id)
        assert told is not None
        return told.channels[ZALO]

    async def doubtful(self, batch: BatchKey) -> None:
        """One wake-up, after which the trace has a row in doubt."""
        await self.house.visit(batch)
        count = await self.count(batch.content_id)
        assert (count.in_doubt, count.complete) == (1, False), count

    @property
    def shown(self) -> Counter[str]:
        return Counter(article.payload["title"] for article in self.house.stage.visible)

    @property
    def told(self) -> Counter[str]:
        """How often each article was broadcast."""
        return Counter(id for sent in self.house.stage.broadcasts for id in sent.articles)


@pytest.fixture
async def story(bus, tmp_path, clock):
    async with zalo_house(bus, tmp_path, clock) as house:
        yield Story(house)


def items() -> list[Publication]:
    return [
        a_publication(content_id=f"tin-{number}", title=f"Thông báo số {number}")
        for number in range(TIMES)
    ]


async def test_a_create_whose_answer_is_lost_leaves_one_article_and_one_broadcast(story):
    for number, item in enumerate(items()):
        story.lose("article.create", number)
        batch = await story.released(item)
        await story.doubtful(batch)
        assert await story.house.finish(batch) == BOTH
        count = await story.count(item.content_id)
        assert (count.delivered, count.in_doubt, count.complete) == (2, 0, True)
    assert story.house.stage.effects("article_created") == TIMES
    assert set(story.shown.values()) == set(story.told.values()) == {1}
    assert len(story.shown) == len(story.told) == TIMES


async def test_a_correction_whose_answer_is_lost_is_seen_once_and_told_to_nobody_again(story):
    for number, item in enumerate(items()):
        await story.house.finish(await story.released(item))
        newer = a_correction(content_id=item.content_id, title=f"Đính chính số {number}")
        story.lose("article.update", number)
        batch = await story.released(newer)
        await story.doubtful(batch)
        assert await story.house.finish(batch) == {"article": Status.DELIVERED}
        assert (await story.count(item.content_id)).complete
    assert story.house.stage.effects("article_created") == TIMES
    assert story.shown == Counter(f"Đính chính số {number}" for number in range(TIMES))
    assert len(story.told) == TIMES
    assert set(story.told.values()) == {1}


async def test_a_broadcast_whose_answer_is_lost_is_never_sent_again(story):
    for number, item in enumerate(items()):
        story.lose("oa.message", number)
        batch = await story.released(item)
        while not (await story.house.entry(batch)).closed:
            wait_s = await story.house.visit(batch)
            count = await story.count(item.content_id)
            assert count.in_doubt or count.unknown or not story.house.stage.broadcasts[number:]
            story.house.clock.advance(wait_s)
        ended = await story.house.ending(batch)
        assert ended == {"article": Status.DELIVERED, "broadcast": Status.UNKNOWN}
        assert (await story.count(item.content_id)).unknown == 1
    assert set(story.shown.values()) == {1}
    assert len(story.told) == TIMES
    assert set(story.told.values()) == {1}
