"""`loa trace`: every recipient is counted once, the state is the truth, the past is in order."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.channel_health.breaker import Breaker, BreakerState
from consumers.cli.items import print_trace
from consumers.cli.output import print_json
from consumers.digests.store import ItemDigests
from consumers.dispatch.supersede import Supersession
from consumers.intake.items import Item
from consumers.ledger import codec
from consumers.ledger.codec import BatchRows
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import STATUS_OF_LETTER, RowNote
from consumers.ledger.wakeups import Waker
from consumers.messages import load_catalog
from consumers.reporting.channel_state import breaker_problem, channel_problems
from consumers.reporting.trace import TraceReader, status_counts
from consumers.runtime.errors import RetryLater
from consumers.zalo.wait_causes import explain_wait
from contracts import subjects
from contracts.delivery import OPEN, BatchKey, ChannelName, PlanKey, Status
from contracts.errors import Conflict
from contracts.subscriptions.digest import DigestItem, Issue
from contracts.trace import Trace
from tests.support.decisions import approve_item
from tests.support.events import ITEM, UNIT, corrected, submitted, withdrawn
from tests.support.gateway_client import open_gateway, sample_event

CLERK = "Trần Thị Bình"
COUNTS = {
    "expected", "pending", "sending", "deferred", "in_doubt", "delivered", "failed", "suppressed",
    "expired", "withdrawn", "superseded", "maybe_sent", "unknown", "missing", "maybe_duplicate",
    "complete",
}  # fmt: skip
STATUSES = COUNTS - {"expected", "missing", "maybe_duplicate", "complete"}


# ---- counts ---------------------------------------------------------------------------------


async def test_every_status_is_counted_and_adds_up_to_what_is_expected(intake_harness):
    every = bytes(STATUS_OF_LETTER)
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(every, b"ddd", copies=2, complete=False, total=len(every) + 3 + 7)
    count = (await intake_harness.read_trace()).channels[ChannelName.EMAIL]
    wanted = Counter(STATUS_OF_LETTER[letter].value for letter in every + b"ddd")
    assert all(getattr(count, name) == wanted[name] for name in STATUSES)
    assert all(wanted[name] for name in STATUSES), "no status was left out of this test"
    assert count.missing == 7
    assert count.expected == len(every) + 3 + 7
    assert (count.maybe_duplicate, count.complete) == (4, False)


async def test_a_plan_in_the_making_shows_who_is_missing_and_a_complete_one_nobody(intake_harness):
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"d" * 5, complete=False, finished=0.0, total=12)
    story = await intake_harness.read_trace()
    count = story.channels[ChannelName.EMAIL]
    assert (count.expected, count.delivered, count.missing, count.complete) == (12, 5, 7, False)
    assert "planned" not in [one.event for one in story.timeline]
    key = PlanKey(ChannelName.EMAIL, ITEM, 1)
    held = await intake_harness.ledger.plan(key)
    rest = [f"z{number}" for number in range(6)]
    done = held.value.advance([rest], complete=True, now=intake_harness.clock())
    await intake_harness.ledger.append_batches(key, held, done, [BatchRows(tuple(rest))])
    count = (await intake_harness.read_trace()).channels[ChannelName.EMAIL]
    assert (count.expected, count.pending, count.missing) == (11, 6, 0), "one has left meanwhile"


async def test_the_status_repeats_the_warning_for_units_that_publish_on_the_bus(intake_harness):
    await intake_harness.take_in(submitted(title="Công bố thủ tục hành chính " * 11))
    await intake_harness.take_in(corrected(channels=["portal"]))
    received = [one for one in (await intake_harness.read_trace()).timeline if one.warnings]
    assert [(one.event, one.detail) for one in received] == [("received", "submitted, revision 1")]
    assert [one.code for one in received[0].warnings] == ["title_cut"]
    await intake_harness.take_in(corrected(revision=3, title="Th?ng b?o"))
    told = [
        one.code for entry in (await intake_harness.read_trace()).timeline for one in entry.warnings
    ]
    assert told == ["title_cut", "marks_lost"]


async def test_a_channel_that_is_not_planned_yet_is_named_and_not_complete(intake_harness):
    await intake_harness.take_in(submitted(channels=["portal", "email"]))
    story = await intake_harness.read_trace()
    assert set(story.channels) == {"portal", "email"}
    assert all(count.model_dump() == {**dict.fromkeys(COUNTS, 0), "complete": False}
               for count in story.channels.values())  # fmt: skip


async def test_a_channel_that_is_not_planned_yet_says_what_it_waits_for(bus, intake_harness):
    await intake_harness.take_in(submitted(channels=["portal", "email"]))
    told = await channel_problems(bus, await intake_harness.read_trace())
    said = {one.field: (one.message, one.message_vi) for one in told}
    assert said.keys() == {"portal", "email"}
    assert "not planned yet (waits for the directory)" in said["email"][0]
    assert "bản sao danh sách" in said["email"][1] and "directory" not in said["portal"][0]
    await intake_harness.add_plan(b"pp")
    told = await channel_problems(bus, await intake_harness.read_trace())
    assert [one.field for one in told] == ["portal"]


async def test_a_plan_for_nobody_is_complete(intake_harness):
    await intake_harness.take_in(submitted(channels=["email"]))
    await intake_harness.add_plan()
    count = (await intake_harness.read_trace()).channels[ChannelName.EMAIL]
    assert (count.expected, count.complete) == (0, True)


@pytest.mark.parametrize(
    ("letters", "complete"),
    [(b"dxuewvkDXUEWVK", True), (b"dp", False), (b"ds", False), (b"dr", False), (b"dP", False)],
)
async def test_complete_means_that_nothing_is_open(intake_harness, letters, complete):
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(letters)
    assert (await intake_harness.read_trace()).channels[ChannelName.EMAIL].complete is complete


cursors = st.builds(
    PlanCursor,
    planned=st.integers(0, 50),
    total=st.none() | st.integers(0, 99),
    complete=st.booleans(),
    halt=st.sampled_from(["", "v2", "w3"]),
)
counters = st.dictionaries(st.sampled_from(list(Status)), st.integers(0, 99)).map(Counter)


@pytest.mark.promise("3.9")
@given(cursors, counters, st.integers(0, 9))
def test_expected_is_always_the_sum_of_the_statuses_and_the_missing(cursor, statuses, copies):
    count = status_counts(cursor, statuses, copies)
    shown = count.model_dump()
    assert shown["expected"] == sum(shown[name] for name in STATUSES) + shown["missing"]
    waits = sum(shown[status.value] for status in OPEN) + shown["missing"]
    assert not (count.complete and waits)
    assert shown["maybe_duplicate"] == copies


# ---- state ----------------------------------------------------------------------------------


async def test_an_item_that_nobody_has_named_has_no_story(intake_harness):
    assert await intake_harness.read_trace() is None


async def test_a_draft_waits_and_is_released_when_it_is_approved(intake_harness):
    await intake_harness.take_in(submitted(), "desk")
    story = await intake_harness.read_trace()
    assert (story.state, story.revision, story.channels) == ("waiting", 1, {})
    await approve_item(intake_harness.intake.decisions, ITEM, CLERK)
    assert (await intake_harness.read_trace()).state == "released"


async def test_a_correction_at_the_desk_leaves_the_released_one_in_front(intake_harness, clock):
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"dd")
    clock.advance(5)
    await intake_harness.take_in(corrected(), "desk")
    story = await intake_harness.read_trace()
    assert (story.state, story.revision) == ("released", 1)
    assert story.channels[ChannelName.EMAIL].delivered == 2
    assert "revision 2" in story.timeline[-1].detail, "the timeline tells of it all the same"


async def test_a_refused_revision_does_not_hide_the_released_one(intake_harness, clock):
    await intake_harness.take_in(submitted(revision=2))
    clock.advance(5)
    with pytest.raises(Conflict):
        await intake_harness.take_in(submitted(revision=1, title="Một tiêu đề khác"))
    story = await intake_harness.read_trace()
    assert (story.state, story.revision) == ("released", 2)
    [refused] = [one for one in story.timeline if one.event == "refused"]
    [why] = refused.errors
    assert (why.field, why.message in refused.detail) == ("data.revision", True)
    assert "phải lớn hơn" in why.message_vi


async def test_an_approved_draft_that_was_overtaken_was_never_released(intake_harness, bus):
    await intake_harness.take_in(submitted(), "desk")
    await approve_item(intake_harness.intake.decisions, ITEM, CLERK)
    register = intake_harness.trace.repository
    item = await register.update_item(ITEM, lambda item: item.model_copy(update={"released": {}}))
    await register.close_position(ITEM, 1, item)
    timeline = (await intake_harness.read_trace()).timeline
    assert [one.event for one in timeline] == ["received", "approved", "refused"]
    assert timeline[-1].errors[0].message_vi == "đã có bản mới hơn thay thế"


# ---- timeline -------------------------------------------------------------------------------


async def test_the_timeline_is_in_order_over_revisions_and_channels(intake_harness, clock):
    await intake_harness.take_in(submitted(), "desk")
    clock.advance(60)
    await approve_item(intake_harness.intake.decisions, ITEM, CLERK)
    clock.advance(1)
    await intake_harness.add_plan(b"p", channel=ChannelName.PORTAL, revision=1)
    clock.advance(60)
    await intake_harness.take_in(corrected())
    clock.advance(1)
    await intake_harness.add_plan(b"dd", revision=2)
    clock.advance(1)
    await intake_harness.add_plan(b"d", channel=ChannelName.PORTAL, revision=2)
    timeline = (await intake_harness.read_trace()).timeline
    assert [one.at for one in timeline] == sorted(one.at for one in timeline)
    assert [(one.event, one.channel) for one in timeline] == [
        ("received", None), ("approved", None), ("released", None),
        ("received", None), ("released", None),
        ("planning_started", "email"), ("planned", "email"), ("completed", "email"),
        ("planning_started", "portal"), ("planned", "portal"), ("completed", "portal"),
    ]  # fmt: skip
    assert [one.detail for one in timeline if one.event == "completed"] == [
        "2 of 2 delivered",
        "1 of 1 delivered",
    ]


async def test_a_withdrawal_says_who_was_not_told_of_it(intake_harness):
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"dd")
    await intake_harness.take_in(withdrawn())
    await intake_harness.add_plan(b"du", revision=2)
    timeline = (await replace(intake_harness.trace, for_staff=True).trace(ITEM)).timeline
    [left] = [entry.detail for entry in timeline if entry.event == "suppressed"]
    assert left == "1 rows: the reader has left, or has paused mail"


async def test_who_decided_and_who_withdrew_is_told_where_names_are_asked(intake_harness, clock):
    await intake_harness.take_in(submitted(), "desk")
    await approve_item(intake_harness.intake.decisions, ITEM, CLERK)
    clock.advance(5)
    await intake_harness.take_in(withdrawn(extensions={"submitter": "Lê Văn Cường"}))
    told = (await replace(intake_harness.trace, for_staff=True).trace(ITEM)).model_dump(
        mode="json"
    )["timeline"]
    named = {one["event"]: one["by"] for one in told if "by" in one}
    assert named == {"approved": CLERK, "received": "Lê Văn Cường"}
    unit = (await intake_harness.read_trace()).model_dump_json()
    assert CLERK not in unit and "Cường" not in unit, "the status URL names no clerk"


# ---- the contract ---------------------------------------------------------------------------


async def test_the_json_has_exactly_the_keys_that_scripts_rely_on(intake_harness, capsys):
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"dd")
    capsys.readouterr()
    print_json(await intake_harness.read_trace())
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["content_id", "revision", "state", "channels", "timeline"]
    assert set(told["channels"]) == {"portal", "email", "zalo"}
    assert all(set(count) == COUNTS for count in told["channels"].values())
    assert all(set(one) == {"at", "event", "channel", "detail"} for one in told["timeline"])
    assert all(datetime.fromisoformat(one["at"]).tzinfo for one in told["timeline"])


@pytest.fixture
def trace(bus, clock):
    return TraceReader(bus, clock)


@pytest.fixture
def read_trace(trace):
    async def tell(event):
        story = await trace.trace(event.content_id)
        return story.model_dump(mode="json") if story else None

    return tell


async def test_an_item_that_only_the_door_knows_is_received(bus, clock, trace, capsys):
    async with open_gateway(bus, clock) as door:
        await door.post(sample_event(content_id=ITEM))
    story = await trace.trace(ITEM)
    assert (story.state, story.revision, story.channels, story.timeline) == ("received", 0, {}, [])
    print_trace(story)
    assert "received" in capsys.readouterr().out


async def test_the_sender_is_told_the_revision_and_when_it_was_accepted(bus, clock, read_trace):
    async with open_gateway(bus, clock, trace=read_trace) as door:
        accepted = (await door.post(sample_event(content_id=ITEM))).json()
        told = (await door.get(accepted["status_url"])).json()
    assert (told["state"], told["revision"], told["channels"]) == ("received", 1, {})
    assert [one["event"] for one in told["timeline"]] == ["accepted"]
    assert set(told) == set(Trace.model_fields) - Trace.omitted_when_empty


async def test_an_item_that_was_claimed_in_a_crash_is_received(bus, trace):
    """Intake died between the item's record and the position's."""
    claimed = {"unit": UNIT, "positions": {3: "e" * 26}}
    await trace.repository.update_item(ITEM, lambda _: Item.model_validate(claimed))
    story = await trace.trace(ITEM)
    assert (story.state, story.revision) == ("received", 3)


async def test_a_withdrawal_that_was_cut_short_is_told(trace, clock, intake):
    await intake.handle(submitted(), UNIT)
    clock.advance(1)
    await intake.handle(withdrawn(), UNIT)
    await trace.repository.bucket.purge(f"{ITEM}.2")
    story = await trace.trace(ITEM)
    assert (story.state, story.revision) == ("withdrawn", 2)


async def test_a_plan_that_was_stopped_before_it_began_is_no_channel(clock, trace, intake):
    await intake.handle(submitted(channels=["portal", "email"]), UNIT)
    halted = PlanCursor(halt="v2", created=clock())
    for channel in (ChannelName.ZALO, ChannelName.EMAIL):
        await trace.ledger.create_plan(PlanKey(channel, ITEM, 1), halted)
    begun = replace(halted, complete=True, finished=clock())
    await trace.ledger.create_plan(PlanKey(ChannelName.PORTAL, ITEM, 1), begun)
    story = await trace.trace(ITEM)
    assert set(story.channels) == {"portal"}
    assert {one.channel for one in story.timeline} == {None, "portal"}


EMAIL, ZALO, PORTAL = ChannelName.EMAIL, ChannelName.ZALO, ChannelName.PORTAL
DIGEST = PlanKey(EMAIL, "digest-daily-2027-01-14", 1)


async def begun(news, channel=ZALO, revision=2):
    """The withdrawal's plan, still without recipients."""
    cursor = PlanCursor(created=news.clock())
    return await news.ledger.create_plan(PlanKey(channel, ITEM, revision), cursor)


