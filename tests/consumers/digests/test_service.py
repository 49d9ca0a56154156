"""Digests on a real bus: each recipient gets each item once, whatever happens in between."""

import asyncio

import pytest

from consumers.digests import build, service
from contracts import publication, subjects
from contracts.delivery import BatchKey, Lane
from contracts.subscriptions.digest import FREQUENCIES
from contracts.subscriptions.subscriber import UNTIL_RESUMED
from tests.support.digest_pipeline import (
    BUSY,
    EMAIL,
    FRIDAY,
    OTHER,
    SATURDAY,
    later,
)
from tests.support.scripted_channel import OK


async def test_a_day_comes_in_one_mail(digest_pipeline):
    digest_pipeline.directory.add("an", frequency="daily")
    digest_pipeline.directory.add("binh")
    await digest_pipeline.release_and_plan("tin-mot")
    await digest_pipeline.release_and_plan("tin-hai")
    await digest_pipeline.deliver()
    assert digest_pipeline.recorder.items("binh") == [("tin-mot", 1), ("tin-hai", 1)]
    assert digest_pipeline.recorder.items("an") == []
    await digest_pipeline.pass_days()
    await digest_pipeline.deliver()
    assert digest_pipeline.recorder.items("an") == [("tin-mot", 1), ("tin-hai", 1)]
    assert digest_pipeline.recorder.mails("an") == ["digest-daily-2027-01-16.1"]
    assert len(digest_pipeline.recorder.mails("binh")) == 2
    assert (await digest_pipeline.ledger.plan(SATURDAY)).value.lane is Lane.BULK


async def test_each_reader_gets_what_matches_and_nobody_an_empty_mail(digest_pipeline):
    digest_pipeline.directory.add("all", frequency="daily")
    digest_pipeline.directory.add("one", frequency="daily", topics=[OTHER])
    digest_pipeline.directory.add("none", frequency="daily", topics=["cai-cach-hanh-chinh"])
    digest_pipeline.directory.add("paused", frequency="daily", paused_until=UNTIL_RESUMED)
    await digest_pipeline.release_and_plan("tin-mot")
    await digest_pipeline.release_and_plan("tin-hai", topic=OTHER)
    await digest_pipeline.pass_days()
    assert await digest_pipeline.picks(SATURDAY) == {"all": 0b11, "one": 0b10}
    await digest_pipeline.deliver()
    assert digest_pipeline.recorder.items("one") == [("tin-hai", 1)]


async def test_a_week_comes_on_monday(digest_pipeline):
    digest_pipeline.directory.add("an", frequency="weekly")
    await digest_pipeline.release_and_plan("tin-mot")
    await digest_pipeline.pass_days(2)
    await digest_pipeline.release_and_plan("tin-hai")
    await digest_pipeline.deliver()
    assert digest_pipeline.recorder.items("an") == []
    await digest_pipeline.pass_days()
    await digest_pipeline.deliver()
    assert digest_pipeline.recorder.mails("an") == ["digest-weekly-2027-01-18.1"]
    assert digest_pipeline.recorder.items("an") == [("tin-mot", 1), ("tin-hai", 1)]


@pytest.mark.promise("13.4")
async def test_what_is_urgent_comes_at_once_and_in_no_digest(digest_pipeline):
    digest_pipeline.directory.add("an", frequency="daily")
    await digest_pipeline.release_and_plan("khan", lane="urgent")
    await digest_pipeline.release_and_plan("tin-mot", lane="bulk")
    await digest_pipeline.deliver()
    assert digest_pipeline.recorder.items("an") == [("khan", 1)]
    await digest_pipeline.pass_days()
    await digest_pipeline.deliver()
    assert digest_pipeline.recorder.items("an") == [("khan", 1), ("tin-mot", 1)]


@pytest.mark.promise("13.2")
async def test_after_an_outage_one_digest_makes_up_for_the_gap(digest_pipeline):
    digest_pipeline.directory.add("an", frequency="daily")
    await digest_pipeline.release_and_plan("tin-mot")
    await digest_pipeline.pass_days(2)
    await digest_pipeline.release_and_plan("tin-hai")
    await digest_pipeline.pass_days(2.5)
    await digest_pipeline.deliver()
    names = ["digest-daily-2027-01-17.1", "digest-daily-2027-01-19.1"]
    assert digest_pipeline.recorder.mails("an") == names, "named after the last cut that was due"
    assert digest_pipeline.recorder.items("an") == [("tin-mot", 1), ("tin-hai", 1)]


async def test_a_day_without_items_makes_no_digest_and_moves_on(digest_pipeline):
    digest_pipeline.directory.add("an", frequency="daily")
    await digest_pipeline.pass_days()
    now = (await digest_pipeline.service.store.last_cut("daily")).value
    assert (now.last, f"{now.day}") == ("", "2027-01-16")
    assert (await digest_pipeline.service.store.open_digests()).calls == {}


