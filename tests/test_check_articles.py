"""Articles under `loa check`: what was delivered is noted, what was withdrawn was looked for."""

import pytest

from channels.zalo.notebook import Note
from tests.arrivals import ITEM, submitted, withdrawn
from tests.checked import Checked


@pytest.fixture
async def house(bus, tmp_path):
    loa = await Checked(bus, tmp_path).open()
    for event in (submitted(), withdrawn()):
        loa.clock.forward(60)
        await loa.send(event)
        await loa.hand_out(ITEM)
    yield loa
    await loa.close()


def unnoted(revision):
    return ("article-unnoted", f"state.zalo.{ITEM}.{revision}.0")


async def test_an_article_that_was_hidden_is_remembered(house):
    assert await house.found() == []


async def test_a_withdrawal_for_which_nobody_looked_is_named(house):
    await house.bucket.purge(f"note.zalo.app.{ITEM}")
    assert await house.found() == [unnoted(1), unnoted(2)]


async def test_a_withdrawal_of_what_zalo_does_not_have_only_says_that_it_looked(house):
    await house.bucket.put(f"note.zalo.app.{ITEM}", Note(sought=2).encode())
    assert await house.found() == [unnoted(1)]