async def waits(news):
    story = await news.read_trace()
    return [one for one in story.timeline if one.event == "waiting"]


@pytest.mark.parametrize(
    ("channel", "why"),
    [
        (ZALO, "an older call to Zalo may still have its effect"),
        (EMAIL, "an older mail may still arrive"),
    ],
)
async def test_a_withdrawal_that_waits_for_an_older_effect_says_so_as_long_as_it_does(
    bus, intake_harness, clock, channel, why
):
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"dd", channel=channel, settle_s=530.0)
    await intake_harness.take_in(withdrawn())
    assert await waits(intake_harness) == [], "nobody plans yet"
    await begun(intake_harness, channel)
    (told,) = await waits(intake_harness)
    assert (told.channel, told.detail) == (channel, f"waits until 08:09 UTC: {why}")
    assert told.model_dump(mode="json")["until"] == "2027-01-15T08:09:00Z"
    fence = Supersession(intake_harness.ledger, Waker(bus), clock)
    with pytest.raises(RetryLater) as later:
        await fence.require_settled([PlanKey(channel, ITEM, 1)])
    assert later.value.delay_s == 530.0, "planning waits by the same rule"
    clock.advance(530)
    assert await waits(intake_harness) == []
    await fence.require_settled([PlanKey(channel, ITEM, 1)])