async def test_items_wait_for_their_time_and_are_left_out_when_it_is_over(digest_pipeline):
    digest_pipeline.directory.add("an", frequency="daily")
    clock = digest_pipeline.clock
    early = await digest_pipeline.release("mai", not_before=later(clock, hours=30))
    await digest_pipeline.release_and_plan("qua-han", expires_at=later(clock, hours=3))
    await digest_pipeline.release_and_plan("da-go")
    await digest_pipeline.release_and_plan("da-go", 2, action="withdrawn")
    await digest_pipeline.release_and_plan("tin-mot")
    await digest_pipeline.pass_days()
    await digest_pipeline.deliver()
    assert digest_pipeline.recorder.items("an") == [("tin-mot", 1)]
    clock.advance(86_400.0)
    assert await digest_pipeline.dispatch(early)
    assert await digest_pipeline.run_service()
    await digest_pipeline.deliver()
    assert digest_pipeline.recorder.items("an") == [("tin-mot", 1), ("mai", 1)]


@pytest.mark.promise("13.3")
async def test_nothing_leaves_after_its_time_and_the_rest_comes_without_it(digest_pipeline):
    """The relay is busy until one of two texts has expired."""
    digest_pipeline.directory.add("an", frequency="daily")
    digest_pipeline.recorder.answer = lambda row: BUSY
    await digest_pipeline.release_and_plan(
        "mot-ngay", expires_at=later(digest_pipeline.clock, hours=30)
    )
    await digest_pipeline.release_and_plan("tin-mot")
    await digest_pipeline.pass_days()
    await digest_pipeline.deliver()
    digest_pipeline.recorder.answer = lambda row: OK
    await digest_pipeline.pass_days(0.5)
    await digest_pipeline.deliver()
    assert digest_pipeline.recorder.items("an") == [("tin-mot", 1)]
    assert digest_pipeline.recorder.mails("an") == ["digest-daily-2027-01-16.2"]


@pytest.mark.promise("13.1")
async def test_a_publication_that_stands_twice_in_the_stream_is_one_item(digest_pipeline, bus):
    """A crash at the release can store a publication twice, also on both sides of a cut."""
    digest_pipeline.directory.add("an", frequency="daily")
    released = await digest_pipeline.release_and_plan("tin-mot")
    one = released.publication
    subject, body = subjects.publication(one.topic, one.content_id), publication.encode(one)
    for _ in range(2):
        await bus.publish(subject, body)
        await digest_pipeline.release_and_plan(f"tin-{digest_pipeline.clock():.0f}")
        await digest_pipeline.pass_days()
        await digest_pipeline.deliver()
    assert digest_pipeline.recorder.items("an").count(("tin-mot", 1)) == 1
    assert len(digest_pipeline.recorder.items("an")) == 3


async def test_too_many_items_for_one_digest_go_on_in_the_next(digest_pipeline, monkeypatch):
    monkeypatch.setattr(build, "MAX_ITEMS", 2)
    digest_pipeline.directory.add("an", frequency="daily")
    for name in ("mot", "hai", "ba", "bon", "nam"):
        await digest_pipeline.release_and_plan(name)
    await digest_pipeline.release_and_plan("ba", 2)
    for _ in range(4):
        await digest_pipeline.pass_days()
        await digest_pipeline.deliver()
    assert digest_pipeline.recorder.items("an") == [
        ("mot", 1),
        ("hai", 1),
        ("bon", 1),
        ("nam", 1),
        ("ba", 2),
    ]
    assert len(digest_pipeline.recorder.mails("an")) == 3


async def test_a_digest_waits_until_it_is_known_who_got_an_item_alone(digest_pipeline):
    digest_pipeline.directory.add("an")
    released = await digest_pipeline.release("tin-mot")
    digest_pipeline.directory.set_frequency("an", "daily")
    digest_pipeline.clock.advance(86_400.0)
    assert not await digest_pipeline.run_service()
    digest_pipeline.directory.set_frequency("an", "immediate")
    assert await digest_pipeline.dispatch(released)
    digest_pipeline.directory.set_frequency("an", "daily")
    assert await digest_pipeline.run_service()
    await digest_pipeline.deliver()
    assert digest_pipeline.recorder.mails("an") == ["tin-mot.1"]


