"""The index of the desk's items says what the editorial log says."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from consumers.desk.index import ItemIndex
from consumers.editorial.log import EditorialLog
from contracts.desk.index import ItemFilter
from tests.support.listed_items import save


@pytest.fixture
def log(bus):
    return EditorialLog(bus)


@asynccontextmanager
async def followed(index):
    following = asyncio.create_task(index.run())
    try:
        yield index
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


@pytest.fixture
async def index(log, tmp_path, clock):
    async with followed(ItemIndex(log, tmp_path / "desk" / "index.sqlite", clock)) as index:
        yield index


async def test_a_page_shows_an_act_that_was_just_done(index, log):
    await log.act("tin-1", save("nv-an", title="Thông báo một"))
    page = await index.find(ItemFilter())
    assert page.is_current
    assert [(row.content_id, row.title) for row in page.rows] == [("tin-1", "Thông báo một")]
