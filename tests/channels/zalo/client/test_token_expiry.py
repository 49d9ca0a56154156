"""The access token dies while the channel is at work: one refresh, one retry, and no row fails."""

import asyncio

import pytest
import structlog

from channels.base import Verdict
from tests.support.publications import a_publication
from tests.support.zalo_account import ARTICLE, BROADCAST, deliver_row, recipient


def spoil(stage, how: str) -> None:
    """The access token dies now, in one of the ways in which tokens die."""
    tokens = stage.sandbox.world.tokens
    if how == "expired":
        tokens.expires = 0.0
    elif how == "replaced":
        tokens.access = "somebody-else-s"


def at_request(stage, number: int, how: str) -> None:
    count = iter(range(1, 1000))

    def spoiling(request) -> None:
        if "access_token" in request.headers and next(count) == number:
            spoil(stage, how)

    stage.before_request = spoiling


@pytest.mark.promise("6.5")
@pytest.mark.parametrize("how", ["expired", "replaced"])
@pytest.mark.parametrize("number", range(1, 10))
async def test_a_token_that_dies_at_any_call_costs_one_refresh_and_no_row(
    zalo_account, number, how
):
    zalo_account.set_rules(processing=1)
    at_request(zalo_account, number, how)
    for row in (ARTICLE, BROADCAST):
        assert await deliver_row(zalo_account, a_publication(), row) is Verdict.DELIVERED
    assert zalo_account.effects("granted") == (2 if number <= 7 else 1)
    assert zalo_account.effects("article_created") == 1
    assert len(zalo_account.broadcasts) == 1


async def test_two_processes_at_work_when_the_token_dies_refresh_once_and_lose_nothing(
    zalo_account,
):
    items = [a_publication(content_id=f"tin-{n}") for n in range(6)]
    first, second = zalo_account.channel, zalo_account.new_channel()
    spoil(zalo_account, "expired")

    async def one(channel, item) -> Verdict:
        async with channel.session() as session:
            rows = [recipient(item, ARTICLE)]
            [said] = await session.send(channel.render(item), rows, lambda: False)
        return said.verdict

    work = [one(channel, item) for channel, item in zip([first, second] * 3, items, strict=True)]
    said = await asyncio.gather(*work)
    assert set(said) <= {Verdict.DELIVERED, Verdict.HELD}
    for item in items:
        assert await deliver_row(zalo_account, item, ARTICLE) is Verdict.DELIVERED
    assert zalo_account.effects("granted") == 2
    assert len(zalo_account.visible) == len(items)


@pytest.mark.parametrize("kind", ["hang_after", "drop_after", "truncate_after"])
async def test_a_rotation_whose_answer_was_lost_holds_the_queue_until_somebody_consents(
    zalo_account, kind
):
    """Zalo rotated the pair and the answer was lost: both old tokens are invalid. No row fails."""
    spoil(zalo_account, "expired")
    zalo_account.fault("oauth.token", kind, delay_s=0.2)
    with structlog.testing.capture_logs() as logs:
        for _ in range(5):
            said = await zalo_account.send(a_publication())
            assert said.verdict is Verdict.HELD
            zalo_account.clock.advance(said.retry_after_s)
    events = [line["event"] for line in logs]
    assert events.count("zalo_refresh_unknown") == 1
    assert events.count("zalo_grant_lost") == 1
    assert "zalo_operator_needed" in events
    assert zalo_account.articles == []
    await zalo_account.consent()
    assert await deliver_row(zalo_account, a_publication(), ARTICLE) is Verdict.DELIVERED
