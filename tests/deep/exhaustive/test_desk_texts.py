"""Fifty texts of every kind a ministry publishes, each over the desk's pages to its readers."""

import pytest

from consumers.cli.sample.items import TEXTS, read_sample_text
from tests.support.desk_app import DeskApp
from tests.support.events import register_unit, released_publications
from tests.support.newsroom import Newsroom, open_newsroom

UNIT = "van-phong-bo"
TEXT_NAMES = sorted(path.stem for path in TEXTS.glob("*.md"))
CORRECTED, CORRECTION = "08-lich-thi-cong-chuc", "50-dinh-chinh-lich-thi"
_LINES = ("title", "summary", "body", "topic", "language", "reason")


@pytest.fixture
async def newsroom(bus, clock):
    desk = DeskApp(bus, clock)
    desk.names |= {"em": "Hồ Em"}
    await register_unit(bus, UNIT, release="desk", urgent=True)
    async with open_newsroom(desk) as opened, desk.signed_in("em", "lanh-dao-duyet") as second:
        opened.browsers["em"] = second
        yield opened


async def test_each_text_is_released_as_it_was_written(newsroom):
    paths = {}
    for name in TEXT_NAMES:
        data = read_sample_text(name)
        if name == CORRECTION:
            path = paths[CORRECTED]
            await newsroom["an"].press(f"{path}/sua", f"{path}/sua", **as_form(data))
        else:
            path = paths[name] = await newsroom.written(**as_form(data))
        await release(newsroom, path, is_urgent=data.get("lane") == "urgent")
        released = await released_publications(newsroom.desk.bus, path.removeprefix("/tin/"))
        assert as_released(released[-1]) == expected(data), name
        assert released[-1]["action"] == ("corrected" if name == CORRECTION else "published")
    assert len(paths) == len(TEXT_NAMES) - 1


async def release(newsroom: Newsroom, path: str, *, is_urgent: bool) -> None:
    """Send, confirm, propose and approve; what is urgent takes two who approve."""
    await newsroom.press("an", path, "gui")
    await newsroom.press("binh", path, "xac-nhan", clean="1")
    await newsroom.press("chi", path, "trinh", clean="1")
    for approver in ("dung", "em")[: 1 + is_urgent]:
        await newsroom.press(approver, path, "duyet")


def as_form(data: dict) -> dict:
    """A text as the form's fields."""
    fields = {name: data.get(name, "") for name in _LINES}
    fields |= {"audiences": data.get("audiences", []), "lane": data.get("lane", "normal")}
    fields |= {"channels": data.get("channels", ["portal", "email", "zalo"]), "broadcast": "1"}
    for name in ("links", "attachments"):
        for number, one in enumerate(data.get(name, [])):
            fields |= {f"{name}.{number}.{key}": one[key] for key in ("url", "title")}
    return fields


def as_released(publication: dict) -> dict:
    shown = {name: publication.get(name) or "" for name in ("title", "topic", "body", "reason")}
    return shown | {name: sorted(publication.get(name) or []) for name in ("audiences", "channels")}


def expected(data: dict) -> dict:
    shown = {name: data.get(name, "") for name in ("title", "topic", "body", "reason")}
    channels = data.get("channels", ["email", "portal", "zalo"])
    return shown | {"audiences": sorted(data.get("audiences", [])), "channels": sorted(channels)}
