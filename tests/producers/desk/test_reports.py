"""The page of reports: figures, the items behind them, a file, and whose figures a person sees."""

import csv
import html
import io
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import urlencode

import openpyxl
import pytest

from consumers.audit.log import AuditLog, parse_record
from consumers.facts.store import FactStore
from consumers.staff.policy import Grant
from contracts.base.times import utc_now
from contracts.delivery import ChannelName, Lane, Status
from contracts.facts import DayFact, DeliveryFact, FactKind, ReleaseFact
from contracts.facts.kinds import day_of
from producers.desk.rendering import desk_texts
from tests.support.desk_app import Browser, heading
from tests.support.newsroom import Newsroom, open_newsroom

TEXTS = desk_texts()["report"]
OTHER = "vu-phap-che"


@pytest.fixture
async def newsroom(desk) -> AsyncIterator[Newsroom]:
    """Two items went out yesterday: one of the newsroom's unit, and one that no desk has."""
    async with open_newsroom(desk) as opened:
        path = await opened.written(title="Tin của Văn phòng Bộ")
        await tell_facts(desk, path.rpartition("/")[2], "van-phong-bo")
        await tell_facts(desk, "tin-cua-vu", OTHER)
        day = day_of(utc_now(desk.clock)) - timedelta(days=1)
        assert await FactStore(desk.bus).add(DayFact(on=day, counted=tuple(FactKind)), 0)
        yield opened


async def tell_facts(desk, content_id: str, unit: str) -> None:
    at = utc_now(desk.clock) - timedelta(days=1)
    item = {"content_id": content_id, "revision": 1, "lane": Lane.NORMAL}
    release = ReleaseFact(
        action="published",
        unit=unit,
        topic="cai-cach-hanh-chinh",
        channels=(ChannelName.EMAIL,),
        released_at=at,
        shown_at=at,
        **item,
    )
    counts = {Status.DELIVERED: 1200}
    delivery = DeliveryFact(
        channel=ChannelName.EMAIL, began_at=at, ended_at=at, counts=counts, **item
    )
    for fact in (release, delivery):
        assert await FactStore(desk.bus).add(fact, 0)


async def report(browser: Browser, **days: str) -> str:
    """The page, once it counts all facts."""
    while True:
        page = await browser.get(f"/bao-cao?{urlencode(days)}" if days else "/bao-cao")
        assert page.status_code == 200, page.text
        if TEXTS["behind"] not in page.text and TEXTS["nothing"] not in page.text:
            return str(page.text)


def links(page: str, indicator: str) -> list[tuple[str, str]]:
    """Address and text of the figures of an indicator."""
    found = re.findall(r'<a href="(/bao-cao/so-lieu[^"]*)">([^<]*)</a>', page)
    named = f"chi-tieu={indicator}&"
    return [(html.unescape(href), text) for href, text in found if named in html.unescape(href)]


async def test_each_figure_leads_to_the_items_behind_it(newsroom):
    page = await report(newsroom["chi"])
    assert "chưa có số liệu" in page
    assert "ngày của kỳ này chưa có số liệu" in page
    [total, *_] = links(page, "delivered")
    assert total[1] == "2.400*", "days are missing"
    behind = await newsroom["chi"].get(total[0])
    assert heading(behind) == "Lượt đã tới người nhận"
    assert "Tin của Văn phòng Bộ" in behind.text
    assert "tin-cua-vu" in behind.text, "an item that the desk does not have, by its id"
    units = {text for href, text in links(page, "delivered") if f"theo=unit&muc={OTHER}" in href}
    assert units == {"1.200*"}


async def test_a_leader_sees_the_own_unit_and_nobody_elses_items(newsroom):
    page = await report(newsroom["binh"])
    [total, *_] = links(page, "delivered")
    assert total[1] == "1.200*"
    assert OTHER not in page
    assert "Vụ Pháp chế" not in re.sub(r"(?s)<form.*?</form>", "", page)
    whole = await report(newsroom["chi"])
    [foreign] = [href for href, _ in links(whole, "delivered") if f"theo=unit&muc={OTHER}" in href]
    assert (await newsroom["binh"].get(foreign)).status_code == 404
    assert "tin-cua-vu" not in (await newsroom["binh"].get(total[0])).text


