"""From the ledger to the sandbox over HTTP: what is booked is what Zalo's own log has."""

import random
from functools import partial

import pytest

from channels.errors import Unreachable
from consumers.check.checker import Checker
from consumers.check.context import CheckContext
from contracts.delivery import Status
from tests.support.publications import a_publication
from tests.support.zalo_account import SimulatedKill, sample_correction, sample_withdrawal
from tests.support.zalo_pipeline import CallLog, ZaloPipeline

SEEDS = 60
ROUTES = [
    "article.create",
    "article.verify",
    "article.update",
    "article.getslice",
    "article.getdetail",
    "oa.message",
    "oa.getoa",
]
KINDS = [
    "drop_before",
    "html_before",
    "drop_after",
    "html_after",
    "truncate_after",
    "empty_after",
    "error_after",
]


class SeededFaults:
    """Where this seed strikes; the same seed strikes at the same places."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.kills = self.chance.choice([0.0, 0.02, 0.1])
        self.silence = self.chance.choice([0.0, 0.05])
        self.expiry = 0.0 if self.kills else self.chance.choice([0.0, 0.1])

    def on_request(self, request) -> None:
        if self.chance.random() < self.kills:
            raise SimulatedKill

    def before_request(self, account, request) -> None:
        """The token may also die, but not together with us: a kill in a refresh needs a person."""
        if self.chance.random() < self.expiry:
            account.sandbox.world.tokens.expires = 0.0
        self.on_request(request)

    def on_write(self, number) -> None:
        self.on_request(None)
        if self.chance.random() < self.silence:
            raise Unreachable("bus")

    def upon(self, account) -> None:
        for _ in range(self.chance.randrange(6)):
            account.fault(
                self.chance.choice(ROUTES),
                self.chance.choice(KINDS),
                skip=self.chance.randrange(4),
                times=self.chance.randrange(1, 3),
            )
        account.set_rules(
            processing=self.chance.randrange(9), update_token=self.chance.random() < 0.7
        )
        account.before_request = partial(self.before_request, account)
        account.after_request = self.on_request
        account.article_store.before = account.article_store.after = self.on_write


def at_most_one(account) -> None:
    """Looked at whenever something has an effect."""
    world = account.sandbox.world
    original = world.apply

    def watched(fact) -> None:
        original(fact)
        assert len(account.visible) <= 1
        assert len(account.broadcasts) <= 1

    world.apply = watched


async def healthy(pipeline: ZaloPipeline) -> None:
    """The ledger keeps its own rules; other channels than Zalo are not at work here."""
    findings = await Checker(CheckContext(pipeline.bus, pipeline.clock, recheck_after_s=0.0)).run()
    assert [one for one in findings.violations if ".zalo." in one.key] == []


def check_broadcast(account, statuses: dict[str, Status]) -> None:
    """Delivered items are on Zalo, and items on Zalo are not booked as failed."""
    told = statuses.get("broadcast"), account.effects("broadcast_sent")
    assert told in {(Status.DELIVERED, 1), (Status.UNKNOWN, 1), (Status.UNKNOWN, 0)}


@pytest.mark.promise("6.1")
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_whatever_happens_the_books_are_the_sandbox_s_own_log(zalo_pipeline, seed):
    """An item's whole life under fire: it ends hidden, and was broadcast once at most."""
    account, faults = zalo_pipeline.account, SeededFaults(seed)
    at_most_one(account)
    for item in (a_publication(), sample_correction(), sample_withdrawal()):
        faults.upon(account)
        statuses = await zalo_pipeline.finish(await zalo_pipeline.publish(item))
        if item.revision == 1:
            check_broadcast(account, statuses)
        assert statuses["article"] is Status.DELIVERED
        assert account.effects("article_created") == 1
        shown = [article.payload["title"] for article in account.visible]
        assert shown == ([] if item.action == "withdrawn" else [item.title])
    assert account.effects("broadcast_sent") <= 1
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
    account, calls = zalo_pipeline.account, CallLog(zalo_pipeline)
    account.fault("oa.message", kind, **more)
    said = await zalo_pipeline.finish(await zalo_pipeline.publish(a_publication()))
    assert said == {"article": Status.DELIVERED, "broadcast": ending}
    assert (calls.count("create"), calls.count("update")) == (1, 1)
    assert account.effects("article_created") == account.effects("article_updated") == 1
    assert len(account.visible) == 1


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
