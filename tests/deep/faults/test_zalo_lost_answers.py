"""The call had its effect and its answer was lost, two hundred times each: one of everything.

Create, correction and broadcast go from the ledger to the sandbox; each doubt is seen in the trace
while it lasts. Nothing waits on a real clock.
"""

from collections import Counter
from dataclasses import dataclass

import pytest

from channels.zalo.errors import AmbiguousResult
from consumers.intake.items import Item
from consumers.intake.repository import ItemRepository
from consumers.reporting.trace import StatusCounts, TraceReader
from contracts.delivery import BatchKey, ChannelName, Status
from contracts.publication import Publication
from tests.support.publications import a_publication
from tests.support.zalo_account import ZaloAccount, sample_correction
from tests.support.zalo_pipeline import BOTH, ZaloPipeline, open_zalo_pipeline

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
class LossyAccount:
    """One account, and what `loa trace` says of its items."""

    pipeline: ZaloPipeline

    def __post_init__(self) -> None:
        self.register = ItemRepository(self.pipeline.bus)
        self.trace = TraceReader(self.pipeline.bus, self.pipeline.clock)
        self.pipeline.account.set_rules(processing=0, article_quota=9999, broadcast_quota=9999)

    @property
    def account(self) -> ZaloAccount:
        return self.pipeline.account

    def lose(self, route: str, number: int) -> None:
        """The next answer of this call gets lost, each time in another way."""
        kind = KINDS[number % len(KINDS)]
        if kind != TIMEOUT:
            self.account.fault(route, kind)
            return

        def silent(request) -> None:
            if request.url.endswith(ROUTES[route]):
                self.account.after_request = lambda request: None
                raise AmbiguousResult("no answer: TimeoutError")

        self.account.after_request = silent

    async def released(self, publication: Publication) -> BatchKey:
        unit, revision = publication.unit, publication.revision
        item = Item(unit=unit, state="released", channels=(ZALO,), revision=revision)
        await self.register.update_item(publication.content_id, lambda _: item)
        return await self.pipeline.publish(publication)

    async def count(self, content_id: str) -> StatusCounts:
        told = await self.trace.trace(content_id)
        assert told is not None
        return told.channels[ZALO]

    async def doubtful(self, batch: BatchKey) -> None:
        """One wake-up, after which the trace has a row in doubt."""
        await self.pipeline.wake(batch)
        count = await self.count(batch.content_id)
        assert (count.in_doubt, count.complete) == (1, False), count

    @property
    def shown(self) -> Counter[str]:
        return Counter(article.payload["title"] for article in self.account.visible)

    @property
    def told(self) -> Counter[str]:
        """How often each article was broadcast."""
        return Counter(id for sent in self.account.broadcasts for id in sent.articles)


@pytest.fixture
async def lossy_account(bus, tmp_path, clock):
    async with open_zalo_pipeline(bus, tmp_path, clock) as pipeline:
        yield LossyAccount(pipeline)


def items() -> list[Publication]:
    return [a_publication(content_id=f"tin-{n}", title=f"Thông báo số {n}") for n in range(TIMES)]


@pytest.mark.promise("6.1")
async def test_a_create_whose_answer_is_lost_leaves_one_article_and_one_broadcast(lossy_account):
    for number, item in enumerate(items()):
        lossy_account.lose("article.create", number)
        batch = await lossy_account.released(item)
        await lossy_account.doubtful(batch)
        assert await lossy_account.pipeline.finish(batch) == BOTH
        count = await lossy_account.count(item.content_id)
        assert (count.delivered, count.in_doubt, count.complete) == (2, 0, True)
    assert lossy_account.account.effects("article_created") == TIMES
    assert set(lossy_account.shown.values()) == set(lossy_account.told.values()) == {1}
    assert len(lossy_account.shown) == len(lossy_account.told) == TIMES


@pytest.mark.promise("6.1")
async def test_a_correction_whose_answer_is_lost_is_seen_once_and_not_told_again(lossy_account):
    for number, item in enumerate(items()):
        await lossy_account.pipeline.finish(await lossy_account.released(item))
        newer = sample_correction(content_id=item.content_id, title=f"Đính chính số {number}")
        lossy_account.lose("article.update", number)
        batch = await lossy_account.released(newer)
        await lossy_account.doubtful(batch)
        assert await lossy_account.pipeline.finish(batch) == {"article": Status.DELIVERED}
        assert (await lossy_account.count(item.content_id)).complete
    assert lossy_account.account.effects("article_created") == TIMES
    assert lossy_account.shown == Counter(f"Đính chính số {number}" for number in range(TIMES))
    assert len(lossy_account.told) == TIMES
    assert set(lossy_account.told.values()) == {1}


@pytest.mark.promise("6.3")
async def test_a_broadcast_whose_answer_is_lost_is_never_sent_again(lossy_account):
    for number, item in enumerate(items()):
        lossy_account.lose("oa.message", number)
        batch = await lossy_account.released(item)
        while not (await lossy_account.pipeline.entry(batch)).closed_at:
            wait_s = await lossy_account.pipeline.wake(batch)
            count = await lossy_account.count(item.content_id)
            sent = lossy_account.account.broadcasts[number:]
            assert count.in_doubt or count.unknown or not sent
            lossy_account.pipeline.clock.advance(wait_s)
        ended = await lossy_account.pipeline.row_statuses(batch)
        assert ended == {"article": Status.DELIVERED, "broadcast": Status.UNKNOWN}
        assert (await lossy_account.count(item.content_id)).unknown == 1
    assert set(lossy_account.shown.values()) == {1}
    assert len(lossy_account.told) == TIMES
    assert set(lossy_account.told.values()) == {1}