async def test_who_may_read_own_items_alone_sees_no_figures(newsroom):
    page = await newsroom["an"].get("/bao-cao")
    assert (page.status_code, TEXTS["own_alone"] in page.text) == (200, True)
    assert not links(page.text, "delivered")
    for path in ("/bao-cao/tep", "/bao-cao/so-lieu?chi-tieu=delivered&theo=total"):
        assert (await newsroom["an"].get(path)).status_code == 404


async def test_the_file_is_a_table_for_spreadsheets(newsroom):
    await report(newsroom["chi"])
    file = await newsroom["chi"].get("/bao-cao/tep")
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    assert ".csv" in file.headers["content-disposition"]
    lines = [*csv.reader(io.StringIO(file.content.decode("utf-8-sig")), delimiter=";")]
    assert ["Lượt đã tới người nhận", "lượt", "2400", "Thực hiện"] in lines
    assert ["Tỷ lệ lượt đã tới người nhận", "%", "100,0", "Thực hiện"] in lines, "a decimal comma"


async def test_days_that_cant_be_shown_are_said_at_their_field_and_stay_in_it(newsroom):
    await report(newsroom["chi"])
    for first, last, fields in (
        ("2026-02-30", "2026-03-01", ["tu"]),
        ("2026-03-01", "", ["den"]),
        ("2026-02-30", "x", ["tu", "den"]),
        ("2026-03-02", "2026-03-01", ["den"]),
        ("2020-03-02", "2026-03-01", ["den"]),
    ):
        page = await newsroom["chi"].get(f"/bao-cao?tu={first}&den={last}")
        assert page.status_code == 422
        assert re.findall(r'<li><a href="#(\w+)">', page.text) == fields
        typed = re.findall(r'<input id="(?:tu|den)"[^>]* value="([^"]*)"', page.text)
        assert typed == [first, last]
        assert "<table" not in page.text, "the figures of other days"
        file = await newsroom["chi"].get(f"/bao-cao/tep?tu={first}&den={last}")
        assert file.status_code == 404


async def test_days_without_facts_read_so_and_never_0(newsroom):
    page = await report(newsroom["chi"], tu="2024-01-01", den="2024-01-31")
    cells = re.findall(r'<td class="right"[^>]*>(.*?)</td>', page)
    assert "chưa có số liệu" in cells
    assert "0" not in cells


async def test_a_figure_that_is_not_shown_is_not_there(newsroom):
    await report(newsroom["chi"])
    for query in ("", "chi-tieu=x&theo=unit", "chi-tieu=delivered&theo=lane", "chi-tieu=views"):
        assert (await newsroom["chi"].get(f"/bao-cao/so-lieu?{query}")).status_code == 404


async def test_the_list_by_author_is_for_editors_and_in_the_audit_log(newsroom):
    path = await newsroom.written(title="=Tin có tác giả", author="Lê An")
    await newsroom.approve(path)
    today = f"{day_of(utc_now(newsroom.desk.clock))}"
    days = {"tu": today, "den": today}
    chi, form = newsroom["chi"], "/bao-cao/tac-gia"
    assert form in await report(chi)
    file = await chi.press(form, form, format="csv", **days)
    lines = [*csv.reader(io.StringIO(file.content.decode("utf-8-sig")), delimiter=";")]
    assert lines[1][:4] == ["Lê An", "Văn phòng Bộ", "'=Tin có tác giả", path.rpartition("/")[2]]
    book = openpyxl.load_workbook(io.BytesIO((await chi.press(form, form, **days)).content))
    assert book["Tin bài"]["C2"].value == "=Tin có tác giả"
    assert book["Tin bài"]["C2"].data_type == "s"
    assert [cell.value for cell in book["Tổng hợp"][2]] == ["Lê An", "Văn phòng Bộ", 1, None]
    audit = AuditLog(newsroom.desk.bus, newsroom.desk.clock)
    log = [parse_record(one) async for one in audit.messages()]
    made = [one for one in log if one.action == "report.authors"]
    assert [(one.object, one.after) for one in made] == [
        (f"{today}..{today}", "csv"),
        (f"{today}..{today}", "xlsx"),
    ]
    for login in ("an", "binh", "dung"):
        assert (await newsroom[login].get(form)).status_code == 403
    desk, grant = newsroom.desk, Grant(role="bien-tap-vien", units=("van-phong-bo",))
    account = await desk.active("em", "bien-tap-vien")
    await desk.accounts.set_grants(account.id, (grant,))
    async with desk.browser(await desk.session_of("em")) as em:
        assert form not in await report(em)
        assert (await em.get(form)).status_code == 403
