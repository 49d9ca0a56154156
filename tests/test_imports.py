"""Feeds are read over HTTP and become events on a real bus: each once, whatever happens."""

import asyncio
import re
import time

import pytest
from structlog.testing import capture_logs

from consumers.intake import Intake
from contracts import events
from contracts.vocabulary import DEFAULT
from producers.imports.draft import Reading
from producers.imports.known import Known
from producers.imports.plan import plan
from producers.imports.round import Wish
from tests.crashing import Crash, doomed
from tests.feed_site import NOW, Article, but, rss
from tests.import_house import UNIT, ImportHouse, import_house

DAY_S = 86_400


@pytest.fixture
async def house(bus, clock):
    async with import_house(bus, clock) as house:
        yield house


async def test_articles_come_in_and_an_unchanged_feed_is_not_sent_again(house):
    await house.follow()
    house.site.lay(rss(Article(1), Article(2)))
    state = await house.read()
    assert (state.counts, state.title, state.trouble) == ({"new": 2}, "Tạp chí", None)
    assert await house.kinds() == {"submitted": 2}
    await house.read()
    assert (house.site.unchanged, await house.kinds()) == (1, {"submitted": 2})


async def test_500_articles_twice_with_changes_moves_and_twins(house):
    await house.follow()
    first = [Article(n, ago=n) for n in range(500)]
    house.site.lay(rss(*first))
    assert (await house.read()).counts == {"new": 500}
    second = [but(one, lead="<p>Sửa</p>") if one.number < 30 else one for one in first]
    second[30:60] = [but(one, path=f"/moi/{one.number}") for one in first[30:60]]
    second[60:90] = [
        but(one, path=f"/m/{one.number}", guid=f"m{one.number}") for one in first[60:90]
    ]
    twins = [but(one, path=f"/d/{one.number}", guid=f"d{one.number}") for one in first[90:120]]
    house.site.lay(rss(*(Article(n, ago=0) for n in range(500, 510)), *twins, *second))
    importer = house.process(house.bus)  # nothing but the log is remembered
    state = await house.read(importer=importer)
    assert state.counts == {
        "new": 10,
        "changed": 30,
        "moved": 60,
        "duplicate": 30,
        "unchanged": 410,
    }
    assert await house.kinds() == {"submitted": 510, "corrected": 30}
    assert (await house.read(wish=Wish())).counts == {"duplicate": 30, "unchanged": 510}
    assert await house.kinds() == {"submitted": 510, "corrected": 30}
    said = await house.said()
    assert len({(one.data["content_id"], one.data["revision"]) for one in said}) == 540
    assert len({one.data["content_id"] for one in said}) == 510


@pytest.mark.parametrize(("release", "state"), [("automatic", "released"), ("desk", "")])
async def test_an_item_is_released_as_the_units_policy_says(house, release, state):
    await house.follow(release=release)
    house.site.lay(rss(Article(1)))
    await house.read()
    [event] = await house.said()
    intake = Intake(house.bus, DEFAULT, house.clock)
    await intake.handle(event, UNIT, "submitted")
    item = await intake.register.item(event.data["content_id"])
    assert (item.state, item.waiting) == (state, () if state else (1,))


async def test_what_the_contract_refuses_is_told_by_field_and_not_tried_again(house):
    await house.follow()
    lost, eth = Article(1, lead="B\ufffdo cáo"), Article(2, title="\u00d0ề án")
    house.site.lay(rss(lost, eth, Article(3)))
    state = await house.read()
    assert state.counts == {"new": 1, "refused": 2}
    told = {one.url[-6:]: [error.field for error in one.errors] for one in state.refused}
    assert told == {"1.html": ["data.body"], "2.html": ["data.title"]}
    assert all(error.message_vi for one in state.refused for error in one.errors)
    house.site.lay(rss(lost, eth, Article(3), Article(4)))
    with capture_logs() as lines:
        state = await house.read()
    assert (state.counts["refused"], len(state.refused)) == (2, 2)
    assert "import_item_refused" not in {line["event"] for line in lines}
    house.site.lay(rss(but(lost, lead="Báo cáo"), eth, Article(3), Article(4)))
    state = await house.read()
    assert ([one.url[-6:] for one in state.refused], state.counts["new"]) == (["2.html"], 1)
    house.site.lay(rss(Article(3), Article(4)))
    assert (await house.read()).refused == ()


async def test_what_was_set_aside_for_its_title_is_remembered_until_it_leaves_the_feed(house):
    await house.follow()
    twin = Article(2, title=Article(1).headline)
    for listed in ((Article(1), twin), (Article(3), Article(1), twin), (Article(4), twin)):
        house.site.lay(rss(*listed))
        state = await house.read(importer=house.process(house.bus))
        assert [one.url for one in state.twins] == [twin.url]
        assert state.counts["duplicate"] == 1
    house.site.lay(rss(Article(4)))
    assert (await house.read()).twins == ()


