"""Digests on a real bus: each recipient gets each item once, under every fault."""

import asyncio

import pytest

from consumers.digests import build, service
from contracts import publication, subjects
from contracts.base import tracing
from contracts.delivery import BatchKey, Lane
from contracts.subscriptions.digest import FREQUENCIES
from contracts.subscriptions.subscriber import UNTIL_RESUMED
from tests.support.digest_pipeline import BUSY, EMAIL, FRIDAY, OTHER, SATURDAY, later
from tests.support.scripted_channel import OK
from tests.support.traced import traced


async def test_a_day_comes_in_one_mail(digests):
    digests.directory.add("an", frequency="daily")
    digests.directory.add("binh")
    await digests.release_and_plan("tin-mot")
    await digests.release_and_plan("tin-hai")
    await digests.deliver()
    assert digests.items("binh") == [("tin-mot", 1), ("tin-hai", 1)]
    assert digests.items("an") == []
    await digests.deliver_next()
    assert digests.items("an") == [("tin-mot", 1), ("tin-hai", 1)]
    assert digests.mails("an") == ["digest-daily-2027-01-16.1"]
    assert len(digests.mails("binh")) == 2
    assert (await digests.ledger.plan(SATURDAY)).value.lane is Lane.BULK


async def test_a_digest_is_a_trace_of_its_own_that_links_to_those_of_its_items(digests):
    digests.directory.add("an", frequency="daily")
    with traced() as process:
        for number, content_id in enumerate(["tin-mot", "tin-hai"], 1):
            with tracing.continued({"traceparent": f"00-{number:032x}-{9:016x}-01"}):
                await digests.release_and_plan(content_id)
        await digests.deliver_next()
        spans = process.spans("deliver DELIVER")
        [digest] = [one for one in spans if "digest-" in one.attributes["loa.content_id"]]
        assert [link.context.trace_id for link in digest.links] == [1, 2]
        assert digest.parent is None
        [window] = [one for one in process.spans("window") if one.parent == digest.context]
        assert window.attributes["messaging.batch.message_count"] == 1


async def test_each_reader_gets_what_matches_and_nobody_an_empty_mail(digests):
    digests.directory.add("all", frequency="daily")
    digests.directory.add("one", frequency="daily", topics=[OTHER])
    digests.directory.add("none", frequency="daily", topics=["cai-cach-hanh-chinh"])
    digests.directory.add("paused", frequency="daily", paused_until=UNTIL_RESUMED)
    await digests.release_and_plan("tin-mot")
    await digests.release_and_plan("tin-hai", topic=OTHER)
    await digests.pass_days()
    assert await digests.picks(SATURDAY) == {"all": 0b11, "one": 0b10}
    await digests.deliver()
    assert digests.items("one") == [("tin-hai", 1)]


async def test_a_week_comes_on_monday(digests):
    digests.directory.add("an", frequency="weekly")
    await digests.release_and_plan("tin-mot")
    await digests.pass_days(2)
    await digests.release_and_plan("tin-hai")
    await digests.deliver()
    assert digests.items("an") == []
    await digests.deliver_next()
    assert digests.mails("an") == ["digest-weekly-2027-01-18.1"]
    assert digests.items("an") == [("tin-mot", 1), ("tin-hai", 1)]


@pytest.mark.promise("13.4")
async def test_what_is_urgent_comes_at_once_and_in_no_digest(digests):
    digests.directory.add("an", frequency="daily")
    await digests.release_and_plan("khan", lane="urgent")
    await digests.release_and_plan("tin-mot", lane="bulk")
    await digests.deliver()
    assert digests.items("an") == [("khan", 1)]
    await digests.deliver_next()
    assert digests.items("an") == [("khan", 1), ("tin-mot", 1)]


