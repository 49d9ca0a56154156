"""Articles under `loa check`: what was delivered is noted, what was withdrawn was looked for."""

import pytest

from channels.zalo.publications.record import ArticleRecord
from tests.support.events import ITEM, submitted, withdrawn


@pytest.fixture
async def check_harness(check_harness):
    for event in (submitted(), withdrawn()):
        check_harness.clock.advance(60)
        await check_harness.send(event)
        await check_harness.deliver_all(ITEM)
    return check_harness


def unnoted(revision):
    return ("article-unnoted", f"state.zalo.{ITEM}.{revision}.0")


async def test_an_article_that_was_hidden_is_remembered(check_harness):
    assert await check_harness.violations() == []


async def test_a_withdrawal_for_which_nobody_looked_is_named(check_harness):
    await check_harness.bucket.purge(f"note.zalo.app.{ITEM}")
    assert await check_harness.violations() == [unnoted(1), unnoted(2)]


async def test_a_withdrawal_of_what_zalo_does_not_have_only_says_that_it_looked(check_harness):
    await check_harness.bucket.put(f"note.zalo.app.{ITEM}", ArticleRecord(sought=2).encode())
    assert await check_harness.violations() == [unnoted(1)]
