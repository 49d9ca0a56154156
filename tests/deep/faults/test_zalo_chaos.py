"""Random faults, kills and silences: the public sees one article and gets one broadcast at most."""

import random
from functools import partial

import pytest

from channels.base import Verdict
from channels.errors import Unreachable
from tests.support.publications import a_publication
from tests.support.zalo_account import (
    ARTICLE,
    BROADCAST,
    SimulatedKill,
    deliver_row,
    open_zalo_account,
    sample_correction,
    sample_withdrawal,
)

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
SEEDS = 60


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

    def before_request(self, stage, request) -> None:
        """The token may also die, but not together with us: a kill in a refresh needs a person."""
        if self.chance.random() < self.expiry:
            stage.sandbox.world.tokens.expires = 0.0
        self.on_request(request)

    def on_write(self, number) -> None:
        self.on_request(None)
        if self.chance.random() < self.silence:
            raise Unreachable("bus")

    def upon(self, stage) -> None:
        for _ in range(self.chance.randrange(6)):
            stage.fault(
                self.chance.choice(ROUTES),
                self.chance.choice(KINDS),
                skip=self.chance.randrange(4),
                times=self.chance.randrange(1, 3),
            )
        stage.set_rules(
            processing=self.chance.randrange(9), update_token=self.chance.random() < 0.7
        )
        stage.before_request = partial(self.before_request, stage)
        stage.after_request = self.on_request
        stage.article_store.before = stage.article_store.after = self.on_write


def at_most_one(stage) -> None:
    """Looked at whenever something has an effect."""
    world = stage.sandbox.world
    original = world.apply

    def watched(fact) -> None:
        original(fact)
        assert len(stage.visible) <= 1
        assert len(stage.broadcasts) <= 1

    world.apply = watched


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_one_article_and_one_broadcast_whatever_happens(seed, tmp_path, clock):
    async with open_zalo_account(tmp_path, clock) as stage:
        at_most_one(stage)
        SeededFaults(seed).upon(stage)
        item = a_publication()
        assert await deliver_row(stage, item, ARTICLE) is Verdict.DELIVERED
        assert len(stage.visible) == 1
        assert stage.effects("article_created") == 1
        announced = await deliver_row(stage, item, BROADCAST)
        sent = len(stage.broadcasts)
        assert (announced, sent) in {
            (Verdict.DELIVERED, 1),
            (Verdict.UNKNOWN, 1),
            (Verdict.UNKNOWN, 0),
        }


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_correction_is_seen_and_a_withdrawal_hides_whatever_happens(seed, tmp_path, clock):
    async with open_zalo_account(tmp_path, clock) as stage:
        at_most_one(stage)
        trouble = SeededFaults(seed)
        trouble.upon(stage)
        for item in (a_publication(), sample_correction(), sample_withdrawal()):
            assert await deliver_row(stage, item, ARTICLE) is Verdict.DELIVERED
            shown = [article.payload["title"] for article in stage.visible]
            assert shown == ([] if item.action == "withdrawn" else [item.title])
            trouble.upon(stage)
        assert stage.effects("article_created") == 1
