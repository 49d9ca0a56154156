"""The suppression list in memory: current within a moment, and asked for every window."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from consumers.key_file import KeyFile
from consumers.runtime.errors import RetryLater
from consumers.suppression import cache as watching
from consumers.suppression.cache import SuppressionAwareContacts, SuppressionCache
from consumers.suppression.store import Suppression, SuppressionStore
from contracts.delivery import BatchKey, ChannelName, Status
from producers.seals import NotSealed
from tests.support.bounce_pipeline import SECRET, BouncePipeline
from tests.support.records_forger import seal_new_records
from tests.support.scripted_channel import StaticReaders, reader_ids
from tests.support.suppression_cache import RunningCache
from tests.support.waiting import until

EMAIL = ChannelName.EMAIL
MIDNIGHT = datetime(2026, 11, 26, tzinfo=UTC)


def address(reader: str) -> str:
    return f"{reader}@example.com"


async def test_what_stood_before_is_known_and_what_comes_is_known_soon(bus):
    before = SuppressionStore(bus, SECRET)
    await before.add(EMAIL, "An@Example.com", "complaint", None)
    await before.add(ChannelName.ZALO, "84912345678", "not ours", None)
    soft = before.hash_address("binh@example.com")
    await before.count_soft_failure(EMAIL, soft, "x", datetime.now(UTC))
    async with RunningCache(bus) as watch:
        assert watch.suppressed.reason_for("an@example.com") == "complaint", "however it is written"
        assert watch.suppressed.reason_for("84912345678") == ""
        assert watch.suppressed.reason_for("binh@example.com") == ""
        await watch.add("binh@example.com")
        assert watch.suppressed.reason_for("binh@example.com") == "bounced 5.1.1"
        assert len(watch.suppressed.active) == 2


async def test_another_writer_lifts_no_suppression_and_a_bounce_is_recorded_over_it(bus, tmp_path):
    seal_new_records(bus, KeyFile.open(tmp_path / "vault.key"))
    async with RunningCache(bus) as watch:
        await watch.add("an@example.com")
        key = watch.suppressions.key_of_address(EMAIL, "an@example.com")
        lifted = Suppression(reason="", at=MIDNIGHT, until=MIDNIGHT).model_dump_json().encode()
        for forged in (key, "email.gia", "email.ab"):
            await bus.publish(f"$KV.suppressed.{forged}", lifted)
        await watch.caught_up()
        assert watch.suppressed.reason_for("an@example.com")
        await bus.stored_bucket("suppressed").purge(key)
        await watch.caught_up()
        assert watch.suppressed.reason_for("an@example.com")
        with pytest.raises(NotSealed):
            await watch.suppressions.reason(EMAIL, "an@example.com")
        await watch.add("an@example.com")
        assert watch.suppressed.reason_for("an@example.com") == "bounced 5.1.1"


@pytest.mark.parametrize("by", ["", "Trần Thị Bình"])
async def test_what_was_lifted_stands_no_more(bus, by):
    async with RunningCache(bus) as watch:
        await watch.add("an@example.com")
        assert await watch.suppressions.lift(EMAIL, "an@example.com", by=by)
        await watch.caught_up()
        assert watch.suppressed.reason_for("an@example.com") == ""


async def test_what_has_an_end_ends(bus, tmp_path):
    loa = BouncePipeline(bus, tmp_path, 1)
    async with RunningCache(bus, loa.clock) as watch:
        await watch.add("an@example.com", until=loa.now() + timedelta(days=30))
        loa.clock.advance(29 * 86400)
        assert watch.suppressed.reason_for("an@example.com")
        loa.clock.advance(2 * 86400)
        assert watch.suppressed.reason_for("an@example.com") == ""


async def test_a_suppressed_reader_gets_nothing_and_the_row_says_why(bus, tmp_path):
    loa = BouncePipeline(bus, tmp_path, 60, window=25)
    first, last = loa.readers.ids[0], loa.readers.ids[-1]
    async with RunningCache(bus, loa.clock) as watch:
        loa.worker.contact_lookup = SuppressionAwareContacts(loa.readers, watch.suppressed)
        await watch.add(address(first), until=loa.now() + timedelta(days=1))
        await watch.add(address(last), reason="complaint")
        plan = await loa.deliver()
        entry = await loa.entry(plan)
    assert await loa.status_counts(plan) == {Status.DELIVERED: 58, Status.SUPPRESSED: 2}
    assert {entry.notes[row].reason for row in (0, 59)} == {"bounced 5.1.1", "complaint"}
    assert address(first) not in loa.provider.addresses


async def test_a_reader_is_suppressed_in_the_middle_of_a_batch(bus, tmp_path):
    loa = BouncePipeline(bus, tmp_path, 10, window=5)
    async with RunningCache(bus) as watch:
        loa.worker.contact_lookup = SuppressionAwareContacts(loa.readers, watch.suppressed)
        loa.provider.hold = asyncio.Event()
        plan = await loa.plan()
        working = asyncio.create_task(loa.work(plan))
        await until(lambda: loa.provider.windows)
        await watch.add(address(loa.readers.ids[7]))
        loa.provider.hold.set()
        await working
    assert (await loa.entry(plan)).rows == b"dddddddudd"


async def test_a_watch_that_is_silent_too_long_lets_nothing_out(bus, tmp_path, monkeypatch):
    loa = BouncePipeline(bus, tmp_path, 2)
    async with RunningCache(bus) as watch:
        loa.worker.contact_lookup = SuppressionAwareContacts(loa.readers, watch.suppressed)
        plan = await loa.plan()
        with monkeypatch.context() as patch:
            patch.setattr(watching, "MAX_AGE_S", -1.0)
            with pytest.raises(RetryLater):
                await loa.work(plan)
        assert await loa.status_counts(plan) == {Status.PENDING: 2}
        await loa.work(plan)
    assert await loa.status_counts(plan) == {Status.DELIVERED: 2}


async def test_a_watch_that_has_not_begun_lets_nothing_out(bus):
    unread = SuppressionCache(bus, SuppressionStore(bus, SECRET).hash_address_bytes)
    with pytest.raises(RetryLater):
        SuppressionAwareContacts(StaticReaders([]), unread).lookup(reader_ids(1))


async def test_the_row_of_a_suppressed_doubt_stays_a_maybe(bus, tmp_path):
    loa = BouncePipeline(bus, tmp_path, 2)
    async with RunningCache(bus) as watch:
        loa.worker.contact_lookup = SuppressionAwareContacts(loa.readers, watch.suppressed)
        plan = await loa.plan()
        batch = BatchKey(*plan, 0)
        held = await loa.ledger.state(batch)
        doubt = held.value.with_rows({0: ord("P")}, {})
        await loa.ledger.swap(batch, held, doubt, until=float("inf"))
        await watch.add(address(loa.readers.ids[0]))
        await loa.work(plan)
    entry = await loa.entry(plan)
    assert (entry.rows, entry.notes[0].reason) == (b"Ud", "bounced 5.1.1")


def said(hour: int, days: int | None) -> Suppression:
    """Build a suppression from *hour* on, for some days or until an operator lifts it."""
    at = MIDNIGHT + timedelta(hours=hour)
    return Suppression(reason="x", at=at, until=None if days is None else at + timedelta(days))


@pytest.mark.parametrize(
    ("stands", "later", "kept"),
    [
        (said(1, 365), said(2, 30), True),
        (said(1, 30), said(2, 365), False),
        (said(1, None), said(2, 30), True),
        (said(1, 30), said(2, None), False),
        (said(3, 0), said(2, 30), True),  # lifted after the report was made
        (said(3, 0), said(2, None), True),
        (said(1, 0), said(2, 30), False),
    ],
)
def test_of_two_words_the_longer_one_stands_and_a_persons_is_the_last(stands, later, kept):
    assert stands.takes_precedence(later) is kept


async def test_a_foreign_key_in_the_bucket_stops_no_mail(bus):
    async with RunningCache(bus) as watch:
        for key in ("email.no-hash", "email.", "email.abc"):
            await watch.suppressions.bucket.put(f"{key}x", b"{}")
        await watch.add("an@example.com")
        assert watch.suppressed.reason_for("an@example.com") and watch.suppressed.is_fresh
        assert not watch.task.done()
