"""Quotas, money, nights, limits and slow processing, from the ledger to the sandbox over HTTP."""

import random
from collections import Counter
from datetime import timedelta

import pytest
import structlog

from contracts.base.times import vietnam_time
from contracts.delivery import Status
from sandbox.zalo.api.articles import PROCESSING
from tests.support.publications import a_publication
from tests.support.zalo_pipeline import BOTH, CallLog

HOUR_S = 3600
NIGHTS, WAITING, EACH_NIGHT = 7, 50, 2
TARGETS = [
    None,
    {"provinces": ["da-nang", "hue"]},
    {"ages": ["18-24", "25-34"], "gender": "female"},
    {"regions": ["north"]},
    {"also": ["tin-0-0"]},
]
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


class Queue:
    """The queue's work: every batch is woken when it is due, in the order of time."""

    def __init__(self, pipeline) -> None:
        self.pipeline, self.clock = pipeline, pipeline.clock
        self.due: dict = {}
        self.batches: list = []

    async def publish(self, **item) -> None:
        self.batches.append(await self.pipeline.publish(a_publication(**item)))
        self.due[self.batches[-1]] = self.clock()

    async def run_until(self, end: float) -> None:
        while self.due and min(self.due.values()) <= end:
            batch = min(self.due, key=self.due.__getitem__)
            self.clock.now = max(self.clock(), self.due.pop(batch))
            wait_s = await self.pipeline.wake(batch)
            if not (await self.pipeline.entry(batch)).closed_at:
                self.due[batch] = self.clock() + max(1.0, wait_s)
        if self.due or end < float("inf"):
            self.clock.now = max(self.clock(), end)


def count_allowed_calls(account, by_other_apps: int = 0) -> Counter:
    """How many calls the sandbox allows by its rate, and how many it refuses."""
    world, answered = account.sandbox.world, Counter()
    count_call = world.count_call

    def counted() -> bool:
        for _ in range(by_other_apps):
            count_call()
        answered[allowed := count_call()] += 1
        return allowed

    world.count_call = counted
    return answered


@pytest.mark.promise("6.6")
@pytest.mark.parametrize("hold", HOLDS)
async def test_a_used_up_quota_or_balance_stops_every_call_until_its_time(zalo_pipeline, hold):
    route, code, words, least_s = HOLDS[hold]
    account, clock = zalo_pipeline.account, zalo_pipeline.clock
    account.fault(route, "refuse", code=code, words=words)
    [fault] = account.sandbox.faults.planned
    batch = await zalo_pipeline.publish(a_publication())
    with structlog.testing.capture_logs() as logs:
        wait_s = 0.0
        while fault.times:
            clock.advance(wait_s)
            wait_s = await zalo_pipeline.wake(batch)
    row = ["article.create", "oa.message"].index(route)
    rest_s = (await zalo_pipeline.entry(batch)).notes[row].due - clock()
    assert rest_s >= least_s - 60
    is_reported = "zalo_operator_needed" in [line["event"] for line in logs]
    assert is_reported is (code in (-211, -224, -320, -321)), "where an operator has to act"
    calls = CallLog(zalo_pipeline)
    for _ in range(10):
        await zalo_pipeline.wake(batch)
        clock.advance(rest_s / 12)
    assert {name for _, name in calls.calls} <= {"getoa"}, "nothing with an effect, at most a clock"
    assert await zalo_pipeline.finish(batch) == BOTH
    assert account.effects("article_created") == len(account.broadcasts) == 1


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
async def test_a_virtual_week_makes_no_call_at_night_and_spreads_the_morning(zalo_pipeline):
    """Every evening items are released, fifty on the first; waits are spread by chance."""
    account, calls, queue = zalo_pipeline.account, CallLog(zalo_pipeline), Queue(zalo_pipeline)
    account.jitter = random.Random(20261126).random
    account.set_rules(per_minute=60, article_quota=999, broadcast_quota=999, processing=0)
    zalo_pipeline.worker = zalo_pipeline.new_worker()
    answered = count_allowed_calls(account)
    chance, noon = random.Random(7), zalo_pipeline.clock()
    for night in range(NIGHTS):
        evening = noon + (night * 24 + 10) * HOUR_S
        count = WAITING if night == 0 else EACH_NIGHT
        for number, at in enumerate(sorted(chance.random() * 7 * HOUR_S for _ in range(count))):
            await queue.run_until(evening + at)
            target = TARGETS[number % len(TARGETS)] if number else None
            title = f"Thông báo {night}.{number}"
            await queue.publish(content_id=f"tin-{night}-{number}", title=title, broadcast=target)
    await queue.run_until(noon + (NIGHTS + 1) * 24 * HOUR_S)
    assert queue.due == {}
    for batch in queue.batches:
        assert await zalo_pipeline.row_statuses(batch) == BOTH
    sent = [vietnam_time(broadcast.at) for broadcast in account.broadcasts]
    assert len(sent) == len(queue.batches) == WAITING + (NIGHTS - 1) * EACH_NIGHT
    assert [at for at, name in calls.calls if name == "message" and not 6 <= at.hour < 22] == []
    assert all(at.hour == 6 and at.minute >= 5 for at in sent), "from 06:05 on, within the hour"
    first = Counter(at.minute for at in sent if at.date() == sent[0].date())
    assert first.total() == WAITING
    assert len(first) >= 8, "spread over the minutes"
    assert max(first.values()) <= 15
    assert answered[False] == 0, "nothing was refused for the rate"
    assert len({str(broadcast.target) for broadcast in account.broadcasts}) == 4
    assert max(len(broadcast.articles) for broadcast in account.broadcasts) == 2


