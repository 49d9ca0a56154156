"""Digests seen from outside: the schedule, `loa check`, `loa trace`, and a bounce."""

from datetime import date, datetime

import pytest

from channels.base import Outcome, Verdict
from consumers.digests.reissue import halt_issue
from consumers.digests.schedule import DigestSchedule
from consumers.digests.store import OpenDigests
from consumers.directory.follow import parse_change
from consumers.ledger import row_ref as places
from consumers.ledger.codec import BatchRows
from consumers.ledger.row_ref import RowRef
from consumers.reporting.trace import TraceReader
from contracts import keys
from contracts.delivery import BatchKey, ChannelName
from contracts.subscriptions.subscriber import Subscriber
from contracts.text.moments import VIETNAM
from producers.bus import Change
from tests.support.digest_pipeline import SATURDAY


@pytest.fixture
async def digests(digests):
    """A digest of two items for two readers is planned."""
    digests.directory.add("an", frequency="daily")
    digests.directory.add("binh", frequency="daily")
    await digests.release_and_plan("tin-mot")
    await digests.release_and_plan("tin-hai")
    await digests.pass_days()
    return digests


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
    calendar = DigestSchedule()
    assert [f"{calendar.due_day(one, now)}" for one in ("daily", "weekly")] == [daily, weekly]
    assert calendar.cut_time(calendar.due_day("daily", now)).timestamp() <= now


def test_hour_and_day_can_be_set(monkeypatch):
    monkeypatch.setenv("LOA_DIGEST_HOUR", "17")
    monkeypatch.setenv("LOA_DIGEST_WEEKDAY", "5")
    calendar = DigestSchedule()
    friday = datetime(2026, 11, 27, 17, tzinfo=VIETNAM)
    assert calendar.due_day("weekly", friday.timestamp()) == date(2026, 11, 27)
    assert calendar.due_day("weekly", friday.timestamp() - 1) == date(2026, 11, 20)
    assert calendar.cut_time(date(2026, 11, 27)) == friday


def test_names_of_digests_are_known_again():
    assert keys.is_digest(keys.digest_content_id("weekly", "2026-11-23"))
    others = ("digest-monthly-2026-11-23", "digest-daily-2026-11-2", "tin-digest-daily-2026-11-23")
    assert not any(map(keys.is_digest, others))


def test_a_call_that_comes_while_a_digest_is_seen_to_stays():
    first = OpenDigests().with_call("digest-a").with_call("digest-b")
    again = first.with_call("digest-a")
    assert again.without("digest-a", first.calls["digest-a"]) == again
    assert list(again.without("digest-a", again.calls["digest-a"]).calls) == ["digest-b"]


def test_the_directory_knows_until_when_somebody_read_in_another_rhythm():
    at = [datetime(2027, 1, day, tzinfo=VIETNAM) for day in (4, 5)]
    one = Subscriber(id="an", email="an@example.com", frequency="weekly")
    one = (
        one.with_frequency("daily", at[0])
        .with_frequency("immediate", at[1])
        .with_frequency("immediate", at[1])
    )
    row = parse_change(Change("s.an", one.model_dump_json().encode(), 1))
    times = at[1].timestamp(), at[1].timestamp(), at[0].timestamp()
    assert (row.frequency_changed, row.daily_until, row.weekly_until) == times
    older = one.model_copy(update={"frequency_ended": {}})
    row = parse_change(Change("s.an", older.model_dump_json().encode(), 1))
    assert (row.daily_until, row.weekly_until) == (at[1].timestamp(), 0.0)


async def test_a_healthy_digest_is_found_healthy(digests):
    assert await digests.violations() == []
    await digests.deliver()
    await digests.release_and_plan("tin-mot", 2)
    assert await digests.violations() == []


async def test_a_digest_that_nobody_plans_or_issues_again_is_found(digests):
    [stored] = await digests.service.store.all_issues(SATURDAY.content_id)
    missing = stored.issue.model_copy(update={"digest_id": "digest-daily-2027-01-10"})
    await digests.service.store.store_reissue(missing)
    await halt_issue(digests.fence, stored.issue)
    digests.clock.advance(3 * 3600.0)
    assert sorted(await digests.violations()) == [
        ("digest-stopped", f"plan.{SATURDAY}"),
        ("plan-missing", f"plan.{missing.plan}"),
    ]


@pytest.mark.promise("13.1")
async def test_a_reader_who_is_served_twice_is_found(digests):
    """Two digests hold the same position, as if the second had not checked the first."""
    [stored] = await digests.service.store.all_issues(SATURDAY.content_id)
    twin = stored.issue.model_copy(update={"digest_id": "digest-weekly-2027-01-18"})
    await digests.service.store.store_reissue(twin)
    held = await digests.ledger.create_plan(twin.plan, await digests.service.new_cursor(stored))
    done = held.value.advance([("an",)], complete=True, now=digests.clock())
    await digests.ledger.append_batches(
        twin.plan, held, done, [BatchRows(("an",), item_masks={"an": 0b1})]
    )
    assert await digests.violations() == [("digest-twice", f"plan.{twin.plan}")]


async def test_a_digest_without_its_record_is_found(digests):
    bucket = digests.service.store.bucket
    await bucket.purge(f"issue.{SATURDAY.content_id}.1")
    assert await digests.violations() == [("publication-lost", f"plan.{SATURDAY}")]


async def test_the_trace_tells_of_a_digest_and_of_the_digests_of_an_item(digests):
    digests.recorder.answer = lambda row: Outcome(
        Verdict.DELIVERED if row.id == "an" else Verdict.DEFERRED, "451"
    )
    await digests.deliver()
    await digests.release_and_plan("tin-mot", 2)
    digests.recorder.answer = lambda row: Outcome(Verdict.DELIVERED)
    await digests.repeat_until_done(digests.run_service)
    await digests.deliver()
    trace = TraceReader(digests.bus, digests.clock)
    story = await trace.trace(SATURDAY.content_id)
    email = story.channels[ChannelName.EMAIL]
    assert (story.revision, email.delivered, email.superseded, email.complete) == (2, 2, 1, True)
    assert story.timeline[0].event == "cut"
    item = await trace.trace("tin-mot")
    found = [one.detail for one in item.timeline if one.event == "in_digest"]
    assert found == [
        f"{SATURDAY.content_id}, edition 1, item 1: revision 1",
        f"{SATURDAY.content_id}, edition 2, item 1: revision 2",
    ]
    assert await trace.trace("digest-daily-2020-01-01") is None


async def test_what_comes_back_of_a_digest_finds_its_row(digests, bus):
    edition = await digests.worker.render_cache.content(SATURDAY)
    said = places.row_ref_prefix("d", edition.stream_seq, 0) + "1"
    assert await places.find_batch(bus, RowRef.parse(said)) == BatchKey(*SATURDAY, 0)
