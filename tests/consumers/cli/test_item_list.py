"""`loa items list`: the last changed first, by what an operator asks, without reading the store."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from consumers.channel_health.destinations import Destination, write_destination
from consumers.channel_health.pauses import pause
from consumers.cli import item_list
from consumers.intake.items import Item
from consumers.intake.repository import ItemRepository
from consumers.ledger import codec
from consumers.ledger.entry import RowNote
from consumers.reporting.item_list import ItemFilter, ItemLister
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName
from producers.bus import messages
from tests.support.cli import json_output
from tests.support.decisions import approve_item
from tests.support.events import ITEM, corrected, submitted

EMAIL, PORTAL = ChannelName.EMAIL, ChannelName.PORTAL


async def listed(loa, *words):
    return [
        one["content_id"]
        for one in json_output(await loa("items", "list", *words, "--json"))["items"]
    ]


async def test_items_are_listed_by_what_an_operator_asks(bus, intake_harness, loa):
    await intake_harness.take_in(submitted(content_id="cho-duyet", topic="viec-lam"), "desk")
    await intake_harness.take_in(submitted(content_id="dang-gui"))
    await intake_harness.add_plan(b"dp", item="dang-gui")
    await intake_harness.take_in(submitted(content_id="con-thieu"))
    await intake_harness.add_plan(b"d", item="con-thieu", complete=False, total=3, finished=0.0)
    await intake_harness.add_plan(b"d", item="con-thieu", channel=PORTAL)
    assert await listed(loa) == ["con-thieu", "dang-gui", "cho-duyet"]
    assert await listed(loa, "--state", "waiting") == ["cho-duyet"]
    assert await listed(loa, "--topic", "viec-lam") == ["cho-duyet"]
    assert await listed(loa, "--unit", "vu-to-chuc-can-bo") == []
    for *words, meant in (
        ("--unit", "van-phong-b", "van-phong-bo"),
        ("--topic", "viec-lm", "viec-lam"),
    ):
        refused = await loa("items", "list", *words)
        assert (refused.exit_code, f"did you mean {meant}" in refused.stderr) == (2, True)
    assert await listed(loa, "--held") == ["cho-duyet"]
    assert "con-thieu" in await listed(loa, "--missing")
    await write_destination(bus, EMAIL, Destination(to="a relay", failing="no answer"))
    held = json_output(await loa("items", "list", "--held", "--json"))["items"]
    assert ["email failing"] in [one["held"] for one in held if one["content_id"] == "dang-gui"]
    await pause(bus, EMAIL)
    assert "dang-gui" in await listed(loa, "--held")
    first = json_output(await loa("items", "list", "--limit", "1", "--json"))
    assert (len(first["items"]), first["more"]) == (1, True)
    assert first["items"][0]["channels"]["email"]["missing"] == 2
    assert (await loa("items", "list", "--state", "nowhere")).exit_code == 2
    assert "loa dead list" in (await loa("items", "list", "--state", "refused")).stdout
    await intake_harness.take_in(submitted(content_id="dung-giua-chung"))
    await intake_harness.add_plan(b"d", item="dung-giua-chung", complete=False, finished=0.0)
    assert "dung-giua-chung" in await listed(loa, "--missing"), "however many are left"


async def test_what_zalo_holds_for_a_person_and_the_bus_cant_store_is_held(bus, intake_harness):
    await intake_harness.take_in(submitted(content_id="cho-nguoi"))
    for channel, letters in ((EMAIL, b"d"), (PORTAL, b"d"), (ChannelName.ZALO, b"rp")):
        await intake_harness.add_plan(letters, item="cho-nguoi", channel=channel)
    batch = BatchKey(ChannelName.ZALO, "cho-nguoi", 1, 0)
    entry = (await intake_harness.ledger.state(batch)).value
    noted = replace(entry, notes={0: RowNote(1, 0.0, "zalo -224")})
    await intake_harness.ledger.bucket.put(f"state.{batch}", codec.encode_state(noted))
    await intake_harness.take_in(submitted(content_id="chua-co-cho"))
    asked = []

    async def full():
        asked.append(bus)
        return "no space left"

    async def held(**parts):
        lister = ItemLister(bus, ItemFilter(held=True), **parts)
        return {item.content_id: item.held async for item in lister.items()}

    zalo = ("zalo waits for a person (-224)",)
    assert await held() == {"cho-nguoi": zalo}
    await intake_harness.take_in(submitted(content_id="moi-mot-phan"))
    await intake_harness.add_plan(b"d", item="moi-mot-phan", complete=False, finished=0.0)
    await intake_harness.take_in(submitted(content_id="con-dong-mo"))
    for name, letters in ((EMAIL, b"dp"), (PORTAL, b"d"), (ChannelName.ZALO, b"d")):
        await intake_harness.add_plan(letters, item="con-dong-mo", channel=name)
    await intake_harness.take_in(submitted(content_id="da-xong"))
    for name in ChannelName:
        await intake_harness.add_plan(b"d", item="da-xong", channel=name)
    full_bus, no_room = await held(find_store_problem=full), "the bus can't store"
    assert full_bus.pop("cho-nguoi") == (*zalo, no_room)
    assert full_bus == dict.fromkeys(("chua-co-cho", "moi-mot-phan", "con-dong-mo"), (no_room,))
    assert len(asked) == 1, "however many items have no plan"
    await pause(bus, ChannelName.ZALO)
    assert (await held())["cho-nguoi"] == ("zalo paused",)


async def test_the_record_of_what_waits_is_read_once_and_only_where_the_item_is_listed(
    bus, intake_harness, monkeypatch
):
    await intake_harness.take_in(submitted(content_id="dang-cho"), "desk")
    read, position = [], ItemRepository.position

    async def noted(repository, content_id, number):
        read.append(content_id)
        return await position(repository, content_id, number)

    monkeypatch.setattr(ItemRepository, "position", noted)
    [item] = [item async for item in ItemLister(bus, ItemFilter()).items()]
    assert (item.held, read) == (("desk",), ["dang-cho"])
    await approve_item(intake_harness.intake.decisions, "dang-cho", "Trần Thị Bình")
    await intake_harness.take_in(corrected(content_id="dang-cho"), "desk")
    read.clear()
    unseen = ItemLister(bus, ItemFilter(), is_visible=lambda item: False)
    assert [item async for item in unseen.items()] == read == []


async def test_plans_of_items_that_an_account_may_not_see_are_not_read(
    bus, intake_harness, monkeypatch
):
    await intake_harness.take_in(submitted(content_id="cua-ai-khac"))
    await intake_harness.add_plan(b"dp", item="cua-ai-khac")
    lister = ItemLister(bus, ItemFilter(), is_visible=lambda item: False)
    asked, get_many = [], type(lister.ledger.bucket).get_many

    async def noted(bucket, keys):
        asked.extend(keys)
        return await get_many(bucket, keys)

    monkeypatch.setattr(type(lister.ledger.bucket), "get_many", noted)
    assert [item async for item in lister.items()] == []
    assert [key for key in asked if key.startswith("plan.")] == []


async def test_lines_fit_80_columns_and_titles_end_at_a_word(intake_harness, loa, monkeypatch):
    monkeypatch.setattr(item_list, "_WITHOUT_TERMINAL", 80)
    await intake_harness.take_in(submitted(title="Thông báo tuyển dụng công chức năm 2026 " * 7))
    await intake_harness.add_plan(b"d" * 9 + b"xuu")
    shown = (await loa("items", "list")).stdout.splitlines()
    shown = shown[shown.index(next(line for line in shown if line.startswith(ITEM))) :]
    assert max(map(len, shown)) <= 80
    assert shown[1].endswith("…")
    assert "email done 9/12 (1 failed, 2 suppressed)" in " ".join(shown)


async def test_a_pipe_gets_whole_titles(intake_harness, loa):
    title = "Thông báo tuyển dụng công chức năm 2026 của Bộ Nội vụ, đợt một, tại Hà Nội " * 3
    await intake_harness.take_in(submitted(title=title.strip()))
    assert title.strip() in (await loa("items", "list")).stdout


async def test_the_newest_items_of_many_cost_a_few_requests(bus, monkeypatch):
    bucket = bus.bucket(subjects.PUBLISHED.name)
    data = Item(unit="vu-to-chuc", title="Tin").model_dump_json().encode()
    await asyncio.gather(*(bucket.put(f"tin-{number}", data) for number in range(700)))
    newest = [f"tin-{number}" for number in (650, 3, 20)]
    for name in reversed(newest):
        await bucket.put(name, data)
    read, direct_get = [], messages.direct_get

    async def counted(*query):
        page = await direct_get(*query)
        read.extend(page.messages)
        return page

    monkeypatch.setattr(messages, "direct_get", counted)
    found = []
    async for item in ItemLister(bus, ItemFilter()).items():
        found.append(item.content_id)
        if len(found) == 3:
            break
    assert found == newest
    assert len(read) <= 2 * messages.PAGE_SIZE
    everything = [item async for item in ItemLister(bus, ItemFilter()).items()]
    assert len({item.content_id for item in everything}) == len(everything) == 700
    late = ItemFilter(since=datetime(2199, 1, 1, tzinfo=UTC))
    assert [item async for item in ItemLister(bus, late).items()] == []
