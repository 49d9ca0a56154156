"""Quotas, money, nights, limits and slow processing, from the ledger to the sandbox over HTTP."""

import random
from collections import Counter
from datetime import timedelta

import pytest
import structlog

from channels.zalo.client.clock import vietnam_time
from contracts.delivery import Status
from sandbox.zalo.api.articles import PROCESSING
from tests.support.publications import a_publication
from tests.support.zalo_pipeline import BOTH, CallLog

HOUR_S = 3600
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


@pytest.mark.promise("6.6")
@pytest.mark.parametrize("hold", HOLDS)
async def test_a_quota_or_money_that_is_out_stops_every_call_until_its_time(zalo_pipeline, hold):
    route, code, words, least_s = HOLDS[hold]
    zalo_pipeline.account.fault(route, "refuse", code=code, words=words)
    batch = await zalo_pipeline.publish(a_publication())
    with structlog.testing.capture_logs() as logs:
        while zalo_pipeline.account.sandbox.faults.planned[0].times:
            wait_s = await zalo_pipeline.wake(batch)
            if zalo_pipeline.account.sandbox.faults.planned[0].times:
                zalo_pipeline.clock.advance(wait_s)
            row = ["article.create", "oa.message"].index(route)
        rest_s = (await zalo_pipeline.entry(batch)).notes[row].due - zalo_pipeline.clock()
    assert rest_s >= least_s - 60
    asked = "zalo_operator_needed" in [line["event"] for line in logs]
    assert asked is (code in (-211, -224, -320, -321)), "a person is told where one is needed"
    calls = CallLog(zalo_pipeline)
    for _ in range(10):
        await zalo_pipeline.wake(batch)
        zalo_pipeline.clock.advance(rest_s / 12)
    assert {name for _, name in calls.calls} <= {"getoa"}, "nothing with an effect, at most a clock"
    assert await zalo_pipeline.finish(batch) == BOTH
    assert zalo_pipeline.account.effects("article_created") == 1
    assert len(zalo_pipeline.account.broadcasts) == 1


async def test_a_quota_that_outlasts_the_item_is_said_at_once_and_asked_once_more(zalo_pipeline):
    """Sixteen days remain until the next month, and no row waits longer than three."""
    zalo_pipeline.account.set_rules(article_quota=0)
    calls = CallLog(zalo_pipeline)
    with structlog.testing.capture_logs() as logs:
        said = await zalo_pipeline.finish(await zalo_pipeline.publish(a_publication()))
    assert said == {"article": Status.FAILED, "broadcast": Status.FAILED}
    assert "zalo_operator_needed" in [line["event"] for line in logs]
    assert calls.count("create") == 2, "now, and once more when the item's time ends"
    assert zalo_pipeline.account.articles == []


