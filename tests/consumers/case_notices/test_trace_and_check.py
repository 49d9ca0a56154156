"""Case notices in `loa trace` and `loa check --deep`."""

from dataclasses import replace

import pytest

from channels.base import Outcome, Verdict
from consumers.check.checker import Checker
from consumers.check.context import CheckContext
from consumers.ledger.backoff import GIVE_UP_S
from consumers.ledger.entry import notice_entry
from consumers.operations.manual_resolution import ManualResolution
from consumers.reporting.trace import TraceReader
from contracts import keys
from contracts.delivery import BatchKey
from tests.support.case_pipeline import CASE, EMAIL, ZALO, CasePipeline, case_event
from tests.support.check_harness import acknowledge_all
from tests.support.gateway_client import open_gateway

LONG_S = 3 * 3600


@pytest.fixture
async def case_pipeline(case_pipeline):
    await case_pipeline.accept_and_take_in()
    return case_pipeline


async def rerouted(pipeline):
    """Zalo can't reach the person; the mail arrives."""
    pipeline.set_outcome(ZALO, Outcome(Verdict.SUPPRESSED, "zalo -118"))
    pipeline.clock.advance(1)
    await pipeline.work(ZALO)
    pipeline.clock.advance(1)
    await pipeline.work(EMAIL)


async def found(pipeline):
    pipeline.clock.advance(LONG_S)
    findings = await Checker(
        CheckContext(pipeline.bus, pipeline.clock, deep=True, recheck_after_s=0.0)
    ).run()
    return [(one.rule, one.key) for one in findings.violations]


def state(channel, number=0):
    return f"state.{BatchKey(channel, CASE, 1, number)}"


async def story(pipeline, step=None):
    return await TraceReader(pipeline.bus, pipeline.clock).trace(CASE, step)


async def test_the_story_says_that_zalo_could_not_and_that_the_mail_arrived(case_pipeline):
    await rerouted(case_pipeline)
    told = await story(case_pipeline)
    assert (told.revision, told.state) == (1, "released")
    assert {name: one.complete for name, one in told.channels.items()} == {ZALO: True, EMAIL: True}
    assert (told.channels[ZALO].suppressed, told.channels[EMAIL].delivered) == (1, 1)
    events = [(one.event, one.channel) for one in told.timeline]
    assert events == [
        ("received", None), ("planned", ZALO), ("suppressed", ZALO),
        ("planned", EMAIL), ("delivered", EMAIL),
    ]  # fmt: skip
    assert "zalo -118" in told.timeline[2].detail


async def test_an_event_that_is_not_taken_in_yet_is_received(bus, clock, tmp_path):
    async with open_gateway(bus, clock) as gateway:
        pipeline = CasePipeline(bus, gateway, tmp_path, clock)
        await pipeline.accepted(case_event())
        trace = await story(pipeline)
    assert (trace.state, trace.channels) == ("received", {})


async def test_a_doubt_is_seen_in_the_story(case_pipeline):
    case_pipeline.set_outcome(ZALO, Outcome(Verdict.DOUBT, "no answer"))
    case_pipeline.providers[ZALO].known = lambda _: Outcome(Verdict.DOUBT, "not known yet", 60.0)
    await case_pipeline.wake(ZALO)
    told = await story(case_pipeline)
    assert told.channels[ZALO].in_doubt == 1 and not told.channels[ZALO].complete
    assert told.timeline[-1].event == "in_doubt"


async def test_a_healthy_ledger_raises_no_alarm(case_pipeline):
    await rerouted(case_pipeline)
    assert await found(case_pipeline) == []


@pytest.mark.promise("12.1")
async def test_an_accepted_event_without_a_notice_is_found(case_pipeline):
    await rerouted(case_pipeline)
    await acknowledge_all(case_pipeline.bus, "CONTENT", "intake")
    for channel in (ZALO, EMAIL):
        await case_pipeline.ledger.bucket.purge(state(channel))
    assert [rule for rule, _ in await found(case_pipeline)] == ["event-lost"]