async def test_an_older_revision_on_its_way_is_waited_for_without_a_time(intake_harness):
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"ds", channel=ZALO, settle_s=60.0)
    await intake_harness.take_in(withdrawn())
    await begun(intake_harness)
    (told,) = await waits(intake_harness)
    assert told.detail == "waits: an older revision is still on its way"
    began = told.at
    intake_harness.clock.advance(60)
    assert [one.at for one in await waits(intake_harness)] == [began]
    assert "until" not in told.model_dump(mode="json")


async def test_nothing_waits_on_the_portal_nor_where_the_newer_is_planned(intake_harness):
    await intake_harness.take_in(submitted())
    for channel in (PORTAL, ZALO):
        await intake_harness.add_plan(b"d", channel=channel, settle_s=500.0)
    await intake_harness.take_in(withdrawn())
    await begun(intake_harness, PORTAL)
    await intake_harness.add_plan(b"p", channel=ZALO, revision=2)
    assert await waits(intake_harness) == []


async def test_a_mail_waits_for_the_digest_that_had_the_older_text(bus, intake_harness, clock):
    await intake_harness.take_in(submitted())
    await intake_harness.take_in(withdrawn())
    at = datetime.fromtimestamp(clock(), UTC)
    issue = Issue(
        digest_id=DIGEST.content_id, revision=1, frequency="daily", after=0, upto=1,
        since=at - timedelta(days=1), at=at, due=at, issued=at,
        items=(DigestItem(content_id=ITEM, revision=1, seq=1),),
    )  # fmt: skip
    bucket = bus.bucket(subjects.DIGESTS.name)
    await bucket.put(f"issue.{DIGEST.content_id}.1", issue.model_dump_json().encode())
    places = ItemDigests(digests=(DIGEST.content_id,))
    await bucket.put(f"item.{ITEM}", places.model_dump_json().encode())
    await intake_harness.add_plan(b"d", item=DIGEST.content_id, settle_s=60.0)
    await begun(intake_harness, EMAIL)
    (told,) = await waits(intake_harness)
    assert told.detail == "waits until 08:01 UTC: an older mail may still arrive"


