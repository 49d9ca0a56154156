"""Articles under `loa check`: what was delivered is noted, what was withdrawn was looked for."""

import pytest

from channels.zalo.publications.record import ArticleRecord
from tests.support.check_harness import CheckHarness
from tests.support.events import ITEM, submitted, withdrawn


@pytest.fixture
async def check_harness(bus, tmp_path):
    loa = await CheckHarness(bus, tmp_path).open()
    for event in (submitted(), withdrawn()):
        loa.clock.advance(60)
        await loa.send(event)
        await loa.deliver_all(ITEM)
    yield loa
    await loa.close()


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