@pytest.mark.promise("13.2")
async def test_after_an_outage_one_digest_makes_up_for_the_gap(digests):
    digests.directory.add("an", frequency="daily")
    await digests.release_and_plan("tin-mot")
    await digests.pass_days(2)
    await digests.release_and_plan("tin-hai")
    await digests.deliver_next(2.5)
    names = ["digest-daily-2027-01-17.1", "digest-daily-2027-01-19.1"]
    assert digests.mails("an") == names, "named after the last cut that was due"
    assert digests.items("an") == [("tin-mot", 1), ("tin-hai", 1)]


async def test_a_day_without_items_makes_no_digest_and_moves_on(digests):
    digests.directory.add("an", frequency="daily")
    await digests.pass_days()
    now = (await digests.service.store.last_cut("daily")).value
    assert (now.last, f"{now.day}") == ("", "2027-01-16")
    assert (await digests.service.store.open_digests()).calls == {}


async def test_items_wait_for_their_time_and_are_left_out_when_it_is_over(digests):
    digests.directory.add("an", frequency="daily")
    clock = digests.clock
    early = await digests.release("mai", not_before=later(clock, hours=30))
    await digests.release_and_plan("qua-han", expires_at=later(clock, hours=3))
    await digests.release_and_plan("da-go")
    await digests.release_and_plan("da-go", 2, action="withdrawn")
    await digests.release_and_plan("tin-mot")
    await digests.deliver_next()
    assert digests.items("an") == [("tin-mot", 1)]
    clock.advance(86_400.0)
    assert await digests.dispatch(early)
    assert await digests.run_service()
    await digests.deliver()
    assert digests.items("an") == [("tin-mot", 1), ("mai", 1)]


@pytest.mark.promise("13.3")
async def test_nothing_leaves_after_its_time_and_the_rest_comes_without_it(digests):
    """The relay is busy until one of two texts has expired."""
    digests.directory.add("an", frequency="daily")
    digests.recorder.answer = lambda row: BUSY
    await digests.release_and_plan("mot-ngay", expires_at=later(digests.clock, hours=30))
    await digests.release_and_plan("tin-mot")
    await digests.deliver_next()
    digests.recorder.answer = lambda row: OK
    await digests.deliver_next(0.5)
    assert digests.items("an") == [("tin-mot", 1)]
    assert digests.mails("an") == ["digest-daily-2027-01-16.2"]


@pytest.mark.promise("13.1")
async def test_a_publication_that_stands_twice_in_the_stream_is_one_item(digests, bus):
    """A crash at the release can store a publication twice, also on both sides of a cut."""
    digests.directory.add("an", frequency="daily")
    released = await digests.release_and_plan("tin-mot")
    one = released.publication
    subject, body = subjects.publication(one.topic, one.content_id), publication.encode(one)
    for _ in range(2):
        await bus.publish(subject, body)
        await digests.release_and_plan(f"tin-{digests.clock():.0f}")
        await digests.deliver_next()
    assert digests.items("an").count(("tin-mot", 1)) == 1
    assert len(digests.items("an")) == 3


async def test_too_many_items_for_one_digest_go_on_in_the_next(digests, monkeypatch):
    monkeypatch.setattr(build, "MAX_ITEMS", 2)
    digests.directory.add("an", frequency="daily")
    for name in ("mot", "hai", "ba", "bon", "nam"):
        await digests.release_and_plan(name)
    await digests.release_and_plan("ba", 2)
    for _ in range(4):
        await digests.deliver_next()
    assert digests.items("an") == [("mot", 1), ("hai", 1), ("bon", 1), ("nam", 1), ("ba", 2)]
    assert len(digests.mails("an")) == 3


async def test_a_digest_waits_until_it_is_known_who_got_an_item_alone(digests):
    digests.directory.add("an")
    released = await digests.release("tin-mot")
    digests.directory.set_frequency("an", "daily")
    digests.clock.advance(86_400.0)
    assert not await digests.run_service()
    digests.directory.set_frequency("an", "immediate")
    assert await digests.dispatch(released)
    digests.directory.set_frequency("an", "daily")
    assert await digests.run_service()
    await digests.deliver()
    assert digests.mails("an") == ["tin-mot.1"]


