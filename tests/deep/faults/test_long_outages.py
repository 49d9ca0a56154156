"""A channel away for days, a pause over the holidays: what waits, what ends, who goes first."""

import asyncio
import random
from datetime import UTC, datetime

import pytest
import structlog

from channels.base import Outcome, Verdict
from consumers.channel_health import breaker, pauses
from contracts.delivery import ChannelName, Lane, Status
from tests.support.outage_simulation import HOUR_S, OutageSimulation
from tests.support.publications import a_publication

EMAIL, PORTAL, ZALO = ChannelName.EMAIL, ChannelName.PORTAL, ChannelName.ZALO
ITEMS, READERS = 25, 2000
RATE = 400.0
PROBE_EVERY_S = 30.0
RECOVERY_S = 60.0


@pytest.fixture
def captured_logs():
    """Log entries, kept in memory: a day makes many lines."""
    with structlog.testing.capture_logs() as logs:
        yield logs


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def backlog(seed: int, start: float, length_s: float) -> list[dict]:
    """25 items of 2,000 readers each, in three lanes; five expire while the relay is away."""
    rng = random.Random(seed)
    lanes = [Lane.URGENT] * 3 + [Lane.NORMAL] * 10 + [Lane.BULK] * 12
    rng.shuffle(lanes)
    doomed = set(rng.sample(range(ITEMS), ITEMS // 5))
    items = []
    for number, at in enumerate(sorted(rng.uniform(0, 0.8 * length_s) for _ in range(ITEMS))):
        end = rng.uniform(at + 600, length_s - 60) if number in doomed else 2 * length_s
        item = {"at": start + at, "content_id": f"tin-{number:02}", "lane": lanes[number]}
        item["doomed"] = number in doomed
        item["expires_at"] = moment(start + end) if number % 3 or item["doomed"] else None
        items.append(item)
    return items


OTHERS = {PORTAL: 1, ZALO: 2}
"""Channels that are well, and how many rows an item has there."""


async def live_through(outage: OutageSimulation, items: list[dict], hours: int) -> list[float]:
    """Publish the items in their time, and one an hour elsewhere; how late each row of it came."""
    late: list[float] = []
    for hour in range(hours):
        until = outage.clock() + HOUR_S
        notice = a_publication(content_id=f"gio-{hour:02}")
        begun = outage.clock()
        for channel in OTHERS:
            await outage.publish(channel, notice)
        while items and items[0]["at"] < until:
            item = items.pop(0)
            await outage.run(item["at"])
            fields = ("content_id", "lane", "expires_at")
            await outage.publish(EMAIL, a_publication(**{name: item[name] for name in fields}))
        await outage.run(until)
        effects = [one for channel in OTHERS for one in outage.providers[channel].effect_log]
        late += [at - begun for at, key, rows in effects if key == notice.key for _ in range(rows)]
    return late


@pytest.mark.promise("3.7", "8.1")
@pytest.mark.parametrize(("seed", "hours"), [(1, 24), (2, 6), (3, 6)])
async def test_a_day_without_the_relay_and_fifty_thousand_waiting(
    bus, tmp_path, captured_logs, capsys, seed, hours
):
    outage = OutageSimulation(bus, tmp_path, READERS, seed)
    start, end = outage.clock(), outage.clock() + hours * HOUR_S
    relay = await outage.open(EMAIL, processes=2, rate=RATE, away=lambda: outage.clock() < end)
    others = [await outage.open(channel, window=1, connections=1) for channel in OTHERS]
    items = backlog(seed, start, end - start)
    doomed = {one["content_id"] for one in items if one["doomed"]}
    lanes = {one["content_id"]: one["lane"] for one in items}
    late = await live_through(outage, items, hours)
    mails = [plan for plan in outage.plans if plan.channel is EMAIL]
    waiting = [plan for plan in mails if plan.content_id not in doomed]
    assert not relay.effects
    assert await outage.counts(waiting) == {Status.PENDING: len(waiting) * READERS}
    untouched = [entry for plan in waiting for entry in await outage.entries(plan)]
    assert not any(entry.notes for entry in untouched), "no attempt"
    for plan in set(mails) - set(waiting):
        over = outage.plans[plan].expires_at.timestamp()
        for entry in await outage.entries(plan):
            assert entry.count_by_status() == {Status.EXPIRED: 500}
            assert 0 <= entry.closed_at - over <= 1, "at its time, not when the relay comes back"
    put_off = outage.rescheduled[EMAIL]
    await outage.run(end + HOUR_S)

    effects = [(at, key.partition(".")[0], rows) for at, key, rows in relay.effect_log]
    tried = set(lanes.values())
    first = {lane: min(at for at, id, _ in effects if lanes[id] is lane) for lane in tried}
    last = {lane: max(at for at, id, _ in effects if lanes[id] is lane) for lane in tried}
    rows = sum(rows for _, _, rows in effects)
    rate = rows / (last[Lane.BULK] - effects[0][0])
    with capsys.disabled():
        print(  # noqa: T201 - the figures are what this test is for
            f"\nseed {seed}: {len(relay.attempts)} dials in {hours} h, {put_off} wake-ups put off,"
            f" first urgent {first[Lane.URGENT] - end:.1f} s, {rate:.1f} of {RATE:.0f} rows/s,"
            f" lanes done after { {str(lane): round(at - end) for lane, at in last.items()} } s"
        )
    assert rows == len(waiting) * READERS
    assert await outage.counts(waiting) == {Status.DELIVERED: rows}
    assert set(relay.effects.values()) == {1}
    assert not {id for _, id, _ in effects} & doomed
    assert effects[0][1] in {id for id, lane in lanes.items() if lane is Lane.URGENT}
    assert first[Lane.URGENT] - end <= RECOVERY_S
    assert last[Lane.URGENT] < last[Lane.NORMAL] < last[Lane.BULK]
    assert rate == pytest.approx(RATE, rel=0.05)
    assert len(relay.attempts) <= (end - start) / PROBE_EVERY_S + 20
    assert relay.most_at_once <= 1 + 2 * relay.connections, "only before the first word of it"
    assert len(late) == hours * sum(OTHERS.values()), "the other channels do not notice"
    assert max(late) <= 5
    assert [(one.attempts, set(one.effects.values())) for one in others] == [([], {1}), ([], {1})]
    story = ["breaker_opened", "breaker_closed"]
    assert [line["event"] for line in captured_logs if line["event"] in story] == story


@pytest.mark.promise("8.2")
async def test_three_days_without_any_channel_and_a_restart_every_hour(
    bus, tmp_path, captured_logs, monkeypatch
):
    """The ladder goes on over restarts; rows that were tried are given up after 72 h, no others.

    Tries are half an hour apart here; how many there are otherwise, the day above has shown.
    """
    monkeypatch.setattr(breaker, "PROBE_WAITS_S", (HOUR_S / 2,))
    monkeypatch.setattr(breaker, "PROBE_TIMEOUT_S", HOUR_S)
    outage = OutageSimulation(bus, tmp_path, 40, seed=7)
    start = outage.clock()
    back = start + 80 * HOUR_S
    lost = start + 12 * HOUR_S
    relay = await outage.open(EMAIL, away=lambda: lost <= outage.clock() < back)
    busy = Outcome(Verdict.DEFERRED, "451 4.3.2")
    relay.answer = lambda row: busy if outage.clock() < lost else Outcome(Verdict.DELIVERED)
    for channel in (PORTAL, ZALO):
        await outage.open(channel, away=lambda: outage.clock() < back)
    tried = await outage.publish(EMAIL, a_publication(content_id="da-thu"))
    mute = [await outage.publish(one, a_publication(content_id="im")) for one in (PORTAL, ZALO)]
    await through(outage, lost + HOUR_S)
    climbed = sorted({round(at - start) for at, _, _ in relay.effect_log})
    assert climbed[:4] == [0, 5, 90, 420], "5 s, 1 min, 5 min, on half minutes"
    notes = [note for entry in await outage.entries(tried) for note in entry.notes.values()]
    assert {note.attempts for note in notes} == {7}
    mute.append(await outage.publish(EMAIL, a_publication(content_id="chua-thu")))
    await through(outage, back - HOUR_S)
    [entry] = await outage.entries(tried)
    assert entry.count_by_status() == {Status.FAILED: 40}
    assert 0 <= entry.closed_at - start - 72 * HOUR_S <= 1
    alarm = [one for one in captured_logs if one["event"] == "rows_given_up"]
    assert [(one["rows"], one["log_level"]) for one in alarm] == [(40, "error")]
    assert await outage.counts(mute) == {Status.PENDING: 40 + 1 + 2}, "never tried, never given up"
    await through(outage, back + HOUR_S)
    assert await outage.counts(mute) == {Status.DELIVERED: 40 + 1 + 2}


async def through(outage: OutageSimulation, until: float) -> None:
    """On to *until*, and every hour all processes are killed and started again."""
    while outage.clock() < until:
        await outage.run(min(outage.clock() + HOUR_S, until))
        await outage.restart()


@pytest.mark.promise("8.2")
async def test_a_pause_over_the_holidays_loses_nobody_untried(bus, tmp_path, captured_logs):
    outage = OutageSimulation(bus, tmp_path, 1200, seed=8)
    relay = await outage.open(EMAIL, processes=2)
    await pauses.pause(bus, EMAIL, "nghỉ Tết")
    await outage.pauses.refresh()
    old = await outage.publish(EMAIL, a_publication(content_id="thong-bao"))
    over = outage.clock() + 86400
    dated = await outage.publish(
        EMAIL, a_publication(content_id="moi-hop", expires_at=moment(over), lane="urgent")
    )
    until = outage.clock() + 9 * 86400
    for day in range(9):
        await outage.run(outage.clock() + 86400 if day < 8 else until)
        await outage.restart()
    assert (relay.attempts, relay.effect_log) == ([], [])
    assert await outage.counts([old]) == {Status.PENDING: 1200}
    assert await outage.counts([dated]) == {Status.EXPIRED: 1200}
    ends = [one.closed_at - over for one in await outage.entries(dated)]
    assert 0 <= min(ends) <= max(ends) <= 1, "at its time"
    per_hour = outage.visits[EMAIL] / (9 * 24)
    assert per_hour < 20, "six batches that wait cost next to nothing"
    await pauses.resume(bus, EMAIL)
    await outage.pauses.refresh()
    await outage.run(outage.clock() + 60)
    assert await outage.counts([old]) == {Status.DELIVERED: 1200}, "within a minute"
    assert set(relay.effects.values()) == {1}


@pytest.mark.parametrize("seed", range(3))
async def test_ten_restarts_in_a_row_copy_only_the_declared(bus, tmp_path, captured_logs, seed):
    outage = OutageSimulation(bus, tmp_path, 3000, seed)
    relay = await outage.open(EMAIL, connections=4)
    plan, cut_short = await outage.publish(EMAIL, a_publication()), 0
    for _ in range(10):
        running = asyncio.create_task(outage.run(outage.clock() + HOUR_S))
        wanted = len(relay.windows) + outage.random.randint(1, 8)
        while len(relay.windows) < wanted and not running.done():
            await asyncio.sleep(0)
        cut_short += running.cancel()
        await asyncio.wait([running])
        await outage.restart()
    await outage.run(outage.clock() + HOUR_S)
    entries = await outage.entries(plan)
    assert await outage.counts([plan]) == {Status.DELIVERED: 3000}
    copies = sum(relay.effects.values()) - len(relay.effects)
    declared = sum(one.possible_copies for one in entries)
    assert len(relay.effects) == 3000
    assert copies <= declared <= 10 * (relay.connections + 1) * relay.window
    assert cut_short > 0
