"""Receipts: they upgrade a doubt, wait for their row, or are ignored."""

from dataclasses import replace

import pytest
import structlog

from consumers.feedback.handler import DeliveryReceipt, FeedbackHandler
from consumers.ledger.store import Ledger
from consumers.runtime.errors import RetryLater
from contracts.delivery import BatchKey, ChannelName, PlanKey
from tests.support.ledger_plan import store_plan
from tests.support.scripted_channel import reader_ids

PLAN = PlanKey(ChannelName.ZALO, "tin-moi", 1)


@pytest.fixture
def feedback(ledger):
    return FeedbackHandler(ledger)


async def stand(ledger: Ledger, letters: bytes, number: int = 0, **changes) -> None:
    """Store rows as a worker may have left them."""
    batch = BatchKey(*PLAN, number)
    held = await ledger.state(batch)
    entry = replace(held.value, rows=letters, **changes)
    await ledger.swap(batch, held, entry, until=float("inf"))


async def letters(ledger: Ledger, number: int = 0) -> str:
    return (await ledger.state(BatchKey(*PLAN, number))).value.rows.decode()


def receipt(recipient: str, **changes) -> DeliveryReceipt:
    known = {"channel": "zalo", "content_id": "tin-moi", "revision": 1, "recipient": recipient}
    return DeliveryReceipt.model_validate(known | changes)


async def test_a_receipt_ends_every_doubt_and_changes_nothing_else(ledger, feedback):
    """The table is that of `moves.apply_evidence`."""
    ids = reader_ids(9)
    await store_plan(ledger, PLAN, ids)
    await stand(ledger, b"PRKkWdxew")
    for id in ids:
        await feedback.on_receipt(receipt(id))
    assert await letters(ledger) == "DDDdDdxew"


async def test_a_receipt_tells_when_a_delivery_is_known(ledger, feedback):
    await store_plan(ledger, PLAN, ["a"])
    batch = BatchKey(*PLAN, 0)
    created = (await ledger.state(batch)).value.created
    feedback.clock = lambda: created + 7.0
    await stand(ledger, b"k")
    await feedback.on_receipt(receipt("a"))
    assert set((await ledger.state(batch)).value.progress) == {7.0}


async def test_a_receipt_that_comes_before_its_row_has_ended_comes_again(ledger, feedback):
    await store_plan(ledger, PLAN, ["a"])
    for was in "psSr":
        await stand(ledger, was.encode())
        with pytest.raises(RetryLater) as later:
            await feedback.on_receipt(receipt("a"))
        assert 1 <= later.value.delay_s <= 60
        assert await letters(ledger) == was
    await stand(ledger, b"P")
    await feedback.on_receipt(receipt("a"))
    assert await letters(ledger) == "D"


async def test_a_repeated_receipt_writes_nothing(ledger, feedback):
    await store_plan(ledger, PLAN, ["a"])
    await stand(ledger, b"k", closed_at=5.0)
    await feedback.on_receipt(receipt("a"))
    before = await ledger.bucket.last_seq()
    for _ in range(3):
        await feedback.on_receipt(receipt("a"))
    assert await ledger.bucket.last_seq() == before
    held = await ledger.state(BatchKey(*PLAN, 0))
    assert (held.value.rows, held.value.closed_at) == (b"d", 5.0)


async def test_a_receipt_that_belongs_to_nobody_is_named_in_the_log_and_done(ledger, feedback):
    await store_plan(ledger, PLAN, ["a", "b"], ["c"])
    await stand(ledger, b"PP")
    strays = [{"revision": 2}, {"content_id": "tin-khac"}, {"channel": "email"}]
    for changes in [{"recipient": "stranger"}, {"recipient": ""}, *strays]:
        with structlog.testing.capture_logs() as logs:
            await feedback.on_receipt(receipt(**{"recipient": "a"} | changes))
        assert [one["event"] for one in logs] == ["receipt_unmatched"]
        assert "recipient" not in logs[0]
    assert await letters(ledger) == "PP"


async def test_a_receipt_is_written_over_whatever_a_worker_wrote_meanwhile(ledger, feedback):
    await store_plan(ledger, PLAN, ["a", "b"])
    await stand(ledger, b"Ps", owner="w#1#1")
    real, meanwhile = ledger.bucket.swap, [b"Pd", b"PD"]

    async def overtaken(key, data, revision, **options):
        if meanwhile:
            rows = meanwhile.pop(0)
            ledger.bucket.swap = real
            await stand(ledger, rows, owner="w#1#1")
            ledger.bucket.swap = overtaken
        return await real(key, data, revision, **options)

    ledger.bucket.swap = overtaken
    await feedback.on_receipt(receipt("a"))
    held = await ledger.state(BatchKey(*PLAN, 0))
    assert (held.value.rows, held.value.owner) == (b"DD", "w#1#1")