@pytest.mark.promise("6.6")
async def test_a_virtual_week_makes_no_broadcast_call_at_night(zalo_pipeline):
    """A release every five hours; releases at night go out in the morning."""
    calls, chance = CallLog(zalo_pipeline), random.Random(20261125)
    opened = []
    zalo_pipeline.account.sandbox.world.rules = (
        zalo_pipeline.account.sandbox.world.rules.model_copy(update={"broadcast_quota": 1000})
    )
    start = zalo_pipeline.clock()
    for number in range(7 * 24 // 5):
        zalo_pipeline.clock.now = max(
            zalo_pipeline.clock(), start + number * 5 * HOUR_S + chance.random() * HOUR_S
        )
        item = a_publication(content_id=f"tin-{number}")
        batch = await zalo_pipeline.publish(item)
        released_at = vietnam_time(zalo_pipeline.clock())
        assert await zalo_pipeline.finish(batch) == BOTH
        opened.append((released_at, vietnam_time(zalo_pipeline.account.broadcasts[-1].at)))
    hours = Counter(at.hour for at, name in calls.calls if name == "message")
    assert set(hours) <= set(range(6, 22))
    late = [sent for released, sent in opened if released.hour in (22, 23, 0, 1, 2, 3, 4)]
    assert late, "something came at night"
    assert {f"{sent:%H}" for sent in late} == {"06"}
    assert all(sent.minute >= 5 for sent in late)
    assert len(zalo_pipeline.account.broadcasts) == len(opened)


@pytest.mark.parametrize(
    ("minutes", "most"), [(1, 40), (60, 90)], ids=["for a minute", "for an hour"]
)
async def test_an_article_in_processing_is_polled_ever_more_rarely_and_then_shown(
    zalo_pipeline, minutes, most
):
    calls = CallLog(zalo_pipeline)
    until = zalo_pipeline.clock() + minutes * 60
    zalo_pipeline.account.set_rules(processing=10_000)
    batch = await zalo_pipeline.publish(a_publication())

    def ready(request) -> None:
        if zalo_pipeline.clock() >= until:
            zalo_pipeline.account.set_rules(processing=0)
            zalo_pipeline.account.sandbox.runner.app[PROCESSING].polls.clear()

    zalo_pipeline.account.before_request = ready
    assert await zalo_pipeline.finish(batch) == BOTH
    assert calls.count("verify") <= most
    assert zalo_pipeline.account.effects("article_created") == 1


@pytest.mark.parametrize("shown", [False, True], ids=["hidden draft", "accepted for showing"])
async def test_an_article_that_is_processed_for_ever_is_seen_and_raises_an_alarm(
    zalo_pipeline, shown
):
    zalo_pipeline.account.set_rules(processing=0)
    zalo_pipeline.account.fault(
        "article.verify", "refuse", code=-214, words="Article is being processed",
        skip=1 if shown else 0, times=10_000,
    )  # fmt: skip
    calls = CallLog(zalo_pipeline)
    batch = await zalo_pipeline.publish(a_publication())
    begun = zalo_pipeline.clock()
    with structlog.testing.capture_logs() as logs:
        while zalo_pipeline.clock() - begun < 2 * HOUR_S:
            zalo_pipeline.clock.advance(await zalo_pipeline.wake(batch))
            entry = await zalo_pipeline.entry(batch)
            if zalo_pipeline.clock() - begun < HOUR_S:
                assert "zalo_article_processing" not in [line["event"] for line in logs]
            waiting = Status.IN_DOUBT if shown else Status.DEFERRED
            assert entry.count_by_status()[waiting] >= 1, "it can be seen that it waits"
            assert "zalo is processing the article" in {n.reason for n in entry.notes.values()}
    alarms = [line for line in logs if line["event"] == "zalo_article_processing"]
    assert alarms
    assert all(line["waits_s"] > HOUR_S for line in alarms)
    assert calls.count("verify") <= 120, "a ladder, not a drum"
    assert zalo_pipeline.account.broadcasts == []
    first = timedelta(minutes=1)
    assert sum(at - calls.calls[0][0] > first for at, name in calls.calls if name == "verify") < 90


@pytest.mark.parametrize(
    ("headers", "least_s"),
    [
        ({"Retry-After": "600"}, 600),
        ({"Retry-After": "5"}, 60),
        ({"Retry-After": "soon"}, 60),
        ({}, 60),
    ],
)
async def test_after_a_429_nothing_is_called_until_the_time_that_zalo_told(
    zalo_pipeline, headers, least_s
):
    """Zalo's time overrides the retry ladder; without one it is the next minute."""
    transport = zalo_pipeline.account.channel.api.transport
    real, left = transport.exchange, [1]

    async def busy(request):
        reply = await real(request)
        if left and request.url.endswith("/article/create"):
            left.pop()
            zalo_pipeline.account.sandbox.world.record(
                "article_removed", id=zalo_pipeline.account.articles[0].id
            )
            return type(reply)(429, headers, b"")
        return reply

    transport.exchange = busy
    batches = [await zalo_pipeline.publish(a_publication(content_id=f"tin-{n}")) for n in range(3)]
    begun = zalo_pipeline.clock()
    await zalo_pipeline.wake(batches[0])
    calls = CallLog(zalo_pipeline)
    while zalo_pipeline.clock() - begun < least_s:
        for batch in batches:
            await zalo_pipeline.wake(batch)
        zalo_pipeline.clock.advance(7)
    assert [
        at for at, _ in calls.calls if (at - vietnam_time(begun)).total_seconds() < least_s
    ] == []
    for batch in batches:
        assert await zalo_pipeline.finish(batch) == BOTH
    assert len(zalo_pipeline.account.visible) == len(zalo_pipeline.account.broadcasts) == 3


async def test_ten_times_too_many_items_are_hardly_ever_refused_for_the_rate(zalo_pipeline):
    """Zalo allows thirty calls a minute and reports the rest; another app uses half."""
    zalo_pipeline.account.set_rules(per_minute=30, article_quota=1000, broadcast_quota=1000)
    world, answered = zalo_pipeline.account.sandbox.world, Counter()
    count_call = world.count_call

    def counted() -> bool:
        count_call()
        answered[allowed := count_call()] += 1
        return allowed

    world.count_call = counted
    batches = [await zalo_pipeline.publish(a_publication(content_id=f"tin-{n}")) for n in range(24)]
    due = dict.fromkeys(batches, zalo_pipeline.clock())
    while due:
        batch = min(due, key=lambda one: due[one])
        zalo_pipeline.clock.now = max(zalo_pipeline.clock(), due[batch])
        due[batch] = zalo_pipeline.clock() + max(1, await zalo_pipeline.wake(batch))
        if (await zalo_pipeline.entry(batch)).closed_at:
            del due[batch]
    for batch in batches:
        assert await zalo_pipeline.row_statuses(batch) == BOTH
    assert (
        len(zalo_pipeline.account.visible) == len(zalo_pipeline.account.broadcasts) == len(batches)
    )
    assert answered[True] > 15 * 3, "more than some minutes let through"
    assert answered[False] <= answered.total() / 100
