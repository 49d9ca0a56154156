"""One unit's broken site never stops Loa: what nobody foresaw is that feed's trouble, and shown."""

import pytest
from structlog.testing import capture_logs

from contracts import subjects
from producers.imports import round as rounds
from producers.imports.plan import plan
from producers.imports.service import Imports
from producers.imports.state import key_of
from producers.wording import say
from tests.feed_site import Article, rss
from tests.import_house import UNIT, import_house

WORDS = "Lời của một bài"


@pytest.fixture
async def house(bus, clock):
    async with import_house(bus, clock) as house:
        yield house


async def test_what_nobody_foresaw_is_the_trouble_of_one_feed(house, monkeypatch):
    odd, fine = house.feed("/le"), house.feed("/rss")
    await house.follow(odd, fine)
    house.site.lay(rss(Article(1, title=WORDS)), "/le")
    house.site.lay(rss(Article(2)))

    def planned(reading, known):
        if reading.feed == odd:
            raise KeyError(WORDS)
        return plan(reading, known)

    monkeypatch.setattr(rounds, "plan", planned)
    with capture_logs() as logs:
        await Imports(house.importer, house.registry).tick()
    states = await house.importer.states.every()
    broken, read = (states[key_of(UNIT, one)] for one in (odd, fine))
    assert broken.trouble == say("import", "broken", error="KeyError").about("feed")
    assert (broken.failures, broken.due > house.clock()) == (1, True)
    assert (read.trouble, read.counts) == (None, {"new": 1})
    [line] = [one for one in logs if one["event"] == "import_broken"]
    assert line["error"] == "KeyError"
    monkeypatch.undo()
    assert (await house.read(odd)).counts == {"new": 1}


async def test_what_can_not_be_kept_is_the_trouble_of_one_feed(house, monkeypatch):
    await house.follow()
    house.site.lay(rss(Article(1)))
    settled = rounds.after.settled

    def unfit(*given):
        return settled(*given).model_copy(update={"title": "\udce9"})

    monkeypatch.setattr(rounds.after, "settled", unfit)
    state = await house.read()
    assert state.trouble and state.title == ""


@pytest.mark.parametrize("name", ["ETag", "Last-Modified"])
async def test_a_header_of_other_letters_is_not_remembered(house, name):
    await house.follow()
    house.site.lay(rss(Article(1)), **{name: '"é"'})
    state = await house.read()
    assert (state.counts, state.modified) == ({"new": 1}, "")
    assert state.etag == "" or name != "ETag"
    assert (await house.read()).trouble is None


async def test_a_state_that_nobody_can_read_is_lost_and_the_feed_read_again(house):
    await house.follow()
    house.site.lay(rss(Article(1)))
    await house.read()
    [feed] = (await house.member()).registration.feeds
    bucket = house.bus.bucket(subjects.IMPORTS.name)
    kept = await bucket.get(key_of(UNIT, feed))
    await bucket.swap(key_of(UNIT, feed), b'{"due": "x"}', kept.revision)
    with capture_logs() as logs:
        await Imports(house.importer, house.registry).tick()
    assert "import_state_lost" in [one["event"] for one in logs]
    state = (await house.importer.states.every())[key_of(UNIT, feed)]
    assert (state.counts, await house.kinds()) == ({"unchanged": 1}, {"submitted": 1})


async def test_an_entry_that_nobody_understands_stands_in_the_status_and_is_logged_once(
    house, monkeypatch
):
    await house.follow()
    whole = rounds.document.entry

    def entry(said, *more):
        if said["title"] == WORDS:
            raise KeyError(WORDS)
        return whole(said, *more)

    monkeypatch.setattr(rounds.document, "entry", entry)
    with capture_logs() as logs:
        for number in (1, 3):
            house.site.lay(rss(Article(number), Article(2, title=WORDS)))
            state = await house.read()
            assert [one.title for one in state.refused] == [WORDS]
            assert (state.counts["new"], state.counts["refused"]) == (1, 1)
    said = [one for one in logs if one["event"] == "import_item_refused"]
    assert [(one["fields"], one["error"]) for one in said] == [(["entry"], "KeyError")]
    assert WORDS not in str(logs)
