"""Digests seen from outside: the calendar, the check, the trace, a mail that came back."""

from datetime import date, datetime

import pytest

from channels.base import Outcome, Verdict
from consumers.digests import book as books
from consumers.digests.book import Open
from consumers.digests.calendar import Calendar
from consumers.digests.holdings import halt
from consumers.directory.follow import person
from consumers.ledger.codec import Rows
from consumers.mail import place as places
from consumers.mail.place import Place
from consumers.trace import Trace
from contracts import events, keys
from contracts.cloudevent import CloudEvent
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.errors import Invalid
from contracts.subscriber import Subscriber
from contracts.testing import sample
from contracts.vietnam import VIETNAM
from contracts.vocabulary import DEFAULT
from producers.bus import Change
from tests.digest_house import EMAIL, Press

SATURDAY = PlanKey(EMAIL, "digest-daily-2027-01-16", 1)


@pytest.fixture
async def press(bus, tmp_path):
    press = Press(bus, tmp_path)
    press.folk.settle("an", frequency="daily")
    press.folk.settle("binh", frequency="daily")
    await press.turn()
    await press.out("tin-mot")
    await press.out("tin-hai")
    await press.cut()
    yield press
    press.folk.store.close()


@pytest.mark.parametrize(
    ("moment", "daily", "weekly"),
    [
        ("2026-11-26T06:59:59", "2026-11-25", "2026-11-23"),
        ("2026-11-26T07:00:00", "2026-11-26", "2026-11-23"),
        ("2026-11-29T23:59:59", "2026-11-29", "2026-11-23"),
        ("2026-11-30T06:59:59", "2026-11-29", "2026-11-23"),
        ("2026-11-30T07:00:00", "2026-11-30", "2026-11-30"),
        ("2027-01-01T03:00:00", "2026-12-31", "2026-12-28"),
    ],
)
def test_a_cut_is_due_at_seven_in_vietnam_and_on_mondays(moment, daily, weekly):
    now = datetime.fromisoformat(moment).replace(tzinfo=VIETNAM).timestamp()
    calendar = Calendar()
    assert [f"{calendar.day(one, now)}" for one in ("daily", "weekly")] == [daily, weekly]
    assert calendar.moment(calendar.day("daily", now)).timestamp() <= now


def test_hour_and_day_can_be_set(monkeypatch):
    monkeypatch.setenv("LOA_DIGEST_HOUR", "17")
    monkeypatch.setenv("LOA_DIGEST_WEEKDAY", "5")
    calendar = Calendar()
    friday = datetime(2026, 11, 27, 17, tzinfo=VIETNAM)
    assert calendar.day("weekly", friday.timestamp()) == date(2026, 11, 27)
    assert calendar.day("weekly", friday.timestamp() - 1) == date(2026, 11, 20)
    assert calendar.moment(date(2026, 11, 27)) == friday


def test_names_of_digests_are_known_again():
    assert keys.is_digest(keys.digest_content_id("weekly", "2026-11-23"))
    others = ("digest-monthly-2026-11-23", "digest-daily-2026-11-2", "tin-digest-daily-2026-11-23")
    assert not any(map(keys.is_digest, others))


def test_no_item_may_be_called_like_a_digest():
    name = keys.digest_content_id("daily", "2026-11-26")
    event = CloudEvent.model_validate(sample("submitted", content_id=name))
    event = event.model_copy(update={"subject": None})
    with pytest.raises(Invalid) as refused:
        events.check(event, DEFAULT)
    assert [one.field for one in refused.value.errors] == ["data.content_id"]


def test_a_call_that_comes_while_a_digest_is_seen_to_stays():
    first = Open().called("digest-a").called("digest-b")
    again = first.called("digest-a")
    assert again.without("digest-a", first.calls["digest-a"]) == again
    assert list(again.without("digest-a", again.calls["digest-a"]).calls) == ["digest-b"]