def test_a_broken_channel_is_explained_in_vietnamese_to_the_last_word():
    why = "no connection: Connection refused"
    open_ = Breaker(state=BreakerState.OPEN, since=1_800_000_000.0, reason=why)
    told = breaker_problem(EMAIL, open_)
    assert "+07: no connection: Connection refused; it goes on by itself" in told.message
    assert "/2027: không kết nối được: bên kia từ chối kết nối; khắc phục xong" in told.message_vi


def test_a_lost_index_gets_the_remedy_of_the_status():
    """First the folder is brought back: a rebuild in an unmounted one hides it."""
    open_ = Breaker(state=BreakerState.OPEN, since=1_800_000_000.0, reason="index_lost")
    told, texts = breaker_problem(PORTAL, open_), load_catalog("status")["index_lost"]
    assert told.message.endswith(texts["do_en"])
    assert told.message_vi.endswith(texts["do_vi"])


async def test_rows_that_wait_say_since_when_and_what_zalo_wants(bus, intake_harness, clock):
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"dr", channel=ZALO)
    batch, since = BatchKey(ZALO, ITEM, 1, 0), clock() + 5
    entry = (await intake_harness.ledger.state(batch)).value
    noted = replace(entry, notes={1: RowNote(1, since + 900, "zalo -224", since)})
    await intake_harness.ledger.bucket.put(f"state.{batch}", codec.encode_state(noted))
    clock.advance(600)
    (told,) = await waits(intake_harness)
    assert (told.at.timestamp(), told.detail) == (since, "1 rows: zalo -224")
    *_, problem = await channel_problems(bus, await intake_harness.read_trace())
    fix = explain_wait("zalo -224").fix
    assert problem.field == "zalo"
    assert fix.en in problem.message and fix.vi in problem.message_vi


async def test_a_scheduled_item_says_until_when(intake_harness, clock):
    start = datetime.fromtimestamp(clock() + 3600, UTC)
    await intake_harness.take_in(submitted(not_before=start.isoformat()))
    story = await intake_harness.read_trace()
    (told,) = [one for one in story.timeline if one.event == "scheduled"]
    assert told.detail == "revision 1: not before 2027-01-15 09:00:00 UTC"
    assert (story.state, told.until) == ("scheduled", start)
    clock.advance(3601)
    later = await intake_harness.read_trace()
    assert later.state == "released"
    assert later.timeline == story.timeline, "moments are facts, whenever it is asked"
