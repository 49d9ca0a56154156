"""From the ledger to the sandbox over HTTP: what is booked is what Zalo's own log has."""

import pytest

from consumers.check import Check
from contracts.delivery import Status
from tests.builders import a_publication
from tests.test_zalo_chaos import Trouble, at_most_one
from tests.zalo_house import Calls, ZaloHouse, zalo_house
from tests.zalo_stage import Killed, a_correction, a_withdrawal

SEEDS = 40


@pytest.fixture
async def house(bus, tmp_path, clock):
    async with zalo_house(bus, tmp_path, clock) as house:
        yield house


async def healthy(house: ZaloHouse) -> None:
    """The ledger keeps its own rules; other channels than Zalo are not at work here."""
    findings = await Check(house.bus, clock=house.clock, again_s=0.0).run()
    assert [one for one in findings.violations if ".zalo." in one.key] == []


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


@pytest.mark.parametrize("moment", ["before_request", "after_request"])
async def test_a_kill_in_the_second_part_does_not_repeat_the_first(house, moment):
    def dying(request) -> None:
        if request.url.endswith("/oa/message"):
            raise Killed

    setattr(house.stage, moment, dying)
    said = await house.finish(await house.publish(a_publication()))
    assert said == {"article": Status.DELIVERED, "broadcast": Status.UNKNOWN}
    assert house.stage.effects("article_created") == 1
    assert len(house.stage.broadcasts) == (moment == "after_request")
