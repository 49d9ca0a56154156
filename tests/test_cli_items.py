"""`loa trace` and `loa withdraw` as people read them: revisions, what was typed, what was done."""

from datetime import UTC, datetime

import pytest
import typer

from consumers.cli import items
from consumers.cli.items import print_story, take_back
from consumers.dead_letters.letter import Letter, Origin
from consumers.dead_letters.story import with_letters
from contracts.delivery import ChannelName
from contracts.errors import FieldError, Invalid
from tests.arrivals import ITEM, corrected, submitted, withdrawn
from tests.newsroom import Newsroom

EMAIL = ChannelName.EMAIL


@pytest.fixture
def news(bus, clock):
    return Newsroom(bus, clock)


async def test_every_revision_has_its_line_so_that_one_sees_who_got_the_wrong_text(news, capsys):
    await news.take(submitted())
    await news.plan(b"ddxv")
    await news.take(corrected())
    await news.plan(b"dp", revision=2)
    await news.take(withdrawn())
    await news.plan(b"pp", revision=3)
    story = await news.story()
    told = story.model_dump(mode="json")["earlier"]
    assert list(told) == ["2", "1"], "the latest first"
    assert [told["1"]["email"][name] for name in ("delivered", "failed", "superseded")] == [2, 1, 1]
    capsys.readouterr()
    print_story(story)
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    shown = [line[:4] for line in table if line[1:2] == ["email"]]
    assert shown == [["3", "email", "2", "2"], ["2", "email", "2", "1"], ["1", "email", "4", "0"]]
    assert "failed" in table[1], "a status that only an older revision has is shown"


async def test_an_item_of_one_revision_has_no_earlier_ones(news):
    await news.take(submitted())
    await news.plan(b"d")
    assert "earlier" not in (await news.story()).model_dump()


def test_what_was_typed_is_what_is_not_known(monkeypatch, capsys):
    monkeypatch.setattr(items, "on_bus", lambda work: None)
    with pytest.raises(typer.Exit) as ended:
        items.trace("G09.20-0000")
    assert ended.value.exit_code == 2
    assert "content_id: G09.20-0000 is not known\n" in capsys.readouterr().err


def test_an_item_of_which_only_dead_letters_are_known_has_no_revision(capsys):
    wrong = FieldError(field="data.topic", code="unknown", message="no", message_vi="không")
    at = datetime(2027, 1, 15, tzinfo=UTC)
    origin = Origin(subject="content.noi-vu.submitted", stream="CONTENT", seq=1)
    letter = Letter(id=1, stage="intake", errors=[wrong], at=at, origin=origin, body=None)
    print_story(with_letters("tin-hong", None, [letter]))
    assert capsys.readouterr().out.startswith("tin-hong: refused\n")


async def test_a_second_withdrawal_says_since_when_and_sends_nothing(bus, news, clock):
    await news.take(submitted())
    first = await take_back(bus, ITEM, "Nhầm")
    assert first.withdrawn_at is None and first.event_id
    assert "accepted" in first.said()
    clock.advance(60)
    await news.take(withdrawn())
    before = (await bus.link.api("STREAM.INFO.CONTENT"))["state"]["messages"]
    again = await take_back(bus, ITEM, "Lần hai")
    for line, word in zip(again.said().splitlines(), ("Nothing was changed", "Không"), strict=True):
        assert "2027-01-15T08:01:00Z" in line and word in line
        assert "Nội dung chưa chính xác" in line and "Lần hai" not in line
    assert set(again.plain()) == {"content_id", "withdrawn_at", "reason"}
    assert (await bus.link.api("STREAM.INFO.CONTENT"))["state"]["messages"] == before


async def test_a_draft_that_was_taken_back_unseen_counts_as_well(bus, news, clock):
    await news.take(submitted(), "desk")
    clock.advance(60)
    await news.take(withdrawn())
    again = await take_back(bus, ITEM, "Nhầm")
    assert again.said().startswith("was withdrawn already at 2027-01-15T08:01:00Z")


async def test_what_came_after_a_withdrawal_can_be_withdrawn(bus, news):
    await news.take(submitted())
    await news.take(withdrawn())
    await news.take(corrected(revision=3, corrects_revision=1), "desk")
    assert (await take_back(bus, ITEM, "Nhầm")).event_id, "a draft waits at the desk"


async def test_nothing_is_withdrawn_of_an_item_that_nobody_knows(bus):
    with pytest.raises(Invalid):
        await take_back(bus, "chua-co", "Nhầm")
