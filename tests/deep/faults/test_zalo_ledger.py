"""From the ledger to the sandbox over HTTP: what is booked is what Zalo's own log has."""

import pytest

from consumers.check.checker import Checker
from consumers.check.context import CheckContext
from contracts.delivery import Status
from tests.deep.faults.test_zalo_chaos import SeededFaults, at_most_one
from tests.support.publications import a_publication
from tests.support.zalo_account import SimulatedKill, sample_correction, sample_withdrawal
from tests.support.zalo_pipeline import CallLog, ZaloPipeline

SEEDS = 40


async def healthy(house: ZaloPipeline) -> None:
    """The ledger keeps its own rules; other channels than Zalo are not at work here."""
    findings = await Checker(CheckContext(house.bus, house.clock, recheck_after_s=0.0)).run()
    assert [one for one in findings.violations if ".zalo." in one.key] == []


def check_books(house: ZaloPipeline, said: dict[str, Status]) -> None:
    """Both ways: what is delivered stands at Zalo, what stands there is not booked as failed."""
    stage = house.account
    assert said["article"] is Status.DELIVERED
    assert stage.effects("article_created") == 1
    broadcast, sent = said.get("broadcast"), stage.effects("broadcast_sent")
    assert (broadcast, sent) in {
        (Status.DELIVERED, 1),
        (Status.UNKNOWN, 1),
        (Status.UNKNOWN, 0),
    }


@pytest.mark.promise("6.1")
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_whatever_happens_the_books_are_the_sandbox_s_own_log(zalo_pipeline, seed):
    at_most_one(zalo_pipeline.account)
    trouble = SeededFaults(seed)
    trouble.upon(zalo_pipeline.account)
    said = await zalo_pipeline.finish(await zalo_pipeline.publish(a_publication()))
    check_books(zalo_pipeline, said)
    assert [item.payload["title"] for item in zalo_pipeline.account.visible] == [
        a_publication().title
    ]
    await healthy(zalo_pipeline)


@pytest.mark.parametrize("seed", range(SEEDS // 2))
async def test_an_item_s_whole_life_under_fire_ends_hidden_and_told_once(zalo_pipeline, seed):
    at_most_one(zalo_pipeline.account)
    trouble = SeededFaults(1000 + seed)
    for item in (a_publication(), sample_correction(), sample_withdrawal()):
        trouble.upon(zalo_pipeline.account)
        said = await zalo_pipeline.finish(await zalo_pipeline.publish(item))
        assert said["article"] is Status.DELIVERED
        shown = [article.payload["title"] for article in zalo_pipeline.account.visible]
        assert shown == ([] if item.action == "withdrawn" else [item.title])
    assert zalo_pipeline.account.effects("article_created") == 1
    assert zalo_pipeline.account.effects("broadcast_sent") <= 1
    await healthy(zalo_pipeline)


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


@pytest.mark.promise("6.3")
@pytest.mark.parametrize(("kind", "more", "ending"), FAILING)
async def test_a_delivery_that_fails_at_its_second_part_does_not_repeat_the_first(
    zalo_pipeline, kind, more, ending
):
    zalo_pipeline.account.fault("oa.message", kind, **more)
    calls = CallLog(zalo_pipeline)
    said = await zalo_pipeline.finish(await zalo_pipeline.publish(a_publication()))
    assert said == {"article": Status.DELIVERED, "broadcast": ending}
    assert (calls.count("create"), calls.count("update")) == (1, 1)
    assert (
        zalo_pipeline.account.effects("article_created")
        == zalo_pipeline.account.effects("article_updated")
        == 1
    )
    assert len(zalo_pipeline.account.visible) == 1


@pytest.mark.promise("6.3")
@pytest.mark.parametrize("moment", ["before_request", "after_request"])
async def test_a_kill_in_the_second_part_does_not_repeat_the_first(zalo_pipeline, moment):
    def dying(request) -> None:
        if request.url.endswith("/oa/message"):
            raise SimulatedKill

    setattr(zalo_pipeline.account, moment, dying)
    said = await zalo_pipeline.finish(await zalo_pipeline.publish(a_publication()))
    assert said == {"article": Status.DELIVERED, "broadcast": Status.UNKNOWN}
    assert zalo_pipeline.account.effects("article_created") == 1
    assert len(zalo_pipeline.account.broadcasts) == (moment == "after_request")
