"""The access token dies while the channel is at work: one refresh, one retry, and no row fails."""

from itertools import count

import pytest

from channels.base import Verdict
from tests.support.publications import a_publication
from tests.support.zalo_account import ARTICLE, BROADCAST, deliver_row


@pytest.mark.promise("6.5")
@pytest.mark.parametrize(("how", "dead"), [("expires", 0.0), ("access", "somebody-else-s")])
@pytest.mark.parametrize("number", range(1, 10))
async def test_a_token_that_dies_at_any_call_costs_a_refresh(zalo_account, number, how, dead):
    tokens, calls = zalo_account.sandbox.world.tokens, count(1)

    def spoil(request):
        if "access_token" in request.headers and next(calls) == number:
            setattr(tokens, how, dead)

    zalo_account.set_rules(processing=1)
    zalo_account.before_request = spoil
    for row in (ARTICLE, BROADCAST):
        assert await deliver_row(zalo_account, a_publication(), row) is Verdict.DELIVERED
    assert zalo_account.effects("granted") == (2 if number <= 7 else 1)
    assert zalo_account.effects("article_created") == 1
    assert len(zalo_account.broadcasts) == 1