async def test_an_old_encoding_is_refused_and_never_guessed(house):
    await house.follow()
    house.site.lay(rss(Article(1, title="Th«ng b¸o vÒ viÖc tuyÓn dông c«ng chøc")))
    state = await house.read()
    assert (state.counts, state.refused[0].errors[0].field) == ({"refused": 1}, "data.title")
    assert await house.said() == []


async def test_a_flood_is_held_and_let_in_by_hand(house):
    await house.follow(house.feed(most=3))
    house.site.lay(rss(*map(Article, range(5))))
    with capture_logs() as lines:
        state = await house.read()
    assert (state.counts, len(state.held), await house.said()) == ({"held": 5}, 5, [])
    assert "import_held" in {line["event"] for line in lines}
    assert (await house.read(wish=Wish())).counts == {"held": 5}
    assert (await house.read(wish=Wish(release=True))).held == ()
    assert await house.kinds() == {"submitted": 5}
    assert {one.data["lane"] for one in await house.said()} == {"bulk"}


async def test_losing_what_is_remembered_of_a_feed_publishes_nothing_twice(house):
    await house.follow()
    house.site.lay(rss(Article(1), Article(2, path="/b", guid="b", title=Article(1).headline)))
    await house.read()
    before = await house.said()
    await house.importer.states.forget(UNIT, house.feed())
    await house.read(importer=house.process(house.bus))
    assert await house.said() == before


async def test_what_lay_there_without_a_date_is_no_news(house):
    def undated(*numbers):
        return re.sub("<pubDate>.*?</pubDate>", "", rss(*map(Article, numbers)).decode()).encode()

    await house.follow()
    house.site.lay(undated(1, 2))
    assert (await house.read()).counts == {"old": 2}
    house.site.lay(undated(3, 1, 2))
    assert (await house.read()).counts == {"new": 1, "old": 2}


async def test_a_draft_that_somebody_was_faster_with_is_left_to_the_next_reading(house):
    await house.follow()
    house.site.lay(rss(Article(1, lead="Một")))
    await house.read()
    draft = plan(Reading(house.feed(), [Article(1, lead="Hai").entry()], NOW), Known(UNIT)).drafts[
        0
    ]
    sent = await house.importer.sender.send(await house.member(), house.feed(), draft)
    assert (sent, len(await house.said())) == (False, 1)


async def test_a_restless_article_is_looked_at_again_although_the_site_says_nothing_new(house):
    house.clock.now = time.time()  # the server's clock says when an event was stored
    await house.follow(house.feed(since=None))
    for number in range(4):
        house.site.lay(rss(Article(1, lead=f"Bản {number}")))
        state = await house.read()
    assert state.counts == {"restless": 1}
    house.clock.advance(DAY_S + 60)
    assert (await house.read()).counts == {"changed": 1}


async def test_two_processes_at_once_say_it_once(house):
    await house.follow()
    house.site.lay(rss(*map(Article, range(20))))
    others = [house.process(house.bus) for _ in range(3)]
    member, feed = await house.member(), house.feed()
    await asyncio.gather(*(one.visit(member, feed) for one in others))
    assert await house.kinds() == {"submitted": 20}


async def test_a_process_that_dies_at_any_moment_leaves_nothing_out_and_says_nothing_twice(house):
    """Each of its calls to the bus is the last one once, with and without its effect."""
    await house.follow()
    deaths = 0
    for calls in range(1, 40):
        for after in (False, True):
            house.site.lay(rss(Article(deaths), Article(deaths + 1)))
            alive = await survived(house, calls, after=after)
            await house.read(importer=house.process(house.bus), wish=Wish())
            deaths += 2
        if alive:
            break
    said = await house.said()
    assert alive and calls > 8
    assert len({one.data["content_id"] for one in said}) == len(said) == deaths
    assert {one.data["revision"] for one in said} == {1}


async def survived(house: ImportHouse, calls: int, *, after: bool) -> bool:
    """Whether the process has outlived its reading."""
    try:
        await house.read(importer=house.process(doomed(house.bus, calls, after=after)))
    except Crash:
        return False
    return True


async def test_a_number_that_a_dying_process_claimed_for_another_text_is_left_to_it(house):
    """Claimed for ever, never stored, and the site has changed the article since."""
    await house.follow()
    house.site.lay(rss(Article(1, lead="Một")))
    for calls in range(1, 40):
        await house.importer.states.forget(UNIT, house.feed())
        if await survived(house, calls, after=True) or await claimed(house):
            break
    assert await claimed(house) and await house.said() == []
    house.site.lay(rss(Article(1, lead="Hai")))
    assert (await house.read()).counts == {"new": 1}
    [event] = await house.said()
    assert (event.type, event.data["revision"], event.data["body"]) == (events.SUBMITTED, 2, "Hai")


async def claimed(house: ImportHouse) -> bool:
    return bool([key async for key, _ in house.bus.bucket("events").values("")])