async def test_a_notice_that_names_no_event_is_found(case_pipeline):
    await rerouted(case_pipeline)
    entry = closed_entry(case_pipeline)
    await case_pipeline.ledger.create_notice(BatchKey(EMAIL, CASE, 1, 7), entry)
    assert ("notice-shape", state(EMAIL, 7)) in await found(case_pipeline)


async def test_a_notice_that_nobody_works_on_is_found(case_pipeline):
    assert ("stuck", state(ZALO)) in await found(case_pipeline)


def closed_entry(pipeline):
    return replace(notice_entry(0, "", pipeline.clock()), rows=b"d", closed_at=pipeline.clock())


@pytest.mark.promise("12.3")
async def test_an_unknown_notice_is_listed_until_a_person_ends_it(case_pipeline):
    await case_pipeline.end_unknown()
    resolution = ManualResolution(case_pipeline.ledger, ZALO)
    [row] = [row async for row in resolution.unknown_rows()]
    assert (row.batch, row.recipient) == (BatchKey(ZALO, CASE, 1, 0), keys.SOLE_RECIPIENT)
    [done] = await resolution.resolve(CASE, None, arrived=True, by="Phòng Một cửa")
    assert (done.recipient, done.arrived) == (keys.SOLE_RECIPIENT, True)
    assert (await story(case_pipeline)).channels[ZALO].delivered == 1
    assert await case_pipeline.status(EMAIL) is None


async def test_the_status_of_an_event_is_that_of_its_own_step(case_pipeline):
    await rerouted(case_pipeline)
    await case_pipeline.accept_and_take_in(id="e-2")
    told = await story(case_pipeline, 2)
    assert (told.revision, set(told.channels)) == (2, {ZALO})
    whole = await story(case_pipeline)
    assert {name: one.expected for name, one in whole.channels.items()} == {ZALO: 2, EMAIL: 1}


async def set_row(pipeline, channel, letter, **facts):
    """Change a channel's batch directly in the ledger."""
    batch = BatchKey(channel, CASE, 1, 0)
    held = await pipeline.ledger.state(batch)
    changed = replace(held.value, rows=letter, **facts)
    await pipeline.ledger.swap(batch, held, changed, until=float("inf"))


@pytest.mark.promise("12.4")
@pytest.mark.parametrize(
    ("zalo", "email", "kept", "wrong"),
    [
        (b"u", b"d", True, False),
        (b"d", b"u", True, True),  # Zalo was the first, despite the clocks
        (b"d", b"u", False, False),  # the order is unknown
        (b"d", b"d", False, True),
        (b"K", b"d", False, True),
        (b"u", b"e", False, False),
    ],
)
async def test_which_channel_was_first_needs_no_clocks(case_pipeline, zalo, email, kept, wrong):
    await rerouted(case_pipeline)
    await set_row(case_pipeline, ZALO, zalo, created=case_pipeline.clock() + 60)
    await set_row(case_pipeline, EMAIL, email)
    if not kept:
        await case_pipeline.delete_contact()
    assert (("notice-twice", f"notice.{CASE}.1") in await found(case_pipeline)) is wrong


async def test_a_notice_that_waits_on_its_last_channel_is_not_overdue(case_pipeline):
    case_pipeline.set_outcome(ZALO, Outcome(Verdict.SUPPRESSED, "zalo -118"))
    await case_pipeline.work(ZALO)
    case_pipeline.set_outcome(EMAIL, Outcome(Verdict.DEFERRED, "451 busy", 5 * GIVE_UP_S))
    await case_pipeline.work(EMAIL)
    case_pipeline.clock.advance(2 * GIVE_UP_S)
    assert await found(case_pipeline) == []


async def test_no_moment_of_a_story_lies_ahead(case_pipeline):
    case_pipeline.set_outcome(ZALO, Outcome(Verdict.HELD, "our monthly money quota", 86400.0))
    await case_pipeline.wake(ZALO)
    told = await story(case_pipeline)
    assert max(one.at.timestamp() for one in told.timeline) <= case_pipeline.clock()
    last = told.timeline[-1]
    assert last.event == "deferred" and "our monthly money quota, due 20" in last.detail