async def test_an_item_that_nobody_plans_keeps_the_others_waiting_for_two_hours_only(
    digest_pipeline,
):
    digest_pipeline.directory.add("an", frequency="daily")
    stuck = await digest_pipeline.release("ket")
    await digest_pipeline.release_and_plan("tin-mot")
    digest_pipeline.clock.advance(86_400.0)
    assert not await digest_pipeline.run_service()
    digest_pipeline.clock.advance(7200.0)
    await digest_pipeline.repeat_until_done(digest_pipeline.run_service)
    await digest_pipeline.deliver()
    assert digest_pipeline.recorder.items("an") == [("tin-mot", 1)]
    await digest_pipeline.repeat_until_done(lambda: digest_pipeline.dispatch(stuck))
    await digest_pipeline.pass_days()
    await digest_pipeline.deliver()
    assert digest_pipeline.recorder.items("an") == [("tin-mot", 1), ("ket", 1)]
    assert await digest_pipeline.violations() == []


# --- changes of frequency


@pytest.mark.promise("13.1")
@pytest.mark.parametrize(
    ("rhythms", "mails"),
    [
        (("immediate", "daily", "daily"), ["mot.1", "digest-daily-2027-01-16.1"]),
        (("daily", "immediate", "immediate"), ["hai.1", "ba.1", "digest-daily-2027-01-16.1"]),
        (("daily", "immediate", "weekly"), ["hai.1", "digest-daily-2027-01-16.1"]),
        (("weekly", "daily", "immediate"), ["ba.1", "digest-daily-2027-01-16.1"]),
        (("weekly", "immediate", "immediate"), ["hai.1", "ba.1", "digest-weekly-2027-01-18.1"]),
    ],
)  # fmt: skip
async def test_whoever_changes_the_rhythm_gets_every_item_once(digest_pipeline, rhythms, mails):
    digest_pipeline.directory.add("an", frequency=rhythms[0])
    for name, rhythm in zip(("mot", "hai", "ba"), rhythms, strict=True):
        digest_pipeline.directory.set_frequency("an", rhythm)
        digest_pipeline.clock.advance(60.0)
        await digest_pipeline.release_and_plan(name)
        await digest_pipeline.deliver()
    for _ in range(4):
        await digest_pipeline.pass_days()
        await digest_pipeline.deliver()
    assert sorted(digest_pipeline.recorder.items("an")) == [("ba", 1), ("hai", 1), ("mot", 1)]
    assert digest_pipeline.recorder.mails("an") == mails


@pytest.mark.parametrize("order", [FREQUENCIES, FREQUENCIES[::-1]])
async def test_whichever_rhythm_is_cut_first_the_other_one_knows_what_it_gave(
    digest_pipeline, monkeypatch, order
):
    """From weekly to daily two days before both are cut: the weekly one reaches further back."""
    monkeypatch.setattr(service, "FREQUENCIES", order)
    digest_pipeline.directory.add("an", frequency="weekly")
    digest_pipeline.clock.advance(3600.0)
    digest_pipeline.directory.set_frequency("an", "daily")
    for name in ("thu-bay", "chu-nhat", "thu-hai"):
        await digest_pipeline.release_and_plan(name)
        await digest_pipeline.pass_days()
        await digest_pipeline.deliver()
    assert sorted(digest_pipeline.recorder.items("an")) == [
        ("chu-nhat", 1),
        ("thu-bay", 1),
        ("thu-hai", 1),
    ]


# --- several processes, and a restore


@pytest.mark.promise("13.2")
async def test_two_processes_that_cut_at_once_make_one_digest(digest_pipeline, bus):
    for number in range(700):
        digest_pipeline.directory.add(f"r{number:03d}", frequency="daily")
    await digest_pipeline.release_and_plan("tin-mot")
    await digest_pipeline.release_and_plan("tin-hai")
    digest_pipeline.clock.advance(86_400.0)
    await asyncio.gather(
        *(digest_pipeline.run_service(digest_pipeline.new_service(bus)) for _ in range(3))
    )
    assert len(await digest_pipeline.service.store.all_issues(SATURDAY.content_id)) == 1
    assert (await digest_pipeline.service.store.digests_of_item("tin-mot")).value.digests == (
        SATURDAY.content_id,
    )
    picks = await digest_pipeline.picks(SATURDAY)
    assert len(picks) == 700 == (await digest_pipeline.ledger.plan(SATURDAY)).value.planned
    assert set(picks.values()) == {0b11}


async def test_after_a_restore_a_digest_that_was_due_before_counts_as_perhaps_sent(digest_pipeline):
    class Restored:
        async def may_have_been_issued(self, due):
            return due.timestamp() < FRIDAY + 86_400.0

    digest_pipeline.service.doubts = Restored()
    digest_pipeline.directory.add("an", frequency="daily")
    for days in (1, 1):
        await digest_pipeline.release_and_plan(f"tin-{digest_pipeline.clock():.0f}")
        await digest_pipeline.pass_days(days)
    batches = [BatchKey(EMAIL, f"digest-daily-2027-01-{day}", 1, 0) for day in (16, 17)]
    states = [(await digest_pipeline.ledger.state(batch)).value for batch in batches]
    assert [state.rows for state in states] == [b"P", b"p"]
