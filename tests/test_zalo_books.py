"""From the ledger to the sandbox over HTTP: what is booked is what Zalo's own log has."""

import random
from collections import Counter
from datetime import datetime, timedelta

import pytest
import structlog

from channels.zalo.hours import local
from channels.zalo.sandbox.articles import DESK
from consumers.check import Check
from contracts.delivery import Status
from tests.builders import a_publication
from tests.test_zalo_chaos import Trouble, at_most_one
from tests.zalo_house import ZaloHouse, zalo_house
from tests.zalo_stage import Killed, a_correction, a_withdrawal

SEEDS = 40
BOTH = {"article": Status.DELIVERED, "broadcast": Status.DELIVERED}
HOUR_S = 3600


@pytest.fixture
async def house(bus, tmp_path, clock):
    async with zalo_house(bus, tmp_path, clock) as house:
        yield house


class Calls:
    """Every request that the channel makes, with Vietnam's time."""

    def __init__(self, house: ZaloHouse) -> None:
        self.made: list[tuple[datetime, str]] = []
        self.clock = house.clock
        house.stage.after_request = self.note

    def note(self, request) -> None:
        self.made.append((local(self.clock()), request.url.rpartition("/")[2]))

    def count(self, name: str) -> int:
        return sum(called == name for _, called in self.made)


async def healthy(house: ZaloHouse) -> None:
    async def expected():
        for none in ():
            yield none

    findings = await Check(house.ledger, expected, deep=True, clock=house.clock).run()
    assert findings.ok, findings.violations


def check_books(house: ZaloHouse, said: dict[str, Status]) -> None:
    """Both ways: what is delivered stands at Zalo, what stands there is not booked as failed."""
    stage = house.stage
    assert said["article"] is Status.DELIVERED
    assert stage.effects("article_created") == 1
    broadcast, sent = said.get("broadcast"), stage.effects("broadcast_sent")
    assert (broadcast, sent) in {
        (Status.DELIVERED, 1),
        (Status.UNKNOWN, 1),
        (Status.UNKNOWN, 0),
        (None, 0),
        (None, 1),
    }


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_whatever_happens_the_books_are_the_sandbox_s_own_log(house, seed):
    at_most_one(house.stage)
    trouble = Trouble(seed)
    trouble.upon(house.stage)
    said = await house.finish(await house.publish(a_publication()))
    check_books(house, said)
    assert [item.payload["title"] for item in house.stage.visible] == [a_publication().title]
    await healthy(house)


@pytest.mark.parametrize("seed", range(SEEDS // 2))
async def test_an_item_s_whole_life_under_fire_ends_hidden_and_told_once(house, seed):
    at_most_one(house.stage)
    trouble = Trouble(1000 + seed)
    for item in (a_publication(), a_correction(), a_withdrawal()):
        trouble.upon(house.stage)
        said = await house.finish(await house.publish(item))
        assert said["article"] is Status.DELIVERED
        shown = [article.payload["title"] for article in house.stage.visible]
        assert shown == ([] if item.action == "withdrawn" else [item.title])
    assert house.stage.effects("article_created") == 1
    assert house.stage.effects("broadcast_sent") <= 1
    await healthy(house)


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
    assert asked is (code in (-224, -320, -321)), "a person is told where one is needed"
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


FAILING = [
    ("refuse", {"code": -201, "words": "attachment_id is invalid!"}, Status.FAILED),
    ("refuse", {"code": -248, "words": "Violates our platform standards"}, Status.FAILED),
    ("refuse", {"code": -239, "words": "busy"}, Status.DELIVERED),
    ("refuse", {"code": -216, "words": "Access token is invalid"}, Status.DELIVERED),
    ("drop_before", {}, Status.UNKNOWN),
    ("html_after", {}, Status.UNKNOWN),
    ("error_after", {}, Status.UNKNOWN),
    ("empty_after", {}, Status.UNKNOWN),
    ("truncate_after", {}, Status.UNKNOWN),
]


@pytest.mark.parametrize(("kind", "more", "ending"), FAILING)
async def test_a_delivery_that_fails_at_its_second_part_does_not_repeat_the_first(
    house, kind, more, ending
):
    house.stage.fault("oa.message", kind, **more)
    calls = Calls(house)
    said = await house.finish(await house.publish(a_publication()))
    assert said == {"article": Status.DELIVERED, "broadcast": ending}
    assert (calls.count("create"), calls.count("update")) == (1, 1)
    assert house.stage.effects("article_created") == house.stage.effects("article_updated") == 1
    assert len(house.stage.visible) == 1


@pytest.mark.parametrize("number", range(1, 4))
async def test_a_kill_in_the_second_part_does_not_repeat_the_first(house, number):
    count = iter(range(1, 100))

    def dying(request) -> None:
        if request.url.endswith("/oa/message") and next(count) == 1:
            raise Killed

    setattr(house.stage, ["before_request", "after_request"][number % 2], dying)
    said = await house.finish(await house.publish(a_publication()))
    assert said == {"article": Status.DELIVERED, "broadcast": Status.UNKNOWN}
    assert house.stage.effects("article_created") == 1
    assert len(house.stage.broadcasts) <= 1


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


async def test_a_wait_that_zalo_tells_is_kept_to_the_second(house):
    """429 with Retry-After: not one call before that, whatever the ladder says."""
    transport = house.stage.channel.api.transport
    real, left = transport.exchange, [1]

    async def busy(request):
        reply = await real(request)
        if left and request.url.endswith("/article/create"):
            left.pop()
            return type(reply)(429, {"Retry-After": "600"}, b"")
        return reply

    transport.exchange = busy
    house.stage.fault("article.create", "drop_before", times=0)
    calls = Calls(house)
    batch = await house.publish(a_publication())
    begun = house.clock()
    house.clock.advance(await house.visit(batch))
    while house.clock() - begun < 600:
        before = len(calls.made)
        wait_s = await house.visit(batch)
        assert len(calls.made) == before
        house.clock.advance(max(wait_s, 1))
    assert (await house.finish(batch))["article"] is Status.DELIVERED