def test_the_directory_knows_until_when_somebody_read_in_another_rhythm():
    at = [datetime(2027, 1, day, tzinfo=VIETNAM) for day in (4, 5)]
    one = Subscriber(id="an", email="an@example.com", frequency="weekly")
    one = one.told("daily", at[0]).told("immediate", at[1]).told("immediate", at[1])
    row = person(Change("s.an", one.model_dump_json().encode(), 1))
    times = at[1].timestamp(), at[1].timestamp(), at[0].timestamp()
    assert (row.changed, row.daily_until, row.weekly_until) == times
    older = one.model_copy(update={"frequency_ended": {}})
    row = person(Change("s.an", older.model_dump_json().encode(), 1))
    assert (row.daily_until, row.weekly_until) == (at[1].timestamp(), 0.0)


async def test_a_healthy_digest_is_found_healthy(press):
    assert await press.violations() == []
    await press.deliver()
    await press.out("tin-mot", 2)
    assert await press.violations() == []


async def test_a_digest_that_nobody_plans_or_issues_again_is_found(press):
    [stored] = await press.service.book.every(SATURDAY.content_id)
    missing = stored.issue.model_copy(update={"digest_id": "digest-daily-2027-01-10"})
    await press.service.book.again(missing)
    await halt(press.fence, stored.issue)
    press.clock.forward(3 * 3600.0)
    assert sorted(await press.violations()) == [
        ("digest-stopped", f"plan.{SATURDAY}"),
        ("plan-missing", f"plan.{missing.plan}"),
    ]


async def test_a_reader_who_is_served_twice_is_found(press):
    """Two digests at the same position, as if the second had not asked the first."""
    [stored] = await press.service.book.every(SATURDAY.content_id)
    twin = stored.issue.model_copy(update={"digest_id": "digest-weekly-2027-01-18"})
    await press.service.book.again(twin)
    held = await press.ledger.create_plan(twin.plan, await press.service.fresh(stored))
    done = held.value.advance([("an",)], complete=True, now=press.clock())
    await press.ledger.extend(twin.plan, held, done, [Rows(("an",), picks={"an": 0b1})])
    assert await press.violations() == [("digest-twice", f"plan.{twin.plan}")]


async def test_a_digest_without_its_record_is_found(press):
    bucket = press.service.book.bucket
    await bucket.purge(f"issue.{SATURDAY.content_id}.1")
    assert await press.violations() == [("publication-lost", f"plan.{SATURDAY}")]


async def test_the_trace_tells_of_a_digest_and_of_the_digests_of_an_item(press):
    press.postman.answer = lambda row: Outcome(
        Verdict.DELIVERED if row.id == "an" else Verdict.DEFERRED, "451"
    )
    await press.deliver()
    await press.out("tin-mot", 2)
    press.postman.answer = lambda row: Outcome(Verdict.DELIVERED)
    await press.insist(press.turn)
    await press.deliver()
    trace = Trace(press.register, press.ledger, press.clock, books.Book(press.bus))
    story = await trace.story(SATURDAY.content_id)
    email = story.channels[ChannelName.EMAIL]
    assert (story.revision, email.delivered, email.superseded, email.complete) == (2, 2, 1, True)
    assert story.timeline[0].event == "cut"
    item = await trace.story("tin-mot")
    found = [one.detail for one in item.timeline if one.event == "in_digest"]
    assert found == [
        f"{SATURDAY.content_id}, edition 1, item 1: revision 1",
        f"{SATURDAY.content_id}, edition 2, item 1: revision 2",
    ]
    assert await trace.story("digest-daily-2020-01-01") is None


async def test_what_comes_back_of_a_digest_finds_its_row(press, bus):
    edition = await press.worker.library.edition(SATURDAY)
    said = places.prefix(edition.source, 0, personal=False, digest=True) + "1"
    assert await places.batch(bus, Place.parse(said)) == BatchKey(*SATURDAY, 0)
