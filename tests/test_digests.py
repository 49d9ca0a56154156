"""Digests on a real bus: who gets what, once, in which mail, however the days go."""

import asyncio

import pytest

from consumers.digests import cut, service
from contracts import publication, subjects
from contracts.delivery import BatchKey, Lane
from contracts.digest import FREQUENCIES
from contracts.subscriber import UNTIL_RESUMED
from tests.digest_house import BUSY, EMAIL, FRIDAY, OTHER, SATURDAY, later, opened
from tests.fakes import OK


@pytest.fixture
async def press(bus, tmp_path):
    async with opened(bus, tmp_path) as press:
        yield press


async def test_a_day_comes_in_one_mail(press):
    press.folk.settle("an", frequency="daily")
    press.folk.settle("binh")
    await press.out("tin-mot")
    await press.out("tin-hai")
    await press.deliver()
    assert press.postman.items("binh") == [("tin-mot", 1), ("tin-hai", 1)]
    assert press.postman.items("an") == []
    await press.cut()
    await press.deliver()
    assert press.postman.items("an") == [("tin-mot", 1), ("tin-hai", 1)]
    assert press.postman.mails("an") == ["digest-daily-2027-01-16.1"]
    assert len(press.postman.mails("binh")) == 2
    assert (await press.ledger.plan(SATURDAY)).value.lane is Lane.BULK


async def test_each_reader_gets_what_matches_and_nobody_an_empty_mail(press):
    press.folk.settle("all", frequency="daily")
    press.folk.settle("one", frequency="daily", topics=[OTHER])
    press.folk.settle("none", frequency="daily", topics=["cai-cach-hanh-chinh"])
    press.folk.settle("paused", frequency="daily", paused_until=UNTIL_RESUMED)
    await press.out("tin-mot")
    await press.out("tin-hai", topic=OTHER)
    await press.cut()
    assert await press.picks(SATURDAY) == {"all": 0b11, "one": 0b10}
    await press.deliver()
    assert press.postman.items("one") == [("tin-hai", 1)]


async def test_a_week_comes_on_monday(press):
    press.folk.settle("an", frequency="weekly")
    await press.out("tin-mot")
    await press.cut(2)
    await press.out("tin-hai")
    await press.deliver()
    assert press.postman.items("an") == []
    await press.cut()
    await press.deliver()
    assert press.postman.mails("an") == ["digest-weekly-2027-01-18.1"]
    assert press.postman.items("an") == [("tin-mot", 1), ("tin-hai", 1)]


async def test_what_is_urgent_comes_at_once_and_in_no_digest(press):
    press.folk.settle("an", frequency="daily")
    await press.out("khan", lane="urgent")
    await press.out("tin-mot", lane="bulk")
    await press.deliver()
    assert press.postman.items("an") == [("khan", 1)]
    await press.cut()
    await press.deliver()
    assert press.postman.items("an") == [("khan", 1), ("tin-mot", 1)]


async def test_after_an_outage_one_digest_makes_up_for_the_gap(press):
    press.folk.settle("an", frequency="daily")
    await press.out("tin-mot")
    await press.cut(2)
    await press.out("tin-hai")
    await press.cut(2.5)
    await press.deliver()
    names = ["digest-daily-2027-01-17.1", "digest-daily-2027-01-19.1"]
    assert press.postman.mails("an") == names, "named after the last cut that was due"
    assert press.postman.items("an") == [("tin-mot", 1), ("tin-hai", 1)]


async def test_a_day_without_items_makes_no_digest_and_moves_on(press):
    press.folk.settle("an", frequency="daily")
    await press.cut()
    now = (await press.service.book.now("daily")).known
    assert (now.last, f"{now.day}") == ("", "2027-01-16")
    assert (await press.service.book.open()).calls == {}


async def test_items_wait_for_their_time_and_are_left_out_when_it_is_over(press):
    press.folk.settle("an", frequency="daily")
    clock = press.clock
    early = await press.release("mai", not_before=later(clock, hours=30))
    await press.out("qua-han", expires_at=later(clock, hours=3))
    await press.out("da-go")
    await press.out("da-go", 2, action="withdrawn")
    await press.out("tin-mot")
    await press.cut()
    await press.deliver()
    assert press.postman.items("an") == [("tin-mot", 1)]
    clock.forward(86_400.0)
    assert await press.dispatch(early)
    assert await press.turn()
    await press.deliver()
    assert press.postman.items("an") == [("tin-mot", 1), ("mai", 1)]


async def test_nothing_leaves_after_its_time_and_the_rest_comes_without_it(press):
    """The relay is busy until one of two texts is over."""
    press.folk.settle("an", frequency="daily")
    press.postman.answer = lambda row: BUSY
    await press.out("mot-ngay", expires_at=later(press.clock, hours=30))
    await press.out("tin-mot")
    await press.cut()
    await press.deliver()
    press.postman.answer = lambda row: OK
    await press.cut(0.5)
    await press.deliver()
    assert press.postman.items("an") == [("tin-mot", 1)]
    assert press.postman.mails("an") == ["digest-daily-2027-01-16.2"]