@pytest.mark.parametrize(
    ("minutes", "most"), [(1, 40), (60, 90)], ids=["for a minute", "for an hour"]
)
async def test_an_article_in_processing_is_polled_less_then_shown(zalo_pipeline, minutes, most):
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
async def test_an_article_that_is_processed_for_ever_raises_an_alarm(zalo_pipeline, shown):
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
async def test_after_a_429_nothing_is_called_until_zalos_time(zalo_pipeline, headers, least_s):
    """Zalo's time overrides the retry ladder; without one it is the next minute."""
    account, clock = zalo_pipeline.account, zalo_pipeline.clock

    def busy(request, reply):
        if not request.url.endswith("/article/create"):
            return reply
        account.edit_reply = lambda request, reply: reply
        account.sandbox.world.record("article_removed", id=account.articles[0].id)
        return type(reply)(429, headers, b"")

    account.edit_reply = busy
    batches = [await zalo_pipeline.publish(a_publication(content_id=f"tin-{n}")) for n in range(3)]
    begun = clock()
    await zalo_pipeline.wake(batches[0])
    calls = CallLog(zalo_pipeline)
    while clock() - begun < least_s:
        for batch in batches:
            await zalo_pipeline.wake(batch)
        clock.advance(7)
    too_early = vietnam_time(begun + least_s)
    assert [at for at, _ in calls.calls if at < too_early] == []
    for batch in batches:
        assert await zalo_pipeline.finish(batch) == BOTH
    assert len(account.visible) == len(account.broadcasts) == 3


async def test_ten_times_too_many_items_are_hardly_ever_refused_for_the_rate(zalo_pipeline):
    """Zalo allows thirty calls a minute and reports the rest; another app uses half."""
    account, queue = zalo_pipeline.account, Queue(zalo_pipeline)
    account.set_rules(per_minute=30, article_quota=1000, broadcast_quota=1000)
    answered = count_allowed_calls(account, by_other_apps=1)
    for number in range(24):
        await queue.publish(content_id=f"tin-{number}")
    await queue.run_until(float("inf"))
    for batch in queue.batches:
        assert await zalo_pipeline.row_statuses(batch) == BOTH
    assert len(account.visible) == len(account.broadcasts) == len(queue.batches)
    assert answered[True] > 15 * 3, "more than some minutes let through"
    assert answered[False] <= answered.total() / 100
