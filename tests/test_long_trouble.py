"""A channel away for days, a pause over the holidays: what waits, what ends, who goes first."""

import random
from datetime import UTC, datetime

import pytest

from contracts.delivery import ChannelName, Lane, Status
from tests.builders import a_publication
from tests.outage import HOUR_S, Town

EMAIL, PORTAL, ZALO = ChannelName.EMAIL, ChannelName.PORTAL, ChannelName.ZALO
ITEMS, READERS = 25, 2000
RATE = 400.0
OUTAGE_S = 24 * HOUR_S
PROBE_EVERY_S = 30.0
RECOVERY_S = 60.0


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def backlog(seed: int, start: float) -> list[dict]:
    """25 items of 2,000 readers each over the first 20 hours; five expire while the relay is away."""
    rng = random.Random(seed)
    lanes = [Lane.URGENT] * 3 + [Lane.NORMAL] * 10 + [Lane.BULK] * 12
    rng.shuffle(lanes)
    doomed = set(rng.sample(range(ITEMS), ITEMS // 5))
    items = []
    for number, at in enumerate(sorted(rng.uniform(0, 20 * HOUR_S) for _ in range(ITEMS))):
        end = rng.uniform(at + HOUR_S, OUTAGE_S - 600) if number in doomed else 2 * OUTAGE_S
        items.append(
            {
                "at": start + at,
                "content_id": f"tin-{number:02}",
                "lane": lanes[number],
                "expires_at": moment(start + end) if number % 3 or number in doomed else None,
                "doomed": number in doomed,
            }
        )
    return items


async def live_through(town: Town, items: list[dict]) -> list[float]:
    """Publish the items in their time, and one a hour on the portal; how late that showed it."""
    late: list[float] = []
    portal = town.providers[PORTAL]
    for hour in range(24):
        until = town.clock() + HOUR_S
        notice = a_publication(content_id=f"cong-{hour:02}")
        begun = town.clock()
        await town.publish(PORTAL, notice)
        while items and items[0]["at"] < until:
            item = items.pop(0)
            await town.run(item["at"])
            fields = ("content_id", "lane", "expires_at")
            await town.publish(EMAIL, a_publication(**{name: item[name] for name in fields}))
        await town.run(until)
        late += [at - begun for at, key, _ in portal.effects if key == notice.key]
    return late


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_day_without_the_relay_and_fifty_thousand_waiting(bus, tmp_path, seed, capsys):
    town = Town(bus, tmp_path, READERS, seed)
    start, end = town.clock(), town.clock() + OUTAGE_S
    relay = town.open(EMAIL, processes=2, rate=RATE, away=lambda: town.clock() < end)
    portal = town.open(PORTAL, window=1, connections=1)
    items = backlog(seed, start)
    doomed = {one["content_id"] for one in items if one["doomed"]}
    lanes = {one["content_id"]: one["lane"] for one in items}
    late = await live_through(town, items)
    mails = [plan for plan in town.plans if plan.channel is EMAIL]
    waiting = [plan for plan in mails if plan.content_id not in doomed]
    assert not relay.got
    assert await town.counts(waiting) == {Status.PENDING: len(waiting) * READERS}
    assert not any([one.notes for plan in waiting for one in await town.entries(plan)]), "no attempt"
    for plan in set(mails) - set(waiting):
        over = town.plans[plan].expires_at.timestamp()
        for entry in await town.entries(plan):
            assert entry.count() == {Status.EXPIRED: 500}
            assert 0 <= entry.closed - over <= 1, "at its time, not when the relay comes back"
    put_off = town.put_off[EMAIL]
    await town.run(end + HOUR_S)

    effects = [(at, key.partition(".")[0], rows) for at, key, rows in relay.effects]
    first = {lane: min(at for at, id, _ in effects if lanes[id] is lane) for lane in Lane}
    last = {lane: max(at for at, id, _ in effects if lanes[id] is lane) for lane in Lane}
    rows = sum(rows for _, _, rows in effects)
    rate = rows / (last[Lane.BULK] - effects[0][0])
    with capsys.disabled():
        print(
            f"\nseed {seed}: {len(relay.dials)} dials in 24 h, {put_off} wake-ups put off, first"
            f" urgent {first[Lane.URGENT] - end:.1f} s after, {rate:.1f} rows/s of {RATE:.0f},"
            f" lanes done after { {str(lane): round(at - end) for lane, at in last.items()} } s"
        )
    assert rows == len(waiting) * READERS
    assert await town.counts(waiting) == {Status.DELIVERED: rows}
    assert set(relay.got.values()) == {1}
    assert not {id for _, id, _ in effects} & doomed
    assert effects[0][1] in {id for id, lane in lanes.items() if lane is Lane.URGENT}
    assert first[Lane.URGENT] - end <= RECOVERY_S
    assert last[Lane.URGENT] < last[Lane.NORMAL] < last[Lane.BULK]
    assert rate == pytest.approx(RATE, rel=0.05)
    assert len(relay.dials) <= OUTAGE_S / PROBE_EVERY_S + 20
    assert relay.most_at_once <= 1 + 2 * relay.connections, "only before the first word of it"
    assert len(late) == 24
    assert max(late) <= 5
    assert portal.dials == []
