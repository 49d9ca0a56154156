"""Quotas, money, nights, limits and slow processing, from the ledger to the sandbox over HTTP."""

import random
from collections import Counter
from datetime import timedelta

import pytest
import structlog

from channels.zalo.hours import local
from channels.zalo.sandbox.articles import DESK
from contracts.delivery import Status
from tests.builders import a_publication
from tests.zalo_house import BOTH, Calls, zalo_house

HOUR_S = 3600


@pytest.fixture
async def house(bus, tmp_path, clock):
    async with zalo_house(bus, tmp_path, clock) as house:
        yield house


HOLDS = {
    "app rate": ("article.create", -32, "Your application reached limit call api", 60),
    "quota of the day": ("article.create", -211, "Out of quota", HOUR_S),
    "no Zalo Cloud Account": ("article.create", -320, "App needs Zalo Cloud Account", 900),
    "no money": ("article.create", -321, "Zalo Cloud Account out of money", 900),
    "package": ("article.create", -224, "The OA needs to upgrade OA Tier Package", 900),
    "broadcast quota": ("oa.message", -211, "Out of quota", HOUR_S),
    "broadcast at night": ("oa.message", -234, "cannot be sent at night", HOUR_S),
    "no money for a broadcast": ("oa.message", -321, "Zalo Cloud Account out of money", 900),
}


@pytest.mark.parametrize("hold", HOLDS)
async def test_a_quota_or_money_that_is_out_stops_every_call_until_its_time(house, hold):
    route, code, words, least_s = HOLDS[hold]
    house.stage.fault(route, "refuse", code=code, words=words)
    batch = await house.publish(a_publication())
    with structlog.testing.capture_logs() as logs:
        while house.stage.sandbox.faults.planned[0].times:
            wait_s = await house.visit(batch)
            if house.stage.sandbox.faults.planned[0].times:
                house.clock.advance(wait_s)
            row = ["article.create", "oa.message"].index(route)
        rest_s = (await house.entry(batch)).notes[row].due - house.clock()
    assert rest_s >= least_s - 60
    asked = "zalo_operator_needed" in [line["event"] for line in logs]
    assert asked is (code in (-211, -224, -320, -321)), "a person is told where one is needed"
    calls = Calls(house)
    for _ in range(10):
        await house.visit(batch)
        house.clock.advance(rest_s / 12)
    assert {name for _, name in calls.made} <= {"getoa"}, "nothing with an effect, at most a clock"
    assert await house.finish(batch) == BOTH
    assert house.stage.effects("article_created") == 1
    assert len(house.stage.broadcasts) == 1


async def test_a_quota_that_outlasts_the_item_is_said_at_once_and_asked_once_more(house):
    """Sixteen days until the next month, and nobody waits longer than three."""
    house.stage.rules(article_quota=0)
    calls = Calls(house)
    with structlog.testing.capture_logs() as logs:
        said = await house.finish(await house.publish(a_publication()))
    assert said == {"article": Status.FAILED, "broadcast": Status.FAILED}
    assert "zalo_operator_needed" in [line["event"] for line in logs]
    assert calls.count("create") == 2, "now, and once more when the item's time ends"
    assert house.stage.articles == []