async def test_a_publication_that_stands_twice_in_the_stream_is_one_item(press, bus):
    """After a crash at its release it may, also on both sides of a cut."""
    press.folk.settle("an", frequency="daily")
    released = await press.out("tin-mot")
    one = released.publication
    subject, body = subjects.publication(one.topic, one.content_id), publication.encode(one)
    for _ in range(2):
        await bus.publish(subject, body)
        await press.out(f"tin-{press.clock():.0f}")
        await press.cut()
        await press.deliver()
    assert press.postman.items("an").count(("tin-mot", 1)) == 1
    assert len(press.postman.items("an")) == 3


async def test_too_many_items_for_one_digest_go_on_in_the_next(press, monkeypatch):
    monkeypatch.setattr(cut, "ITEMS_MAX", 2)
    press.folk.settle("an", frequency="daily")
    for name in ("mot", "hai", "ba", "bon", "nam"):
        await press.out(name)
    await press.out("ba", 2)
    for _ in range(4):
        await press.cut()
        await press.deliver()
    assert press.postman.items("an") == [("mot", 1), ("hai", 1), ("bon", 1), ("nam", 1), ("ba", 2)]
    assert len(press.postman.mails("an")) == 3


async def test_a_digest_waits_until_it_is_known_who_got_an_item_alone(press):
    press.folk.settle("an")
    released = await press.release("tin-mot")
    press.folk.tell("an", "daily")
    press.clock.forward(86_400.0)
    assert not await press.turn()
    press.folk.tell("an", "immediate")
    assert await press.dispatch(released)
    press.folk.tell("an", "daily")
    assert await press.turn()
    await press.deliver()
    assert press.postman.mails("an") == ["tin-mot.1"]


async def test_an_item_that_nobody_plans_keeps_the_others_waiting_for_two_hours_only(press):
    press.folk.settle("an", frequency="daily")
    stuck = await press.release("ket")
    await press.out("tin-mot")
    press.clock.forward(86_400.0)
    assert not await press.turn()
    press.clock.forward(7200.0)
    await press.insist(press.turn)
    await press.deliver()
    assert press.postman.items("an") == [("tin-mot", 1)]
    await press.insist(lambda: press.dispatch(stuck))
    await press.cut()
    await press.deliver()
    assert press.postman.items("an") == [("tin-mot", 1), ("ket", 1)]
    assert await press.violations() == []


# --- who reads in another rhythm now


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
async def test_whoever_changes_the_rhythm_gets_every_item_once(press, rhythms, mails):
    press.folk.settle("an", frequency=rhythms[0])
    for name, rhythm in zip(("mot", "hai", "ba"), rhythms, strict=True):
        press.folk.tell("an", rhythm)
        press.clock.forward(60.0)
        await press.out(name)
        await press.deliver()
    for _ in range(4):
        await press.cut()
        await press.deliver()
    assert sorted(press.postman.items("an")) == [("ba", 1), ("hai", 1), ("mot", 1)]
    assert press.postman.mails("an") == mails


@pytest.mark.parametrize("order", [FREQUENCIES, FREQUENCIES[::-1]])
async def test_whichever_rhythm_is_cut_first_the_other_one_knows_what_it_gave(
    press, monkeypatch, order
):
    """From weekly to daily two days before both are cut: the weekly one reaches further back."""
    monkeypatch.setattr(service, "FREQUENCIES", order)
    press.folk.settle("an", frequency="weekly")
    press.clock.forward(3600.0)
    press.folk.tell("an", "daily")
    for name in ("thu-bay", "chu-nhat", "thu-hai"):
        await press.out(name)
        await press.cut()
        await press.deliver()
    assert sorted(press.postman.items("an")) == [("chu-nhat", 1), ("thu-bay", 1), ("thu-hai", 1)]


# --- several processes, and what a restore brings


async def test_two_processes_that_cut_at_once_make_one_digest(press, bus):
    for number in range(700):
        press.folk.settle(f"r{number:03d}", frequency="daily")
    await press.out("tin-mot")
    await press.out("tin-hai")
    press.clock.forward(86_400.0)
    await asyncio.gather(*(press.turn(press.a_service(bus)) for _ in range(3)))
    assert len(await press.service.book.every(SATURDAY.content_id)) == 1
    assert (await press.service.book.places("tin-mot")).known.digests == (SATURDAY.content_id,)
    picks = await press.picks(SATURDAY)
    assert len(picks) == 700 == (await press.ledger.plan(SATURDAY)).value.planned
    assert set(picks.values()) == {0b11}


async def test_after_a_restore_a_digest_that_was_due_before_counts_as_perhaps_sent(press):
    class Restored:
        async def may_be_cut(self, due):
            return due.timestamp() < FRIDAY + 86_400.0

    press.service.doubtful = Restored()
    press.folk.settle("an", frequency="daily")
    for days in (1, 1):
        await press.out(f"tin-{press.clock():.0f}")
        await press.cut(days)
    batches = [BatchKey(EMAIL, f"digest-daily-2027-01-{day}", 1, 0) for day in (16, 17)]
    states = [(await press.ledger.state(batch)).value for batch in batches]
    assert [state.rows for state in states] == [b"P", b"p"]
