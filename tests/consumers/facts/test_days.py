"""Readers, incidents, and which days were counted: what can be counted in its own time only."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from consumers.channel_health import pauses
from consumers.channel_health.breaker import Breaker, BreakerState
from consumers.editorial.log import EditorialLog
from consumers.facts.all_sources import PeopleBuckets, fact_sources
from consumers.facts.follow import FactFollower
from consumers.facts.readers import Change, ReaderDays, consent_changes
from consumers.facts.store import FactStore
from consumers.ledger.entry import notice_entry
from consumers.ledger.store import Ledger
from consumers.zalo.followers import Follower
from contracts import subjects
from contracts.base.times import utc_time
from contracts.delivery import BatchKey, ChannelName, Status
from contracts.facts import FactKind
from contracts.facts.kinds import day_of
from contracts.subscriptions.subscriber import Consent, ConsentEvent, Subscriber
from tests.support.clock import FakeClock

DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 5, tzinfo=UTC)
ONE = timedelta(days=1)


class Counted:
    """A follower that counts people, on a clock."""

    def __init__(self, bus, at: datetime) -> None:
        self.bus, self.clock = bus, FakeClock(at.timestamp())
        self.store = FactStore(bus)

    def fresh(self) -> FactFollower:
        names = (subjects.SUBSCRIBERS.name, subjects.FOLLOWERS.name)
        people = PeopleBuckets(*map(self.bus.bucket, names))
        sources = fact_sources(self.store, EditorialLog(self.bus), self.clock, None, people)
        return FactFollower(self.store, sources, self.clock)

    async def put(self, person: Subscriber) -> None:
        data = person.model_dump_json().encode()
        await self.bus.bucket(subjects.SUBSCRIBERS.name).put(f"s.{person.id}", data)

    async def found(self, kind: FactKind) -> list:
        return [one.fact for one in (await self.store.newest(kind)).values()]


@pytest.fixture
def counted(bus) -> Counted:
    return Counted(bus, NOON + ONE)


def a_reader(id: str, at: datetime) -> Subscriber:
    consent = Consent(version="1", at=at)
    return Subscriber(id=id, email=f"{id}@example.vn").with_consent(consent, "page")


def test_a_consent_that_is_given_again_brings_no_second_reader():
    given = [ConsentEvent(at=NOON + n * ONE, change="given", by="page") for n in range(3)]
    gone = ConsentEvent(at=NOON + 3 * ONE, change="withdrawn", by="mail")
    back = ConsentEvent(at=NOON + 4 * ONE, change="given", by="page")
    changes = [*consent_changes([*given, gone, gone, back])]
    assert changes == [Change(NOON), Change(gone.at, "mail"), Change(back.at)]


def test_the_end_of_a_day_is_counted_from_what_is_so_later():
    days = ReaderDays(DAY)
    days.add(is_reader=True, changes=[Change(NOON)])
    days.add(is_reader=True, changes=[Change(NOON + ONE)])  # came when the day was over
    days.add(is_reader=False, changes=[Change(NOON - ONE), Change(NOON + ONE, "page")])
    days.add(is_reader=False, changes=[Change(NOON - ONE), Change(NOON, "mail")])
    [before, fact] = days.facts(ChannelName.EMAIL, DAY - ONE)
    assert (before.total, before.came, before.left) == (None, 2, {})
    assert (fact.total, fact.came, fact.left) == (2, 1, {"mail": 1})


async def test_readers_are_counted_once_and_who_is_erased_later_stays_counted(counted):
    await counted.put(a_reader("a", NOON))
    await counted.put(a_reader("b", NOON).after_leaving(NOON + timedelta(hours=1), "page"))
    await counted.bus.bucket(subjects.FOLLOWERS.name).put(
        "k", Follower(follows=True, follows_at=NOON).model_dump_json().encode()
    )
    await counted.fresh().follow()
    mail, zalo = sorted(await counted.found(FactKind.READERS), key=lambda one: one.channel)
    assert (mail.on, mail.total, mail.came, mail.left) == (DAY, 1, 2, {"page": 1})
    assert (zalo.on, zalo.total, zalo.came) == (DAY, 1, 1)
    await counted.bus.bucket(subjects.SUBSCRIBERS.name).purge("s.a")
    await counted.fresh().rebuild()
    assert await counted.found(FactKind.READERS) == [mail, zalo]


async def test_days_on_which_no_process_counted_have_no_total(counted):
    await counted.put(a_reader("a", NOON))
    await counted.fresh().follow()
    await counted.put(a_reader("b", NOON + 2 * ONE))
    counted.clock.advance(3 * 86400)
    for _ in range(2):
        await counted.fresh().follow()
    mail = {f.on: f for f in await counted.found(FactKind.READERS) if f.channel == "email"}
    assert [(day, mail[day].total, mail[day].came) for day in sorted(mail)] == [
        (DAY, 1, 1), (DAY + ONE, None, 0), (DAY + 2 * ONE, None, 1), (DAY + 3 * ONE, 2, 0),
    ]  # fmt: skip


async def test_a_pause_is_a_fact_from_its_start_to_its_end_also_for_another_process(counted):
    began = (await pauses.pause_if_running(counted.bus, ChannelName.EMAIL, "bảo trì")).value.since
    await counted.fresh().follow()
    [fact] = await counted.found(FactKind.INCIDENT)
    assert (fact.what, fact.circuit, fact.began_at, fact.ended_at) == (
        "pause",
        "email",
        began,
        None,
    )
    assert "bảo trì" not in fact.encode().decode()
    await pauses.resume(counted.bus, ChannelName.EMAIL)
    for _ in range(2):
        await counted.fresh().follow()
    [fact] = await counted.found(FactKind.INCIDENT)
    assert began < fact.ended_at < datetime.now(UTC)


async def test_an_open_breaker_is_a_fact_until_it_has_closed(counted):
    control, since = counted.bus.bucket(subjects.CONTROL.name), NOON.timestamp()
    follower = counted.fresh()
    for state in (BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED):
        closed = state is BreakerState.CLOSED
        breaker = Breaker(
            state=state, since=since + 60 * closed, reason="" if closed else "refused"
        )
        await control.put("breaker.zalo.notices", breaker.model_dump_json().encode())
        await follower.follow()
    [fact] = await counted.found(FactKind.INCIDENT)
    assert (fact.circuit, fact.reason) == ("zalo.notices", "refused")
    assert (fact.began_at, fact.ended_at) == (NOON, utc_time(since + 60))


async def test_a_day_says_what_was_counted_and_a_lost_week_has_no_readers(counted):
    await counted.fresh().follow()
    counted.clock.advance(86400)
    follower = counted.fresh()
    await follower.follow()
    counted.clock.advance(5 * 86400)
    await follower.follow()
    closed = {fact.on: set(fact.counted) for fact in await counted.found(FactKind.DAY)}
    lasting = {FactKind.RELEASE, FactKind.DECISION, FactKind.DELIVERY, FactKind.EVENTS}
    first, last = DAY + ONE, DAY + 6 * ONE
    assert sorted(closed) == [first + n * ONE for n in range(6)]
    assert closed[first + ONE] == lasting | {FactKind.REFUSALS, FactKind.OPINIONS}
    assert closed[last] == {*FactKind} - {FactKind.DAY}
    assert closed[first] == closed[last] - {FactKind.INCIDENT}, "it began after that day"


async def test_no_day_before_the_installation_is_counted(counted):
    follower = counted.fresh()
    await follower.follow()
    assert await counted.found(FactKind.DAY) == []
    counted.clock.advance(2 * 86400)
    await counted.fresh().follow()
    closed = [fact.on for fact in await counted.found(FactKind.DAY)]
    assert sorted(closed) == [DAY + ONE, DAY + 2 * ONE]


async def test_a_day_is_closed_only_after_a_round_that_read_everything(counted):
    follower = counted.fresh()
    await follower.bus.connection.api_request("STREAM.DELETE.OPINIONS")
    await follower.follow()
    assert await counted.found(FactKind.DAY) == []


def test_the_day_is_the_one_in_vietnam():
    assert day_of(datetime(2026, 11, 20, 16, 59, tzinfo=UTC)) == DAY
    assert day_of(datetime(2026, 11, 20, 17, tzinfo=UTC)) == DAY + ONE


async def end_notice(bus, number: int, at: datetime, letter: bytes = b"d") -> None:
    """A case notice that ended then."""
    batch = BatchKey(ChannelName.EMAIL, f"case-{'a' * 19}{chr(98 + number)}", 1, 0)
    ended = replace(notice_entry(number, "e", 1.0), rows=letter, closed_at=at.timestamp())
    await Ledger(bus).create_notice(batch, ended)


async def test_messages_to_one_person_are_counted_by_the_day_on_which_they_ended(bus):
    now = datetime.now(UTC)
    tomorrow = Counted(bus, now + timedelta(days=1, hours=2))
    for number, letter in enumerate((b"d", b"d", b"x")):
        await end_notice(bus, number, now, letter)
    await end_notice(bus, 3, now + 2 * ONE)  # that day is not over, however late it is now
    for _ in range(3):
        await tomorrow.fresh().follow()
    [fact] = await tomorrow.found(FactKind.NOTICES)
    assert (fact.on, fact.channel, fact.sort) == (day_of(now), "email", "case")
    assert fact.counts == {Status.DELIVERED: 2, Status.FAILED: 1}
    await end_notice(bus, 4, now)  # evidence that came late
    tomorrow.clock.advance(86400)
    for follow in (tomorrow.fresh().follow, tomorrow.fresh().rebuild):
        await follow()
        assert fact in await tomorrow.found(FactKind.NOTICES)
    words = b" ".join(one.encode() for one in await tomorrow.found(FactKind.NOTICES))
    assert b"case-" not in words


async def test_the_hour_after_midnight_is_no_reason_to_count_the_day_before(counted):
    counted.clock.now = datetime(2026, 11, 20, 17, 30, tzinfo=UTC).timestamp()  # 00:30 in Vietnam
    for _ in range(3):
        await counted.fresh().follow()
        counted.clock.advance(25 * 3600)
    closed = [fact.on for fact in await counted.found(FactKind.DAY)]
    assert sorted(closed) == [DAY + ONE, DAY + 2 * ONE]