async def test_a_virtual_week_makes_no_broadcast_call_at_night(house):
    """Something is released every five hours; what comes at night goes out in the morning."""
    calls, chance = Calls(house), random.Random(20261125)
    opened = []
    house.stage.sandbox.world.rules = house.stage.sandbox.world.rules.model_copy(
        update={"broadcast_quota": 1000}
    )
    start = house.clock()
    for number in range(7 * 24 // 5):
        house.clock.now = max(house.clock(), start + number * 5 * HOUR_S + chance.random() * HOUR_S)
        item = a_publication(content_id=f"tin-{number}")
        batch = await house.publish(item)
        released_at = local(house.clock())
        assert await house.finish(batch) == BOTH
        opened.append((released_at, local(house.stage.broadcasts[-1].at)))
    hours = Counter(at.hour for at, name in calls.made if name == "message")
    assert set(hours) <= set(range(6, 22))
    late = [sent for released, sent in opened if released.hour in (22, 23, 0, 1, 2, 3, 4)]
    assert late, "something came at night"
    assert {f"{sent:%H}" for sent in late} == {"06"}
    assert all(sent.minute >= 5 for sent in late)
    assert len(house.stage.broadcasts) == len(opened)


@pytest.mark.parametrize(
    ("minutes", "most"), [(1, 40), (60, 90)], ids=["for a minute", "for an hour"]
)
async def test_an_article_in_processing_is_polled_ever_more_rarely_and_then_shown(
    house, minutes, most
):
    calls = Calls(house)
    until = house.clock() + minutes * 60
    house.stage.rules(processing=10_000)
    batch = await house.publish(a_publication())

    def ready(request) -> None:
        if house.clock() >= until:
            house.stage.rules(processing=0)
            house.stage.sandbox.runner.app[DESK].polls.clear()

    house.stage.before_request = ready
    assert await house.finish(batch) == BOTH
    assert calls.count("verify") <= most
    assert house.stage.effects("article_created") == 1


@pytest.mark.parametrize("shown", [False, True], ids=["hidden draft", "accepted for showing"])
async def test_an_article_that_is_processed_for_ever_is_seen_and_raises_an_alarm(house, shown):
    house.stage.rules(processing=0)
    house.stage.fault(
        "article.verify", "refuse", code=-214, words="Article is being processed",
        skip=1 if shown else 0, times=10_000,
    )  # fmt: skip
    calls = Calls(house)
    batch = await house.publish(a_publication())
    begun = house.clock()
    with structlog.testing.capture_logs() as logs:
        while house.clock() - begun < 2 * HOUR_S:
            house.clock.advance(await house.visit(batch))
            entry = await house.entry(batch)
            if house.clock() - begun < HOUR_S:
                assert "zalo_article_processing" not in [line["event"] for line in logs]
            waiting = Status.IN_DOUBT if shown else Status.DEFERRED
            assert entry.count()[waiting] >= 1, "it can be seen that it waits"
            assert "zalo is processing the article" in {n.reason for n in entry.notes.values()}
    alarms = [line for line in logs if line["event"] == "zalo_article_processing"]
    assert alarms
    assert all(line["waits_s"] > HOUR_S for line in alarms)
    assert calls.count("verify") <= 120, "a ladder, not a drum"
    assert house.stage.broadcasts == []
    first = timedelta(minutes=1)
    assert sum(at - calls.made[0][0] > first for at, name in calls.made if name == "verify") < 90


@pytest.mark.parametrize(
    ("headers", "least_s"),
    [
        ({"Retry-After": "600"}, 600),
        ({"Retry-After": "5"}, 60),
        ({"Retry-After": "soon"}, 60),
        ({}, 60),
    ],
)
async def test_after_a_429_nothing_is_called_until_the_time_that_zalo_told(house, headers, least_s):
    """Whatever the ladder says, and whoever is woken; without a word it is the next minute."""
    transport = house.stage.channel.api.transport
    real, left = transport.exchange, [1]

    async def busy(request):
        reply = await real(request)
        if left and request.url.endswith("/article/create"):
            left.pop()
            house.stage.sandbox.world.record("article_removed", id=house.stage.articles[0].id)
            return type(reply)(429, headers, b"")
        return reply

    transport.exchange = busy
    batches = [await house.publish(a_publication(content_id=f"tin-{n}")) for n in range(3)]
    begun = house.clock()
    await house.visit(batches[0])
    calls = Calls(house)
    while house.clock() - begun < least_s:
        for batch in batches:
            await house.visit(batch)
        house.clock.advance(7)
    assert [at for at, _ in calls.made if (at - local(begun)).total_seconds() < least_s] == []
    for batch in batches:
        assert await house.finish(batch) == BOTH
    assert len(house.stage.visible) == len(house.stage.broadcasts) == 3


async def test_ten_times_too_many_items_are_hardly_ever_refused_for_the_rate(house):
    """Zalo lets thirty calls a minute through and says what remains; another app takes half."""
    house.stage.rules(per_minute=30, article_quota=1000, broadcast_quota=1000)
    world, answered = house.stage.sandbox.world, Counter()
    count_call = world.count_call

    def counted() -> bool:
        count_call()
        answered[allowed := count_call()] += 1
        return allowed

    world.count_call = counted
    batches = [await house.publish(a_publication(content_id=f"tin-{n}")) for n in range(24)]
    due = dict.fromkeys(batches, house.clock())
    while due:
        batch = min(due, key=lambda one: due[one])
        house.clock.now = max(house.clock(), due[batch])
        due[batch] = house.clock() + max(1, await house.visit(batch))
        if (await house.entry(batch)).closed:
            del due[batch]
    for batch in batches:
        assert await house.ending(batch) == BOTH
    assert len(house.stage.visible) == len(house.stage.broadcasts) == len(batches)
    assert answered[True] > 15 * 3, "more than some minutes let through"
    assert answered[False] <= answered.total() / 100
