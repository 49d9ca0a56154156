"""Who got what is removed from the ledger in time; counts stay, and nothing is sent again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from consumers.audit.signed import signing_key
from consumers.check.context import CheckContext
from consumers.key_file import KeyFile
from consumers.ledger.entry import notice_entry
from consumers.ledger.store import Ledger
from consumers.operations.old_deliveries import OldDeliveries, load_ledger_cut
from consumers.reporting.trace import TraceReader
from contracts import keys
from contracts.base.retention import DEFAULT
from contracts.base.times import utc_now
from contracts.delivery import BatchKey, ChannelName, PlanKey
from tests.support.crashing_bus import crash_at
from tests.support.events import ITEM, corrected, submitted, withdrawn

KEY = signing_key(KeyFile(b"k" * 32))
DAY_S = 86400
EMAIL, ZALO = ChannelName.EMAIL, ChannelName.ZALO
NOTICE = BatchKey(ZALO, keys.case_content_id("G09.20-1"), 1, 0)


@pytest.fixture
async def news(check_harness):
    """An item with a correction, both delivered, six years ago."""
    for event in (submitted(), corrected()):
        await check_harness.send(event)
        await check_harness.deliver_all(ITEM)
    check_harness.clock.advance((DEFAULT.ledger + 365) * DAY_S)
    return check_harness


def before(clock) -> datetime:
    return utc_now(clock) - DEFAULT.span("ledger")


async def remove(news, moment=None):
    count_plan = TraceReader(news.bus, news.clock).channel_counts
    rule = OldDeliveries(news.bus, KEY, count_plan, news.clock)
    due = [record async for record in rule.due(moment or before(news.clock))]
    return [await record.remove() for record in due]


async def trace(news):
    found = (await TraceReader(news.bus, news.clock).trace(ITEM)).model_dump(mode="json")
    return {name: found[name] for name in ("channels", "earlier", "state")}


async def keys_of(news, kind):
    return sorted(await news.bucket.keys(f"{kind}."))


async def test_rows_go_counts_stay_and_every_promise_is_kept(news):
    known, sent = await trace(news), news.effects_of(ITEM)
    assert await remove(news) == [True, True]
    assert [key for kind in ("rows", "state") for key in await keys_of(news, f"{kind}.email")] == []
    assert await keys_of(news, "state.portal"), "they name no person"
    assert [one async for one in news.bus.scan(news.bucket.stream, "$KV.ledger.back.>")] == []
    assert await trace(news) == known
    assert known["channels"]["email"]["delivered"] == 3
    assert await news.violations() == []
    await news.deliver(ITEM, again=True)
    assert news.effects_of(ITEM) == sent, "a publication that comes again is planned no second time"
    assert await remove(news) == []


async def test_what_is_younger_or_open_stays(news):
    assert await remove(news, before(news.clock) - timedelta(days=366)) == []
    await news.state(f"email.{ITEM}.2.0", closed_at=0.0)
    assert await remove(news) == [True]
    assert await keys_of(news, "rows.email") == [f"rows.email.{ITEM}.2.0"]


@pytest.mark.parametrize("broken", [None, b"{}"], ids=["missing", "damaged"])
async def test_a_broken_plan_stays_and_stops_no_other_one(news, broken):
    key = f"state.email.{ITEM}.1.0"
    await (news.bucket.put(key, broken) if broken else news.bucket.purge(key))
    assert await remove(news) == [True]
    assert await keys_of(news, "rows.email") == [f"rows.email.{ITEM}.1.0"]


async def test_a_withdrawal_after_the_removal_reaches_portal_and_zalo(news):
    await remove(news)
    await news.send(withdrawn())
    await news.deliver_all(ITEM)
    last = {name: effects[-1] for name, effects in news.effects_of(ITEM).items() if effects}
    assert (last[EMAIL][0], last[ZALO][0]) == (2, 3), "who had the mail is not known any more"
    assert await news.violations() == []


@pytest.mark.parametrize("point", ["ledger.counted", "ledger.rows_removed"])
async def test_a_removal_that_is_killed_is_completed_by_the_next_pass(news, point):
    known, sent = await trace(news), news.effects_of(ITEM)
    with crash_at(point):
        await remove(news)
    assert await trace(news) == known
    assert await news.violations() == []
    await news.deliver(ITEM, again=True)
    assert news.effects_of(ITEM) == sent
    young = datetime.now(UTC) - timedelta(hours=1)
    assert await remove(news, young) == [True], "the killed pass itself was its last change"
    assert await keys_of(news, "rows.email") == [f"rows.email.{ITEM}.2.0"]
    assert await remove(news) == [True]
    assert await keys_of(news, "rows.email") == []


async def test_rows_that_are_removed_otherwise_or_too_early_are_named(news):
    await remove(news)
    plan, ledger = PlanKey(EMAIL, ITEM, 2), Ledger(news.bus)
    held = await ledger.plan(plan)
    early = replace(held.value, removed=held.value.finished + 30 * DAY_S)
    await ledger.swap_plan(plan, held, early)
    assert await news.violations() == [("rows-lost", f"plan.{plan}")]
    held = await ledger.plan(plan)
    await ledger.swap_plan(plan, held, replace(early, removed=0.0, count=1))
    assert ("batch-missing", f"state.{plan}.0") in await news.violations()


async def test_an_old_notice_goes_and_a_signed_mark_says_so(news):
    ledger = Ledger(news.bus)
    closed = replace(notice_entry(7, "e", 5.0), rows=b"d", closed_at=6.0)
    await ledger.create_notice(NOTICE, closed)
    young = replace(closed, closed_at=news.clock())
    await ledger.create_notice(NOTICE._replace(revision=2), young)
    moment = before(news.clock)
    with crash_at("ledger.cut_signed"):
        await remove(news)
    assert await ledger.state(NOTICE) is not None
    assert (await remove(news))[-1:] == [True]
    assert await ledger.state(NOTICE) is None
    assert await ledger.state(NOTICE._replace(revision=2)) is not None
    assert await load_ledger_cut(news.bus, KEY) == moment
    assert await load_ledger_cut(news.bus, signing_key(KeyFile(b"x" * 32))) is None
    context = CheckContext(news.bus, ledger_cut=moment)
    assert context.may_be_removed(moment - timedelta(seconds=1))
    assert not context.may_be_removed(moment)