async def test_an_item_that_nobody_plans_keeps_the_others_waiting_for_two_hours_only(digests):
    digests.directory.add("an", frequency="daily")
    stuck = await digests.release("ket")
    await digests.release_and_plan("tin-mot")
    digests.clock.advance(86_400.0)
    assert not await digests.run_service()
    digests.clock.advance(7200.0)
    await digests.repeat_until_done(digests.run_service)
    await digests.deliver()
    assert digests.items("an") == [("tin-mot", 1)]
    await digests.repeat_until_done(lambda: digests.dispatch(stuck))
    await digests.deliver_next()
    assert digests.items("an") == [("tin-mot", 1), ("ket", 1)]
    assert await digests.violations() == []


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
async def test_whoever_changes_the_rhythm_gets_every_item_once(digests, rhythms, mails):
    digests.directory.add("an", frequency=rhythms[0])
    for name, rhythm in zip(("mot", "hai", "ba"), rhythms, strict=True):
        digests.directory.set_frequency("an", rhythm)
        digests.clock.advance(60.0)
        await digests.release_and_plan(name)
        await digests.deliver()
    for _ in range(4):
        await digests.deliver_next()
    assert sorted(digests.items("an")) == [("ba", 1), ("hai", 1), ("mot", 1)]
    assert digests.mails("an") == mails


@pytest.mark.parametrize("order", [FREQUENCIES, FREQUENCIES[::-1]])
async def test_whichever_rhythm_is_cut_first_the_other_knows_of_it(digests, monkeypatch, order):
    """From weekly to daily two days before both are cut: the weekly one reaches further back."""
    monkeypatch.setattr(service, "FREQUENCIES", order)
    digests.directory.add("an", frequency="weekly")
    digests.clock.advance(3600.0)
    digests.directory.set_frequency("an", "daily")
    for name in ("thu-bay", "chu-nhat", "thu-hai"):
        await digests.release_and_plan(name)
        await digests.deliver_next()
    assert sorted(digests.items("an")) == [("chu-nhat", 1), ("thu-bay", 1), ("thu-hai", 1)]


# --- several processes, and a restore


@pytest.mark.promise("13.2")
async def test_two_processes_that_cut_at_once_make_one_digest(digests, bus):
    for number in range(700):
        digests.directory.add(f"r{number:03d}", frequency="daily")
    await digests.release_and_plan("tin-mot")
    await digests.release_and_plan("tin-hai")
    digests.clock.advance(86_400.0)
    await asyncio.gather(*(digests.run_service(digests.new_service(bus)) for _ in range(3)))
    assert len(await digests.service.store.all_issues(SATURDAY.content_id)) == 1
    known = (await digests.service.store.digests_of_item("tin-mot")).value
    assert known.digests == (SATURDAY.content_id,)
    picks = await digests.picks(SATURDAY)
    assert len(picks) == 700 == (await digests.ledger.plan(SATURDAY)).value.planned
    assert set(picks.values()) == {0b11}


async def test_after_a_restore_a_digest_that_was_due_before_counts_as_perhaps_sent(digests):
    class Restored:
        async def may_have_been_issued(self, due):
            return due.timestamp() < FRIDAY + 86_400.0

    digests.service.doubts = Restored()
    digests.directory.add("an", frequency="daily")
    for days in (1, 1):
        await digests.release_and_plan(f"tin-{digests.clock():.0f}")
        await digests.pass_days(days)
    batches = [BatchKey(EMAIL, f"digest-daily-2027-01-{day}", 1, 0) for day in (16, 17)]
    states = [(await digests.ledger.state(batch)).value for batch in batches]
    assert [state.rows for state in states] == [b"P", b"p"]
